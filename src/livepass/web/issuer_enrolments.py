"""What people gave when they signed up for rewards: of one pass; and of a pass type, to be read on from a row."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from livepass.service.enrolments import Given
from livepass.web.issuer_answers_events import Instant, at
from livepass.web.issuer_lists import linked
from livepass.web.issuer_requests import EnrolmentsQuery
from livepass.web.operations import Answer, Call, Operation
from livepass.web.paging import Cursor, page

_ENROLMENTS = Cursor("enrolments", tuple[str, int])


class EnrolmentRow(Struct, frozen=True):
    """What one person gave. `on_pass`: it is the first of its pass, and shown on it. `info` is as the phone sent it;
    null where it cannot be opened, and `unreadable` says why. `cursor`: to go on after this one, also next week.
    """

    id: str
    pass_type: str
    serial: str
    number: Annotated[int, Meta(description="In the order of the pass type's changes")]
    at: Instant
    on_pass: bool
    info: dict[str, Any] | None
    unreadable: str | None
    cursor: str | None

    @classmethod
    def of(cls, given: Given) -> EnrolmentRow:
        row = given.enrolment
        info = None if given.info is None else dict(given.info)
        names = (row.id, row.pass_type, row.serial, row.number, at(row.at), row.on_pass)
        return cls(*names, info, given.unreadable or None, _ENROLMENTS.write(_key(given)) if given.epoch else None)


class Enrolments(Struct, frozen=True):
    """The enrolments of one pass, oldest first."""

    data: list[EnrolmentRow]


class EnrolmentPage(Struct, frozen=True):
    """A page of enrolments, in the order in which they were stored."""

    data: list[EnrolmentRow]
    next_cursor: str | None


def _key(given: Given) -> tuple[str, int]:
    return given.epoch, given.enrolment.number


async def of_pass(call: Call) -> Answer:
    """What was given for one pass."""
    found = await call.services.issuing.enrolments.of_pass(*call.named_pass())
    return Answer(200, Enrolments([EnrolmentRow.of(given) for given in found]))


async def enrolments(call: Call) -> Answer:
    """What was given for passes of a type, after the one that the cursor names."""
    query: EnrolmentsQuery = call.query
    epoch, number = _ENROLMENTS.read(query.cursor, ("", -1))
    found = (
        await call.services.issuing.enrolments.after(query.pass_type, epoch, number, query.limit + 1)
        if call.caller.sees(query.pass_type)
        else ()
    )
    shown, cursor = page(found, query.limit, _ENROLMENTS, _key)
    return linked(call, EnrolmentPage([EnrolmentRow.of(given) for given in shown], cursor), cursor)


OPERATIONS = (
    Operation(
        "GET",
        "/passes/{type}/{serial}/enrolments",
        "getEnrolments",
        "What was given when a pass was signed up with",
        of_pass,
        ("enrolments:read",),
        {200: (Enrolments,)},
    ),
    Operation(
        "GET",
        "/enrolments",
        "listEnrolments",
        "What was given when passes of a type were signed up with, to be read on",
        enrolments,
        ("enrolments:read",),
        {200: (EnrolmentPage,)},
        EnrolmentsQuery,
    ),
)
