"""How often a phone tolerates a push of one pass type: hold or go; and how fast we may push at all.

Phones are reported to keep a score per pass type and to delay, then switch off, updates of a type that is pushed too
often. Apple documents none of it: the formula is an assumption (2026-11), the thresholds are unknown, and the limit of
3 is our caution. Holding costs minutes; being switched off costs the phone.
"""

from __future__ import annotations

from dataclasses import dataclass

LIMIT = 3.0
"""The score up to which pushes go out as they come: the first few of a burst."""

SPACING_MS = 5_000
"""Changes that come closer together than this share a push."""
ZERO_INTERVAL_MS = 1_800_000
SHARED_INTERVAL_MS = 7_200_000


def zero_interval(passes: int) -> int:
    """The spacing (ms) at which a phone with this many passes of the type never loses patience."""
    return max(ZERO_INTERVAL_MS, SHARED_INTERVAL_MS // max(passes, 1))


def score_after(score: float, last_push_at: int | None, passes: int, now: int) -> float:
    """The phone's score once a push arrives at ``now``: rises with the cube of haste, decays with patience."""
    if last_push_at is None:
        return 0.0
    interval = zero_interval(passes)
    haste = (interval - (now - last_push_at)) / interval
    return max(0.0, score + (haste**3 if haste > 0 else haste))


def go_at(score: float, last_push_at: int | None, passes: int, now: int) -> int:
    """The earliest instant at which a push is within the phone's patience; ``now`` when it is already."""
    if last_push_at is None:
        return now
    spaced = max(now, last_push_at + SPACING_MS)
    if score_after(score, last_push_at, passes, spaced) <= LIMIT:
        return spaced
    return max(now, last_push_at + zero_interval(passes))


@dataclass(frozen=True, slots=True)
class Pace:
    """Pushes a second that the service can take the consequences of: each brings one ask and some fetches.

    Additive up, multiplicative down, steered by how long fetches take (95th percentile, seconds).
    """

    rate: float = 1000.0
    floor: float = 10.0
    ceiling: float = 20_000.0
    slow_fetch: float = 0.5

    def after(self, fetch_p95: float | None) -> Pace:
        """The pace for the next second, given the fetch times of the last one (``None``: no fetches)."""
        if fetch_p95 is not None and fetch_p95 > self.slow_fetch:
            rate = self.rate / 2
        else:
            rate = self.rate * 1.05 + 1
        return Pace(min(self.ceiling, max(self.floor, rate)), self.floor, self.ceiling, self.slow_fetch)
