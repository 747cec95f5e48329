"""Moves passes to the address of this service, so many at a time, and says how far their phones have followed.

Nothing is stored of a move but what each pass names, and since which number: whoever is interrupted goes on, and two at
once do no harm.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from livepass.core.moving import Leg, Standing
from livepass.service.drafting import Wish
from livepass.service.issuing import BATCH_LIMIT, Issuing, Push
from livepass.service.refusals import Refusal
from livepass.service.seams import Clock, Store


@dataclass(frozen=True, slots=True)
class Lot:
    """Passes that were switched under one number, and those that could not be: (serial, why)."""

    switched: int
    pushes_due: int
    refused: Sequence[tuple[str, str]]


class Moving:
    """One object per process. The new address is the one that goes into new passes."""

    def __init__(self, store: Store, issuing: Issuing, clock: Clock) -> None:
        self._store = store
        self._issuing = issuing
        self._clock = clock

    @property
    def url(self) -> str:
        """Where passes move to."""
        return self._issuing.web_service_url

    async def elsewhere(self, pass_type: str) -> dict[str, int]:
        """Addresses other than ours that passes name, and how many passes do."""
        return {url: count for url, count, _ in await self._store.addresses(pass_type) if url.rstrip("/") != self.url}

    async def standing(self, pass_type: str) -> Standing:
        """How far the phones of a pass type are."""
        legs = {Leg(name): count for name, count in (await self._store.moves(pass_type, self.url)).items()}
        switched = [at for url, _, at in await self._store.addresses(pass_type) if url.rstrip("/") == self.url]
        return Standing(legs, max(switched, default=0))

    async def stragglers(self, pass_type: str, limit: int) -> Sequence[tuple[str, str, int | None]]:
        """(serial, device id, asked last) of phones that still need the old address."""
        return await self._store.stragglers(pass_type, self.url, limit=limit)

    async def moved(
        self, pass_type: str, *, push: Push, together: int, pause: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[Lot]:
        """Switch all passes of a type, lot by lot, with a pause between two; what was yielded is done."""
        begun = False
        for url in await self.elsewhere(pass_type):
            after = ""
            while serials := await self._store.passes_at(pass_type, url, after=after, limit=min(together, BATCH_LIMIT)):
                if begun:
                    await pause()
                begun = True
                wishes = [Wish(pass_type, serial, patch=True, moving=True) for serial in serials]
                results = await self._issuing.put_many(wishes, push)
                done = [one for one in results if not isinstance(one, Refusal)]
                refused = [
                    (serial, one.title)
                    for serial, one in zip(serials, results, strict=True)
                    if isinstance(one, Refusal)
                ]
                yield Lot(len(done), sum(one.pushes_due for one in done), refused)
                after = serials[-1]
