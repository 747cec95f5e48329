"""Takes in rewards enrolments: a phone's one call, which is never repeated.

What somebody gave, the pass without its form, its number, the pushes that are due and the line in the diary are one
transaction, and are durable before the phone gets its answer. What is wrong is said before anything is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from livepass.core import personalize
from livepass.core.change import next_last_modified
from livepass.core.decision import Decision, PassVersion, Reply
from livepass.core.model import Enrolment, Pass
from livepass.core.personalize import Asked, PersonalizeFacts
from livepass.core.sealed import Sealable
from livepass.core.timeline import TAKEN
from livepass.pkpass import PkpassError
from livepass.service.building import Builder, CannotBuild
from livepass.service.drafting import Draft, Wish
from livepass.service.issuing import ATTEMPTS, Issuing
from livepass.service.observing import Recorder
from livepass.service.refusals import NotFound, Refusal
from livepass.service.safekeeping import keep_up
from livepass.service.seams import Chance, Clock, KeyRing, Scheduler, Store, Tx
from livepass.service.whose import expected_token, known_serial

log = logging.getLogger(__name__)


class _Overtaken(Exception):
    """Somebody changed the pass meanwhile: it is drawn anew."""


class Personalizing:
    """One object per process. It shares the numbers and dates that ``issuing`` gives away."""

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        builder: Builder,
        recorder: Recorder,
        clock: Clock,
        chance: Chance,
        scheduler: Scheduler,
        issuing: Issuing,
    ) -> None:
        self._store = store
        self._keys = keys
        self._builder = builder
        self._recorder = recorder
        self._clock = clock
        self._chance = chance
        self._scheduler = scheduler
        self._issuing = issuing

    async def personalize(self, pass_type: str, serial: str, authorization: str | None, body: bytes) -> Reply:
        """``POST /v1/passes/{type}/{serial}/personalize``. Durable when this returns 200."""
        serial = await known_serial(self._store, pass_type, serial)
        snapshot = await self._store.fetch_snapshot(pass_type, serial)
        token = snapshot.head.token if snapshot.head else None
        await keep_up(self._store, self._keys, token)
        expected = expected_token(self._keys, snapshot.tenant, pass_type, serial, token)
        known, now = token is not None, self._clock.now()
        facts = PersonalizeFacts(pass_type, serial, authorization, body, expected, known, now)
        asked = personalize.read(facts)
        if isinstance(asked, Decision):
            return self._noted(asked)
        try:
            return await self._take_in(facts, asked)
        except CannotBuild as error:
            log.error("an enrolment for %s/%s is lost: %s (%s)", pass_type, serial, error, error.hint)
            return self._noted(personalize.failed(facts, str(error)))
        except Refusal as refusal:
            # What exactly is wrong with the pass stands in its own refusals; here it might quote what was given.
            log.error("an enrolment for %s/%s is lost: the pass cannot be drawn (%s)", pass_type, serial, refusal.code)
            return self._noted(personalize.failed(facts, f"the pass cannot be drawn ({refusal.code})"))

    def _noted(self, decision: Decision) -> Reply:
        self._recorder.note(decision.writes, decision.events)
        return decision.reply

    async def _take_in(self, facts: PersonalizeFacts, asked: Asked) -> Reply:
        for _ in range(ATTEMPTS):
            row = await self._store.pass_(facts.pass_type, facts.serial)
            if row is None:
                return Reply(401)  # erased meanwhile
            if row.enrolled is None:
                return self._noted(personalize.refused(facts, 400, "no version of this pass offered an enrolment"))
            kept = await self._store.enrolments_of(facts.pass_type, facts.serial)
            if self._repeated(asked, kept):
                return Reply(200, personalize.OCTETS, await self._signature(row, asked))
            if len(kept) >= personalize.MOST_OF_A_PASS:
                return self._noted(personalize.failed(facts, f"{len(kept)} enrolments are kept of this pass already"))
            try:
                return await self._keep(row, asked, facts.now)
            except _Overtaken:
                continue
        return self._noted(personalize.failed(facts, "the pass is being changed by others all the time"))

    def _repeated(self, asked: Asked, kept: Sequence[Enrolment]) -> bool:
        try:
            return personalize.same(asked, [self._keys.open_enrolment(one) for one in kept])
        except PkpassError:
            return False  # one that does not open is not asked: twice is better than not at all

    async def _signature(self, row: Pass, asked: Asked) -> bytes:
        """The token, signed as the pass is. Raises ``CannotBuild``."""
        identity = await self._builder.signer(row.pass_type, row.serial)
        at = datetime.fromtimestamp(self._clock.now() / 1000, UTC)
        try:
            return await self._scheduler.off_loop(lambda: identity.sign(asked.token.encode(), at))
        except PkpassError as error:  # above all: the certificate has lapsed
            raise CannotBuild(error.reason, error.hint) from error

    async def _keep(self, row: Pass, asked: Asked, now: int) -> Reply:
        """Signed first, because what cannot be signed is not to be kept; answered once it is all durable."""
        signature = await self._signature(row, asked)
        id_ = self._chance.token_bytes(8).hex()
        sealed = self._keys.seal(Sealable.ENROLMENT, row.pass_type, id_, personalize.write_asked(asked))
        enrolment = Enrolment(row.pass_type, id_, row.serial, TAKEN, now, not row.enrolled, sealed)
        began = self._clock.stopwatch()
        draft = None if row.enrolled else await self._draft(row, id_, asked)

        if draft is None:
            await self._store.write(lambda tx: _add(tx, row, enrolment, asked))
        else:
            number, last_modified = await self._store.write(lambda tx: _put_on_pass(tx, draft, enrolment, asked))
            self._issuing.gave_away(row.pass_type, last_modified)
            self._issuing.tell(row.pass_type, number, began, {"passes": 1})
            self._issuing.pushes_are_due()
        return Reply(200, personalize.OCTETS, signature)

    async def _draft(self, row: Pass, id_: str, asked: Asked) -> Draft:
        wish = Wish(row.pass_type, row.serial, patch=True, enrolment=(id_, personalize.values(asked)))
        try:
            draft = await self._issuing.drafting.draft(wish)
        except NotFound as refusal:
            raise _Overtaken from refusal
        if draft.before is None or (draft.before.edit, draft.before.token) != (row.edit, row.token):
            raise _Overtaken
        return draft


async def _put_on_pass(tx: Tx, draft: Draft, enrolment: Enrolment, asked: Asked) -> tuple[int, int]:
    """The first enrolment of a pass, and the version that it makes; answers its number and its ``Last-Modified``.
    Raises ``_Overtaken``.
    """
    row, before, now = draft.row, draft.before, enrolment.at
    assert before is not None, "an enrolment makes no pass"
    await _require_still(tx, before)
    counter = await tx.locked_counter(row.pass_type)
    last_modified = next_last_modified(before.last_modified, now, counter.modified_floor if counter else 0)
    event = personalize.personalized(row.pass_type, row.serial, asked, draft.on_pass, now)
    version = PassVersion(replace(row, last_modified=last_modified, changed_at=now), True, event)
    number, _ = await tx.put_passes(row.pass_type, [version], now=now, push_at=now, urgent=False)
    await tx.put_enrolment(replace(enrolment, number=number))
    return number, last_modified


async def _add(tx: Tx, row: Pass, enrolment: Enrolment, asked: Asked) -> None:
    """One more enrolment, which changes no pass. Raises ``_Overtaken``."""
    await _require_still(tx, row)
    if len(await tx.enrolments_of(row.pass_type, row.serial)) >= personalize.MOST_OF_A_PASS:
        raise _Overtaken
    number = await tx.put_enrolment(enrolment)
    await tx.add_events([personalize.enrolled_again(row.pass_type, row.serial, asked, number, enrolment.at)])


async def _require_still(tx: Tx, row: Pass) -> None:
    """The pass is the one that was read, and stays it until the end."""
    present = await tx.pass_identities(row.pass_type, [row.serial])
    if present.get(row.serial) != (row.edit, row.token):
        raise _Overtaken
