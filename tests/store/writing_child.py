"""Another process on the same database: run by ``test_sqlite`` with a path, a name and two counts."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from livepass.store.sqlite import SqliteStore
from livepass.store.writing import Writing
from store.hand import TYPE, put


async def write(path: Path, name: str, writers: int, changes: int) -> None:
    """Several writers over one store; each change is a transaction of its own to its caller."""
    store = SqliteStore(path)

    async def change(tx: Writing, serial: str) -> None:
        await tx.pass_(TYPE, serial)  # reads before it writes, as use cases do
        await put(tx, serial)

    async def writer(number: int) -> None:
        for n in range(changes):
            await store.write(lambda tx: change(tx, f"{name}{number}-{n % 3}"))  # noqa: B023 - run at once

    await asyncio.gather(*(writer(number) for number in range(writers)))
    await store.close()


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
