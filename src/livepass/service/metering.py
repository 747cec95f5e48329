"""What a process counts as it happens, for ``/metrics``: plain additions, because phones wait meanwhile.

Nothing here is written down: a process that starts begins at 0, which whoever reads counters knows how to read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final

from livepass.core.canary import OUTCOMES, TIMED
from livepass.core.metrics import ANSWERED, CANARY, HUNG_UP, LOG_KINDS, OTHER, PUSH_ANSWERS, ROUTES, STATUSES, TRAVELLED

_KNOWN: Final = frozenset(PUSH_ANSWERS)
_KNOWN_STATUSES: Final = frozenset(status for status, _ in PUSH_ANSWERS)


class Histogram:
    """How many observations lay in each bucket (not cumulated; the last one is ``+Inf``), and their sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Meters:
    """One object per process. Instants are milliseconds, durations seconds."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int | str], int] = {
            (route, status): 0 for route in ROUTES for status in (*STATUSES, HUNG_UP, OTHER)
        }
        self.took = {route: Histogram(ANSWERED) for route in ROUTES}
        self.pushes: dict[tuple[int | str, str], int] = dict.fromkeys(PUSH_ANSWERS, 0)
        self.log_lines = dict.fromkeys(LOG_KINDS, 0)
        self.push_to_ask = Histogram(TRAVELLED)
        self.ask_to_fetch = Histogram(TRAVELLED)
        self.staleness: dict[str, Histogram] = {}
        self.canary_runs = dict.fromkeys(OUTCOMES, 0)
        self.canary_took = {leg: Histogram(CANARY) for leg in TIMED}

    def answered(self, route: str, status: int | str, seconds: float) -> None:
        """A request of a phone; ``status``: an HTTP status, or ``HUNG_UP``."""
        key = (route, status)
        self.requests[key if key in self.requests else (route, OTHER)] += 1
        self.took[route].observe(seconds)

    def pushed(self, status: int, reason: str) -> None:
        """APNs' answer. What it says that we have no row for is counted as ``other``: it may say anything."""
        known = (status, reason) in _KNOWN
        key = (status, reason) if known else (status if status in _KNOWN_STATUSES else OTHER, OTHER)
        self.pushes[key] = self.pushes.get(key, 0) + 1

    def said(self, code: str) -> None:
        """A line of a phone's log."""
        self.log_lines[code] += 1

    def canary_ran(self, outcome: str, took: Mapping[str, float]) -> None:
        """``took``: seconds by leg."""
        self.canary_runs[outcome] += 1
        for leg, seconds in took.items():
            self.canary_took[leg].observe(seconds)

    def asked(self, now: int, pushed_at: int | None, asked_at: int | None) -> None:
        """A phone that was owed a push asked. ``pushed_at``: when APNs accepted the last one for it, ``asked_at``: when
        it asked before. Only the first ask after a push says how long that took.
        """
        if pushed_at is not None and now >= pushed_at and (asked_at is None or asked_at < pushed_at):
            self.push_to_ask.observe((now - pushed_at) / 1000)

    def served(self, pass_type: str, now: int, asked_at: int, since: int) -> None:
        """A phone that had been told of a version, current ``since`` then, was first seen to fetch it."""
        self.ask_to_fetch.observe(max(0, now - asked_at) / 1000)
        if pass_type not in self.staleness:
            self.staleness[pass_type] = Histogram(TRAVELLED)
        self.staleness[pass_type].observe(max(0, now - since) / 1000)
