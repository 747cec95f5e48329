"""The lists: passes, registrations, pushes, what phones said, counts. What a key may not see is never read."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from livepass.web.issuer_answers import PassPage, PassSummary
from livepass.web.issuer_answers_phones import (
    LogPage,
    LogRow,
    ProcessRow,
    PushPage,
    PushRow,
    RegistrationPage,
    RegistrationRow,
    Standing,
    Stats,
)
from livepass.web.issuer_answers_why import WhyAll
from livepass.web.issuer_requests import (
    LARGEST_INTEGER,
    EventId,
    LogsQuery,
    PassesQuery,
    PushesQuery,
    RegistrationsQuery,
    StatsQuery,
)
from livepass.web.operations import Answer, Call, Operation
from livepass.web.paging import Cursor, page

_PASSES = Cursor("passes", tuple[str, str])
_REGISTRATIONS = Cursor("registrations", tuple[str, str, str])
_PUSHES = Cursor("pushes", tuple[str, str])
_LOGS = Cursor("device-logs", EventId)


def linked(call: Call, body: msgspec.Struct, cursor: str | None) -> Answer:
    """A page, with the address of the next one where there is one (RFC 8288)."""
    if cursor is None:
        return Answer(200, body)
    scope = call.request.scope
    kept = parse_qsl(scope.get("query_string", b"").decode(), keep_blank_values=True)
    query = urlencode([*((name, value) for name, value in kept if name not in ("cursor", "after")), ("cursor", cursor)])
    return Answer(200, body, headers={"link": f'<{quote(scope["path"])}?{query}>; rel="next"'})


async def passes(call: Call) -> Answer:
    """Passes, by pass type and serial."""
    query: PassesQuery = call.query
    found = await call.services.store.passes(
        pass_type=query.pass_type,
        template=query.template,
        prefix=query.serial_prefix,
        holder=query.holder,
        after=_PASSES.read(query.cursor, ("", "")),
        limit=query.limit + 1,
        within=call.caller.within,
    )
    shown, cursor = page(found, query.limit, _PASSES, lambda row: (row.pass_type, row.serial))
    return linked(call, PassPage([PassSummary.of(row) for row in shown], cursor), cursor)


async def registrations(call: Call) -> Answer:
    """Which pass is on which phone, those that left lately included."""
    query: RegistrationsQuery = call.query
    found = await call.services.store.registrations(
        pass_type=query.pass_type,
        device_id=query.device_id,
        after=_REGISTRATIONS.read(query.cursor, ("", "", "")),
        limit=query.limit + 1,
        within=call.caller.within,
    )
    shown, cursor = page(found, query.limit, _REGISTRATIONS, lambda row: (row.pass_type, row.device_id, row.serial))
    return linked(call, RegistrationPage([RegistrationRow.of(row) for row in shown], cursor), cursor)


async def pushes(call: Call) -> Answer:
    """What is owed to each push token."""
    query: PushesQuery = call.query
    found = await call.services.store.targets(
        pass_type=query.pass_type,
        due_only=query.due,
        after=_PUSHES.read(query.cursor, ("", "")),
        limit=query.limit + 1,
        within=call.caller.within,
    )
    shown, cursor = page(found, query.limit, _PUSHES, lambda row: (row[1].pass_type, row[0]))
    return linked(call, PushPage([PushRow.of(*row) for row in shown], cursor), cursor)


async def device_logs(call: Call) -> Answer:
    """What phones said, newest first."""
    query: LogsQuery = call.query
    found = await call.services.store.testimony(
        pass_type=query.pass_type,
        code=query.code,
        before=_LOGS.read(query.cursor, LARGEST_INTEGER),
        limit=query.limit + 1,
        within=call.caller.within,
    )
    shown, cursor = page(found, query.limit, _LOGS, lambda event: event.id)
    return linked(call, LogPage([LogRow.of(event) for event in shown], cursor), cursor)


async def stats(call: Call) -> Answer:
    """How many passes and registrations there are, where those stand, and which processes run."""
    query: StatsQuery = call.query
    counts = await call.services.store.stats(query.pass_type, within=call.caller.within)
    standing = Standing(counts["current"], counts["fetch"], counts["ask"], counts["push"])
    now = call.services.clock.now()
    running = await call.services.store.processes() if call.caller.of_all else ()
    processes = [ProcessRow.of(row, now) for row in running]
    return Answer(200, Stats(counts["passes"], counts["registrations"], counts["unverified"], standing, processes))


async def why_all(call: Call) -> Answer:
    """Why passes are not up to date on their phones: all of them, by what is to be said of them."""
    query: StatsQuery = call.query
    known = [row.pass_type for row in await call.services.store.pass_types()]
    seen = [name for name in known if call.caller.sees(name) and query.pass_type in (None, name)]
    return Answer(200, WhyAll.of(await call.services.explaining.everything(seen)))


OPERATIONS = (
    Operation("GET", "/passes", "listPasses", "Passes", passes, ("passes:read",), {200: (PassPage,)}, PassesQuery),
    Operation(
        "GET",
        "/registrations",
        "listRegistrations",
        "Which pass is on which phone",
        registrations,
        ("passes:read",),
        {200: (RegistrationPage,)},
        RegistrationsQuery,
        group="phones",
    ),
    Operation(
        "GET",
        "/pushes",
        "listPushes",
        "What is owed to each push token",
        pushes,
        ("passes:read",),
        {200: (PushPage,)},
        PushesQuery,
        group="pushes",
    ),
    Operation(
        "GET",
        "/device-logs",
        "listDeviceLogs",
        "What phones said, newest first",
        device_logs,
        ("logs:read",),
        {200: (LogPage,)},
        LogsQuery,
        group="phones",
    ),
    Operation(
        "GET",
        "/stats",
        "getStats",
        "How many there are, and where they stand",
        stats,
        ("passes:read",),
        {200: (Stats,)},
        StatsQuery,
        group="phones",
    ),
    Operation(
        "GET",
        "/why",
        "getWhyAll",
        "Why passes are not up to date, by what is to be said of them",
        why_all,
        ("passes:read",),
        {200: (WhyAll,)},
        StatsQuery,
        group="phones",
    ),
)
