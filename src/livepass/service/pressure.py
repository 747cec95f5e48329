"""How hard this process has to work: what is under way, how late it runs, how long fetches take; and what is given up.

The hot path only counts, and compares one integer. What follows from the counts is worked out beside it, four times a
second.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence

from livepass.core.shedding import RUNGS, Level, Pressure, Rung, Shedding, given_up
from livepass.service.seams import Clock, Scheduler

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
RECENT_SECONDS = 5.0
"""How far back fetches count: long enough for some, short enough to see that pressure is gone."""
FETCHES = 2000
ENOUGH = 20
"""Fewer fetches than this say nothing about pressure: one that met a slow disk would refuse the asks of everybody."""


class Load:
    """What this process has under way. ``level`` is what it gives up now: compare with ``Level``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._fetched: deque[tuple[float, float]] = deque(maxlen=FETCHES)
        self._fetching: dict[int, float] = {}
        self._next = 0
        self.asking = 0
        self.level = 0
        self.shed: Counter[Level] = Counter()
        self.leaving = False
        """The process is about to end: what would take long gives up its place."""

    def fetch_begins(self) -> int:
        """A fetch is being answered; hand what this returns to ``fetch_ends``."""
        self._next = number = self._next + 1
        self._fetching[number] = self._clock.stopwatch()
        return number

    def fetch_ends(self, number: int, *, counts: bool) -> None:
        """It was. A stranger's fetch does not count: it costs next to nothing, and anybody can send a thousand."""
        began, now = self._fetching.pop(number), self._clock.stopwatch()
        if counts:
            self._fetched.append((now, now - began))

    @property
    def in_flight(self) -> int:
        return self.asking + len(self._fetching)

    def fetch_p95(self, at_least: int = 1) -> float | None:
        """The 95th percentile (seconds) of the fetches of the last seconds; ``None`` when there were fewer than that.

        What is still under way counts with its age, where that makes it worse: a fetch that hangs is slow already.
        """
        now = self._clock.stopwatch()
        while self._fetched and now - self._fetched[0][0] > RECENT_SECONDS:
            self._fetched.popleft()
        finished = [took for _, took in self._fetched]
        ages = [now - began for began in self._fetching.values()]
        if len(finished) + len(ages) < max(at_least, 1):
            return None
        return max(_p95(finished), _p95(finished + ages))


def _p95(values: list[float]) -> float:
    values = sorted(values)
    return values[int(len(values) * 0.95)] if values else 0.0


class Watch:
    """Looks at the load and sets its level. ``changed`` is called when the level changes."""

    def __init__(
        self,
        load: Load,
        clock: Clock,
        scheduler: Scheduler,
        changed: Callable[[], None] = lambda: None,
        rungs: Sequence[Rung] = RUNGS,
    ) -> None:
        self._load = load
        self._clock = clock
        self._changed = changed
        self._rungs = rungs
        self._shedding = Shedding()
        self._shed_before = 0
        self._stop = scheduler.signal()

    async def run(self) -> None:
        """Work until ``stop``. A wait that lasts too long is how late the loop runs."""
        began = self._clock.stopwatch()
        while not await self._stop.wait(LOOK_SECONDS):
            now = self._clock.stopwatch()
            self.look(now - began - LOOK_SECONDS)
            began = now

    def look(self, lag: float) -> None:
        """One measure."""
        load, before = self._load, self._shedding.level
        pressure = Pressure(load.in_flight, lag, load.fetch_p95(ENOUGH))
        self._shedding = self._shedding.after(pressure, self._rungs)
        level = self._shedding.level
        if level == before:
            return
        load.level = int(level)
        self._say(pressure, level > before)
        self._changed()

    def _say(self, pressure: Pressure, more: bool) -> None:
        total = self._load.shed.total()
        fetch = "-" if pressure.fetch_p95 is None else f"{pressure.fetch_p95:.2f} s"
        measures = f"{pressure.in_flight} in flight, {max(pressure.lag, 0) * 1000:.0f} ms late, fetches {fetch}"
        shed = given_up(self._shedding.level) or "nothing"
        log.warning(
            "pressure %s (%s): given up now: %s; %d requests since the last change",
            *("rises" if more else "falls", measures, shed, total - self._shed_before),
        )
        self._shed_before = total

    def stop(self) -> None:
        """Look no more, and give up nothing."""
        self._load.level = 0
        self._stop.set()
