"""A registration that was held up or repeated on its way must not bring back a push token that the phone replaced."""

from __future__ import annotations

from dataclasses import replace

import pytest

from livepass.core.decision import Join, Retarget, SaveDevice
from livepass.core.model import Device, Registration
from livepass.core.trip1_register import RegisterFacts, register

TYPE, SERIAL, PHONE = "pass.test", "membership.42", "phone"
TOKEN = "q3Gq0vFzG5h1Qm1p9b0sZw"
NOW = 1_790_000_000_000
NEW, OLD = "ab" * 32, "cd" * 32
DEVICE = Device(TYPE, PHONE, NEW, NOW - 4_000, asked=3, told=4, asked_at=NOW - 4_000)
LIVE = Registration(TYPE, SERIAL, PHONE, 2, 2, NOW - 90_000, None, None, 0, None, 0, 0, None)
BODY = b'{"pushToken": "%s"}' % OLD.encode()
CALL = RegisterFacts(TYPE, SERIAL, PHONE, f"ApplePass {TOKEN}", BODY, TOKEN, True, DEVICE, LIVE, False, NOW)


@pytest.mark.parametrize(
    ("started_ago", "kept"),
    [(None, OLD), (0, OLD), (3_999, OLD), (4_000, OLD), (4_001, NEW), (900_000, NEW)],
    ids=["nobody says", "at once", "after it", "at that instant", "before it", "long before it"],
)
def test_the_newest_token_is_that_of_the_registration_that_started_last(started_ago: int | None, kept: str) -> None:
    decision = register(replace(CALL, started_at=None if started_ago is None else NOW - started_ago))
    assert decision.reply.status == 200
    [saved] = [write for write in decision.writes if isinstance(write, SaveDevice)]
    assert saved.push_token == kept
    assert [write.new_token for write in decision.writes if isinstance(write, Retarget)] == (
        [OLD] if kept == OLD else []
    )


def test_a_pass_that_it_registers_late_is_followed_under_the_newer_token() -> None:
    decision = register(replace(CALL, registration=None, started_at=NOW - 5_000))
    assert decision.reply.status == 201
    assert [write.push_token for write in decision.writes if isinstance(write, SaveDevice)] == [NEW]
    assert [write for write in decision.writes if isinstance(write, Join)]


def test_a_phone_that_is_new_to_us_needs_no_rows() -> None:
    decision = register(replace(CALL, device=None, registration=None, started_at=NOW - 900_000))
    assert [write.push_token for write in decision.writes if isinstance(write, SaveDevice)] == [OLD]


def saved_at(call: RegisterFacts) -> int:
    [saved] = [write for write in register(call).writes if isinstance(write, SaveDevice)]
    return saved.at


def test_a_token_is_dated_by_when_its_registration_started() -> None:
    assert saved_at(replace(CALL, started_at=NOW - 3_000)) == NOW - 3_000
    assert saved_at(CALL) == NOW
    assert saved_at(replace(CALL, started_at=NOW + 3_000)) == NOW


def test_a_late_repetition_of_an_old_registration_does_not_keep_the_next_token_out() -> None:
    """The old token's registration is carried out again after the new one's has started, and before that arrives."""
    device = replace(DEVICE, push_token=OLD, token_registered_at=NOW - 20_000)
    at = saved_at(replace(CALL, device=device, started_at=NOW - 20_000))
    device = replace(device, token_registered_at=at)
    body = b'{"pushToken": "%s"}' % NEW.encode()
    decision = register(replace(CALL, device=device, body=body, started_at=NOW - 4_000, now=NOW + 5_000))
    assert [write.new_token for write in decision.writes if isinstance(write, Retarget)] == [NEW]


def test_a_clock_that_was_ahead_keeps_no_token_out() -> None:
    ahead = replace(DEVICE, token_registered_at=NOW + 3_600_000)
    decision = register(replace(CALL, device=ahead, started_at=NOW - 10))
    assert [write.new_token for write in decision.writes if isinstance(write, Retarget)] == [OLD]


def test_a_token_that_came_at_this_very_instant_is_the_newer_one() -> None:
    device = replace(DEVICE, token_registered_at=NOW)
    [saved] = [
        w for w in register(replace(CALL, device=device, started_at=NOW - 1)).writes if isinstance(w, SaveDevice)
    ]
    assert saved.push_token == device.push_token
