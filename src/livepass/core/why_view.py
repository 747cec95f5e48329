"""What a rule of ``why`` sees: everything that is known of a pass, one phone, and where that stands."""

from __future__ import annotations

from collections.abc import Callable

from livepass.core.frozen import frozen
from livepass.core.timeline import Event, Kind, Stand
from livepass.core.verdict import Facts, Found, Phone, newest


@frozen
class View:
    """What a rule sees: everything, one phone, where it stands."""

    facts: Facts
    phone: Phone
    stand: Stand
    now: int

    @property
    def changed_at(self) -> int:
        """Since when there is something to wait for: the change, or joining after it."""
        return max(self.facts.pass_.changed_at, self.phone.held.registration.registered_at)

    @property
    def alone(self) -> bool:
        """Whether no other phone follows the pass."""
        return sum(phone.followed for phone in self.facts.phones) == 1 and not self.facts.more

    def last(self, *kinds: Kind) -> Event | None:
        """The newest event of these kinds since there is something to wait for."""
        own = (None, self.phone.held.registration.device_id)
        events = [event for event in (*self.phone.events, *self.facts.events) if event.device_id in own]
        return newest(events, kinds, self.changed_at)


Rule = Callable[[View], Found | None]
"""Answers what it has found, ``None`` where it does not fit."""
