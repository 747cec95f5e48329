"""Gathers what ``core.why`` explains a pass from. Every read is bounded: a pass of a million phones costs as
much as one of fifty.
"""

from __future__ import annotations

from collections.abc import Sequence

from livepass.core.frozen import frozen
from livepass.core.model import Held, Pass, Target
from livepass.core.timeline import first_gap
from livepass.core.trip2_push import HOUR
from livepass.core.why import Cohort, Facts, Phone, Verdict, explain
from livepass.service.refusals import no_pass
from livepass.service.seams import Clock, Store

MOST_PHONES = 50
"""Phones looked at, by device id, which is random; the answer says that there are more."""
MOST_EVENTS = 50
"""Events read of the pass, of each phone, and of its pushes."""
SAMPLE = 500
"""Push tokens of which it is counted how many asked."""


@frozen
class Explained:
    """The verdicts on a pass, worst first. ``phones``: how many were looked at; ``more``: there are others."""

    pass_: Pass
    verdicts: tuple[Verdict, ...]
    phones: int
    more: bool

    @property
    def problem(self) -> bool:
        return any(verdict.problem for verdict in self.verdicts)


class Explaining:
    """Why a pass is not up to date."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def explain(self, pass_type: str, serial: str) -> Explained:
        """Raises ``NotFound``."""
        store = self._store
        row = await store.pass_(pass_type, serial)
        if row is None:
            raise no_pass(pass_type, serial)
        found = await store.held_and_owed(pass_type, serial, limit=MOST_PHONES + 1)
        looked_at, more = found[:MOST_PHONES], len(found) > MOST_PHONES
        live = await store.live_certificate_id(pass_type)
        facts = Facts(
            row,
            [await self._phone(held, target) for held, target in looked_at],
            await store.last_of_pass(pass_type, serial, limit=MOST_EVENTS),
            None if live is None else await store.certificate(live),
            await store.circuit(pass_type),
            await store.processes(),
            await self._cohort(pass_type, [held for held, _ in looked_at]),
            more,
        )
        return Explained(row, explain(facts, self._clock.now()), len(looked_at), more)

    async def _phone(self, held: Held, target: Target | None) -> Phone:
        row = held.registration
        return Phone(
            held,
            target,
            await self._store.last_of_phone(row.pass_type, row.device_id, held.target, limit=MOST_EVENTS),
        )

    async def _cohort(self, pass_type: str, held: Sequence[Held]) -> Cohort:
        """The phones that were pushed in the hour of the first push that no ask has followed."""
        waiting = [one.pushed_at for one in held if one.pushed_at is not None and first_gap(one.watermarks) == "ask"]
        if not waiting:
            return Cohort()
        first = min(waiting)
        return await self._store.pushed_and_asked(pass_type, after=first - HOUR, before=first + HOUR, limit=SAMPLE)
