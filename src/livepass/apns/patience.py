"""When to doubt a connection that says nothing, and when to open another one. Pure: instants (seconds) are passed in.

Apple: keep connections open for hours or days; a PING is welcome after an hour of inactivity; opening and closing
repeatedly may be taken for an attack and blocked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Look(Enum):
    """What a look at a connection finds."""

    FINE = "fine"
    ASK = "ask"
    """Send a PING."""
    DEAD = "dead"
    """It did not answer the PING."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long silence is believed, in seconds."""

    busy: float = 60.0
    """Without any frame while pushes are in flight, before we ask."""
    idle: float = 3600.0
    """The same with nothing in flight: Apple's hour."""
    reply: float = 10.0
    """For the answer to a PING, any frame being one."""
    connect: float = 10.0
    """For a new connection, until the peer named its settings."""
    farewell: float = 2.0
    """For a connection that we close to end properly."""
    again: float = 1.0
    """After a connection that came to nothing, before the next: doubled each time, up to a minute."""

    @property
    def tick(self) -> float:
        """How often to look."""
        return min(self.busy, self.reply) / 2

    def look(self, now: float, quiet_since: float, asked_at: float | None, busy: bool) -> Look:
        """``quiet_since`` is the last frame, or the moment it became busy, whichever is later."""
        if asked_at is not None:
            return Look.DEAD if now - asked_at >= self.reply else Look.FINE
        return Look.ASK if now - quiet_since >= (self.busy if busy else self.idle) else Look.FINE


@dataclass(slots=True)
class Pace:
    """When the next connection of a pool may be opened.

    Two brakes. **Back-off**: 1, 2, 4 … 60 s (and up to a quarter more, drawn by the caller) after each attempt that
    came to nothing; a connection that opened but never answered a push counts as one. **Budget**: ``burst``
    connections at once, and one more per second, so that not even a server that says goodbye after each answer, which
    is no failure, gets a storm.
    """

    first: float = 1.0
    most: float = 60.0
    burst: int = 20
    failures: int = 0
    _not_before: float = float("-inf")
    _spent: float = 0.0
    _spent_at: float = float("-inf")

    def next_at(self, now: float) -> float:
        """The instant from which the next connection may be opened; ``now`` or earlier means at once."""
        excess = self._level(now) - (self.burst - 1)
        return max(self._not_before, now + excess if excess > 0 else now)

    def opening(self, now: float) -> None:
        """A connection is being opened."""
        self._spent = self._level(now) + 1
        self._spent_at = now

    def failed(self, now: float, draw: float) -> None:
        """An attempt came to nothing. ``draw`` is random, from 0 up to 1."""
        wait = min(self.most, self.first * 2.0 ** min(self.failures, 16))
        self.failures += 1
        self._not_before = now + wait * (1 + draw / 4)

    def answered(self) -> None:
        """A push was answered: the way is clear."""
        self.failures = 0
        self._not_before = float("-inf")

    @property
    def backing_off_until(self) -> float:
        return self._not_before

    def _level(self, now: float) -> float:
        """How much of the budget is used; it drains by one per second."""
        return max(0.0, self._spent - (now - self._spent_at)) if self._spent else 0.0
