"""Between tuples of the database and the frozen rows of ``core``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from livepass.core.authorization import fingerprint
from livepass.core.model import (
    Certificate,
    Device,
    Enrolment,
    Held,
    Pass,
    PassHead,
    Process,
    Registration,
    Target,
    TokenSource,
    Watermarks,
)
from livepass.core.provider_token import ApnsKey
from livepass.core.rotation import Link
from livepass.core.timeline import Event, Kind
from livepass.core.trip2_push import Outcome
from livepass.core.watching import Problem, Watched, What

Row = Sequence[Any]


def pass_(row: Row) -> Pass:
    return Pass(
        pass_type=row[0],
        serial=row[1],
        seq=row[2],
        edit=row[3],
        last_modified=row[4],
        manifest_sha=row[5],
        document=row[6],
        template=row[7],
        revision=row[8],
        pinned=bool(row[9]),
        data=row[10],
        content=row[11],
        token=TokenSource(row[12], row[13], row[14]),
        voided=bool(row[15]),
        created_at=row[16],
        changed_at=row[17],
        enrolled=row[18],
        holder=row[19],
        web_service_url=row[20],
        url_seq=row[21],
        url_at=row[22],
        token_print=row[23],
    )


def pass_parameters(row: Pass) -> dict[str, Any]:
    return {
        "pass_type": row.pass_type,
        "serial": row.serial,
        "seq": row.seq,
        "edit": row.edit,
        "last_modified": row.last_modified,
        "manifest_sha": row.manifest_sha,
        "document": row.document,
        "template": row.template,
        "revision": row.revision,
        "pinned": int(row.pinned),
        "data": row.data,
        "content": row.content,
        "token_key": row.token.key_id,
        "token_salt": row.token.salt,
        "token_sealed": row.token.sealed,
        "voided": int(row.voided),
        "created_at": row.created_at,
        "changed_at": row.changed_at,
        "enrolled": row.enrolled,
        "holder": row.holder,
        "web_service_url": row.web_service_url,
        "url_seq": row.url_seq,
        "url_at": row.url_at,
        "token_print": row.token_print,
    }


def enrolment(row: Row) -> Enrolment:
    pass_type, id_, serial, number, at, on_pass, sealed = row[:7]
    return Enrolment(pass_type, id_, serial, number, at, bool(on_pass), sealed)


def enrolment_parameters(row: Enrolment) -> Mapping[str, Any]:
    names = "pass_type id serial number at sealed"
    return {name: getattr(row, name) for name in names.split()} | {"on_pass": int(row.on_pass)}


def head(row: Row) -> PassHead | None:
    return None if row[0] is None else PassHead(row[0], row[1], TokenSource(row[2], row[3], row[4]))


def device(pass_type: str, device_id: str, row: Row) -> Device | None:
    """From (push_token, token_registered_at, asked, told, asked_at)."""
    return None if row[0] is None else Device(pass_type, device_id, row[0], row[1], row[2], row[3], row[4])


def registration(pass_type: str, serial: str, device_id: str, row: Row) -> Registration | None:
    """From (joined, seq, registered_at, left_at, superseded_at, served, served_at, confirmed, retold, retell_at)."""
    return None if row[0] is None else Registration(pass_type, serial, device_id, *row)


def held(pass_type: str, row: Row) -> Held:
    followed = Registration(pass_type, row[0], row[1], *row[2:12])
    phone = Device(pass_type, row[1], *row[12:17])
    # A phone is told of a pass only by asks that came after it joined.
    told = phone.told if phone.told >= followed.joined else 0
    marks = Watermarks(changed=row[17], pushed=row[18], asked=phone.asked, told=told, served=followed.served)
    return Held(followed, phone, marks, fingerprint(phone.push_token), row[19], row[20], row[21])


def owed(pass_type: str, row: Row) -> Target | None:
    """The target of a row of ``held_and_owed``; passes that share it are not counted there."""
    if row[22] is None:
        return None
    return Target(*(pass_type, row[12], *row[22:25], row[18], *row[25:31], row[19], 0, row[20], row[21]))


def target(row: Row) -> Target:
    return Target(*row)


def event(row: Row) -> Event:
    return Event(
        kind=Kind(row[2]),
        at=row[1],
        pass_type=row[3],
        serial=row[4],
        device_id=row[5],
        target=row[6],
        seq=row[7],
        detail=orjson.loads(row[8]),
        id=row[0],
    )


OUTCOME = (
    *("outcome_push_token", "outcome_token_registered_at", "outcome_pushed", "outcome_attempts", "outcome_next_at"),
    *("outcome_hold_until", "outcome_dead_reason", "outcome_score", "outcome_last_push_at"),
)


def outcome_columns(row: Outcome) -> tuple[Any, ...]:
    """In the order of ``OUTCOME``."""
    target = row.target
    hold_until = 0 if row.pushed or row.stop_until else row.next_at
    return (
        *(target.push_token, target.token_registered_at, row.pushed, row.attempts, row.next_at, hold_until),
        *(row.dead_reason, row.score, row.last_push_at),
    )


EVENT = (
    *("event_at", "event_kind", "event_pass_type", "event_serial", "event_device_id", "event_target", "event_seq"),
    "event_detail",
)


def event_columns(row: Event, numbers: Mapping[str, int]) -> list[Any]:
    """In the order of ``EVENT``. ``numbers`` (by pass type) replace the stand-in for the transaction's own."""
    seq = numbers.get(row.pass_type, 0) if row.seq < 0 else row.seq
    detail = orjson.dumps(row.detail).decode()
    return [row.at, row.kind.value, row.pass_type, row.serial, row.device_id, row.target, seq, detail]


def certificate(row: Row) -> Certificate:
    return Certificate(
        id=row[0],
        pass_type=row[1],
        team=row[2],
        common_name=row[3],
        organization=row[4],
        issuer=row[5],
        serial_number=row[6],
        not_before=row[7],
        not_after=row[8],
        intermediate_not_after=row[9],
        nfc=bool(row[10]),
        chain_pem=row[11],
        key_sealed=row[12],
        created_at=row[13],
        proven_at=row[14],
        promoted_at=row[15],
        retired_at=row[16],
        revoked_at=row[17],
        canary_percent=row[18],
    )


def link(row: Row) -> Link:
    return Link(
        id=row[0],
        pass_type=row[1],
        not_before=row[2],
        not_after=row[3],
        intermediate_not_after=row[4],
        nfc=bool(row[5]),
        proven_at=row[6],
        promoted_at=row[7],
        retired_at=row[8],
        revoked_at=row[9],
        canary_percent=row[10],
    )


def watched(row: Row) -> Watched:
    return Watched(
        subject=row[0],
        kind=What(row[1]),
        pass_type=row[2],
        starts_at=row[3],
        ends_at=row[4],
        look_at=row[5],
        checked_at=row[6],
        problem=Problem(row[7]),
        detail=row[8],
        said_days=row[9],
    )


def watched_parameters(row: Watched) -> Mapping[str, Any]:
    names = "subject pass_type starts_at ends_at look_at"
    return {name: getattr(row, name) for name in names.split()} | {"kind": row.kind.value}


def certificate_parameters(row: Certificate) -> Mapping[str, Any]:
    names = (
        "pass_type id team common_name organization issuer serial_number not_before not_after intermediate_not_after"
        " chain_pem key_sealed created_at proven_at promoted_at retired_at revoked_at canary_percent"
    )
    return {name: getattr(row, name) for name in names.split()} | {"nfc": int(row.nfc)}


def apns_key(row: Row) -> ApnsKey:
    return ApnsKey(row[0], row[1], row[2], tuple(orjson.loads(row[3])), *row[4:8])


def apns_key_parameters(row: ApnsKey) -> Mapping[str, Any]:
    names = "tenant id team environment key_sealed created_at retired_at"
    return {name: getattr(row, name) for name in names.split()} | {"topics": orjson.dumps(row.topics).decode()}


def process_parameters(row: Process) -> Mapping[str, Any]:
    names = "id host pid role schema started_at heard_at fetch_ms shedding canaries"
    return {name: getattr(row, name) for name in names.split()}
