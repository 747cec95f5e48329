"""A move to another address: where each phone stands, and when the old address may be switched off.

The address stands in the pass. A phone calls the old one until it has fetched a version that names the new one; then it
registers there: under a new device id, as field reports say. Apple's pages say nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from livepass.core.frozen import frozen
from livepass.core.trip2_push import DAY

PATIENCE_MS = 30 * DAY
"""How long a phone may be switched off, or out of reach, before we call it lost. Apple does not say; we chose."""


class Leg(StrEnum):
    """How far a registration is on its way."""

    NOT_SWITCHED = "not switched"
    """Its pass still names another address."""
    WAITING = "waiting"
    """Its pass names the new one, and the phone was not seen to fetch it since."""
    FETCHED = "fetched"
    """It was served the version that names the new address, and has not registered there yet."""
    MOVED = "moved"
    """It registered after that, and was served."""
    GONE = "gone"
    """It did not fetch it, and APNs says that its push token is no longer one."""
    NEVER = "never moved"
    """Its pass named this address from the beginning."""


@frozen
class Standing:
    """How many registrations stand where. ``switched_at``: when the last pass got the new address; 0: none did."""

    legs: Mapping[Leg, int]
    switched_at: int

    def __getitem__(self, leg: Leg) -> int:
        return self.legs.get(leg, 0)

    @property
    def stranded(self) -> int:
        """Phones that would hear nothing any more if the old address were switched off now."""
        return self[Leg.NOT_SWITCHED] + self[Leg.WAITING]

    @property
    def concerned(self) -> int:
        """Phones that have, or had, to move, and are there as far as we know."""
        return self.stranded + self[Leg.FETCHED] + self[Leg.MOVED]

    @property
    def share(self) -> float:
        """The share of them that no longer needs the old address."""
        return 1.0 if not self.concerned else 1 - self.stranded / self.concerned

    def earliest(self, now: int) -> int | None:
        """When the old address may be switched off at the earliest; ``None``: nobody knows, a pass is not switched."""
        if not self.stranded:
            return now
        return None if self[Leg.NOT_SWITCHED] else max(now, self.switched_at + PATIENCE_MS)


def added(standings: list[Standing]) -> Standing:
    """Those of several pass types together."""
    legs: dict[Leg, int] = {}
    for one in standings:
        for leg, count in one.legs.items():
            legs[leg] = legs.get(leg, 0) + count
    return Standing(legs, max((one.switched_at for one in standings), default=0))
