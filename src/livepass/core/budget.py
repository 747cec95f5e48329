"""How often a phone tolerates a push of one pass type: hold or go; and how fast we may push at all.

Phones are reported to keep a score per pass type and to delay, then switch off, updates of a type that is pushed too
often. Apple documents none of it: the formula is an assumption (2026-11), the thresholds are unknown, and the limit of
3 is our caution. Holding costs minutes; being switched off costs the phone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

LIMIT = 3.0
"""The score up to which pushes go out as they come: the first few of a burst."""

SPACING_MS = 5_000
"""Changes that come closer together than this share a push."""
ZERO_INTERVAL_MS = 1_800_000
SHARED_INTERVAL_MS = 7_200_000
"""The longest of all: a phone without a score that was left alone for so long has none after the next push either."""


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


START = 250.0
"""Pushes a second before anything is known of the service."""
STEP_SECONDS = 1.0
RISE = 1.5
"""Each second's growth up to ``Pace.proven`` while fetches are quick: from 250 to a thousand in four seconds. What is
measured lags a second or two behind, so the pace has then risen to twice what shows, which one halving takes back.
"""
QUICK = 0.25
"""The share of what is slow up to which fetches are quick."""
SETTLE_SECONDS = 5.0
"""How long fetches are measured over: until then, what is measured are still the fetches of the pace before."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Pushes a second that the service can take the consequences of: each brings one ask and some fetches.

    Additive up, multiplicative down, steered by how long fetches take (95th percentile, seconds). It is steered by
    latency alone, and not capped by a share of the fetch capacity, because that capacity cannot be read off a service
    that is not yet at its limit: what shows the limit is that fetches become slow, and there the pace is halved. What
    comes faster than that (phones that were offline together) is shed at the ask.

    Up to ``proven``, the highest pace since one was too much (at first: any), it rises by half each second, as long as
    fetches are seen and are quick; else by 5 %. So a service that answers at once is soon asked for all that it can do,
    and one that was found to have a limit is brought near it with care.

    Each worker has a pace of its own. All of them see the same slowest process, so all halve in the same seconds, and
    the sum halves with them; upwards each adds its own 5 % and one more. As shares shrink by a factor and grow by a
    constant, they become equal.
    """

    rate: float = START
    floor: float = 10.0
    ceiling: float = 20_000.0
    slow_fetch: float = 0.5
    moved_at: float | None = None
    hold: float = 0.0
    proven: float = float("inf")

    def may_move(self, now: float) -> bool:
        """Whether it is time to look again (``now``: seconds on a stopwatch)."""
        return self.moved_at is None or now - self.moved_at >= self.hold

    @property
    def eased(self) -> bool:
        """Whether its last move was down, because fetches were slow."""
        return self.hold == SETTLE_SECONDS

    def after(self, fetch_p95: float | None, now: float, sent: int) -> Pace:
        """The pace from now on, given how long fetches take (``None``: none were seen) and what was sent since it last
        moved. A pace that was not used proves nothing and does not grow: else a quiet day would end at the ceiling.
        """
        if fetch_p95 is not None and fetch_p95 > self.slow_fetch:
            halved = max(self.floor, self.rate / 2)
            return replace(self, rate=halved, proven=halved, moved_at=now, hold=SETTLE_SECONDS)
        used = 0.0 if self.moved_at is None else sent / max(now - self.moved_at, STEP_SECONDS)
        if used >= self.rate / 2:
            rate = min(self.ceiling, self._more(fetch_p95))
        else:
            rate = min(self.rate, max(START, 2 * used))
        return replace(self, rate=rate, proven=max(self.proven, rate), moved_at=now, hold=STEP_SECONDS)

    def _more(self, fetch_p95: float | None) -> float:
        careful = self.rate * 1.05 + 1
        if fetch_p95 is None or fetch_p95 > QUICK * self.slow_fetch:
            return careful
        return max(careful, min(self.proven, self.rate * RISE))
