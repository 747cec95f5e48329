"""A folder of registration journals: written by several processes, read as one. ``service.seams.Journal``."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import logging
import re
import zlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from livepass.core.replay import Entry, Page, Unreadable, read_entry
from livepass.outside.files import locked, replace
from livepass.outside.journal import SUFFIX, JournalWriter, Seal, day_of

log = logging.getLogger(__name__)

REPLAYED = "replayed.json"
_LINE = re.compile(rb"1 ([0-9a-f]{8}) ([A-Za-z0-9+/=]+)")

Unseal = Callable[[bytes], bytes]
"""Opens what was sealed; raises an exception that says why it cannot."""


class JournalFolder:
    """``name`` is this process's; ``fresh`` answers something new each time, for names of files."""

    def __init__(self, folder: Path, seal: Seal, unseal: Unseal, *, name: str, fresh: Callable[[], str]) -> None:
        self._folder = folder
        self._unseal = unseal
        self._writer = JournalWriter(folder, seal, re.sub(r"[^0-9A-Za-z-]", "_", name)[:80], fresh)

    async def append(self, entry: Entry) -> None:
        await self._writer.append(entry)

    async def close(self) -> None:
        await self._writer.close()

    async def pages(self, places: dict[str, int], since: int | None) -> AsyncIterator[Page]:
        for day, paths in (await asyncio.to_thread(self._days)).items():
            if since is None or day >= day_of(since):
                yield await asyncio.to_thread(self._page, paths, places, since or 0)

    @contextlib.asynccontextmanager
    async def turn(self, seconds: float) -> AsyncIterator[bool]:
        async with locked(self._folder / "replay.lock", seconds) as ours:
            yield ours

    async def replayed(self) -> Mapping[str, str] | None:
        try:
            found = json.loads(await asyncio.to_thread((self._folder / REPLAYED).read_bytes))
            return {str(name): str(epoch) for name, epoch in found["epochs"].items()}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            log.warning("%s cannot be understood, so the journal is replayed: %s", self._folder / REPLAYED, error)
            return None

    async def mark_replayed(self, epochs: Mapping[str, str]) -> None:
        content = json.dumps({"epochs": dict(epochs)}, indent=1).encode() + b"\n"
        await asyncio.to_thread(replace, self._folder / REPLAYED, content)

    # ── reading

    def _days(self) -> Mapping[str, Sequence[Path]]:
        """The files of each day, in order."""
        days: dict[str, list[Path]] = {}
        for path in sorted(self._folder.iterdir()):
            if path.name.endswith(SUFFIX):
                days.setdefault(path.name.partition(".")[0], []).append(path)
        return days

    def _page(self, paths: Sequence[Path], places: dict[str, int], since: int) -> Page:
        found: list[tuple[int, str, int, Entry]] = []
        unreadable: dict[tuple[str, str], Unreadable] = {}
        for path in paths:
            for number, entry, why in self._lines(path, places):
                if entry is not None:
                    if entry.at >= since:
                        found.append((entry.at, path.name, number, entry))
                else:
                    before = unreadable.get((path.name, why))
                    first, count = (before.line, before.count) if before else (number, 0)
                    unreadable[path.name, why] = Unreadable(path.name, first, count + 1, why)
        found.sort(key=lambda one: one[:3])
        return Page([entry for *_, entry in found], list(unreadable.values()))

    def _lines(self, path: Path, places: dict[str, int]) -> list[tuple[int, Entry | None, str]]:
        """(number, entry, what is wrong with it) of the lines that are new. One without an end is not one yet: it may
        still be written, and if it was cut off, nobody was answered for it.
        """
        start = places.get(path.name, 0)
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        places[path.name] = whole
        first = content.count(b"\n", 0, start) + 1
        lines = content[start:whole].split(b"\n")[:-1]
        return [(number, *self._line(line)) for number, line in enumerate(lines, start=first)]

    def _line(self, line: bytes) -> tuple[Entry | None, str]:
        match = _LINE.fullmatch(line)
        if match is None or int(match[1], 16) != zlib.crc32(match[2]):
            return None, "damaged"
        try:
            return read_entry(self._unseal(base64.b64decode(match[2], validate=True))), ""
        except (binascii.Error, ValueError) as error:
            return None, str(error)
        except Exception as error:  # whatever keeps a seal closed is what the operator must read
            return None, str(error)
