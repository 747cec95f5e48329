"""What is given up first when there is more to do than can be done, and when it is taken up again.

A phone stores its tag before it fetches and gives up a fetch after some tries: a fetch that is refused may leave it
stale. An ask that is refused costs nothing, because nothing is stored yet, and the fetches that would have followed
stay away with it. So load is shed at the ask and never at the fetch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How much is given up. Each level gives up its own kind of request and those above it in this list."""

    NONE = 0
    LOG = 1
    READ = 2
    ASK = 3
    REGISTER = 4


GIVEN_UP: Mapping[Level, str] = {
    # A phone's log line repeats, and is about something that we see ourselves: answered, not recorded.
    Level.LOG: "log records",
    # An issuer who looks at a list can look again, and so can whoever holds a share link; changes are still taken.
    Level.READ: "issuer reads and share pages",
    # 503: the phone keeps its tag and asks again by itself; its push stays due until it does. A file that is downloaded
    # from a share page is a phone to come: those that are here already come before it.
    Level.ASK: "asks and shared files",
    # Last, because nobody can ask a phone to register again if it should give up.
    Level.REGISTER: "registrations",
    # A fetch has no level.
}

RETRY_AFTER_SECONDS = 30
"""For whoever listens: phones are not known to. Long enough for a level or two to have gone."""


@dataclass(frozen=True, slots=True)
class Pressure:
    """What was measured: fetches and asks being answered, how late the loop runs, how long fetches take (seconds; the
    95th percentile, ``None`` when there were too few to tell).
    """

    in_flight: int
    lag: float
    fetch_p95: float | None

    def reaches(self, rung: Rung, share: float) -> bool:
        """Whether any measure is at this share of the rung's limit, or above it."""
        return (
            self.in_flight >= rung.in_flight * share
            or self.lag >= rung.lag * share
            or (self.fetch_p95 is not None and self.fetch_p95 >= rung.fetch_p95 * share)
        )


@dataclass(frozen=True, slots=True)
class Rung:
    """The limits at which a level begins."""

    level: Level
    in_flight: int
    lag: float
    fetch_p95: float


# Pushing slows down at half a second (``budget.Pace``), long before asks are refused: shedding is for what pacing
# cannot hold, such as phones that come unasked after an outage. At a thousand answers a second, 800 in flight are 0.8 s
# of work.
RUNGS: Sequence[Rung] = (
    Rung(Level.LOG, 200, 0.1, 1.0),
    Rung(Level.READ, 400, 0.2, 1.5),
    Rung(Level.ASK, 800, 0.5, 2.0),
    Rung(Level.REGISTER, 3200, 2.0, 8.0),
)

UP_AFTER = 2
"""Measures in a row that must ask for more: one late round of the loop is no pressure."""
DOWN_AFTER = 8
"""Measures in a row that must be at half the limits: what was refused comes back at once when it is taken again."""
EASED = 0.5


@dataclass(frozen=True, slots=True)
class Shedding:
    """The level, and how many measures in a row spoke for a higher or a lower one."""

    level: Level = Level.NONE
    over: int = 0
    under: int = 0

    def after(self, pressure: Pressure, rungs: Sequence[Rung] = RUNGS) -> Shedding:
        """The same with one more measure: up at once as far as it must, down one level at a time."""
        wanted = _level(pressure, rungs, 1.0)
        if wanted > self.level:
            return Shedding(wanted) if self.over + 1 >= UP_AFTER else Shedding(self.level, self.over + 1)
        if _level(pressure, rungs, EASED) >= self.level:
            return Shedding(self.level)
        if self.under + 1 >= DOWN_AFTER:
            return Shedding(Level(self.level - 1))
        return Shedding(self.level, 0, self.under + 1)


def given_up(level: int) -> str:
    """What a level gives up, in words; ``""``: nothing."""
    return ", ".join(GIVEN_UP[each] for each in Level if Level.NONE < each <= level)


def _level(pressure: Pressure, rungs: Sequence[Rung], share: float) -> Level:
    return max((rung.level for rung in rungs if pressure.reaches(rung, share)), default=Level.NONE)
