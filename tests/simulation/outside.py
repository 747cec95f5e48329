"""What is kept outside the database: ``service.seams.WitnessFile`` and ``Journal``, durable when they return."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping

from livepass.core.history import Witness
from livepass.core.replay import Entry, Page, read_entry, write_entry
from livepass.outside.witness import read_witness, write_witness
from simulation.loop import Killed, Loop, Owner, Park

DAY_MS = 86_400_000


class Lock:
    """Held by one task at a time."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._held = False
        self._waiting: list[Park] = []

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        while self._held:
            park = Park()
            self._waiting.append(park)
            await park
        self._held = True
        try:
            yield
        finally:
            self._held = False
            waiting, self._waiting = self._waiting, []
            for park in waiting:
                self._loop.wake(park)

    @property
    def busy(self) -> bool:
        return self._held


class Shelf:
    """The disk beside the database: bytes as they were written, shared by all processes."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.witness: bytes | None = None
        self.witness_lock = Lock(loop)
        self.entries: list[bytes] = []
        self.replay_lock = Lock(loop)
        self.replayed: dict[str, str] | None = None


class ShelfWitness:
    def __init__(self, shelf: Shelf, owner: Owner) -> None:
        self._shelf = shelf
        self._owner = owner

    def held(self) -> contextlib.AbstractAsyncContextManager[None]:
        return self._shelf.witness_lock.held()

    async def read(self) -> Witness | None:
        await self._point()
        return None if self._shelf.witness is None else read_witness(self._shelf.witness)

    async def write(self, witness: Witness) -> None:
        await self._point()
        self._shelf.witness = write_witness(witness)
        await self._point()

    async def _point(self) -> None:
        if self._owner.dead:
            raise Killed
        await self._shelf.loop.pause()


class ShelfJournal:
    def __init__(self, shelf: Shelf, owner: Owner) -> None:
        self._shelf = shelf
        self._owner = owner

    async def append(self, entry: Entry) -> None:
        await self._point()
        self._shelf.entries.append(write_entry(entry))
        await self._point()

    async def pages(self, places: dict[str, int], since: int | None) -> AsyncIterator[Page]:
        """One file for all, of which a reader has read so many lines."""
        await self._point()
        start = places.get("all", 0)
        places["all"] = len(self._shelf.entries)
        entries = [read_entry(line) for line in self._shelf.entries[start:]]
        days: dict[int, list[Entry]] = {}
        for entry in sorted(entries, key=lambda entry: entry.at):
            if since is None or entry.at >= since:
                days.setdefault(entry.at // DAY_MS, []).append(entry)
        for day in sorted(days):
            await self._point()
            yield Page(days[day], ())

    @contextlib.asynccontextmanager
    async def turn(self, seconds: float) -> AsyncIterator[bool]:
        await self._point()
        if self._shelf.replay_lock.busy and not seconds:
            yield False
            return
        async with self._shelf.replay_lock.held():
            yield True

    async def replayed(self) -> Mapping[str, str] | None:
        await self._point()
        return None if self._shelf.replayed is None else dict(self._shelf.replayed)

    async def mark_replayed(self, epochs: Mapping[str, str]) -> None:
        await self._point()
        self._shelf.replayed = dict(epochs)

    async def _point(self) -> None:
        if self._owner.dead:
            raise Killed
        await self._shelf.loop.pause()
