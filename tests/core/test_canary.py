"""What each leg has to bring, how a run comes out, and what is kept of it."""

from __future__ import annotations

import json

import pytest

from livepass.core import canary
from livepass.core.canary import COHERENT, LATE, SERIAL, WINDOW_MS, Leg, Run, Step
from livepass.core.echo import Heard
from livepass.core.timeline import Event, Kind
from livepass.core.trip1_register import PUSH_TOKEN
from livepass.core.webhooks import told_of

TAG = "v1.e.2.mac"


def told(tag: object = TAG, serials: object = (SERIAL,)) -> Heard:
    return Heard(200, body=json.dumps({"serialNumbers": serials, "lastUpdated": tag}).encode())


def number(tag: str) -> int | None:
    return int(tag.split(".")[2]) if tag.startswith("v1.") else None


def asked(heard: Heard, tag: str | None = None) -> str:
    return canary.of_ask(heard, tag, 2, number)


@pytest.mark.parametrize(
    ("heard", "tag", "said"),
    [
        (told(), None, ""),
        (told("v1.e.3.mac"), TAG, ""),
        (told(), TAG, "the tag does not move"),
        (told("v1.e.1.mac"), None, "an old answer came"),
        (told("1711111111"), None, "none of this installation's"),
        (told(serials=["another"]), None, "does not name the pass"),
        (told(serials="livepass-canary"), None, "something else"),
        (told(7), None, "something else"),
        (Heard(200, body=b"[]"), None, "something else"),
        (Heard(200, body=b"<html>"), None, "something else"),
        (Heard(204), None, "nothing changed"),
        (Heard(500), None, "answered 500"),
        (Heard(302), None, "redirected with 302"),
        (Heard(0, fault="no route\nto host"), None, r"no answer: no route\nto host"),
    ],
)
def test_an_ask_names_the_pass_with_a_tag_of_the_change(heard: Heard, tag: str | None, said: str) -> None:
    found = asked(heard, tag)
    assert said in found and bool(said) == bool(found)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (canary.of_register(Heard(200)), ""),
        (canary.of_register(Heard(201)), ""),
        (canary.of_register(Heard(202)), "phones take 200 and 201 only"),
        (canary.of_register(Heard(401)), "the Authorization header was lost"),
        (canary.of_unregister(Heard(200)), ""),
        (canary.of_unregister(Heard(204)), "phones take 200 only"),
        (canary.of_fetch(Heard(200, {"last-modified": "Sun"})), ""),
        (canary.of_fetch(Heard(200)), "no Last-Modified"),
        (canary.of_fetch(Heard(304)), "not modified"),
        (canary.of_fetch(Heard(503)), "answered 503"),
        (canary.of_value(5, 5), ""),
        (canary.of_value(6, 5), ""),
        (canary.of_value(4, 5), "an old version came"),
        (canary.of_value("5", 5), "not the canary's"),
        (canary.of_again(Heard(304)), ""),
        (canary.of_again(Heard(200)), "200 instead of 304"),
        (canary.of_again(Heard(0, fault="late")), "no answer"),
    ],
)
def test_each_leg_brings_what_it_has_to(found: str, said: str) -> None:
    assert said in found and bool(said) == bool(found)


def run(*steps: Step, seen_ms: int | None = 900, at: int = 0) -> Run:
    return Run("pass.a", at, steps or (Step(Leg.ASK, 5), Step(Leg.CHANGE, 1), Step(Leg.ASK, 7)), seen_ms, 1000)


def test_a_run_is_called_by_what_broke_it() -> None:
    good = run()
    assert (good.outcome, good.coherent, good.sentence, good.remedy) == (COHERENT, True, "", "")
    assert good.took() == {"ask": 0.007, "change": 0.001, "seen": 0.9}
    late = run(seen_ms=1500)
    assert (late.outcome, late.sentence) == (LATE, "the change was seen after 1.5 s; 1 s are allowed")
    broken = run(Step(Leg.ASK, 5), Step(Leg.FETCH, 9, "an old version came"), seen_ms=None)
    assert (broken.outcome, broken.sentence) == ("fetch", "fetch: an old version came")
    assert broken.took() == {"ask": 0.005}, "what broke took no time that means anything"
    assert run(seen_ms=None).outcome == LATE
    # Seen in time, and then something else broke: it is said all the same.
    assert run(Step(Leg.AGAIN, 5, "x")).outcome == "again"
    assert all(canary.REMEDIES[outcome] for outcome in canary.OUTCOMES if outcome != COHERENT)


def test_a_run_is_read_back_as_it_was_written() -> None:
    for one in (run(), run(Step(Leg.PUSH, 60_000, "no worker has taken it"), seen_ms=None)):
        event = one.event()
        assert (event.kind, event.serial) == (Kind.CANARY_RAN, None)
        back = canary.run_of(Event(event.kind, event.at, event.pass_type, detail=json.loads(json.dumps(event.detail))))
        assert (back.outcome, list(back.steps), back.seen_ms) == (one.outcome, list(one.steps), one.seen_ms)


def test_the_share_is_of_the_last_day() -> None:
    now = 10 * WINDOW_MS
    assert canary.share([], now) is None
    old = run(Step(Leg.ASK, 1, "x"), at=now - WINDOW_MS - 1)
    assert canary.share([old], now) is None
    assert canary.share([run(at=now), run(at=now - WINDOW_MS, seen_ms=5000), old], now) == 0.5


def test_the_phone_is_always_the_same_one_and_known_by_its_token() -> None:
    device, token = canary.identity(b"k" * 32, "pass.a")
    assert (device, token) == canary.identity(b"k" * 32, "pass.a")
    assert len({device, *(canary.identity(*other)[0] for other in ((b"l" * 32, "pass.a"), (b"k" * 32, "pass.b")))}) == 3
    assert PUSH_TOKEN.fullmatch(token) and len(token) == 64
    assert canary.is_canary(token) and canary.is_canary(token.upper())
    assert not canary.is_canary("ab" * 32)


def test_no_webhook_tells_of_a_canary() -> None:
    assert told_of(Event(Kind.CHANGED, 0, "pass.a", SERIAL)) is None
    assert told_of(Event(Kind.CHANGED, 0, "pass.a", "1")) is not None
