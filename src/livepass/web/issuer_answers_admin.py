"""Certificates, templates and API keys as callers get them: facts, never secrets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from livepass.core.model import ApiKey, Certificate, StoredTemplate
from livepass.pkpass import CertificateRefused, RootEvidence
from livepass.pkpass.certificate import facts_of
from livepass.service.publishing import Published
from livepass.service.refusals import Fault
from livepass.web.issuer_answers import Instant, at, faults, maybe_at
from livepass.web.problems import ProblemError

CertificateState = Literal["live", "proven", "staged", "retired"]
DAY_MS = 86_400_000


class CertificateRow(Struct, frozen=True):
    """A Pass Type ID certificate: its facts, never its key. `days_left` are whole days until `not_after`. `generation`
    is that of the intermediate (`G4` since 2022; empty: its name says none), `root` whether the chain ends at Apple:
    `apple` proved by fingerprint, `claims-apple` by name only, `foreign`; `unreadable`: the stored chain is damaged.
    """

    id: str
    state: CertificateState
    live: bool
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
    retired_at: Instant | None
    days_left: int
    generation: str
    key_bits: int
    root: RootEvidence | Literal["unreadable"]

    @classmethod
    def of(cls, row: Certificate, now: int) -> CertificateRow:
        return cls(*_certificate(row, now))


def _certificate(row: Certificate, now: int) -> tuple[Any, ...]:
    return (
        row.id,
        state_of(row),
        row.live,
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
        maybe_at(row.retired_at),
        (row.not_after - now) // DAY_MS,
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
    def imported(cls, row: Certificate, problems: Sequence[Fault], now: int) -> CertificateImported:
        return cls(*(*_certificate(row, now), faults(problems)))


def state_of(row: Certificate) -> CertificateState:
    """Derived, never stored: what signs now is live, whatever else is said of it."""
    if row.live:
        return "live"
    if row.retired_at is not None:
        return "retired"
    return "proven" if row.proven_at is not None else "staged"


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
    """The revision that is current now. `new` false: it was already."""

    name: str
    revision: str
    variables: dict[str, str]
    new: bool

    @classmethod
    def of(cls, published: Published) -> TemplatePublished:
        return cls(published.name, published.revision, published.variables, published.new)


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
