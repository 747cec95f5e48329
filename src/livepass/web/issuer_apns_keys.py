"""APNs keys (.p8), and which of them pushes for a pass type.

A key belongs to a team and to no pass type. An API key that is limited to pass types knows the keys that push for
those, and chooses among them and the certificate; it takes none in and retires none.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from livepass.service.apns_keys import Chosen, Environment, Listed, no_key, no_pass_type
from livepass.service.refusals import Forbidden
from livepass.web.issuer_answers_events import Instant, at, maybe_at
from livepass.web.issuer_lists import linked
from livepass.web.issuer_requests import PageQuery, PassType
from livepass.web.operations import Answer, Call, Operation, json_body
from livepass.web.paging import Cursor, page

_KEYS = Cursor("apns-keys", str)

_Short = Annotated[str, Meta(max_length=100, pattern=r"^[^\u0000]*$")]

# ── bodies


class ApnsKeyImport(Struct, forbid_unknown_fields=True, frozen=True):
    """A key for APNs as Apple gives it out. `topics`: those that it is limited to at Apple; none: all of its team.

    Apple's pages name only certificates for passes: keys are reported to work for pass types of the key's own team.
    """

    p8: Annotated[str, Meta(max_length=20_000, description="The text of the .p8 file")]
    id: Annotated[_Short, Meta(description="Apple's key id: ten letters and digits, part of the file's name")]
    team: Annotated[_Short, Meta(description="Apple's team id")]
    topics: Annotated[list[PassType], Meta(max_length=400)] = []
    environment: Environment = "production"


class PushCredentialChoice(Struct, forbid_unknown_fields=True, frozen=True):
    """What pushes for a pass type: an APNs key by its id, or (`null`) the certificate. `probe`: ask APNs first, with
    one push that no phone can get.
    """

    apns_key: _Short | None
    probe: bool = True


# ── answers


class ApnsKeyRow(Struct, frozen=True):
    """An APNs key: its facts, never the key. `pass_types` are pushed with it."""

    id: str
    team: str
    topics: list[str]
    environment: Environment
    pass_types: list[str]
    created_at: Instant
    retired_at: Instant | None

    @classmethod
    def of(cls, row: Listed) -> ApnsKeyRow:
        key = row.key
        environment: Environment = key.environment  # type: ignore[assignment]
        return cls(
            *(key.id, key.team, list(key.topics), environment, list(row.pass_types)),
            *(at(key.created_at), maybe_at(key.retired_at)),
        )


class ApnsKeyPage(Struct, frozen=True):
    """A page of APNs keys."""

    data: list[ApnsKeyRow]
    next_cursor: str | None


class PushCredential(Struct, frozen=True):
    """What pushes for a pass type now. `heard`: what APNs said to the probe; a word about the push token means that it
    took key and topic, as far as was seen. Empty: it was not asked.
    """

    pass_type: str
    apns_key: str | None
    heard: str

    @classmethod
    def of(cls, row: Chosen) -> PushCredential:
        return cls(row.pass_type, row.key_id, row.heard)


# ── operations


def _seen(call: Call, row: Listed) -> Listed | None:
    """The key as far as it concerns the caller: who is limited to pass types knows the keys that push for those."""
    caller = call.caller
    if caller.pass_types is None:
        return row
    mine = [pass_type for pass_type in row.pass_types if caller.sees(pass_type)]
    return Listed(row.key, mine) if mine else None


async def _named(call: Call, key_id: str) -> Listed:
    row = _seen(call, await call.services.apns_keys.get(call.caller.tenant, key_id))
    if row is None:
        raise no_key(key_id)
    return row


def _of_a_team() -> Forbidden:
    return Forbidden(
        "an APNs key is a whole team's, and this API key is limited to pass types",
        hint="use an API key that is not",
        code="foreign_pass_type",
    )


async def import_apns_key(call: Call) -> Answer:
    """Take in an APNs key. Nothing pushes with it before it is chosen."""
    if call.caller.pass_types is not None:
        raise _of_a_team()
    body: ApnsKeyImport = call.body
    made = await call.services.apns_keys.import_(
        call.caller.tenant, body.p8.encode(), body.id, body.team, body.topics, body.environment
    )
    return Answer(201, ApnsKeyRow.of(made))


async def apns_keys(call: Call) -> Answer:
    """APNs keys by id, retired ones too."""
    query: PageQuery = call.query
    after = "" if query.cursor is None else _KEYS.read(query.cursor, "")
    found = [_seen(call, row) for row in await call.services.apns_keys.all(call.caller.tenant) if row.key.id > after]
    shown, cursor = page([row for row in found if row], query.limit, _KEYS, lambda row: row.key.id)
    return linked(call, ApnsKeyPage([ApnsKeyRow.of(row) for row in shown], cursor), cursor)


async def apns_key(call: Call) -> Answer:
    """One APNs key."""
    return Answer(200, ApnsKeyRow.of(await _named(call, call.path["id"])))


async def retire_apns_key(call: Call) -> Answer:
    """Take a key out of use. Refused while a pass type is pushed with it."""
    await _named(call, call.path["id"])
    if call.caller.pass_types is not None:
        raise _of_a_team()
    return Answer(200, ApnsKeyRow.of(await call.services.apns_keys.retire(call.caller.tenant, call.path["id"])))


async def choose_push_credential(call: Call) -> Answer:
    """Push for a pass type with a key, or with its certificate again, from now on; what waited is due at once."""
    body: PushCredentialChoice = call.body
    pass_type = call.path["type"]
    if not call.caller.sees(pass_type):
        raise no_pass_type(pass_type)
    if body.apns_key is not None:
        await _named(call, body.apns_key)
    chosen = await call.services.apns_keys.use(call.caller.tenant, pass_type, body.apns_key, probe=body.probe)
    return Answer(200, PushCredential.of(chosen))


OPERATIONS = (
    Operation(
        "POST",
        "/apns-keys",
        "importApnsKey",
        "Take in an APNs key (.p8)",
        import_apns_key,
        ("certs:admin",),
        {201: (ApnsKeyRow,)},
        body=json_body(ApnsKeyImport),
        group="apns keys",
    ),
    Operation(
        "GET",
        "/apns-keys",
        "listApnsKeys",
        "APNs keys",
        apns_keys,
        ("certs:admin",),
        {200: (ApnsKeyPage,)},
        PageQuery,
        group="apns keys",
    ),
    Operation(
        "GET",
        "/apns-keys/{id}",
        "getApnsKey",
        "An APNs key",
        apns_key,
        ("certs:admin",),
        {200: (ApnsKeyRow,)},
        group="apns keys",
    ),
    Operation(
        "DELETE",
        "/apns-keys/{id}",
        "retireApnsKey",
        "Take an APNs key out of use",
        retire_apns_key,
        ("certs:admin",),
        {200: (ApnsKeyRow,)},
        group="apns keys",
    ),
    Operation(
        "PUT",
        "/pass-types/{type}/push-credential",
        "choosePushCredential",
        "Choose what pushes for a pass type",
        choose_push_credential,
        ("certs:admin",),
        {200: (PushCredential,)},
        body=json_body(PushCredentialChoice),
        group="apns keys",
    ),
)
