"""The issuer's side: make a pass, change it, void it, forget it.

Drafts are drawn before the transaction (``drafting``); what they were based on is checked again inside it, and if
somebody else was faster, they are drawn anew. A change is one transaction {number, pass, due pushes, event}.
"""

from __future__ import annotations

import base64
from collections import Counter as Counts
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from livepass.core.change import next_last_modified
from livepass.core.decision import PassVersion
from livepass.core.frozen import frozen
from livepass.core.model import DEFAULT_TENANT, Held, Pass, Tag, TokenSource
from livepass.core.timeline import TAKEN, Event, Kind
from livepass.core.trip3_ask import write_tag
from livepass.pkpass import Problem, Template
from livepass.pkpass.notices import Moved, Notice
from livepass.service.building import Builder, CannotBuild
from livepass.service.drafting import SERIAL, Draft, Drafting, Wish, shared_token
from livepass.service.enrolments import Enrolments
from livepass.service.epochs import new_epoch
from livepass.service.preconditions import WHATEVER, Precondition, version_of
from livepass.service.refusals import Conflict, Refusal, TooLarge, no_pass
from livepass.service.seams import Chance, Clock, KeyRing, Signal, Store, Tracing, Tx

BATCH_LIMIT = 1000
"""Passes that share one number, so one transaction: more would hold the others up."""
ATTEMPTS = 8
BUSY = "busy"
"""The code of a refusal: others were faster to the last, and the same may be tried again."""
AT_A_STRETCH = 10
"""Passes rendered before phones get their turn: a millisecond or two."""
READ_AT_ONCE = 10 * AT_A_STRETCH
"""Passes read in one statement: about a millisecond too. To ask the database costs more than what it answers."""

Push = Literal["auto", "now", "none"]


@frozen
class Issued:
    """What became of a wish. ``number`` is the pass's newest change number, ``tag`` the same as phones see it."""

    pass_type: str
    serial: str
    created: bool
    changed: bool
    number: int
    tag: str
    last_modified: int
    registrations: int
    pushes_due: int
    warnings: tuple[Problem, ...] = ()
    row: Pass | None = field(default=None, repr=False)
    """As it is stored; ``None`` where nothing was."""

    @property
    def version(self) -> str:
        """Of this writing of the pass, for its ``ETag``. Nobody asks for it in a batch."""
        return "" if self.row is None else version_of(self.row)


Then = Callable[[Tx, Issued], Awaitable[None]]
"""Goes with a change, in its transaction. It may be run again, as the transaction is."""
_NONE: Mapping[int, Then] = MappingProxyType({})
Together = Callable[[Tx, Mapping[int, Issued]], Awaitable[None]]
"""The same for several, by their indexes. Raises to undo all of them."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a wish would change, without doing it. ``moved`` and ``files``: to foretell ``notice`` in each language."""

    pass_type: str
    serial: str
    created: bool
    changed: bool
    fields: tuple[Mapping[str, Any], ...]
    notice: Notice
    moved: tuple[Moved, ...] = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    registrations: int
    warnings: tuple[Problem, ...] = ()


class Issuing:
    """One object per process. ``web_service_url`` and ``other_urls`` as in ``Drafting``."""

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        builder: Builder,
        clock: Clock,
        chance: Chance,
        due: Signal,
        web_service_url: str,
        other_urls: Sequence[str] = (),
        tracing: Tracing | None = None,
    ) -> None:
        self._tracing = tracing
        self._store = store
        self._keys = keys
        self.builder = builder
        self._clock = clock
        self.chance = chance
        self._due = due
        self.enrolments = Enrolments(store, keys)
        self.web_service_url = web_service_url
        self.other_urls = tuple(other_urls)
        self.drafting = Drafting(store, keys, builder, clock, chance, web_service_url, other_urls)
        self.gave: dict[str, int] = {}
        """The newest ``last_modified`` given away from here, by pass type: a lost history is not to be repeated."""

    # ── one pass

    async def put(self, wish: Wish, push: Push = "auto", then: Then | None = None) -> Issued:
        """Make the pass what the wish says. Durable when this returns."""
        [result] = await self._put_type([wish], push, {} if then is None else {0: then})
        if isinstance(result, Refusal):
            raise result
        return result

    async def preview(self, wish: Wish) -> Preview:
        """What ``put`` would do: the dry run."""
        draft = await self.drafting.draft(wish)
        held = await self._store.held(wish.pass_type, wish.serial) if draft.before else ()
        return Preview(
            wish.pass_type,
            wish.serial,
            draft.before is None,
            draft.moves,
            draft.fields,
            draft.notice,
            draft.moved,
            draft.files,
            _followed_by(held),
            draft.warnings,
        )

    async def draft(self, wish: Wish) -> Mapping[str, bytes]:
        """What ``put`` would make, to look at: its files by name, without the token. Nothing is signed."""
        draft = await self.drafting.draft(wish)
        try:
            return await self.builder.shown(draft.row, draft.tenant)
        except CannotBuild as error:
            raise Refusal(str(error), hint=error.hint, code="cannot_build") from error

    def new_serial(self) -> str:
        """One that nobody has: 80 random bits in the letters of a serial number."""
        return base64.b32encode(self.chance.token_bytes(10)).decode().lower()

    async def erase(
        self,
        pass_type: str,
        serial: str,
        only_if: Precondition = WHATEVER,
        then: Callable[[Tx], Awaitable[None]] | None = None,
    ) -> None:
        """Forget a pass, its registrations and its history. Phones that hold it will be refused from now on. ``then``
        goes with it, in its transaction.
        """

        now = self._clock.now()

        async def work(tx: Tx) -> None:
            if only_if:
                await tx.pass_identities(pass_type, [serial])  # held from here on
                if (row := await tx.pass_(pass_type, serial)) is not None:
                    only_if.require(row)
            if not await tx.erase_pass(pass_type, serial, told_at=now):
                raise no_pass(pass_type, serial)
            if then is not None:
                await then(tx)

        await self._store.write(work)

    async def push(self, pass_type: str, serial: str | None) -> int:
        """Send what is due now, budget or not; answers how many pushes that makes due."""
        if serial is not None and await self._store.pass_(pass_type, serial) is None:
            raise no_pass(pass_type, serial)
        now = self._clock.now()
        count = await self._store.write(lambda tx: tx.want_now(pass_type, serial, now))
        self._due.set()
        return count

    async def pkpass(self, pass_type: str, serial: str) -> bytes:
        """The signed pass as it is now."""
        row = await self._store.pass_(pass_type, serial)
        if row is None:
            raise no_pass(pass_type, serial)
        try:
            return await self.builder.pkpass(row, await self.drafting.tenant(pass_type))
        except CannotBuild as error:
            raise Refusal(str(error), hint=error.hint, code="cannot_build") from error

    async def bundled(self, passes: Mapping[str, bytes]) -> bytes:
        """The .pkpasses of signed passes, by their names in it."""
        try:
            return await self.builder.bundle(passes)
        except CannotBuild as error:
            raise Refusal(str(error), hint=error.hint, code="cannot_build") from error

    async def tag(self, row: Pass) -> str:
        """The pass's number as it would stand in a tag."""
        counter = await self._store.counter(row.pass_type)
        epoch = counter.epoch if counter else ""
        return write_tag(Tag(epoch, row.seq), row.pass_type, self._keys.tag_key)

    async def put_side_by_side(
        self, wishes: Sequence[Wish], push: Push, thens: Mapping[int, Then]
    ) -> list[Issued | Refusal | None]:
        """Wishes of callers who know nothing of each other, for different passes of one pass type: what can be stored
        at once is, under one number. ``None`` where a draft went stale meanwhile: that one is ``put`` by itself.
        ``thens`` by index. Where it raises, nothing was stored; after ``Unavailable`` nobody knows.
        """
        began = self._clock.stopwatch()
        drafts = await self._draw(list(enumerate(wishes)))
        results: dict[int, Issued | Refusal] = {i: draft for i, draft in drafts.items() if isinstance(draft, Refusal)}
        good = {index: draft for index, draft in drafts.items() if isinstance(draft, Draft)}
        if good:
            stored, _ = await self._store_drafts(good, push, thens, in_part=True)
            self._tell(stored, began)
            results |= stored
        return [results.get(index) for index in range(len(wishes))]

    def link(self, issued: Issued) -> None:
        """The request at hand led to this change, which was stored apart from it."""
        if self._tracing is not None and issued.changed:
            self._tracing.link(issued.pass_type, issued.number)

    # ── many passes

    async def put_many(self, wishes: Sequence[Wish], push: Push = "auto") -> list[Issued | Refusal]:
        """One result per wish, in order. A wish that is refused does not hold up the others; those of one pass type
        become visible together, under one number.
        """
        if len(wishes) > BATCH_LIMIT:
            raise TooLarge(
                f"{len(wishes)} passes in one call; the limit is {BATCH_LIMIT}",
                hint=f"send them in calls of {BATCH_LIMIT} or fewer: each call takes one number and one transaction",
            )
        return await self._put_all(wishes, push)

    async def put_lot(self, wishes: Sequence[Wish], push: Push, together: Together) -> list[Issued | Refusal]:
        """As ``put_many``, of different passes of one pass type. ``together`` goes with those that are stored, in their
        transaction.
        """
        return await self._put_type(wishes, push, together=together)

    async def rehearse_many(self, wishes: Sequence[Wish]) -> list[Issued | Refusal]:
        """As ``put_many``, and nothing changes: ``number`` and ``tag`` are those of now, and no push is due."""
        return await self._put_all(wishes, None)

    async def _put_all(self, wishes: Sequence[Wish], push: Push | None) -> list[Issued | Refusal]:
        results: dict[int, Issued | Refusal] = {}
        by_type: dict[str, list[int]] = {}
        seen: set[tuple[str, str]] = set()
        holders = {(wish.token, wish.pass_type, wish.serial) for wish in wishes if wish.token is not None}
        tokens = Counts(token for token, _, _ in holders)
        for index, wish in enumerate(wishes):
            if (wish.pass_type, wish.serial) in seen:
                results[index] = Refusal(
                    f"{wish.pass_type}/{wish.serial} stands twice in this call", hint="send each pass once a call"
                )
                continue
            seen.add((wish.pass_type, wish.serial))
            if wish.token is not None and tokens[wish.token] > 1:
                results[index] = shared_token()
                continue
            by_type.setdefault(wish.pass_type, []).append(index)
        for indexes in by_type.values():
            group = [wishes[index] for index in indexes]
            outcome = await (self._rehearse_type(group) if push is None else self._put_type(group, push))
            results.update(zip(indexes, outcome, strict=True))
        return [results[index] for index in range(len(wishes))]

    async def _put_type(
        self,
        wishes: Sequence[Wish],
        push: Push,
        thens: Mapping[int, Then] = _NONE,
        together: Together | None = None,
    ) -> list[Issued | Refusal]:
        """Wishes of one pass type, stored together. Drafts that went stale are drawn anew, the others kept; those that
        are stale once more at the last attempt are refused, and do not hold up the others.
        """
        drafts: dict[int, Draft | Refusal] = {}
        began = self._clock.stopwatch()
        for attempt in range(1, ATTEMPTS + 1):
            drafts |= await self._draw([(i, wish) for i, wish in enumerate(wishes) if i not in drafts])
            good = {index: draft for index, draft in drafts.items() if isinstance(draft, Draft)}
            if not good:
                break
            stored, stale = await self._store_drafts(good, push, thens, together, in_part=attempt == ATTEMPTS)
            if not stale or attempt == ATTEMPTS:
                self._tell(stored, began)
                return [_result(drafts[index], stored.get(index)) for index in range(len(wishes))]
            for index in stale:
                del drafts[index]
        return [_result(drafts[index], None) for index in range(len(wishes))]

    async def _rehearse_type(self, wishes: Sequence[Wish]) -> list[Issued | Refusal]:
        drafts = await self._draw(list(enumerate(wishes)))
        pass_type = wishes[0].pass_type
        counter = await self._store.counter(pass_type)
        followed = await self._store.followed_by(pass_type, [wish.serial for wish in wishes])
        results: list[Issued | Refusal] = []
        for index, wish in enumerate(wishes):
            draft = drafts[index]
            if isinstance(draft, Refusal):
                results.append(draft)
                continue
            row, phones = draft.row, followed.get(wish.serial, (0, 0))[0]
            tag = write_tag(Tag(counter.epoch if counter else "", row.seq), pass_type, self._keys.tag_key)
            told = (draft.before is None, draft.moves, row.seq, tag, row.last_modified, phones, 0, draft.warnings)
            results.append(Issued(pass_type, wish.serial, *told))
        return results

    async def _draw(self, wishes: Sequence[tuple[int, Wish]]) -> dict[int, Draft | Refusal]:
        """Drafts of wishes of one pass type, under their indexes."""
        drafts: dict[int, Draft | Refusal] = {}
        gathered = self.drafting.gathering()
        for start in range(0, len(wishes), AT_A_STRETCH):
            stretch = wishes[start : start + AT_A_STRETCH]
            if start:
                await self.builder.breathe()
            if start % READ_AT_ONCE == 0:
                some = [wish.serial for _, wish in wishes[start : start + READ_AT_ONCE]]
                serials = [serial for serial in some if SERIAL.fullmatch(serial)]
                if len(serials) > 1:
                    await gathered.read(wishes[0][1].pass_type, serials)
            for index, wish in stretch:
                drafts[index] = await self.drafting.draft_or_refusal(wish, gathered)
        return drafts

    # ── storing: inside the transaction

    async def _store_drafts(
        self,
        drafts: Mapping[int, Draft],
        push: Push,
        thens: Mapping[int, Then],
        together: Together | None = None,
        *,
        in_part: bool,
    ) -> tuple[dict[int, Issued], list[int]]:
        """Store all drafts of one pass type, or none and say which went stale; ``in_part``: all that did not."""
        now = self._clock.now()
        pass_type = next(iter(drafts.values())).row.pass_type
        # Drawn up before anything is locked. All but the date, which an epoch that began meanwhile may raise.
        drawn = {index: _version(draft, now, 0) for index, draft in drafts.items()}

        async def work(tx: Tx) -> tuple[_Stored, list[int]]:
            # Read once for all, because others wait for these locks; a template's revision comes with its files.
            serials = [draft.row.serial for draft in drafts.values()]
            present = await tx.pass_identities(pass_type, serials)
            revisions: dict[tuple[str, str], str | None] = {}
            fresh, stale = dict[int, Draft](), list[int]()
            for index, draft in drafts.items():
                if await _went_stale(tx, draft, present, revisions):
                    stale.append(index)
                else:
                    fresh[index] = draft
            if not fresh or (stale and not in_part):
                return _Stored(), stale
            done = {i: _done_before(d) for i, d in fresh.items() if not await _receives(tx, d, now)}
            fresh = {index: draft for index, draft in fresh.items() if index not in done}
            if not fresh:
                return _Stored(done), stale
            followed = await tx.followed_by(pass_type, [draft.row.serial for draft in fresh.values()])
            # Locked from here on: a new epoch that began between the floor and the number would lie above neither.
            moves = any(draft.moves for draft in fresh.values())
            counter = await (tx.locked_counter(pass_type) if moves else tx.counter(pass_type))
            floor = counter.modified_floor if counter else 0
            versions = {
                index: drawn[index] if drawn[index].row.last_modified >= floor else _version(draft, now, floor)
                for index, draft in fresh.items()
            }
            number, _ = await tx.put_passes(
                pass_type, [*versions.values()], now=now, push_at=None if push == "none" else now, urgent=push == "now"
            )
            epoch = counter.epoch if counter else ""
            stored = _Stored(done, versions, followed, number, epoch)
            for index in versions:
                if index in thens:
                    await thens[index](tx, self._issued(stored, index, drafts[index], push))
            if together is not None:
                await together(tx, {index: self._issued(stored, index, drafts[index], push) for index in versions})
            return stored, stale

        stored, stale = await self._store.write(work)
        # What is answered is worked out when others need not wait for it any more.
        results = {
            **stored.done,
            **{index: self._issued(stored, index, drafts[index], push) for index in stored.versions},
        }
        self.gave_away(pass_type, max((result.last_modified for result in results.values()), default=0))
        return results, stale

    def _issued(self, stored: _Stored, index: int, draft: Draft, push: Push) -> Issued:
        version = stored.versions[index]
        row, seq = version.row, stored.number if version.moves else version.row.seq
        phones, tokens = stored.followed.get(row.serial, (0, 0))
        return Issued(
            row.pass_type,
            row.serial,
            draft.before is None,
            version.moves,
            seq,
            write_tag(Tag(stored.epoch, seq), row.pass_type, self._keys.tag_key),
            row.last_modified,
            phones,
            tokens if version.moves and push != "none" else 0,
            draft.warnings,
            row,
        )

    def _tell(self, stored: Mapping[int, Issued], began: float) -> None:
        """Those who wait for what was stored just now. What moved, of one pass type, moved under one number."""
        if any(result.pushes_due for result in stored.values()):
            self._due.set()
        moved = [result for result in stored.values() if result.changed]
        if moved:
            facts = {"passes": len(moved), "pushes_due": sum(result.pushes_due for result in moved)}
            self.tell(moved[0].pass_type, moved[0].number, began, facts)

    def tell(self, pass_type: str, number: int, began: float, facts: Mapping[str, int]) -> None:
        """A change that began then is stored under that number."""
        if self._tracing is not None:
            self._tracing.tell("change", pass_type, (number,), self._clock.stopwatch() - began, facts)

    def gave_away(self, pass_type: str, last_modified: int) -> None:
        """A version got this ``last_modified``."""
        self.gave[pass_type] = max(last_modified, self.gave.get(pass_type, 0))

    def pushes_are_due(self) -> None:
        """Pushes became due at once, by a transaction of this process."""
        self._due.set()

    # ── passes that follow a template

    async def follow(self, tenant: str, name: str, *, limit: int = 500) -> int:
        """Build up to ``limit`` passes anew that follow a template and do not have its newest revision; answers how
        many are done with. Passes whose bytes stay the same get the revision and nothing else.
        """
        template = await self.builder.template(tenant, name, None)
        if template is None:
            return 0
        rows = await self._store.followers(tenant, name, template.revision, limit=limit)
        wishes: dict[str, list[Wish]] = {}
        for row in rows:
            wishes.setdefault(row.pass_type, []).append(Wish(row.pass_type, row.serial, patch=True, following=True))
        busy = 0
        for pass_type, group in wishes.items():
            for wish, result in zip(group, await self._put_type(group, "auto"), strict=True):
                if isinstance(result, Conflict):
                    busy += 1  # changed by others all the time, and so not done yet: another round will find it
                elif isinstance(result, Refusal):
                    await self._refuse(pass_type, wish.serial, template, result)
        return len(rows) - busy

    async def follow_all(self, stopping: Callable[[], bool] = lambda: False) -> int:
        """Bring every pass to its template's newest revision: what a crash left undone is done here. Stops between two
        pages when ``stopping`` says so.
        """
        count = 0
        for tenant, name, _ in await self._store.templates_behind():
            while not stopping() and (followed := await self.follow(tenant, name)):
                count += followed
        return count

    async def _refuse(self, pass_type: str, serial: str, template: Template, refusal: Refusal) -> None:
        """A pass that cannot be built from the new revision keeps its old one, and is not tried again."""
        faults = [f"{fault.pointer}: {fault.message}" for fault in refusal.faults]
        detail = {"revision": template.revision, "reason": refusal.title, "faults": faults[:10]}
        event = Event(Kind.TEMPLATE_REFUSED, self._clock.now(), pass_type, serial, detail=detail)

        async def work(tx: Tx) -> None:
            if await tx.pass_(pass_type, serial) is None:
                return  # erased meanwhile: nothing of it may be written down any more
            await tx.refuse_revision(pass_type, serial, template.revision)
            await tx.add_events([event])

        await self._store.write(work)


@dataclass(frozen=True, slots=True)
class _Stored:
    """What a transaction did with drafts, by their indexes. ``done``: wishes that came again, with their answers."""

    done: Mapping[int, Issued] = field(default_factory=dict)
    versions: Mapping[int, PassVersion] = field(default_factory=dict)
    followed: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    number: int = 0
    epoch: str = ""


async def _went_stale(
    tx: Tx,
    draft: Draft,
    present: Mapping[str, tuple[int, TokenSource]],
    revisions: dict[tuple[str, str], str | None],
) -> bool:
    """Whether somebody was faster. ``revisions`` remembers the current ones within one transaction."""
    if present.get(draft.row.serial) != _identity(draft.before):
        return True
    print_ = draft.row.token_print if draft.before is None else None
    if print_ is not None and await tx.token_holder(draft.row.pass_type, print_) is not None:
        return True  # drawn anew, it is refused: a pass with that token was taken in meanwhile
    if draft.follows is None:
        return False
    name, revision = draft.follows
    key = (draft.tenant, name)
    if key not in revisions:
        template = await tx.template(draft.tenant, name, None)
        revisions[key] = template.revision if template else None
    return revisions[key] != revision


def _identity(row: Pass | None) -> tuple[int, TokenSource] | None:
    """Which writing of which pass: one that was erased and made again starts anew, under another token."""
    return None if row is None else (row.edit, row.token)


def _version(draft: Draft, now: int, floor: int) -> PassVersion:
    before, row = draft.before, draft.row
    if not draft.moves:
        event = Event(Kind.UNCHANGED, now, row.pass_type, row.serial, seq=row.seq)
        return PassVersion(row, False, event if draft.noted else None)
    last_modified = next_last_modified(before.last_modified if before else None, now, floor)
    row = replace(row, last_modified=last_modified, changed_at=now)
    detail: dict[str, object]
    if before is None:
        kind, detail = Kind.ISSUED, {"template": row.template}
    else:
        kind = Kind.VOIDED if row.voided and not before.voided else Kind.CHANGED
        notice = draft.notice
        detail = {"fields": draft.noted_fields, "lock_screen": notice.line, "notice": notice.kind}
        # What service.past works earlier versions out from.
        if draft.undo != {}:
            detail["undo"] = draft.undo
        if (before.template, before.revision) != (row.template, row.revision):
            detail["made_from"] = [before.template, before.revision]
        if notice.kind != "exact":
            detail["because"] = notice.reason
    event = Event(kind, now, row.pass_type, row.serial, seq=TAKEN, detail=detail)
    return PassVersion(row, True, event, creates=before is None)


def _result(draft: Draft | Refusal, stored: Issued | None) -> Issued | Refusal:
    """What became of a wish: its own refusal, what was stored, or that others were faster to the last."""
    if isinstance(draft, Refusal):
        return draft
    return stored or Conflict(
        "this pass is being changed by others faster than it can be rendered",
        hint="send the change again",
        code=BUSY,
    )


async def _receives(tx: Tx, draft: Draft, now: int) -> bool:
    """Whether a draft is to be stored: it was not before."""
    return not draft.receipt or await tx.take_receipt(draft.row.pass_type, draft.receipt, now)


def _done_before(draft: Draft) -> Issued:
    """A wish that came again changes nothing, whatever became of the pass since."""
    row = draft.before or draft.row
    return Issued(row.pass_type, row.serial, False, False, row.seq, "", row.last_modified, 0, 0)


def _followed_by(held: Sequence[Held]) -> int:
    return sum(1 for one in held if one.registration.left_at is None and one.registration.superseded_at is None)


async def ensure_pass_type(
    tx: Tx, chance: Chance, pass_type: str, team: str, now: int, tenant: str = DEFAULT_TENANT
) -> None:
    """Set up a pass type: its row and its counter, in a fresh epoch."""
    await tx.ensure_pass_type(pass_type, tenant, team, new_epoch(chance), now)
