"""Passes as callers get them, made from the rows of ``core``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Raw, Struct

from livepass.core.model import Held, Pass
from livepass.core.polling import Polling, polling
from livepass.core.timeline import Event, first_gap
from livepass.web.issuer_answers_events import Instant, at, maybe_at
from livepass.web.problems import Problem, ProblemError, error_of

if TYPE_CHECKING:
    from livepass.pkpass import Problem as Linted
    from livepass.pkpass.notices import Notice
    from livepass.service.issuing import Issued, Preview
    from livepass.service.refusals import Fault

LintEffect = Literal["refused", "logged", "invisible", "grant"]
StandsOn = Literal["current", "fetch", "ask", "push", "register"]
Json = Annotated[Raw, Meta(extra_json_schema={"type": "object"})]


def faults(found: Sequence[Fault]) -> list[ProblemError]:
    return [error_of(fault) for fault in found]


class LintProblem(ProblemError, frozen=True):
    """Something in a pass that Wallet does not take as it is meant; the pass is issued all the same.

    `effect`, as far as Apple's pages and reports from the field say: `refused`, phones of these versions refuse the
    pass; `logged`, they log it and leave the part out; `invisible`, the part has no effect and nobody says so; `grant`,
    Apple must permit it first. `ios`: the versions of iOS that are concerned. `/docs/reference/lint` lists the rules.
    """

    effect: LintEffect
    ios: list[int]


def lint_problems(found: Sequence[Linted]) -> list[LintProblem]:
    return [LintProblem(one.pointer, one.message, one.remedy, one.rule, one.effect, list(one.ios)) for one in found]


class PassResult(Struct, frozen=True):
    """What became of a change. `number` is the pass's newest change number; `tag` is it as phones see it."""

    pass_type: str
    serial: str
    tag: str
    number: int
    changed: bool
    last_modified: Instant
    registrations: int
    pushes_due: int
    warnings: list[LintProblem]

    @classmethod
    def of(cls, issued: Issued) -> PassResult:
        return cls(
            issued.pass_type,
            issued.serial,
            issued.tag,
            issued.number,
            issued.changed,
            at(issued.last_modified * 1000),
            issued.registrations,
            issued.pushes_due,
            lint_problems(issued.warnings),
        )


class FieldChange(Struct, frozen=True):
    """A field whose value differs, matched by its `key`."""

    key: str
    before: Any
    after: Any
    message: str | None


class Told(Struct, frozen=True):
    """What the lock screen would say, and why. `text` where it is known; `assumed`: what nobody has confirmed.

    `general`: Wallet is reported to show one line of its own in place of the messages.
    """

    kind: Literal["exact", "general", "silent"]
    reason: str
    text: str | None
    assumed: list[str]

    @classmethod
    def of(cls, notice: Notice) -> Told:
        return cls(notice.kind, notice.reason, notice.text, list(notice.assumed))


class Foretold(Told, frozen=True):
    """The same for a phone of any other language, and for each language that the pass has texts for."""

    languages: dict[str, Told]


class PassPreview(Struct, frozen=True):
    """What a change would do; nothing was done. `lock_screen` is what Wallet would show of it, `notice` tells why."""

    dry_run: Literal[True]
    pass_type: str
    serial: str
    created: bool
    changed: bool
    fields: list[FieldChange]
    lock_screen: str | None
    notice: Foretold
    registrations: int
    warnings: list[LintProblem]

    @classmethod
    def of(cls, preview: Preview) -> PassPreview:
        return cls(
            True,
            preview.pass_type,
            preview.serial,
            preview.created,
            preview.changed,
            [FieldChange(c["key"], c["before"], c["after"], _text(c["message"])) for c in preview.fields],
            preview.notice.line,
            _foretold(preview),
            preview.registrations,
            lint_problems(preview.warnings),
        )


def _foretold(preview: Preview) -> Foretold:
    # Here, because pkpass brings cryptography along, and few calls draw.
    from livepass.pkpass.notices import foretell_all
    from livepass.preview.spoken import spoken

    told = Told.of(preview.notice)
    found = foretell_all(preview.moved, preview.files, new=preview.created, say=spoken)
    languages = {language: Told.of(notice) for language, notice in found.items()}
    return Foretold(told.kind, told.reason, told.text, told.assumed, languages)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


class BatchResult(PassResult, frozen=True, kw_only=True):
    """A line that was carried out. `created`: the pass is new."""

    line: int
    created: bool
    ok: Literal[True] = True


class BatchProblem(Struct, frozen=True):
    """A line that was refused; the others are not held up."""

    line: int
    ok: Literal[False]
    problem: Problem


class BatchEnd(Struct, frozen=True):
    """The last line of a call that ended early: no line from `line` on was acknowledged. Send those again."""

    line: int
    problem: Problem
    ok: Literal[False] = False
    ended: Literal[True] = True


class Marks(Struct, frozen=True):
    """Change numbers, each seen on a wire. `served` 0: the phone has fetched nothing that we saw."""

    changed: int
    pushed: int
    asked: int
    told: int
    served: int


class PassRegistration(Struct, frozen=True):
    """The pass on one phone. `stands_on` names the round trip that is not closed yet.

    `superseded`: the same phone follows the pass under a newer device id; this one is answered and no longer counted.
    """

    device_id: str
    registered_at: Instant
    left_at: Instant | None
    superseded: bool
    watermarks: Marks
    stands_on: StandsOn
    unverified: bool
    asked_at: Instant | None
    served_at: Instant | None
    pushed_at: Instant | None
    dead_reason: str | None

    @classmethod
    def of(cls, held: Held) -> PassRegistration:
        marks = held.watermarks
        return cls(
            held.registration.device_id,
            at(held.registration.registered_at),
            maybe_at(held.registration.left_at),
            held.registration.superseded_at is not None,
            Marks(marks.changed, marks.pushed, marks.asked, marks.told, marks.served),
            first_gap(marks).value,
            marks.served == 0,
            maybe_at(held.device.asked_at),
            maybe_at(held.registration.served_at),
            maybe_at(held.pushed_at),
            held.dead_reason,
        )


class PassSummary(Struct, frozen=True):
    """A pass in a list."""

    pass_type: str
    serial: str
    template: str
    revision: str
    pinned: bool
    number: int
    last_modified: Instant
    voided: bool
    created_at: Instant
    changed_at: Instant

    @classmethod
    def of(cls, row: Pass) -> PassSummary:
        return cls(*_summary(row))


def _summary(row: Pass) -> tuple[Any, ...]:
    return (
        row.pass_type,
        row.serial,
        row.template,
        row.revision,
        row.pinned,
        row.seq,
        at(row.last_modified * 1000),
        row.voided,
        at(row.created_at),
        at(row.changed_at),
    )


class OtherWallet(Struct, frozen=True):
    """A family of wallets that poll a pass: they fetch it and never register. `served`: the newest number that it was
    handed; `fetches` and `refused`: how many of its fetches were answered lately, and how many refused.
    """

    wallet: str
    last_at: Instant
    served: int
    fetches: int
    refused: int

    @classmethod
    def of(cls, one: Polling) -> OtherWallet:
        return cls(one.wallet, at(one.last_at), one.served, one.fetches, one.refused)


class PassDetail(PassSummary, frozen=True):
    """A pass as it is. `document` is its pass.json without the token, which only the pass itself holds."""

    tag: str
    data: Json
    content: Json
    document: Json
    registrations: list[PassRegistration]
    other_wallets: list[OtherWallet]
    holder: str | None

    @classmethod
    def detailed(cls, row: Pass, tag: str, held: Sequence[Held], polls: Sequence[Event]) -> PassDetail:
        phones = [PassRegistration.of(one) for one in held]
        others = [OtherWallet.of(one) for one in polling(polls)]
        documents = Raw(row.data), Raw(row.content), Raw(row.document)
        return cls(*(*_summary(row), tag, *documents, phones, others, row.holder))


class PassPage(Struct, frozen=True):
    """A page of passes."""

    data: list[PassSummary]
    next_cursor: str | None
