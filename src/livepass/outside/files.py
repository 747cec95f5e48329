"""Files that are whole or not there, and locks between processes of one host."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator
from pathlib import Path

GLANCE = 0.02


def replace(path: Path, content: bytes) -> None:
    """Put content in a file: whoever reads it sees the old one or the new one, also after a power cut."""
    fresh = path.with_name(f"{path.name}.new")
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all(file, content)
        os.fsync(file)
    finally:
        os.close(file)
    os.replace(fresh, path)
    sync_folder(path.parent)


def write_all(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]


def sync_folder(folder: Path) -> None:
    """Make it durable which files a folder holds."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextlib.asynccontextmanager
async def locked(path: Path, seconds: float) -> AsyncIterator[bool]:
    """Hold a lock that the kernel gives back when we die; false when somebody else has it for longer than that.

    Raises ``OSError`` when the file cannot be made.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield await _taken(file, seconds)
    finally:
        os.close(file)


async def _taken(file: int, seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if loop.time() >= deadline:
                return False
        await asyncio.sleep(GLANCE)
