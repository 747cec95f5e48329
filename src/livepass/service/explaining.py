"""Gathers what ``core.why`` explains a pass from. Every read is bounded: a pass of a million phones costs as
much as one of fifty.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence

from livepass.core.frozen import frozen
from livepass.core.model import Held, Pass, Target
from livepass.core.morning import Example, Group, Share, grouped, shares
from livepass.core.timeline import Trip, first_gap
from livepass.core.trip2_push import HOUR
from livepass.core.verdict import Cohort, Facts, Phone, Verdict
from livepass.core.why import explain
from livepass.service.refusals import NotFound, no_pass
from livepass.service.seams import Clock, Reader

MOST_PHONES = 50
"""Phones looked at, by device id, which is random; the answer says that there are more."""
MOST_EVENTS = 50
"""Events read of the pass, of each phone, and of its pushes."""
SOME, LEAST_SOME = 40, 2
"""How many registrations of each lot are looked at when everything is: fewer where there are many pass types."""
MOST_PLACED = 50_000
"""Registrations of a pass type that are sorted by where they stand; more are counted and estimated from these."""
NFC_LOST = "LP504"
SAMPLE = 500
"""Push tokens of which it is counted how many asked."""


@frozen
class Explained:
    """The verdicts on a pass, worst first. ``phones``: how many that follow it were looked at; ``more``: there are
    others. ``cohort``: what the other phones of the pass type did that were pushed when the first one was that has not
    asked since.
    """

    pass_: Pass
    verdicts: tuple[Verdict, ...]
    phones: int
    more: bool
    cohort: Cohort

    @property
    def problem(self) -> bool:
        return any(verdict.problem for verdict in self.verdicts)

    def of(self, device_id: str) -> Verdict | None:
        """The verdict on a phone; ``None``: it was not looked at."""
        return next((verdict for verdict in self.verdicts if verdict.device_id == device_id), None)


@frozen
class Round:
    """All registrations at once: how many follow a pass, how many of them were served what is current, at how many of
    the others was looked, and what was found.
    """

    registrations: int
    current: int
    looked_at: int
    groups: tuple[Group, ...]


class Explaining:
    """Why a pass is not up to date. ``web_service_url`` is what goes into new passes ("": not known here), and
    ``other_urls`` what reaches this service too.
    """

    def __init__(self, store: Reader, clock: Clock, web_service_url: str = "", other_urls: Sequence[str] = ()) -> None:
        self.store = store
        self.clock = clock
        self._url = web_service_url
        self._other_urls = other_urls

    async def explain(self, pass_type: str, serial: str, devices: Collection[str] = ()) -> Explained:
        """``devices`` are looked at as well, wherever they come. Raises ``NotFound``."""
        store = self.store
        row = await store.pass_(pass_type, serial)
        if row is None:
            raise no_pass(pass_type, serial)
        found = await store.held_and_owed(pass_type, serial, limit=MOST_PHONES + 1)
        looked_at, more = list(found[:MOST_PHONES]), len(found) > MOST_PHONES
        others = sorted(set(devices) - {held.registration.device_id for held, _ in looked_at})
        for device_id in others:
            near = await store.held_and_owed(pass_type, serial, limit=1, first=device_id)
            looked_at += [one for one in near if one[0].registration.device_id == device_id]
        polls = await store.polls(pass_type, serial, limit=MOST_EVENTS)
        facts = Facts(
            row,
            [await self._phone(held, target) for held, target in looked_at],
            await store.last_of_pass(pass_type, serial, limit=MOST_EVENTS),
            await store.lineage(pass_type),
            await store.circuit(pass_type),
            await store.processes(),
            await self._cohort(pass_type, [held for held, _ in looked_at]),
            more,
            await store.last_new_epoch(pass_type),
            await store.strangers(pass_type, limit=MOST_EVENTS),
            self._url,
            await store.watched(pass_type),
            next((one for one in polls if one.detail.get("status") != 401), None),
            self._other_urls,
        )
        followed = sum(phone.followed for phone in facts.phones)
        return Explained(row, explain(facts, self.clock.now()), followed, more, facts.cohort)

    async def everything(self, pass_types: Sequence[str]) -> Round:
        """Of all passes of some pass types: who waits, grouped by what is to be said of them; and of certificates."""
        found: list[Share] = []
        followed = behind = looked_at = 0
        for pass_type in pass_types:
            some = max(LEAST_SOME, SOME // len(pass_types))
            lots = await self.store.behind(pass_type, some=some, most=MOST_PLACED)
            explained = await self._explained(pass_type, [one for lot in lots for one in lot.some])
            for lot in lots:
                said = [
                    (Example(pass_type, serial, device_id), verdict)
                    for serial, device_id in lot.some
                    if serial in explained and (verdict := explained[serial].of(device_id)) is not None
                ]
                looked_at += len(said)
                behind += lot.people
                found += shares(lot, said)
            people = await self.store.count_followed(pass_type)
            followed += people
            found += await self._of_certificate(pass_type, explained, people)
        return Round(followed, max(0, followed - behind), looked_at, grouped(found))

    async def _explained(self, pass_type: str, named: Sequence[tuple[str, str]]) -> Mapping[str, Explained]:
        """The passes of these (serial, device id), by serial; without those that were erased meanwhile."""
        devices: dict[str, list[str]] = {}
        for serial, device_id in named:
            devices.setdefault(serial, []).append(device_id)
        explained = {}
        for serial, mine in devices.items():
            with contextlib.suppress(NotFound):
                explained[serial] = await self.explain(pass_type, serial, mine)
        return explained

    async def _of_certificate(self, pass_type: str, explained: Mapping[str, Explained], people: int) -> list[Share]:
        """It concerns all passes of the type: one that was looked at already shows it, or any."""
        known = next(iter(explained.values()), None)
        if known is None:
            first = await self.store.passes(
                pass_type=pass_type, template=None, prefix="", after=("", ""), limit=1, within=None
            )
            known = await self.explain(pass_type, first[0].serial) if first else None
        if known is None:
            return []
        example = Example(pass_type, known.pass_.serial, None)
        # Whether a pass is an NFC pass, the others do not say.
        return [
            Share(one, people, one.code != NFC_LOST, example) for one in known.verdicts if one.trip is Trip.CERTIFICATE
        ]

    async def _phone(self, held: Held, target: Target | None) -> Phone:
        row = held.registration
        return Phone(
            held,
            target,
            await self.store.last_of_phone(row.pass_type, row.device_id, held.target, limit=MOST_EVENTS),
        )

    async def _cohort(self, pass_type: str, held: Sequence[Held]) -> Cohort:
        """The phones that were pushed in the hour of the first push that no ask has followed."""
        waiting = [one.pushed_at for one in held if one.pushed_at is not None and first_gap(one.watermarks) == "ask"]
        if not waiting:
            return Cohort()
        first = min(waiting)
        return await self.store.pushed_and_asked(pass_type, after=first - HOUR, before=first + HOUR, limit=SAMPLE)
