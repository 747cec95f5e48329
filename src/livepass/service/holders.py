"""All that is kept of one person: handed over, or forgotten. A person is whoever the issuer says holds a pass.

Forgetting is by pass, each in one transaction: what a crash leaves is found again by the same name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from livepass.core.model import Held, Pass
from livepass.core.timeline import Event
from livepass.service.access import Caller
from livepass.service.enrolments import Enrolments, Given
from livepass.service.refusals import NotFound, TooLarge
from livepass.service.seams import Clock, Store, Tx

MOST_PASSES = 1000
MOST_EVENTS = 10_000

REMAINS = (
    "backups, archives and database dumps that were made before: until you delete them",
    "data that a restore set aside: until you drop it",
    "the registration journal, where one is kept: serial, device id and push token, until you delete its days",
    "messages of webhooks: serial and a fingerprint of the phone, 30 days, and as long as their receivers keep them",
    "lines of phones' logs that name neither a pass nor a phone, which cannot be told apart: 90 days",
    "the console's audit log: what was done and by whom, without the pass",
    "free pages of the database: until they are written over, or the database is vacuumed",
    "the passes on the phones: nobody but their holder deletes them",
)
"""What erasing cannot reach. docs/runbooks/legal-erase-request.md says what to do about each."""


@dataclass(frozen=True, slots=True)
class HeldPass:
    """One pass of a person, and everything that is kept with it. ``more``: there are older events."""

    row: Pass
    held: Sequence[Held]
    enrolments: Sequence[Given]
    events: Sequence[Event]
    more: bool


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was erased (or, in a dry run, would be)."""

    at: int
    passes: tuple[tuple[str, str], ...]
    registrations: int
    enrolments: int


class Holders:
    """One object per process."""

    def __init__(self, store: Store, enrolments: Enrolments, clock: Clock) -> None:
        self._store = store
        self._enrolments = enrolments
        self._clock = clock

    async def everything(self, caller: Caller, holder: str) -> Sequence[HeldPass]:
        """Each pass of a person with all that is kept of it. Raises ``NotFound``."""
        return [await self._of_pass(row) for row in await self._passes(caller, holder)]

    async def forget(self, caller: Caller, holder: str, *, dry_run: bool = False) -> Forgotten:
        """Erase each pass of a person, and all that is kept of it. Raises ``NotFound``."""
        registrations = enrolments = 0
        passes = await self._passes(caller, holder)
        for row in passes:
            held, given = await self._counted(row) if dry_run else await self._erase(row, holder)
            registrations, enrolments = registrations + held, enrolments + given
        return Forgotten(
            self._clock.now(), tuple((row.pass_type, row.serial) for row in passes), registrations, enrolments
        )

    async def _counted(self, row: Pass) -> tuple[int, int]:
        name = row.pass_type, row.serial
        return len(await self._store.held(*name)), len(await self._store.enrolments_of(*name))

    async def _erase(self, row: Pass, holder: str) -> tuple[int, int]:
        now = self._clock.now()

        async def work(tx: Tx) -> tuple[int, int]:
            name = row.pass_type, row.serial
            await tx.pass_identities(row.pass_type, [row.serial])  # held from here on
            present = await tx.pass_(*name)
            if present is None or present.holder != holder:
                return 0, 0  # erased or given to another person meanwhile
            counts = len(await tx.held(*name)), len(await tx.enrolments_of(*name))
            await tx.erase_pass(*name, told_at=now)
            return counts

        return await self._store.write(work)

    async def _passes(self, caller: Caller, holder: str) -> Sequence[Pass]:
        within = [
            kept.pass_type
            for kept in await self._store.pass_types()
            if kept.tenant == caller.tenant and caller.sees(kept.pass_type)
        ]
        found = await self._store.passes(
            pass_type=None,
            template=None,
            prefix="",
            after=("", ""),
            limit=MOST_PASSES + 1,
            within=within,
            holder=holder,
        )
        if not found:
            raise NotFound("there is no pass of this holder", hint="a holder is named as on the pass, letter by letter")
        if len(found) > MOST_PASSES:
            raise TooLarge(
                f"more than {MOST_PASSES} passes have this holder: that is no person",
                hint="list them: livepass pass list --holder, and erase each",
            )
        return found

    async def _of_pass(self, row: Pass) -> HeldPass:
        name = row.pass_type, row.serial
        events = await self._store.timeline(*name, after=0, limit=MOST_EVENTS + 1)
        own = [_own(event, row.serial) for event in events[:MOST_EVENTS]]
        given = await self._enrolments.of_pass(*name)
        return HeldPass(row, await self._store.held(*name), given, own, len(events) > MOST_EVENTS)


def _own(event: Event, serial: str) -> Event:
    """An ask names all passes that it was told of; those of others are none of this person's business."""
    serials = event.detail.get("serials")
    if not isinstance(serials, list):
        return event
    return replace(event, detail={**event.detail, "serials": [each for each in serials if each == serial]})
