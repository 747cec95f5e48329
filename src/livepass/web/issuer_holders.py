"""Privacy requests: all that is kept of a person, to be handed over or erased."""

from __future__ import annotations

from msgspec import Raw, Struct

from livepass.service.holders import REMAINS, Forgotten, HeldPass
from livepass.web.issuer_answers import Json, PassRegistration
from livepass.web.issuer_answers_events import EventRow, Instant, at
from livepass.web.issuer_enrolments import EnrolmentRow
from livepass.web.issuer_requests import HolderQuery, NamedPass
from livepass.web.operations import Answer, Call, Operation


class HolderPass(Struct, frozen=True):
    """A pass with everything that is kept of it. `timeline`: oldest first, what phones said among it; `more_events`:
    there are more than are shown.
    """

    pass_type: str
    serial: str
    created_at: Instant
    changed_at: Instant
    voided: bool
    data: Json
    content: Json
    document: Json
    registrations: list[PassRegistration]
    enrolments: list[EnrolmentRow]
    timeline: list[EventRow]
    more_events: bool

    @classmethod
    def of(cls, one: HeldPass) -> HolderPass:
        row = one.row
        return cls(
            row.pass_type,
            row.serial,
            at(row.created_at),
            at(row.changed_at),
            row.voided,
            Raw(row.data),
            Raw(row.content),
            Raw(row.document),
            [PassRegistration.of(held) for held in one.held],
            [EnrolmentRow.of(given) for given in one.enrolments],
            [EventRow.of(event) for event in one.events],
            one.more,
        )


class HolderExport(Struct, frozen=True):
    """All that is kept of a person. Tokens are left out: whoever has a pass's token has the pass."""

    holder: str
    exported_at: Instant
    passes: list[HolderPass]


class HolderErased(Struct, frozen=True):
    """The receipt. `remains`: what erasing cannot reach, and until when. `dry_run`: nothing was erased."""

    holder: str
    at: Instant
    dry_run: bool
    passes: list[NamedPass]
    registrations: int
    enrolments: int
    remains: list[str]

    @classmethod
    def of(cls, holder: str, done: Forgotten, *, dry_run: bool) -> HolderErased:
        passes = [NamedPass(*name) for name in done.passes]
        return cls(holder, at(done.at), dry_run, passes, done.registrations, done.enrolments, list(REMAINS))


async def export(call: Call) -> Answer:
    """Every pass of a person: its data, its phones with their device ids, what was given at enrolments, and all that
    happened, what phones said included.
    """
    holder = call.path["holder"]
    found = await call.services.holders.everything(call.caller, holder)
    return Answer(200, HolderExport(holder, at(call.services.clock.now()), [HolderPass.of(one) for one in found]))


async def erase(call: Call) -> Answer:
    """Forget every pass of a person, with its phones, enrolments and history. Phones that hold one are refused from now
    on, and never learn why: void the passes first if they should know.
    """
    holder, query = call.path["holder"], call.query
    done = await call.services.holders.forget(call.caller, holder, dry_run=query.dry_run)
    return Answer(200, HolderErased.of(holder, done, dry_run=query.dry_run))


OPERATIONS = (
    Operation(
        "GET",
        "/holders/{holder}",
        "exportHolder",
        "All that is kept of a person",
        export,
        ("holders:admin",),
        {200: (HolderExport,)},
        group="holders",
    ),
    Operation(
        "DELETE",
        "/holders/{holder}",
        "eraseHolder",
        "Forget all that is kept of a person",
        erase,
        ("holders:admin",),
        {200: (HolderErased,)},
        HolderQuery,
        group="holders",
        no_key="its answer names the person, and is kept nowhere; to erase twice does no harm",
    ),
)
