"""``livepass demo`` in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

TRIES = 4


@contextmanager
def demo() -> Iterator[str]:
    """The address of its console."""
    with facts() as told:
        yield told["console"]


@contextmanager
def facts() -> Iterator[dict[str, Any]]:
    """What it says of itself. Its folder is shown on a page, and so in docs: it bears no name of a test."""
    with tempfile.TemporaryDirectory() as folder, _running(folder) as told:
        yield told


@contextmanager
def _running(folder: str) -> Iterator[dict[str, Any]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LIVEPASS_")}
    for _ in range(TRIES):
        running = subprocess.Popen(
            [sys.executable, "-m", "livepass", "demo", "--json"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment | {"TMPDIR": folder},
        )
        assert running.stdout is not None
        if line := running.stdout.readline():
            break
        # Another demo took the port between our look and our listening: two began in the same moment.
        running.wait(30)
    try:
        yield json.loads(line)
    finally:
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0
