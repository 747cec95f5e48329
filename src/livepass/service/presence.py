"""The running processes, as each of them writes itself down: who is there, how long its fetches take, what it gives up.

Nothing is decided by one host comparing its clock with another's: a row is a sign of life because it *moved* lately.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from livepass.core.model import Process
from livepass.core.shedding import Level
from livepass.service.pressure import Load
from livepass.service.rounds import Rounds
from livepass.service.seams import Chance, Clock, Scheduler, Store

log = logging.getLogger(__name__)

Role = Literal["serve", "worker", "serve+worker"]

BEAT_SECONDS = 5.0
SLOW_BEAT_SECONDS = 1.0
SLOW_FETCH = 0.25
"""Fetches that take longer than this are news every second: a worker elsewhere may be about to push too fast."""
FRESH_SECONDS = 3 * BEAT_SECONDS
"""A process whose row has not moved for this long says nothing about now."""


class Presence:
    """This process's row: renewed while it runs, removed when it ends well."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        chance: Chance,
        scheduler: Scheduler,
        load: Load,
        *,
        host: str,
        pid: int,
        role: Role,
        schema: int,
        canaries: Sequence[str] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._load = load
        self._host, self._pid, self._role, self._schema = host[:200], pid, role, schema
        self._canaries = None if canaries is None else " ".join(sorted(canaries))
        self._started_at = clock.now()
        self._rounds = Rounds(scheduler)
        self.id = chance.token_bytes(8).hex()

    def changed(self) -> None:
        """Something that others look at has changed: say so now."""
        self._rounds.wake()

    async def run(self) -> None:
        """Give a sign every few seconds until ``stop``. A database that is away is tried again with the next one."""
        waited, woken = BEAT_SECONDS, False
        with self._rounds.going():
            while not self._rounds.stopping:
                if woken or waited >= BEAT_SECONDS or (self._load.fetch_p95() or 0.0) > SLOW_FETCH:
                    waited = 0.0
                    await self._beat_or_warn()
                woken = await self._rounds.wait(SLOW_BEAT_SECONDS)
                waited += SLOW_BEAT_SECONDS

    async def _beat_or_warn(self) -> None:
        try:
            await self.beat()
        except Exception as error:
            log.warning("this process could not say that it runs: %s: %s", type(error).__name__, error)

    async def beat(self) -> None:
        """One sign of life."""
        p95 = self._load.fetch_p95()
        row = Process(
            self.id,
            self._host,
            self._pid,
            self._role,
            self._schema,
            self._started_at,
            self._clock.now(),
            None if p95 is None else round(p95 * 1000),
            self._load.level,
            self._canaries,
        )
        await self._store.write(lambda tx: tx.put_process(row))

    async def stop(self, seconds: float = 5.0) -> None:
        """Say goodbye. Where that fails, the row falls silent, and is forgotten after a day."""
        await self._rounds.stop(seconds)
        try:
            await self._store.write(lambda tx: tx.remove_process(self.id))
        except Exception as error:
            log.warning("this process could not say goodbye: %s: %s", type(error).__name__, error)


STRAINED = 0.5
"""What fetches are taken to last (seconds) where a process gives up anything at all, its loop being late perhaps: no
reason to push less, but none to push much more.
"""

Slowest = Callable[[], Awaitable[float | None]]
"""The slowest process's 95th percentile of fetches, in seconds; ``None``: nobody has seen one lately."""


class Running:
    """The processes of which this one saw a sign of life within so many ``seconds``, or that it saw first just now."""

    def __init__(self, store: Store, clock: Clock, seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._seconds = seconds
        self._moved: dict[str, tuple[int, float]] = {}

    async def look(self) -> list[Process]:
        """Those whose row moved within that time of our stopwatch, or is new to us."""
        now, before = self._clock.stopwatch(), self._moved
        processes = await self._store.processes()
        self._moved = {}
        for process in processes:
            heard_at, moved = before.get(process.id, (None, now))
            self._moved[process.id] = (process.heard_at, moved if heard_at == process.heard_at else now)
        return [process for process in processes if now - self._moved[process.id][1] < self._seconds]


class Fetching:
    """How slow fetches are anywhere: here, as measured, and in the other processes, as they say."""

    def __init__(self, store: Store, clock: Clock, load: Load) -> None:
        self._load = load
        self._running = Running(store, clock, FRESH_SECONDS)

    async def slowest(self) -> float | None:
        """As ``Slowest`` says. One that refuses asks is as slow as can be: whom we push would be sent away."""
        found = [self._load.fetch_p95()]
        for process in await self._running.look():
            if process.shedding >= Level.ASK:
                return math.inf
            if process.shedding:
                found.append(STRAINED)
            if process.fetch_ms is not None:
                found.append(process.fetch_ms / 1000)
        return max((seconds for seconds in found if seconds is not None), default=None)
