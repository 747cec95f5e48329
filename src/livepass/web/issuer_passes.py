"""The operations on one pass: issue, change, read, void, erase, its bytes, its timeline, its pushes."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import quote

from msgspec import UNSET

from livepass.pkpass.zip_write import archive, entry, head
from livepass.service.drafting import Wish
from livepass.service.issuing import Issued
from livepass.service.preconditions import ANY, Precondition, version_of
from livepass.service.refusals import Fault, NotFound, Refusal, no_pass
from livepass.web.issuer_answers import PassDetail, PassPreview, PassResult
from livepass.web.issuer_answers_events import EventPage, EventRow
from livepass.web.issuer_answers_phones import PushesDue
from livepass.web.issuer_answers_why import Why
from livepass.web.issuer_lists import linked
from livepass.web.issuer_requests import (
    BatchLine,
    DeleteQuery,
    EventId,
    PassCreate,
    PassPatch,
    PassPut,
    PushRequest,
    PutQuery,
    TimelineQuery,
)
from livepass.web.once import with_change, with_effect
from livepass.web.operations import BASE, PKPASS, ZIP, Answer, Call, Operation, json_body
from livepass.web.paging import Cursor, page

MERGE_PATCH = "application/merge-patch+json"
MOST_POLLS = 200
"""A week of a wallet that polls: its fetches are noted once an hour."""
_EVENTS = Cursor("timeline", EventId)
_NOT_IN_A_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]")


async def put(call: Call) -> Answer:
    """Make the pass what the body says."""
    return await _change(call, _wish(call, patch=False))


async def create(call: Call) -> Answer:
    """Issue a pass under a serial number that is made here. With an `Idempotency-Key` a repeat makes no second one."""
    body: PassCreate = call.body
    if not call.caller.sees(body.pass_type):
        raise NotFound(f"there is no pass type {body.pass_type}", hint="livepass cert list shows the pass types")
    new = wish(body.pass_type, call.services.issuing.new_serial(), body)
    return await _change(call, replace(new, only_if=Precondition(none_match=(ANY,))))


async def patch(call: Call) -> Answer:
    """Change what the body names and keep the rest."""
    return await _change(call, _wish(call, patch=True))


async def delete(call: Call) -> Answer:
    """Void the pass and tell phones; or forget it."""
    pass_type, serial = call.named_pass()
    query: DeleteQuery = call.query
    if not query.erase:
        return await _change(call, Wish(pass_type, serial, patch=True, void=True, only_if=call.only_if))
    if query.dry_run:
        raise Refusal(
            "erasing has no dry run",
            hint="leave out one of erase and dry_run",
            faults=[Fault("?dry_run", "does not go with erase")],
        )
    gone = Answer(204)
    await call.services.issuing.erase(pass_type, serial, call.only_if, with_effect(call, gone))
    return gone


def _wish(call: Call, *, patch: bool) -> Wish:
    pass_type, serial = call.named_pass()
    body: PassPut | PassPatch = call.body
    return replace(wish(pass_type, serial, body, patch=patch), only_if=call.only_if)


Asked = PassPut | PassPatch | PassCreate | BatchLine


def wish(
    pass_type: str,
    serial: str,
    body: Asked,
    *,
    patch: bool = False,
    token: str | None = None,
    web_service_url: str | None = None,
) -> Wish:
    """What a body asks for; what it leaves out is ``None``. ``token``, ``web_service_url``: of one on phones."""
    return Wish(
        pass_type,
        serial,
        None if body.template is UNSET else body.template,
        None if body.data is UNSET else body.data,
        None if body.content is UNSET else body.content,
        None if body.revision is UNSET else body.revision,
        patch,
        holder=None if body.holder is UNSET else body.holder or "",
        token=token,
        web_service_url=web_service_url,
    )


async def _change(call: Call, wanted: Wish) -> Answer:
    query: PutQuery | DeleteQuery = call.query
    if query.dry_run:
        return Answer(200, PassPreview.of(await call.services.issuing.preview(wanted)))
    return _changed(await call.services.joined.put(wanted, query.push, with_change(call, _changed)))


def _changed(issued: Issued) -> Answer:
    headers = {"etag": etag(issued.version)}
    if issued.created:
        headers["location"] = f"{BASE}/passes/{quote(issued.pass_type, safe='')}/{quote(issued.serial, safe='')}"
    return Answer(201 if issued.created else 200, PassResult.of(issued), headers=headers)


def etag(version: str) -> str:
    """As the header has it."""
    return f'"{version}"'


async def get(call: Call) -> Answer:
    """The pass and its phones."""
    pass_type, serial = call.named_pass()
    row = await call.services.store.pass_(pass_type, serial)
    if row is None:
        raise no_pass(pass_type, serial)
    held = await call.services.store.held(pass_type, serial)
    polls = await call.services.store.polls(pass_type, serial, limit=MOST_POLLS)
    detail = PassDetail.detailed(row, await call.services.issuing.tag(row), held, polls)
    return Answer(200, detail, headers={"etag": etag(version_of(row))})


async def pkpass(call: Call) -> Answer:
    """The signed file."""
    pass_type, serial = call.named_pass()
    built = await call.services.issuing.pkpass(pass_type, serial)
    name = _NOT_IN_A_FILE_NAME.sub("_", serial)
    return Answer(200, built, PKPASS, {"content-disposition": f'attachment; filename="{name}.pkpass"'})


async def draft(call: Call) -> Answer:
    """What a change would make of the pass, to look at: without signature and token, so no phone takes it."""
    files = await call.services.issuing.draft(_wish(call, patch=True))
    entries = [entry(name, data, deflate=False) for name, data in sorted(files.items())]
    return Answer(200, archive(head(entries), ()), ZIP)


async def timeline(call: Call) -> Answer:
    """What happened to the pass, oldest first."""
    pass_type, serial = call.named_pass()
    query: TimelineQuery = call.query
    store = call.services.store
    after = _EVENTS.read(query.cursor, query.after)
    if await store.pass_(pass_type, serial) is None:
        raise no_pass(pass_type, serial)
    found = await store.timeline(pass_type, serial, after=after, limit=query.limit + 1)
    shown, cursor = page(found, query.limit, _EVENTS, lambda event: event.id)
    return linked(call, EventPage([EventRow.of(event) for event in shown], cursor), cursor)


async def why(call: Call) -> Answer:
    """Why the pass is not up to date on its phones."""
    return Answer(200, Why.of(await call.services.explaining.explain(*call.named_pass())))


async def push(call: Call) -> Answer:
    """Send what is due to the phones of this pass at once."""
    return Answer(200, PushesDue(await call.services.issuing.push(*call.named_pass())))


async def push_some(call: Call) -> Answer:
    """Send what is due at once: of a pass, or of a whole pass type."""
    body: PushRequest = call.body
    if body.serial is not None:
        if not call.caller.sees(body.pass_type):
            raise no_pass(body.pass_type, body.serial)
    elif not call.caller.sees(body.pass_type) or await call.services.store.pass_type(body.pass_type) is None:
        raise NotFound(f"there is no pass type {body.pass_type}", hint="livepass cert list shows the pass types")
    return Answer(200, PushesDue(await call.services.issuing.push(body.pass_type, body.serial)))


_PASS = "/passes/{type}/{serial}"
_CHANGED = {200: (PassResult, PassPreview), 201: (PassResult,)}

OPERATIONS = (
    Operation(
        "POST",
        "/passes",
        "createPass",
        "Issue a pass under a serial number that is made here",
        create,
        ("passes:write",),
        {200: (PassPreview,), 201: (PassResult,)},
        PutQuery,
        json_body(PassCreate),
    ),
    Operation(
        "PUT",
        _PASS,
        "putPass",
        "Issue a pass, or make it what the body says",
        put,
        ("passes:write",),
        _CHANGED,
        PutQuery,
        json_body(PassPut),
        conditional=True,
    ),
    Operation(
        "PATCH",
        _PASS,
        "patchPass",
        "Change part of a pass",
        patch,
        ("passes:write",),
        {200: (PassResult, PassPreview)},
        PutQuery,
        json_body(PassPatch, also=(MERGE_PATCH,)),
        conditional=True,
    ),
    Operation(
        "GET", _PASS, "getPass", "A pass, and where each phone stands", get, ("passes:read",), {200: (PassDetail,)}
    ),
    Operation(
        "DELETE",
        _PASS,
        "deletePass",
        "Void a pass and tell its phones, or erase it",
        delete,
        ("passes:write",),
        {200: (PassResult, PassPreview), 204: None},
        DeleteQuery,
        conditional=True,
    ),
    Operation(
        "GET", f"{_PASS}/pkpass", "getPkpass", "The signed .pkpass file", pkpass, ("passes:read",), {200: PKPASS}
    ),
    Operation(
        "POST",
        f"{_PASS}:draft",
        "draftPass",
        "What a change would make of a pass, as an unsigned zip to look at; nothing is changed",
        draft,
        ("passes:read",),
        {200: ZIP},
        body=json_body(PassPatch, also=(MERGE_PATCH,)),
    ),
    Operation(
        "GET",
        f"{_PASS}/timeline",
        "getTimeline",
        "What happened to a pass, oldest first",
        timeline,
        ("passes:read",),
        {200: (EventPage,)},
        TimelineQuery,
    ),
    Operation(
        "GET",
        f"{_PASS}/why",
        "getWhy",
        "Why a pass is not up to date on its phones",
        why,
        ("passes:read",),
        {200: (Why,)},
    ),
    Operation(
        "POST",
        f"{_PASS}:push",
        "pushPass",
        "Send what is due to a pass's phones at once",
        push,
        ("pushes:write",),
        {200: (PushesDue,)},
        group="pushes",
    ),
    Operation(
        "POST",
        "/pushes",
        "push",
        "Send what is due to a pass or a pass type at once",
        push_some,
        ("pushes:write",),
        {200: (PushesDue,)},
        body=json_body(PushRequest),
        group="pushes",
    ),
)
