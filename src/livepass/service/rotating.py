"""Certificates that are here: found by their ids."""

from __future__ import annotations

from livepass.core.model import Certificate
from livepass.service.refusals import NotFound
from livepass.service.seams import Chance, Clock, KeyRing, Store


class Rotating:
    """One object per process."""

    def __init__(self, store: Store, keys: KeyRing, clock: Clock, chance: Chance) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._chance = chance

    async def get(self, certificate_id: str) -> Certificate:
        """A certificate by its id, or by the beginning of it."""
        found = [c for c in await self._store.certificates(None) if c.id.startswith(certificate_id)]
        if len(found) != 1:
            raise NotFound(
                f"{len(found)} certificates have an id that starts with {certificate_id}",
                hint="livepass cert list shows them",
            )
        return found[0]
