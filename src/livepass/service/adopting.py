"""Takes in registrations that another service acknowledged: the phones of passes that came from there.

A phone that is taken in is told of its passes at its next ask, whatever tag it brings: the tag is a foreign one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from livepass.core import trip1_register
from livepass.core.authorization import fingerprint
from livepass.core.decision import Decision, Join, SaveDevice
from livepass.core.replay import body_of, entry_of
from livepass.core.snapshots import RegisterSnapshot
from livepass.pkpass import PkpassError
from livepass.service.safekeeping import keep_up
from livepass.service.seams import Clock, Journal, KeyRing, Reader, Signal, Store, Tx

NEVER = 253_402_300_799_000
"""The end of the year 9999: a push that is owed, and waits for the next change."""


class Adopted(StrEnum):
    """What became of a registration."""

    TAKEN = "taken in"
    THERE = "there already"
    LEFT = "the phone left since"
    NO_PASS = "its pass is not here"
    NO_TOKEN = "the token of its pass cannot be had"
    NO_PHONE = "it names no phone: the device id or the push token is none"


@dataclass(frozen=True, slots=True)
class Known:
    """A registration as another service knows it."""

    pass_type: str
    serial: str
    device_id: str
    push_token: str


class Adopting:
    """Repeatable: a phone that is here already, or has left since, is left alone."""

    def __init__(self, store: Store, keys: KeyRing, clock: Clock, due: Signal, journal: Journal | None) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._due = due
        self._journal = journal

    async def adopt(self, known: Known, *, push: bool) -> Adopted:
        """Take one in; durable when this returns. ``push``: wake the phone, which then asks here."""
        if not _is_phone(known):
            return Adopted.NO_PHONE
        became, decision = await self._decide(self._store, known, push)
        if decision is None:
            return became

        async def work(tx: Tx) -> tuple[Adopted, Decision | None]:
            await tx.lock_phone(known.pass_type, known.device_id, known.push_token)
            became, decision = await self._decide(tx, known, push)
            if decision is not None:
                await tx.apply(decision.writes, decision.events)
            return became, decision

        became, decision = await self._store.write(work)
        if decision is not None:
            await self._keep(known, decision)
            if push:
                self._due.set()
        return became

    async def _decide(self, reader: Reader, known: Known, push: bool) -> tuple[Adopted, Decision | None]:
        key = (known.pass_type, known.serial, known.device_id)
        snapshot = await reader.register_snapshot(*key, push_token=known.push_token)
        found = snapshot.registration
        if snapshot.token is None:
            return Adopted.NO_PASS, None
        if found is not None:
            return (Adopted.THERE if found.left_at is None else Adopted.LEFT), None
        # What the phone said here, of another pass, is newer than what it said there.
        push_token = snapshot.device.push_token if snapshot.device is not None else known.push_token
        expected = await self._token(reader, known, snapshot)
        if expected is None:
            return Adopted.NO_TOKEN, None
        facts = trip1_register.RegisterFacts(
            *(known.pass_type, known.serial, known.device_id, f"ApplePass {expected}", body_of(push_token), expected),
            *(True, snapshot.device, found, snapshot.target_dead, self._clock.now(), snapshot.twins),
        )
        decision = trip1_register.register(facts)
        # No phone has called: the timeline says so.
        events = tuple(replace(event, detail={**event.detail, "imported": True}) for event in decision.events)
        writes = tuple(
            replace(write, push_at=write.push_at if push else NEVER) if isinstance(write, Join) else write
            for write in decision.writes
        )
        return Adopted.TAKEN, replace(decision, writes=writes, events=events)

    async def _token(self, reader: Reader, known: Known, snapshot: RegisterSnapshot) -> str | None:
        if snapshot.token is None:
            return None
        try:
            await keep_up(reader, self._keys, snapshot.token)
            return self._keys.token(snapshot.tenant, known.pass_type, known.serial, snapshot.token)
        except PkpassError:
            return None

    async def _keep(self, known: Known, decision: Decision) -> None:
        """Outside the database too, as if the phone had registered here."""
        if self._journal is None:
            return
        snapshot = await self._store.register_snapshot(known.pass_type, known.serial, known.device_id)
        token = await self._token(self._store, known, snapshot)
        [saved] = [write for write in decision.writes if isinstance(write, SaveDevice)]
        entry = entry_of(decision, fingerprint(token or ""), saved.push_token, None)
        if entry is not None:
            await self._journal.append(entry)


def _is_phone(known: Known) -> bool:
    return (
        trip1_register.DEVICE_ID.fullmatch(known.device_id) is not None
        and trip1_register.PUSH_TOKEN.fullmatch(known.push_token) is not None
        and known.push_token == known.push_token.lower()
    )
