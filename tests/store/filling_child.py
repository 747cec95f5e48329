"""Fills a database from an archive, to be killed meanwhile: run by ``test_restore``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from store.whole import fill

if __name__ == "__main__":
    url, file, now = sys.argv[1:]
    data = Path(file).read_bytes()
    print("ready", flush=True)
    asyncio.run(fill(url, data, replace=True, now=int(now)))
