"""How often somebody may try to sign in: in memory, for each process by itself."""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Sequence

from livepass.service.refusals import Refusal
from livepass.service.seams import Clock

MOST, WITHIN_SECONDS = 10, 900.0
"""Tries that failed, of a name and of a source."""
REMEMBERED = 10_000
"""Names and sources; whoever was first is forgotten first."""


class TooMany(Refusal):
    """Too many tries failed. ``seconds``: until the next one."""

    status = 429
    code = "too_many"

    def __init__(self, seconds: float) -> None:
        minutes = int(seconds // 60) + 1
        self.seconds = int(seconds) + 1
        super().__init__(
            f"too many tries to sign in; come back in {minutes} min",
            hint="livepass console link lets an operator of the host in at once",
        )


class Tries:
    """By a clock that nobody sets."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: dict[str, deque[float]] = {}

    def begin(self, keys: Sequence[str]) -> float:
        """Count a try before it is looked at, so that many at once are no way round. Raises ``TooMany``, which counts
        for nothing. Answers what ``succeed`` takes back.
        """
        now = self._clock.stopwatch()
        for key in keys:
            failed = self._failed.get(key)
            while failed and now - failed[0] >= WITHIN_SECONDS:
                failed.popleft()
            if failed and len(failed) >= MOST:
                raise TooMany(WITHIN_SECONDS - (now - failed[0]))
        for key in keys:
            self._failed.setdefault(key, deque()).append(now)
        while len(self._failed) > REMEMBERED:
            del self._failed[next(iter(self._failed))]
        return now

    def succeed(self, keys: Sequence[str], began: float) -> None:
        """That one was right. Those before it stay: else a guesser could wait for the owner to wipe them out."""
        for key in keys:
            failed = self._failed.get(key)
            if failed and began in failed:
                failed.remove(began)
            if not failed:
                self._failed.pop(key, None)


def source_key(source: str) -> str:
    """An IPv6 host has 2**64 addresses of its own: they count as one."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return f"source {source[:100]}"
    if address.version == 4:
        return f"source {address}"
    mapped = address.ipv4_mapped
    return f"source {mapped}" if mapped else f"source {ipaddress.ip_network((address, 64), strict=False)}"
