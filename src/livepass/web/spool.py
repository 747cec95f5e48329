"""Bytes between one who writes and one who reads at another pace: in memory while they are few, then in a file.

The writer never waits. So a client may send everything before it reads anything, without the two of us waiting for each
other for ever.
"""

from __future__ import annotations

import asyncio
import tempfile
from typing import Final

IN_MEMORY: Final = 1 << 20
PIECE: Final = 1 << 16


class Spool:
    """One writer, one reader, one event loop. The file has no name, and is gone with the process."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed by close()
        self._written = self._read = 0
        self._moved = asyncio.Event()
        self._ended = False

    def write(self, data: bytes) -> None:
        """Keep these bytes. Raises ``OSError`` when the disk is full."""
        self._file.seek(self._written)
        self._file.write(data)
        self._written += len(data)
        self._moved.set()

    def end(self) -> None:
        """Nothing more will be written."""
        self._ended = True
        self._moved.set()

    async def wait(self) -> bool:
        """True as soon as there is something to read; false when there never will be."""
        while self._read == self._written and not self._ended:
            self._moved.clear()
            await self._moved.wait()
        return self._read < self._written

    async def read(self) -> bytes:
        """The next bytes, some of them; ``b""`` at the end."""
        if not await self.wait():
            return b""
        self._file.seek(self._read)
        data = self._file.read(PIECE)
        self._read += len(data)
        if self._read == self._written:
            # All is read: begin at the front again, so that a reader who keeps up never fills a disk.
            self._file.seek(0)
            self._file.truncate()
            self._read = self._written = 0
        return data

    def close(self) -> None:
        self._file.close()
