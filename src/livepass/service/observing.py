"""Writes down what was seen, after the phone has its answer.

Recording never delays a phone. What a crash loses here costs at most one extra push and one list: a phone brings its
own tag, and what that says it was told, and was not written down, is waited for from then on (``core.trip3_ask``).
While the database is away, notes wait for it.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from livepass.core import trip3_fetch
from livepass.core.decision import Write
from livepass.core.snapshots import Candidates, Handed
from livepass.core.timeline import Event
from livepass.core.unavailable import Unavailable
from livepass.service.seams import Scheduler, Store, Tx

log = logging.getLogger(__name__)

Noted = tuple[Sequence[Write], Sequence[Event]]
"""What follows from something seen: rows to raise, and lines for the diary."""

Note = Callable[[Tx], Awaitable[Noted]]
"""Works out what follows from something seen, where that takes reading. Where it takes none, it is noted itself."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A version in somebody's hands. Who may have got it is read for all deliveries of a batch at once: ``handed`` is
    asked then, and ``note`` is given what was found.
    """

    handed: Callable[[], Handed]
    note: Callable[[Tx, Candidates], Awaitable[Noted]]


Kept = Note | Noted | Delivery

BATCH = 500
GATHER_SECONDS = 0.1
"""How long to gather before writing: a transaction of one costs nearly as much as one of a hundred."""
BACKLOG = 20_000
"""Notes waiting at most; beyond it the oldest are dropped and counted, because phones come before diaries."""
AWAY_SECONDS = 1.0
"""How long to wait before writing again when the database was away."""
LOOK_SECONDS = 0.05


class Recorder:
    """A queue of notes and the task that writes them, a batch to a transaction."""

    def __init__(self, store: Store, scheduler: Scheduler) -> None:
        self._store = store
        self._scheduler = scheduler
        self._notes: deque[Kept] = deque()
        self._idle = scheduler.signal()
        self._running = False
        self._away = False
        self.dropped = 0

    def note(self, writes: Sequence[Write], events: Sequence[Event]) -> None:
        """Apply a decision's writes and events soon."""
        if writes or events:
            self._keep((writes, events))

    def later(self, note: Note | Delivery) -> None:
        """Run ``note`` in a transaction soon: after what was noted before it is written."""
        self._keep(note)

    def _keep(self, note: Kept) -> None:
        if len(self._notes) >= BACKLOG:
            self._notes.popleft()
            self.dropped += 1
        self._notes.append(note)
        if not self._running:
            self._running = True
            self._scheduler.spawn(self._drain(), "recorder")

    async def settle(self, seconds: float = math.inf) -> bool:
        """Return when everything noted so far is written, or after that time; answers whether it is."""
        waited = 0.0
        while self._running and waited < seconds:
            await self._idle.wait(LOOK_SECONDS)
            waited += LOOK_SECONDS
        return not self._running

    @property
    def waiting(self) -> int:
        """How many notes are not written yet."""
        return len(self._notes)

    async def _drain(self) -> None:
        try:
            while self._notes:
                await self._scheduler.sleep(GATHER_SECONDS)
                batch = [self._notes.popleft() for _ in range(min(BATCH, len(self._notes)))]
                if unwritten := await self._write(batch):
                    self._put_back(unwritten)
                    await self._scheduler.sleep(AWAY_SECONDS)
        finally:
            self._running = False
            self._idle.set()

    def _put_back(self, notes: Sequence[Kept]) -> None:
        """To where they were: first. Of what is too much, the oldest go, as ever."""
        room = max(0, BACKLOG - len(self._notes))
        self.dropped += max(0, len(notes) - room)
        self._notes.extendleft(reversed(notes[-room:] if room else ()))

    async def _write(self, batch: Sequence[Kept]) -> Sequence[Kept]:
        """What is known first, then what follows from reading: in two transactions, because each locks rows in order.

        A fetch is attributed by the ask before it, which must be there to be read. Answers what could not be written
        because the database is away.
        """
        known = [note for note in batch if isinstance(note, tuple)]
        readers = [note for note in batch if not isinstance(note, tuple)]
        ordered: list[Kept] = [*known, *readers]
        written = 0
        try:
            for part in (known, readers):
                if part:
                    await self._write_all(part)
                written += len(part)
        except Unavailable as error:
            # Said once an outage: it is tried again every second.
            log.log(logging.DEBUG if self._away else logging.WARNING, "observations wait for the database: %s", error)
            self._away = True
            return ordered[written:]
        self._away = False
        return ()

    async def _write_all(self, batch: Sequence[Kept]) -> None:
        """Raises ``Unavailable``, which is the fault of none. Other errors are of one note, and that is left out."""
        try:
            await self._store.write(_together(batch))
        except Unavailable:
            raise
        except Exception:
            if len(batch) == 1:
                self.dropped += 1
                log.exception("an observation could not be written")
                return
            for note in batch:
                await self._write_all([note])


def _together(batch: Sequence[Kept]) -> Callable[[Tx], Awaitable[None]]:
    async def work(tx: Tx) -> None:
        writes: list[Write] = []
        events: list[Event] = []
        handed = [note.handed() for note in batch if isinstance(note, Delivery)]
        found = iter(await tx.candidates(handed, limit=trip3_fetch.CANDIDATES) if handed else ())
        for note in batch:
            if isinstance(note, Delivery):
                noted = await note.note(tx, next(found))
            else:
                noted = await note(tx) if callable(note) else note
            writes.extend(noted[0])
            events.extend(noted[1])
        await tx.apply(writes, events)

    return work
