"""What a service does by itself, as figures: fan-outs, roll-outs, retelling, forgetting."""

from __future__ import annotations

import re

from livepass.core.frozen import frozen

_HEX = re.compile(r"[0-9A-Fa-f]{8}")


@frozen
class FanOut:
    """Pushes that more phones are owed than one transaction makes due. Done as far as ``after_key``, by device id or
    push token; to be done up to ``upto``, and then from the first key to ``again_to`` (``""``: not once more).

    ``serial`` is ``""`` for all of a pass type.
    """

    pass_type: str
    what: str
    serial: str
    seq: int
    push_at: int
    after_key: str
    upto: str
    again_to: str

    @property
    def done(self) -> float | None:
        """About how far this round is, 0 to 1. Keys are random, as phones make them; ``None``: these do not look so."""
        if not self.after_key:
            return 0.0
        if not _HEX.match(self.after_key) or not _HEX.match(self.upto):
            return None
        last = int(self.upto[:8], 16)
        return min(1.0, int(self.after_key[:8], 16) / last) if last else 1.0


@frozen
class Chores:
    """What waits for whoever keeps house, counted up to a bound: registrations to be told again, those of them that are
    due, and when the first one is (ms); registrations that ended, push tokens that died; the oldest event (ms).
    """

    retelling: int
    retelling_due: int
    retell_at: int | None
    ended: int
    dead: int
    oldest_event: int | None


@frozen
class Owed:
    """Pushes that a pass type owes, counted up to a bound: all of them; those that APNs accepted, and no ask followed
    yet; those that nothing keeps from being sent now.
    """

    due: int
    accepted: int
    ready: int
