"""Certificates, templates and API keys as callers get them: facts, never secrets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from livepass.core.model import ApiKey, Certificate, StoredTemplate
from livepass.core.rotation import Link, signing
from livepass.pkpass import CertificateRefused, RootEvidence
from livepass.pkpass.certificate import facts_of
from livepass.service.publishing import Published
from livepass.service.refusals import Fault
from livepass.service.rotating import Plan, Proven
from livepass.web.issuer_answers import LintProblem, faults, lint_problems
from livepass.web.issuer_answers_events import Instant, at, maybe_at
from livepass.web.problems import ProblemError

CertificateState = Literal["live", "proven", "staged", "retired"]
DAY_MS = 86_400_000


class CertificateRow(Struct, frozen=True):
    """A Pass Type ID certificate: its facts, never its key. `days_left` are whole days until it or its intermediate
    ends. `generation` is that of the intermediate (`G4` since 2022; empty: its name says none), `root` whether the
    chain ends at Apple: `apple` proved by fingerprint, `claims-apple` by name only, `foreign`; `unreadable`: the stored
    chain is damaged.
    """

    id: str
    state: CertificateState
    live: bool
    signs: bool
    pass_type: str
    team: str
    common_name: str
    organization: str
    issuer: str
    serial_number: str
    not_before: Instant
    not_after: Instant
    intermediate_not_after: Instant
    nfc: bool
    created_at: Instant
    proven_at: Instant | None
    promoted_at: Instant | None
    retired_at: Instant | None
    revoked_at: Instant | None
    canary_percent: int
    days_left: int
    generation: str
    key_bits: int
    root: RootEvidence | Literal["unreadable"]

    @classmethod
    def of(cls, row: Certificate, signs: bool, now: int) -> CertificateRow:
        return cls(*_certificate(row, signs, now))

    @classmethod
    def all_of(cls, rows: Sequence[Certificate], lineage: Sequence[Certificate], now: int) -> list[CertificateRow]:
        """`lineage`: all certificates of the pass types of `rows`."""
        links: dict[str, list[Link]] = {}
        for one in lineage:
            links.setdefault(one.pass_type, []).append(one.link)
        used = {found.id for each in links.values() if (found := signing(each, now)) is not None}
        return [cls.of(row, row.id in used, now) for row in rows]


def _certificate(row: Certificate, signs: bool, now: int) -> tuple[Any, ...]:
    return (
        row.id,
        row.link.stage.value,
        row.live,
        signs,
        row.pass_type,
        row.team,
        row.common_name,
        row.organization,
        row.issuer,
        row.serial_number,
        at(row.not_before),
        at(row.not_after),
        at(row.intermediate_not_after),
        row.nfc,
        at(row.created_at),
        maybe_at(row.proven_at),
        maybe_at(row.promoted_at),
        maybe_at(row.retired_at),
        maybe_at(row.revoked_at),
        row.canary_percent,
        (row.link.until - now) // DAY_MS,
        *_of_chain(row),
    )


def _of_chain(row: Certificate) -> tuple[str, int, str]:
    """Generation, bits of the key, and the root. One damaged row does not hide the others."""
    try:
        facts = facts_of(row.chain_pem)
    except CertificateRefused:
        return "", 0, "unreadable"
    return facts.generation, facts.key_bits, facts.root


class CertificateImported(CertificateRow, frozen=True):
    """A certificate that was taken in, with what is worth knowing about it."""

    problems: list[ProblemError]

    @classmethod
    def imported(cls, row: Certificate, signs: bool, problems: Sequence[Fault], now: int) -> CertificateImported:
        return cls(*(*_certificate(row, signs, now), faults(problems)))


class CertificateProven(CertificateRow, frozen=True):
    """A certificate that has proved itself, and what APNs answered to the push: its status and reason."""

    apns_status: int
    apns_reason: str

    @classmethod
    def proven(cls, proven: Proven, signs: bool, now: int) -> CertificateProven:
        return cls(*(*_certificate(proven.certificate, signs, now), proven.tried.status, proven.tried.reason))


class PlannedDate(Struct, frozen=True):
    """A date: what stops, what goes on, and what to do before ("": nothing)."""

    at: Instant
    certificate: str | None
    what: str
    stops: str
    goes_on: str
    do: str


class PassTypePlan(Struct, frozen=True):
    """What comes for the certificates of a pass type, and how many passes and registrations hang on them."""

    pass_type: str
    passes: int
    registrations: int
    dates: list[PlannedDate]

    @classmethod
    def of(cls, plan: Plan) -> PassTypePlan:
        dates = [
            PlannedDate(at(due.at), due.certificate_id, due.what, due.stops, due.goes_on, due.do) for due in plan.dates
        ]
        return cls(plan.pass_type, plan.passes, plan.registrations, dates)


class CertificatePlan(Struct, frozen=True):
    """What comes when, of each pass type."""

    data: list[PassTypePlan]


class TemplateRow(Struct, frozen=True):
    """A template's current revision, and its variables with their types."""

    name: str
    revision: str
    variables: dict[str, str]
    created_at: Instant

    @classmethod
    def of(cls, row: StoredTemplate) -> TemplateRow:
        return cls(row.name, row.revision, dict(row.variables), at(row.created_at))


class TemplatePublished(Struct, frozen=True):
    """The revision that is current now. `new` false: it was already. `problems` did not stop it."""

    name: str
    revision: str
    variables: dict[str, str]
    new: bool
    problems: list[LintProblem]

    @classmethod
    def of(cls, published: Published) -> TemplatePublished:
        return cls(
            published.name, published.revision, published.variables, published.new, lint_problems(published.problems)
        )


class KeyRow(Struct, frozen=True):
    """An API key; its secret is not kept. `pass_types` null: for all of them."""

    id: str
    name: str
    scopes: list[str]
    pass_types: list[str] | None
    created_at: Instant
    last_used_at: Instant | None
    revoked_at: Instant | None
    key: str | UnsetType = UNSET
    """The whole key, in the answer that creates it and never again."""

    @classmethod
    def of(cls, row: ApiKey, key: str | UnsetType = UNSET) -> KeyRow:
        return cls(
            row.id,
            row.name,
            list(row.scopes),
            None if row.pass_types is None else list(row.pass_types),
            at(row.created_at),
            maybe_at(row.last_used_at),
            maybe_at(row.revoked_at),
            key,
        )


class CertificatePage(Struct, frozen=True):
    """A page of certificates."""

    data: list[CertificateRow]
    next_cursor: str | None


class TemplatePage(Struct, frozen=True):
    """A page of templates."""

    data: list[TemplateRow]
    next_cursor: str | None


class KeyPage(Struct, frozen=True):
    """A page of API keys."""

    data: list[KeyRow]
    next_cursor: str | None
