"""The registration journal: every acknowledged registration, appended to files outside the database.

One file for each process and day, a line for each entry: ``1 CHECKSUM SEALED``, sealed because a push token is
personal, with a checksum so that a line which was cut off is told from one that was altered. A line counts once it is
on the disk; lines that arrive together share one ``fsync``, on a thread of its own.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import queue
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from livepass.core.replay import Entry, write_entry
from livepass.core.unavailable import Unavailable
from livepass.outside.files import sync_folder, write_all

log = logging.getLogger(__name__)

SUFFIX = ".journal"
GROUP = 256

Seal = Callable[[bytes], bytes]


@dataclass(slots=True)
class _Waiting:
    entry: Entry
    done: asyncio.Future[None]
    loop: asyncio.AbstractEventLoop

    def answer(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


class JournalWriter:
    """Appends entries. ``name`` tells this process's files from those of others that share the folder."""

    def __init__(self, folder: Path, seal: Seal, name: str, fresh: Callable[[], str]) -> None:
        self._folder = folder
        self._seal = seal
        self._name = name
        self._fresh = fresh
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._file: _File | None = None

    async def append(self, entry: Entry) -> None:
        """Durable when this returns. Raises ``Unavailable``."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_forever, name="livepass-journal", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        waiting = _Waiting(entry, loop.create_future(), loop)
        self._queue.put(waiting)
        await waiting.done

    async def close(self) -> None:
        """Write what waits, and end."""
        if self._thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)

    # ── the thread

    def _write_forever(self) -> None:
        stopping = False
        while not stopping:
            group: list[_Waiting] = []
            item = self._queue.get()
            while item is not None and len(group) < GROUP:
                group.append(item)
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            else:
                stopping = item is None
                if item is not None:
                    self._queue.put(item)
            self._write(group)
        if self._file is not None:
            self._file.close()

    def _write(self, group: list[_Waiting]) -> None:
        by_day: dict[str, list[_Waiting]] = {}
        for waiting in group:
            by_day.setdefault(day_of(waiting.entry.at), []).append(waiting)
        for day, these in by_day.items():
            error = self._written(day, [one.entry for one in these])
            for one in these:
                if not one.loop.is_closed():
                    one.loop.call_soon_threadsafe(one.answer, error)

    def _written(self, day: str, entries: Sequence[Entry]) -> Exception | None:
        try:
            lines = b"".join(line_of(self._seal(write_entry(entry))) for entry in entries)
            if self._file is None or self._file.day != day:
                self._turn_to(day)
            assert self._file is not None
            self._file.append(lines)
            return None
        except Exception as error:
            log.critical("the registration journal cannot be written: %s; phones that register get 503", error)
            # Never after half a line: whatever comes next begins a file of its own.
            if self._file is not None:
                self._file.close()
                self._file = None
            unavailable = Unavailable(f"the registration journal cannot be written: {error}")
            unavailable.__cause__ = error
            return unavailable

    def _turn_to(self, day: str) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._file = _File(self._folder / f"{day}.{self._name}.{self._fresh()}{SUFFIX}", day)


class _File:
    """One file, open for appending."""

    def __init__(self, path: Path, day: str) -> None:
        self.day = day
        self._path = path
        self._open = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            sync_folder(path.parent)
        except OSError:
            self.close()
            raise

    def append(self, lines: bytes) -> None:
        write_all(self._open, lines)
        os.fsync(self._open)
        # A file whose folder went away can still be written, and is never seen again.
        if not os.path.samestat(os.stat(self._path), os.fstat(self._open)):
            raise FileNotFoundError(f"{self._path} was replaced")

    def close(self) -> None:
        os.close(self._open)


def day_of(at: int) -> str:
    """The UTC day of an instant, which names the file."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d")


def line_of(sealed: bytes) -> bytes:
    text = base64.b64encode(sealed)
    return b"1 %08x %s\n" % (zlib.crc32(text), text)
