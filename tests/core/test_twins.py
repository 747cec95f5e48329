"""Trip 1 of a phone that is known by other device ids too: the newest stands for it, the others are superseded."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from livepass.core.authorization import fingerprint
from livepass.core.decision import Forget, Join, Leave, Reinstate, Supersede
from livepass.core.model import Device, Registration
from livepass.core.snapshots import Twin
from livepass.core.timeline import Kind
from livepass.core.trip1_register import TWINS_KEPT, RegisterFacts, register, unregister

TYPE, SERIAL, PHONE = "pass.test", "membership.42", "newest"
TOKEN = "q3Gq0vFzG5h1Qm1p9b0sZw"
PUSH = "ab" * 32
NOW = 1_790_000_000_000

DEVICE = Device(TYPE, PHONE, PUSH, NOW - 5_000, asked=3, told=4, asked_at=NOW - 4_000)
LIVE = Registration(TYPE, SERIAL, PHONE, 2, 2, NOW - 5_000, None, None, 0, None, 0, 0, None)
SUPERSEDED = replace(LIVE, superseded_at=NOW - 1_000)
BODY = json.dumps({"pushToken": PUSH}).encode()
FIRST = RegisterFacts(TYPE, SERIAL, PHONE, f"ApplePass {TOKEN}", BODY, TOKEN, True, None, None, False, NOW)


def twin(name: str, ago: int, *, superseded: bool = False, left: bool = False, told: int = 0) -> Twin:
    at = NOW - ago
    return Twin(name, at, at + 1 if left else None, at + 1 if superseded else None, at, told)


def supersede(name: str) -> Supersede:
    return Supersede(TYPE, name, SERIAL, PUSH, NOW)


def forget(one: Twin) -> Forget:
    return Forget(TYPE, one.device_id, SERIAL, PUSH, one.heard_at, one.told)


OLD, OLDER, GONE = twin("old", 9), twin("older", 99, superseded=True), twin("gone", 999, left=True)


@pytest.mark.parametrize(
    ("registration", "superseded", "seen"),
    [
        (None, ["old", "older"], ["old"]),
        (replace(LIVE, left_at=NOW - 9), ["old", "older"], ["old"]),
        (SUPERSEDED, ["old", "older"], ["old"]),
        (LIVE, ["old", "older"], ["old"]),
    ],
    ids=["new", "left, and back", "superseded itself", "live, as was the other"],
)
def test_whoever_registered_last_stands_for_the_phone(
    registration: Registration | None, superseded: list[str], seen: list[str]
) -> None:
    device = None if registration is None else DEVICE
    decision = register(replace(FIRST, device=device, registration=registration, twins=(OLD, OLDER, GONE)))
    assert [w for w in decision.writes if isinstance(w, Supersede)] == [supersede(name) for name in superseded]
    events = [event for event in decision.events if event.kind is Kind.REGISTRATION_SUPERSEDED]
    assert [event.device_id for event in events] == seen, "what was superseded before is no news"
    assert [(event.serial, event.target, event.detail) for event in events] == [
        (SERIAL, fingerprint(PUSH), {"by": PHONE})
    ]


def test_a_superseded_device_id_that_registers_again_is_live_again() -> None:
    decision = register(replace(FIRST, device=DEVICE, registration=SUPERSEDED, twins=(OLD,)))
    assert decision.reply.status == 200
    assert [type(write) for write in decision.writes if isinstance(write, Join | Reinstate)] == [Join]
    late = replace(FIRST, device=DEVICE, registration=SUPERSEDED, started_at=SUPERSEDED.registered_at, twins=(OLDER,))
    assert Reinstate(TYPE, PHONE, SERIAL) in register(late).writes
    assert supersede("older") in register(late).writes, "its own ask may have reinstated it meanwhile"


@pytest.mark.parametrize("registration", [None, LIVE], ids=["new", "known"])
def test_a_phone_with_one_device_id_supersedes_nobody(registration: Registration | None) -> None:
    decision = register(replace(FIRST, device=DEVICE, registration=registration))
    assert not [w for w in decision.writes if isinstance(w, Supersede | Reinstate | Forget)]
    assert len(decision.events) == 1


def test_of_the_device_ids_that_a_phone_used_up_the_newest_few_are_kept() -> None:
    twins = [twin(f"t{n}", n, superseded=n > 1, left=n == 4, told=n) for n in range(1, TWINS_KEPT + 4)]
    decision = register(replace(FIRST, twins=tuple(reversed(twins))))
    assert [w for w in decision.writes if isinstance(w, Forget)] == [forget(one) for one in twins[TWINS_KEPT:]]
    late = replace(FIRST, device=DEVICE, registration=LIVE, twins=tuple(twins), started_at=LIVE.registered_at)
    assert not [w for w in register(late).writes if isinstance(w, Forget)], "only one that joins makes too many"


@pytest.mark.parametrize(
    ("registration", "forgotten"), [(LIVE, [OLDER]), (SUPERSEDED, [])], ids=["live", "superseded itself"]
)
def test_a_phone_that_leaves_takes_along_what_it_superseded(registration: Registration, forgotten: list[Twin]) -> None:
    facts = replace(FIRST, device=DEVICE, registration=registration, body=b"", twins=(OLD, OLDER, GONE))
    assert unregister(facts).writes == (Leave(TYPE, PHONE, SERIAL, NOW), *map(forget, forgotten))


def test_the_push_token_reaches_no_event_and_no_text() -> None:
    decision = register(replace(FIRST, twins=(OLD, OLDER, GONE, *(twin(f"t{n}", n) for n in range(9)))))
    assert PUSH not in repr(decision.events) + repr(decision.writes)


def test_a_registration_that_was_superseded_and_then_left_is_joined_anew_and_not_reinstated() -> None:
    left = replace(SUPERSEDED, left_at=NOW - 500)
    decision = register(replace(FIRST, device=DEVICE, registration=left))
    assert decision.reply.status == 201
    assert not [write for write in decision.writes if isinstance(write, Reinstate)]


def test_a_used_up_device_id_that_left_by_itself_keeps_its_tombstone() -> None:
    both = twin("both", 50, superseded=True, left=True)
    facts = replace(FIRST, device=DEVICE, registration=LIVE, body=b"", twins=(both,))
    assert unregister(facts).writes == (Leave(TYPE, PHONE, SERIAL, NOW),)
