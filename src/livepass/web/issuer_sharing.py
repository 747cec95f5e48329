"""Sharing a pass by link, and how far shared passes came."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from livepass.core.funnel import STEPS, Funnel
from livepass.core.share import DAY, LONGEST, MINUTE, USUAL
from livepass.service.keeping import DAY_MS, EVENTS_KEPT_MS
from livepass.service.refusals import Fault, Refusal
from livepass.web.issuer_answers_events import Instant, at
from livepass.web.issuer_requests import PassType
from livepass.web.operations import Answer, Call, Operation, json_body

MOST_DAYS = EVENTS_KEPT_MS // DAY_MS
"""Older events are forgotten, so what they were cannot be counted."""


class ShareRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """How long the link opens: `minutes` or `days`, 1 minute to 365 days; neither: 7 days."""

    minutes: Annotated[int, Meta(ge=1, le=LONGEST // MINUTE)] | None = None
    days: Annotated[int, Meta(ge=1, le=LONGEST // DAY)] | None = None

    def seconds(self) -> int:
        if self.minutes is not None and self.days is not None:
            raise Refusal(
                "minutes and days are both given",
                hint="leave out one of minutes and days",
                faults=[Fault("/minutes", "does not go with days")],
            )
        if self.minutes is not None:
            return self.minutes * MINUTE
        return USUAL if self.days is None else self.days * DAY


class SharedLink(Struct, frozen=True):
    """A link. Whoever has it can see the pass and add it, until it ends; it is not stored, and shown only here."""

    url: str
    expires_at: Instant


class FunnelQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """Of one pass type only; and of passes that were opened within so many days."""

    pass_type: PassType | None = None
    days: Annotated[int, Meta(ge=1, le=MOST_DAYS)] = 30


class FunnelRow(Struct, frozen=True):
    """How many passes of a type came how far. What each step means, and does not: `steps`."""

    pass_type: str
    viewed: int
    downloaded: int
    registered: int
    updated: int

    @classmethod
    def of(cls, funnel: Funnel) -> FunnelRow:
        counts = (funnel.viewed, funnel.downloaded, funnel.registered, funnel.updated)
        return cls(funnel.pass_type, *counts)


class Funnels(Struct, frozen=True):
    """One row for each pass type, of passes opened within `days`."""

    days: int
    data: list[FunnelRow]
    steps: dict[str, str]


async def share(call: Call) -> Answer:
    """Make a link to the pass's share page."""
    body: ShareRequest = call.body
    pass_type, serial = call.named_pass()
    shared = await call.services.sharing.share(pass_type, serial, body.seconds())
    return Answer(201, SharedLink(shared.url, at(shared.expires_at)))


async def funnel(call: Call) -> Answer:
    """How far passes came that were shared by link."""
    query: FunnelQuery = call.query
    store = call.services.store
    since = call.services.clock.now() - query.days * DAY_MS
    known = [row.pass_type for row in await store.pass_types()]
    seen = [name for name in known if call.caller.sees(name) and query.pass_type in (None, name)]
    rows = [FunnelRow.of(await store.funnel(name, since=since)) for name in seen]
    return Answer(200, Funnels(query.days, rows, dict(STEPS)))


OPERATIONS = (
    Operation(
        "POST",
        "/passes/{type}/{serial}:share",
        "sharePass",
        "Make a link with which anybody can see a pass and add it",
        share,
        # It lets others in, also after the key that made it is revoked: more than reading.
        ("passes:write",),
        {201: (SharedLink,)},
        body=json_body(ShareRequest),
        no_key="its answer is a link that lets in whoever has it, and is kept nowhere; another link does no harm",
    ),
    Operation(
        "GET",
        "/funnel",
        "getFunnel",
        "How far passes came that were shared by link",
        funnel,
        ("passes:read",),
        {200: (Funnels,)},
        FunnelQuery,
    ),
)
