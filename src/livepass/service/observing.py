"""Writes down what was seen, after the phone has its answer.

Recording never delays a phone. What a crash loses here costs at most one extra push: a watermark that was not raised
makes us tell again, never less.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from livepass.core.decision import Write
from livepass.core.timeline import Event
from livepass.service.seams import Scheduler, Store, Tx

log = logging.getLogger(__name__)

Noted = tuple[Sequence[Write], Sequence[Event]]
"""What follows from something seen: rows to raise, and lines for the diary."""

Note = Callable[[Tx], Awaitable[Noted]]
"""Works out what follows from something seen, where that takes reading. Where it takes none, it is noted itself."""

BATCH = 500
GATHER_SECONDS = 0.1
"""How long to gather before writing: a transaction of one costs nearly as much as one of a hundred."""
BACKLOG = 20_000
"""Notes waiting at most; beyond it the oldest are dropped and counted, because phones come before diaries."""


class Recorder:
    """A queue of notes and the task that writes them, a batch to a transaction."""

    def __init__(self, store: Store, scheduler: Scheduler) -> None:
        self._store = store
        self._scheduler = scheduler
        self._notes: deque[Note | Noted] = deque()
        self._idle = scheduler.signal()
        self._running = False
        self.dropped = 0

    def note(self, writes: Sequence[Write], events: Sequence[Event]) -> None:
        """Apply a decision's writes and events soon."""
        if writes or events:
            self._keep((writes, events))

    def later(self, note: Note) -> None:
        """Run ``note`` in a transaction soon: after what was noted before it is written."""
        self._keep(note)

    def _keep(self, note: Note | Noted) -> None:
        if len(self._notes) >= BACKLOG:
            self._notes.popleft()
            self.dropped += 1
        self._notes.append(note)
        if not self._running:
            self._running = True
            self._scheduler.spawn(self._drain(), "recorder")

    async def settle(self) -> None:
        """Return when everything noted so far is written."""
        while self._running:
            await self._idle.wait(0.05)

    async def _drain(self) -> None:
        try:
            while self._notes:
                await self._scheduler.sleep(GATHER_SECONDS)
                batch = [self._notes.popleft() for _ in range(min(BATCH, len(self._notes)))]
                await self._write(batch)
        finally:
            self._running = False
            self._idle.set()

    async def _write(self, batch: Sequence[Note | Noted]) -> None:
        """What is known first, then what follows from reading: in two transactions, because each locks rows in order.

        A fetch is attributed by the ask before it, which must be there to be read.
        """
        known = [note for note in batch if not callable(note)]
        if known:
            await self._write_all(known)
        readers = [note for note in batch if callable(note)]
        if readers:
            await self._write_all(readers)

    async def _write_all(self, batch: Sequence[Note | Noted]) -> None:
        try:
            await self._store.write(_together(batch))
        except Exception:
            if len(batch) == 1:
                self.dropped += 1
                log.exception("an observation could not be written")
                return
            for note in batch:
                await self._write_all([note])


def _together(batch: Sequence[Note | Noted]) -> Callable[[Tx], Awaitable[None]]:
    async def work(tx: Tx) -> None:
        writes: list[Write] = []
        events: list[Event] = []
        for note in batch:
            noted = await note(tx) if callable(note) else note
            writes.extend(noted[0])
            events.extend(noted[1])
        await tx.apply(writes, events)

    return work
