"""Finds passes that went stale on a phone, by the rules of ``livepass why``, and tells it.

Only where somebody wants to hear of it, by webhook or in this process. Passes are gone through by serial, some at a
time, and all over again: a look costs some reads for each pass that a phone is behind on, and phones come first. Of a
pass that very many phones follow, those are looked at that ``livepass why`` looks at: of others it would say nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from livepass.core import canary
from livepass.core.webhooks import STALE, stale
from livepass.service.explaining import MOST_PHONES, Explaining
from livepass.service.refusals import NotFound
from livepass.service.rounds import Rounds
from livepass.service.seams import Clock, Scheduler, Store, Tx

log = logging.getLogger(__name__)

ROUND_SECONDS = 15.0
PAGE = 5000
"""Passes of each pass type that are gone through in a round."""
EXPLAINED = 50
"""Passes of each pass type that are looked at closely in a round."""


class StaleWatch:
    """One object per process that works. Several may look at once: a pass is noted by one of them. ``heard``: whether
    somebody in this process wants to hear of it, of every pass type.
    """

    def __init__(
        self,
        store: Store,
        explaining: Explaining,
        clock: Clock,
        scheduler: Scheduler,
        heard: Callable[[], bool] = lambda: False,
    ) -> None:
        self._heard = heard
        self._store = store
        self._explaining = explaining
        self._clock = clock
        self._rounds = Rounds(scheduler)
        self._after: dict[str, str] = {}

    async def run(self) -> None:
        """Work until ``stop``. A round that fails is logged, and tried again."""
        with self._rounds.going():
            while not self._rounds.stopping:
                try:
                    await self.once()
                except Exception:
                    log.exception("stale passes were not looked for; it is tried again")
                await self._rounds.wait(ROUND_SECONDS)

    async def stop(self, seconds: float = 20.0) -> None:
        await self._rounds.stop(seconds)

    async def once(self) -> int:
        """One round. Answers of how many passes it told."""
        told = 0
        for pass_type in await self._wanted():
            told += await self._look(pass_type)
        return told

    async def _wanted(self) -> list[str]:
        types = await self._store.pass_types()
        if self._heard():
            return [row.pass_type for row in types]
        tenants = sorted({row.tenant for row in types})
        listening = {tenant: await self._store.webhook_endpoints(tenant) for tenant in tenants}
        return [
            row.pass_type
            for row in types
            if any(one.disabled_at is None and one.wants(STALE, row.pass_type) for one in listening[row.tenant])
        ]

    async def _look(self, pass_type: str) -> int:
        after = self._after.get(pass_type, "")
        page = await self._store.standing_page(pass_type, after=after, limit=PAGE, phones=MOST_PHONES)
        healed = [serial for serial, behind, noted in page if noted and not behind]
        behind = [serial for serial, behind, noted in page if behind and not noted and serial != canary.SERIAL]
        if healed:
            await self._store.write(lambda tx: tx.forget_stale(pass_type, healed))
        told = 0
        for serial in behind[:EXPLAINED]:
            if self._rounds.stopping:
                return told
            told += await self._explain(pass_type, serial)
        # From the beginning again after the last one; where some were left, after those that were looked at.
        left, last = len(behind) > EXPLAINED, page[-1][0] if len(page) == PAGE else ""
        self._after[pass_type] = behind[EXPLAINED - 1] if left else last
        return told

    async def _explain(self, pass_type: str, serial: str) -> bool:
        try:
            found = await self._explaining.explain(pass_type, serial)
        except NotFound:  # erased meanwhile
            return False
        verdict = next((one for one in found.verdicts if one.problem and one.device_id is not None), None)
        if verdict is None:
            return False
        news = stale(found.pass_, verdict, self._clock.now())

        async def work(tx: Tx) -> bool:
            return await tx.tell_stale(serial, news)

        return await self._store.write(work)
