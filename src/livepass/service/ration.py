"""So much a minute and no more, for what anybody may make us write down."""

from __future__ import annotations

from livepass.service.seams import Clock


class Ration:
    """A bucket that fills evenly, from full. Of one process."""

    def __init__(self, clock: Clock, a_minute: int) -> None:
        self._clock = clock
        self._a_minute = a_minute
        self._left = float(a_minute)
        self._at = clock.stopwatch()

    def take(self, wanted: int) -> int:
        """How many of so many there is room for; they are taken."""
        now = self._clock.stopwatch()
        self._left = min(self._a_minute, self._left + (now - self._at) * self._a_minute / 60)
        self._at = now
        given = min(wanted, int(self._left))
        self._left -= given
        return given
