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
