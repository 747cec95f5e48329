"""A DELETE that was held up on its way must not undo what the phone did since."""

from __future__ import annotations

from dataclasses import replace

import pytest

from livepass.core.decision import Leave
from livepass.core.model import Device, Registration
from livepass.core.timeline import Kind
from livepass.core.trip1_register import LATE_MS, RegisterFacts, held_up, register, unregister

TYPE, SERIAL, PHONE = "pass.test", "membership.42", "phone"
TOKEN = "q3Gq0vFzG5h1Qm1p9b0sZw"
NOW = 1_790_000_000_000
DEVICE = Device(TYPE, PHONE, "ab" * 32, NOW - 90_000, asked=3, told=4, asked_at=NOW - 4_000)
LIVE = Registration(TYPE, SERIAL, PHONE, 2, 2, NOW - 90_000, None, None, 0, None, 0, 0, None)
CALL = RegisterFacts(TYPE, SERIAL, PHONE, f"ApplePass {TOKEN}", b"", TOKEN, True, DEVICE, LIVE, False, NOW)
LEAVE = (Leave(TYPE, PHONE, SERIAL, NOW),)


@pytest.mark.parametrize(
    ("started_ago", "status", "writes"),
    [
        (None, 200, LEAVE),
        (0, 200, LEAVE),
        (LATE_MS, 200, LEAVE),
        (LATE_MS + 1, 503, ()),
        (10 * LATE_MS, 503, ()),
        (-LATE_MS, 200, LEAVE),
    ],
    ids=["nobody says", "at once", "30 s", "over 30 s", "minutes", "an edge whose clock is ahead"],
)
def test_one_that_is_older_than_30_s_is_to_be_repeated(
    started_ago: int | None, status: int, writes: tuple[Leave, ...]
) -> None:
    started_at = None if started_ago is None else NOW - started_ago
    decision = unregister(replace(CALL, started_at=started_at))
    assert (decision.reply.status, bool(decision.writes)) == (status, bool(writes))
    (event,) = decision.events
    if status == 503:
        assert event.kind is Kind.UNREGISTER_REFUSED
        assert event.detail["status"] == 503
        assert "on its way for" in str(event.detail["reason"])


@pytest.mark.parametrize(
    ("started_ago", "left_ago"),
    [(None, 0), (0, 0), (5_000, 5_000), (LATE_MS, LATE_MS), (-LATE_MS, 0)],
    ids=["nobody says", "at once", "5 s", "30 s", "an edge whose clock is ahead"],
)
def test_the_phone_left_when_its_delete_started(started_ago: int | None, left_ago: int) -> None:
    """Else one that is repeated late looks newer than a registration that a backup lost, and the journal not lost."""
    started_at = None if started_ago is None else NOW - started_ago
    decision = unregister(replace(CALL, started_at=started_at))
    assert decision.writes == (replace(LEAVE[0], at=NOW - left_ago),)
    assert [(event.kind, event.at) for event in decision.events] == [(Kind.UNREGISTERED, NOW - left_ago)]


@pytest.mark.parametrize(
    ("registered_ago", "heard_ago", "stays"),
    [(4_000, 4_000, True), (90_000, 4_000, True), (5_000, 5_000, False), (6_000, 6_000, False)],
    ids=["registered since", "registered again since", "at that instant", "before"],
)
def test_what_the_phone_registered_since_stays(registered_ago: int, heard_ago: int, stays: bool) -> None:
    facts = replace(
        CALL,
        device=replace(DEVICE, token_registered_at=NOW - heard_ago),
        registration=replace(LIVE, registered_at=NOW - registered_ago),
        started_at=NOW - 5_000,
    )
    decision = unregister(facts)
    assert decision.reply.status == 200, "the phone is not to repeat it"
    assert decision.writes == (() if stays else (replace(LEAVE[0], at=NOW - 5_000),))
    (event,) = decision.events
    assert event.kind is (Kind.UNREGISTER_REFUSED if stays else Kind.UNREGISTERED)
    if stays:
        assert event.detail == {"status": 200, "reason": "the phone registered after this DELETE had started"}
    assert unregister(replace(facts, started_at=None)).writes == LEAVE


@pytest.mark.parametrize(
    "changes", [{"registration": None}, {"registration": None, "device": None}, {"device": None}], ids=str
)
def test_it_needs_no_rows_to_be_decided(changes: dict[str, None]) -> None:
    decision = unregister(replace(CALL, started_at=NOW - 1_000, **changes))
    assert decision.reply.status == 200


def test_the_token_comes_first() -> None:
    late = replace(CALL, started_at=NOW - 10 * LATE_MS, authorization="ApplePass wrong")
    assert unregister(late).reply.status == 401
    assert unregister(replace(late, known_pass=False)).reply.status == 401


def test_a_registration_is_never_late() -> None:
    body = b'{"pushToken": "abcd"}'
    assert register(replace(CALL, body=body, started_at=NOW - 10 * LATE_MS)).reply.status == 200


@pytest.mark.parametrize(("waited_ms", "shown"), [(31_999, 31), (1_000_500, 1000)])
def test_its_refusal_says_for_how_many_seconds_it_was_on_its_way(waited_ms: int, shown: int) -> None:
    [event] = unregister(replace(CALL, started_at=NOW - waited_ms)).events
    assert event.detail["reason"] == f"on its way for {shown} s: the phone is to repeat it"


def test_one_for_a_pass_that_was_left_already_is_no_refusal() -> None:
    left = replace(LIVE, registered_at=NOW - 4_000, left_at=NOW - 3_000)
    decision = unregister(replace(CALL, registration=left, started_at=NOW - 5_000))
    assert (decision.reply.status, decision.writes) == (200, ())
    assert [(event.kind, event.detail) for event in decision.events] == [(Kind.UNREGISTERED, {"was_registered": False})]


def test_a_request_of_which_nobody_says_when_it_started_was_not_held_up() -> None:
    assert not held_up(None, NOW)
    assert not held_up(NOW - LATE_MS, NOW)
    assert held_up(NOW - LATE_MS - 1, NOW)
