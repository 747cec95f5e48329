"""Trip 1: 201, 200 or 401; the newest token wins; unregistering is idempotent."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepass.core.authorization import fingerprint
from livepass.core.decision import Join, Leave, Refresh, Retarget, Revive, SaveDevice
from livepass.core.model import Device, Registration
from livepass.core.timeline import TAKEN, Event, Kind
from livepass.core.trip1_register import (
    ASK_GRACE_MS,
    CLOCK_AHEAD_MS,
    DEVICE_ID,
    LATE_MS,
    TOMBSTONE_MS,
    RegisterFacts,
    Rule,
    followed,
    push_token_of,
    register,
    unregister,
)

TYPE, SERIAL, PHONE = "pass.test", "membership.42", "d41d8cd98f00b204e9800998ecf8427e"
TOKEN = "q3Gq0vFzG5h1Qm1p9b0sZw"
PUSH, OLD_PUSH = "ab" * 32, "cd" * 32
NOW = 1_790_000_000_000


def body(token: object = PUSH) -> bytes:
    return json.dumps({"pushToken": token}).encode()


DEVICE = Device(TYPE, PHONE, PUSH, NOW - 5_000, asked=3, told=4, asked_at=NOW - 4_000)
LIVE = Registration(TYPE, SERIAL, PHONE, 2, 2, NOW - 5_000, None, None, 0, None, 0, 0, None)
LEFT = replace(LIVE, left_at=NOW - 1_000)
FIRST = RegisterFacts(TYPE, SERIAL, PHONE, f"ApplePass {TOKEN}", body(), TOKEN, True, None, None, False, NOW)
AGAIN = replace(FIRST, device=DEVICE, registration=LIVE)

SAVE = SaveDevice(TYPE, PHONE, PUSH, NOW)
JOIN = Join(TYPE, PHONE, SERIAL, NOW, NOW + ASK_GRACE_MS, fingerprint(PUSH))
REFRESH = Refresh(TYPE, PHONE, SERIAL)
RETARGET = Retarget(TYPE, PHONE, OLD_PUSH, PUSH, NOW + ASK_GRACE_MS)
REVIVE = Revive(TYPE, PUSH, NOW)
NEW_TOKEN = replace(DEVICE, push_token=OLD_PUSH)


@pytest.mark.parametrize(
    ("facts", "status", "kind", "writes"),
    [
        (FIRST, 201, Kind.REGISTERED, (SAVE, JOIN, REVIVE)),
        (replace(FIRST, device=DEVICE), 201, Kind.REGISTERED, (SAVE, JOIN)),
        (replace(AGAIN, registration=LEFT), 201, Kind.REGISTERED, (SAVE, JOIN)),
        (AGAIN, 200, Kind.REGISTERED, (SAVE, JOIN)),
        (
            replace(AGAIN, started_at=NOW - 5_000),
            200,
            Kind.REGISTRATION_REFRESHED,
            (replace(SAVE, at=NOW - 5_000), REFRESH),
        ),
        (replace(AGAIN, device=NEW_TOKEN), 200, Kind.TOKEN_CHANGED, (SAVE, JOIN, RETARGET)),
        (replace(FIRST, device=NEW_TOKEN), 201, Kind.REGISTERED, (SAVE, JOIN, RETARGET)),
        (replace(AGAIN, target_dead=True), 200, Kind.REGISTERED, (SAVE, JOIN, REVIVE)),
    ],
    ids=[
        "new phone",
        "known phone, new pass",
        "left, and back",
        "known",
        "known, and a request that started before that",
        "known, new push token",
        "new pass, new push token",
        "known, believed dead",
    ],
)
def test_201_new_200_known(facts: RegisterFacts, status: int, kind: Kind, writes: tuple[object, ...]) -> None:
    decision = register(facts)
    assert (decision.reply.status, decision.writes) == (status, writes)
    (event,) = decision.events
    assert (event.kind, event.at, event.pass_type, event.serial, event.device_id) == (kind, NOW, TYPE, SERIAL, PHONE)
    assert event.detail == {"status": status}
    assert event.target == fingerprint(PUSH)


def test_joining_is_a_change() -> None:
    """The event takes a number with the ``Join``; a refresh takes none."""
    assert register(FIRST).events[0].seq == TAKEN
    assert register(AGAIN).events[0].seq == TAKEN
    assert register(replace(AGAIN, device=NEW_TOKEN)).events[0].seq == TAKEN
    assert register(replace(AGAIN, started_at=NOW - 9_000)).events[0].seq == 0


def test_whoever_registers_again_may_have_another_copy_and_joins_again() -> None:
    """Its DELETE was lost, and its copy is an older one out of a mail: what it was told and served proves nothing."""
    assert JOIN in register(AGAIN).writes
    late = replace(AGAIN, started_at=LIVE.registered_at)
    assert not [write for write in register(late).writes if isinstance(write, Join)], "a late repetition is no news"
    assert JOIN in register(replace(late, started_at=LIVE.registered_at + 1)).writes


def test_a_repetition_within_the_very_millisecond_is_a_late_one() -> None:
    at_once = replace(AGAIN, registration=replace(LIVE, registered_at=NOW), started_at=NOW)
    assert register(at_once).writes == (SAVE, REFRESH)


def test_a_late_request_for_what_was_left_since_joins() -> None:
    """It is answered 201, and a phone that hears that believes that it is registered."""
    decision = register(replace(AGAIN, registration=LEFT, started_at=LEFT.registered_at - 1))
    assert (decision.reply.status, decision.events[0].kind) == (201, Kind.REGISTERED)
    assert JOIN in decision.writes


AHEAD = NOW + 3_600_000


def test_a_clock_that_was_ahead_makes_no_later_registration_a_late_one() -> None:
    ahead = replace(AGAIN, registration=replace(LIVE, registered_at=AHEAD), started_at=NOW - 1_000)
    assert JOIN in register(ahead).writes


def test_a_token_that_was_held_up_is_not_taken_where_nobody_knows_which_one_is_newer() -> None:
    ahead = replace(AGAIN, device=replace(NEW_TOKEN, token_registered_at=AHEAD))
    held_up = register(replace(ahead, started_at=NOW - LATE_MS - 1))
    assert (held_up.reply.status, held_up.writes) == (503, ()), "the phone repeats it, a proxy does not"
    assert held_up.events[0].detail == {"status": 503, "reason": "on its way for 30 s: the phone is to repeat it"}
    for at_once in (replace(ahead, started_at=NOW - LATE_MS), replace(ahead, started_at=None)):
        assert RETARGET in register(at_once).writes, "believed, the clock would keep every newer token out"
    for noted_by_that_clock in (AHEAD - 1, NOW + LATE_MS + 1):
        of_that_clock = register(replace(ahead, started_at=noted_by_that_clock))
        assert [write.push_token for write in of_that_clock.writes if isinstance(write, SaveDevice)] == [OLD_PUSH]
    assert RETARGET in register(replace(ahead, started_at=NOW + LATE_MS)).writes, "the edge's clock may be so far off"
    assert RETARGET in register(replace(ahead, started_at=AHEAD)).writes
    far = replace(ahead, device=replace(NEW_TOKEN, token_registered_at=NOW + CLOCK_AHEAD_MS))
    assert RETARGET in register(replace(far, started_at=NOW - LATE_MS - 1)).writes, "nobody waits for longer than a day"
    a_little = replace(ahead, device=replace(NEW_TOKEN, token_registered_at=NOW + 1))
    assert register(replace(a_little, started_at=NOW - LATE_MS - 1)).reply.status == 503
    same = replace(ahead, device=replace(DEVICE, token_registered_at=AHEAD), started_at=NOW - LATE_MS - 1)
    assert register(same).reply.status == 200


def test_every_registration_bumps_the_time_that_a_410_is_compared_with() -> None:
    saved = [write for write in register(AGAIN).writes if isinstance(write, SaveDevice)]
    assert [write.at for write in saved] == [NOW]


def test_a_token_buried_under_another_record_is_revived_by_a_phone_that_is_new_to_us() -> None:
    assert REVIVE in register(replace(FIRST, target_dead=False)).writes


def test_the_push_token_reaches_no_event() -> None:
    assert PUSH not in repr(register(FIRST).events) + repr(register(FIRST).writes)


WRONG = "ApplePass " + "x" * 22


@pytest.mark.parametrize(
    ("spoiled", "status", "trace"),
    [
        ({"authorization": None}, 401, True),
        ({"authorization": WRONG}, 401, True),
        ({"authorization": f"Bearer {TOKEN}"}, 401, True),
        ({"known_pass": False}, 401, False),
        ({"known_pass": False, "authorization": WRONG}, 401, False),
        ({"authorization": WRONG, "body": b"not json"}, 401, True),
        ({"body": b"not json"}, 400, True),
        ({"body": b""}, 400, True),
    ],
)
def test_refusals_write_nothing_and_leave_a_trace_only_for_passes_that_exist(
    spoiled: dict[str, object], status: int, trace: bool
) -> None:
    decision = register(replace(AGAIN, **spoiled))  # type: ignore[arg-type]
    assert (decision.reply.status, decision.writes) == (status, ())
    assert [event.kind for event in decision.events] == [Kind.REGISTRATION_REFUSED] * trace
    assert all(event.detail["status"] == status for event in decision.events)


def test_a_wrong_token_and_an_unknown_serial_get_the_same_answer() -> None:
    wrong, unknown = replace(FIRST, authorization=WRONG), replace(FIRST, known_pass=False)
    assert register(wrong).reply == register(unknown).reply
    assert unregister(wrong).reply == unregister(unknown).reply


@pytest.mark.parametrize(
    ("registration", "writes", "was"),
    [(LIVE, (Leave(TYPE, PHONE, SERIAL, NOW),), True), (None, (), False), (LEFT, (), False)],
    ids=["live", "never registered", "left before"],
)
def test_delete_answers_200_and_is_idempotent(
    registration: Registration | None, writes: tuple[object, ...], was: bool
) -> None:
    decision = unregister(replace(AGAIN, registration=registration, body=b""))
    assert (decision.reply.status, decision.writes) == (200, writes)
    assert decision.events == (Event(Kind.UNREGISTERED, NOW, TYPE, SERIAL, PHONE, detail={"was_registered": was}),)


@pytest.mark.parametrize(("known", "kinds"), [(True, [Kind.UNREGISTER_REFUSED]), (False, [])])
def test_delete_with_a_wrong_token_is_401(known: bool, kinds: list[Kind]) -> None:
    decision = unregister(replace(AGAIN, authorization=WRONG, known_pass=known))
    assert (decision.reply.status, decision.writes) == (401, ())
    assert [event.kind for event in decision.events] == kinds


@pytest.mark.parametrize(
    ("left_at", "still"),
    [(None, True), (NOW, True), (NOW - TOMBSTONE_MS + 1, True), (NOW - TOMBSTONE_MS, False)],
    ids=["live", "just left", "left just under an hour ago", "left an hour ago"],
)
def test_delete_leaves_a_tombstone_for_an_hour(left_at: int | None, still: bool) -> None:
    assert followed(replace(LIVE, left_at=left_at), NOW) is still


@pytest.mark.parametrize(
    ("raw", "token"),
    [
        (body(), PUSH),
        (body(PUSH.upper()), PUSH),
        (body("0f"), "0f"),
        (body("a" * 512), "a" * 512),
        (b'{"pushToken": "abcd", "apns": {"new": [1]}}', "abcd"),
        ('{"pushToken": "abcd"}'.encode("utf-16"), "abcd"),
        (body("a" * 513), None),
        (body("a"), None),
        (body(""), None),
        (body("xyz0"), None),
        (body("abcd\n"), None),
        (body("١٢٣٤"), None),
        (body(None), None),
        (body(1234), None),
        (body(["ab"]), None),
        (b'{"token": "abcd"}', None),
        (b'["pushToken"]', None),
        (b'"pushToken"', None),
        (b"\xff\xfe\xff", None),
        (b"[" * 100_000, None),
        (b"1" * 5_000, None),
        (b"", None),
    ],
)
def test_the_push_token_is_hex_and_unknown_keys_pass(raw: bytes, token: str | None) -> None:
    assert push_token_of(raw) == token


@pytest.mark.parametrize("device_id", [PHONE, PHONE.upper(), "2f1c8a04-9a0e-4c55-8d6e-0f5f3f1a7b9c", "Z", "x" * 128])
def test_a_device_id_of_another_form_than_today_s_is_taken(device_id: str) -> None:
    assert DEVICE_ID.fullmatch(device_id)


@pytest.mark.parametrize("device_id", ["", "x" * 129, "a_b", "a b", "a/b", "ä", f"{PHONE}\n"])
def test_what_stands_in_no_device_id(device_id: str) -> None:
    assert not DEVICE_ID.fullmatch(device_id)


@given(st.binary(max_size=200))
def test_a_body_of_any_bytes_is_a_value(raw: bytes) -> None:
    assert register(replace(FIRST, body=raw)).reply.status in (201, 400)


@pytest.mark.parametrize("rule", [register, unregister])
@pytest.mark.parametrize(("sent", "reason"), [(WRONG, "wrong token"), (None, "no token"), ("Basic x", "no token")])
def test_a_wrong_token_is_named_in_the_timeline(rule: Rule, sent: str | None, reason: str) -> None:
    [event] = rule(replace(AGAIN, authorization=sent)).events
    assert event.detail == {"status": 401, "reason": reason}
