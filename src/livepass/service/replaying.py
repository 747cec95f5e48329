"""Replays the registration journal: brings back the registrations that a database lost when it went back in time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from livepass.core import trip1_register
from livepass.core.authorization import fingerprint
from livepass.core.decision import Decision, Join, Retarget, Write
from livepass.core.replay import (
    Act,
    Entry,
    LastWords,
    Page,
    Standing,
    Unreadable,
    body_of,
    by_the_diary,
    depends_on_the_diary,
    push_token_now,
    standing,
)
from livepass.core.snapshots import RegisterSnapshot
from livepass.pkpass import PkpassError
from livepass.service.keeping import EVENTS_KEPT_MS
from livepass.service.safekeeping import keep_up
from livepass.service.seams import Clock, Journal, KeyRing, Reader, Scheduler, Store, Tx

log = logging.getLogger(__name__)

LATE_SECONDS = 1.0
"""Whoever answers a phone at this moment writes its entry down within this time."""


class Gone(StrEnum):
    """Why a registration cannot be brought back."""

    NO_PASS = "its pass is not in the database"
    OTHER_PASS = "its pass was made anew, with another token"
    NO_TOKEN = "the token of its pass cannot be derived"


@dataclass(frozen=True, slots=True)
class LostRegistration:
    """A registration that the journal has and the database cannot take."""

    pass_type: str
    serial: str
    device_id: str
    at: int
    why: Gone


@dataclass(slots=True)
class Replayed:
    """What became of a journal's entries."""

    entries: int = 0
    replayed: int = 0
    already_there: int = 0
    overtaken: int = 0
    lost: list[LostRegistration] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)


class Replaying:
    """Repeatable: what is there, or was overtaken by what a phone said later, is left alone."""

    def __init__(self, store: Store, keys: KeyRing, clock: Clock, scheduler: Scheduler, journal: Journal) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._scheduler = scheduler
        self._journal = journal

    async def run(self, since: int | None) -> Replayed:
        """Replay every entry, or those from ``since`` (ms) on. Raises ``OSError`` when the folder cannot be read."""
        report, lost = Replayed(), dict[tuple[str, str, str], LostRegistration]()
        words = LastWords()
        async for page in self._journal.pages({}, since):
            for entry in page.entries:
                words.note(entry)
        places: dict[str, int] = {}
        async for page in self._journal.pages(places, since):
            await self._page(page, words, report, lost)
        if report.replayed:
            # A phone may have left while we were reading, before the database knew again that it was there.
            await self._scheduler.sleep(LATE_SECONDS)
            async for page in self._journal.pages(places, since):
                await self._page(page, words, report, lost)
        report.lost = [lost[key] for key in sorted(lost)]
        return report

    async def _page(
        self, page: Page, words: LastWords, report: Replayed, lost: dict[tuple[str, str, str], LostRegistration]
    ) -> None:
        report.unreadable += page.unreadable
        for entry in page.entries:
            report.entries += 1
            if words.undone(entry):
                report.overtaken += 1
                continue
            became = await self._entry(entry)
            if isinstance(became, Gone):
                if entry.act is Act.REGISTER:
                    lost[entry.key] = LostRegistration(entry.pass_type, entry.serial, entry.device_id, entry.at, became)
            elif became is Standing.MISSING:
                report.replayed += 1
            elif became is Standing.OVERTAKEN:
                report.overtaken += 1
            else:
                report.already_there += 1

    async def _entry(self, entry: Entry) -> Standing | Gone:
        """Bring back what is missing, by the same rule that took it in first."""
        # Most are there: they never reach the writer.
        first, decided = await self._decide(self._store, entry)
        if decided is None:
            return first

        async def work(tx: Tx) -> Standing | Gone:
            await tx.lock_phone(entry.pass_type, entry.device_id, entry.push_token or None)
            became, decision = await self._decide(tx, entry)
            if decision is not None:
                await tx.apply([_at_once(write) for write in decision.writes], decision.events)
            return became

        return await self._store.write(work)

    async def _decide(self, reader: Reader, entry: Entry) -> tuple[Standing | Gone, Decision | None]:
        key = (entry.pass_type, entry.serial, entry.device_id)
        snapshot = await reader.register_snapshot(*key, push_token=entry.push_token or None)
        push_token = push_token_now(entry, snapshot.device)
        if push_token != entry.push_token:
            snapshot = await reader.register_snapshot(*key, push_token=push_token)
        expected = await self._token(reader, entry, snapshot)
        if isinstance(expected, Gone):
            return expected, None
        became = standing(entry, snapshot.device, snapshot.registration, snapshot.twins)
        if depends_on_the_diary(entry, became, snapshot.registration):
            left_at = await reader.last_left(*key)
            became = by_the_diary(entry, left_at, self._clock.now() - EVENTS_KEPT_MS)
        if became not in (Standing.MISSING, Standing.UNSAID):
            return became, None
        facts = trip1_register.RegisterFacts(
            entry.pass_type,
            entry.serial,
            entry.device_id,
            f"ApplePass {expected}",
            body_of(push_token),
            expected,
            True,
            snapshot.device,
            snapshot.registration,
            snapshot.target_dead,
            entry.at,
            snapshot.twins,
        )
        return became, _RULES[entry.act](facts)

    async def _token(self, reader: Reader, entry: Entry, snapshot: RegisterSnapshot) -> str | Gone:
        """The token of the pass, which must be the one that the phone had."""
        if snapshot.token is None:
            return Gone.NO_PASS
        try:
            await keep_up(reader, self._keys, snapshot.token)
            expected = self._keys.token(snapshot.tenant, entry.pass_type, entry.serial, snapshot.token)
        except PkpassError as error:
            log.error("the journal's registration of %s/%s: %s", entry.pass_type, entry.serial, error)
            return Gone.NO_TOKEN
        return expected if fingerprint(expected) == entry.token else Gone.OTHER_PASS


_RULES = {Act.REGISTER: trip1_register.register, Act.UNREGISTER: trip1_register.unregister}


def _at_once(write: Write) -> Write:
    """The push that a registration is owed waits for the phone, which asks by itself then. Now it does not."""
    return replace(write, push_at=0) if isinstance(write, Join | Retarget) else write


def summary(report: Replayed) -> str:
    """One line for the log."""
    counts: Sequence[tuple[int, str]] = (
        (report.replayed, "brought back"),
        (report.already_there, "there already"),
        (report.overtaken, "overtaken by what the phone said later"),
        (len(report.lost), "lost with their pass"),
        (sum(one.count for one in report.unreadable), "unreadable"),
    )
    return f"{report.entries} entries: " + ", ".join(f"{count} {what}" for count, what in counts)
