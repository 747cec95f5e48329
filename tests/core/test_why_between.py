"""What ``why`` makes of things that happen between phone and service: who gave an answer, and what got lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.why_facts import AGO, ASK, CURRENT, FETCH, NOW, PHONE, codes, event, facts, first, held, line, on, target
from livepass.core.model import Device
from livepass.core.timeline import Event, Kind, Trip
from livepass.core.trip2_push import HOUR, MINUTE
from livepass.core.verdict import Phone, Sure
from livepass.core.why import RETRIES

AT = AGO + MINUTE
REFUSED, FETCHED, ASKED = Kind.REGISTRATION_REFUSED, Kind.FETCHED, Kind.ASKED


def failed(at: int = AT, shape: str = "Register task (for device …", code: str = "T0", **more: object) -> Event:
    return line(code, Trip.REGISTER, at=at, shape=shape, id=8, **more)


# ── register


@pytest.mark.parametrize(
    ("ours", "code"),
    [
        (None, "LP108"),
        (event(REFUSED, at=AT - MINUTE + 1, status=401, reason="wrong token"), "LP101"),
        (event(REFUSED, at=AT - MINUTE + 1, status=401, reason="no token"), "LP109"),
        (event(REFUSED, at=AT - MINUTE, status=401, reason="wrong token"), "LP108"),
        (event(Kind.UNREGISTERED, at=AT - 1), "LP108"),
        (event(Kind.UNREGISTERED, at=AT, id=9), "LP102"),
    ],
    ids=["not ours", "ours", "ours, without token", "ours, before", "it left before", "it left since"],
)
def test_a_registration_that_failed_is_the_proxys_where_the_service_did_not_refuse_it(
    ours: Event | None, code: str
) -> None:
    verdict = first(facts(None, *([ours] if ours else []), failed()))
    assert verdict.code == code
    assert verdict.proof == ((8,) if code == "LP108" else (ours.id,) if ours else ())


@pytest.mark.parametrize("said", [failed(shape="Unregister task (for"), failed(code="T3")])
def test_other_words_are_not_about_registering(said: Event) -> None:
    assert codes(facts(None, said)) == ["LP002"]
    joined = on(FETCH, served=0, joined=6)
    assert codes(facts(joined, replace(said, detail={**said.detail, "about": "register"}))) == ["LP003"]


def test_a_phone_that_does_not_know_that_it_is_registered_is_said_so_before_it_is_unverified() -> None:
    verdict = first(facts(on(FETCH, served=0, joined=6), failed(code="T1")))
    assert (verdict.code, verdict.sure, verdict.device_id) == ("LP108", Sure.CERTAIN, PHONE)
    assert codes(facts(on(CURRENT), failed(code="T1"))) == ["LP000"], "it goes on all the same"


@pytest.mark.parametrize(("asked_at", "code"), [(None, "LP108"), (AGO, "LP108"), (AGO + 1, "LP352")])
def test_a_phone_that_asked_since_it_registered_knows_that_it_is_registered(asked_at: int | None, code: str) -> None:
    one = held(FETCH)
    phone = Phone(replace(one, device=replace(one.device, asked_at=asked_at)), target())
    assert first(facts(phone, failed(code="T1"))).code == code


@pytest.mark.parametrize(
    ("detail", "code", "sure"),
    [
        ({"status": 400, "reason": "the body is not"}, "LP109", Sure.LIKELY),
        ({"status": 503, "reason": "on its way for 60 s"}, "LP109", Sure.LIKELY),
        ({"status": 401, "reason": "wrong token"}, "LP101", Sure.CERTAIN),
        ({"status": 401}, "LP101", Sure.CERTAIN),
    ],
)
def test_what_no_phone_sends_was_spoiled_on_its_way(detail: dict[str, object], code: str, sure: Sure) -> None:
    verdict = first(facts(None, event(REFUSED, **detail)))
    assert (verdict.code, verdict.sure, verdict.proof) == (code, sure, (7,))


# ── the fetch


@pytest.mark.parametrize(
    ("ours", "code"),
    [
        (event(Kind.FETCH_REFUSED, at=AT - MINUTE + 1, status=401, reason="no token"), "LP360"),
        (event(Kind.FETCH_REFUSED, at=AT - MINUTE + 1, status=401, reason="wrong token"), "LP351"),
        (event(Kind.FETCH_REFUSED, at=AT - MINUTE + 1, status=401), "LP351"),
        (event(Kind.FETCH_REFUSED, at=AT + MINUTE - 1, status=401), "LP351"),
        (event(Kind.FETCH_REFUSED, at=AT + MINUTE, status=401), "LP359"),
        (event(Kind.FETCH_FAILED, at=AT, status=503, reason="no certificate"), "LP359"),
        (event(Kind.FETCH_REFUSED, at=AT - MINUTE, status=401, reason="wrong token"), "LP359"),
        (event(FETCHED, at=AT - 1, status=200), "LP359"),
    ],
)
def test_a_fetch_that_failed_is_the_proxys_where_the_service_answered_otherwise(ours: Event, code: str) -> None:
    assert first(facts(on(FETCH), ours, line("T0", at=AT, id=9))).code == code


def sent(
    *, status: int = 200, conditional: bool = True, device: str | None = PHONE, ago: int = MINUTE, id: int = 1
) -> Event:
    return event(FETCHED, at=NOW - ago, id=id, device=device, status=status, conditional=conditional)


AGAIN = [sent(id=n) for n in range(2, RETRIES + 2)]


@pytest.mark.parametrize(
    ("events", "seen"),
    [
        (AGAIN, True),
        (AGAIN[::-1], True),
        (AGAIN[1:], False),
        ([*AGAIN[1:], sent(conditional=False)], False),
        ([*AGAIN[1:], sent(device=None)], False),
        ([*AGAIN[1:], sent(device="phone-b")], False),
        ([*AGAIN[1:], sent(ago=HOUR + 1)], False),
        ([*AGAIN[1:], sent(ago=HOUR)], True),
        ([*AGAIN[1:], replace(sent(), seq=4)], False),
        ([*AGAIN[1:], event(Kind.FETCH_REFUSED, at=NOW - 1, device=PHONE, status=200, conditional=True)], False),
        ([*AGAIN, sent(status=304, id=3)], False),
        ([*AGAIN, sent(status=304)], True),
    ],
)
def test_a_version_that_is_sent_again_and_again_does_not_arrive(events: list[Event], seen: bool) -> None:
    verdict = first(facts(on(CURRENT), *events))
    assert verdict.code == ("LP361" if seen else "LP000")
    if seen:
        assert (verdict.sure, len(verdict.proof)) == (Sure.POSSIBLE, RETRIES)
        assert f"{RETRIES} times" in verdict.sentence


def test_a_version_that_was_sent_before_the_phone_joined_says_nothing_of_it() -> None:
    assert codes(facts(on(CURRENT, registered_at=NOW - 1), *AGAIN)) == ["LP000"]


# ── the list


def heard(at: int, *, id: int = 1, status: int = 200, asked: object = 0, tag: str | None = None) -> Event:
    return event(ASKED, at=at, id=id, device=PHONE, status=status, asked=asked, tag=tag)


NOTHING = line("S3", Trip.ASK, at=AT, id=9)


@pytest.mark.parametrize(
    ("asks", "lost"),
    [
        ([heard(AT)], True),
        ([heard(AT - 1, status=204)], False),
        ([heard(AT + 1)], False),
        ([], False),
        ([heard(AT - 2, id=1), heard(AT - 1, id=2, status=204)], False),
    ],
)
def test_a_list_is_lost_where_the_phone_says_that_there_was_nothing_on_it(asks: list[Event], lost: bool) -> None:
    assert first(facts(on(FETCH, *asks), NOTHING)).code == ("LP308" if lost else "LP352")


@pytest.mark.parametrize(("pushed_at", "lost"), [(AT, True), (AT + 1, False), (None, True)])
def test_a_phone_that_we_did_not_hear_was_answered_by_somebody_else_since_the_push(
    pushed_at: int | None, lost: bool
) -> None:
    waiting = Phone(replace(held(ASK), pushed_at=pushed_at), target(), ())
    verdict = first(facts(waiting, NOTHING))
    assert (verdict.code, verdict.sure) == (("LP308" if lost else "LP301"), Sure.CERTAIN)


@pytest.mark.parametrize("stand", [CURRENT, FETCH, ASK])
@pytest.mark.parametrize(
    ("asks", "over"),
    [
        ([], False),
        ([heard(AT)], False),
        ([heard(AT), heard(AT + 1, asked=5)], True),
        ([heard(AT), heard(AT + 1, asked=4)], False),
        ([heard(AT), heard(AT + 1, asked="5")], False),
        ([heard(AT), heard(AT, asked=5)], False),
    ],
)
def test_a_lost_tag_is_over_once_the_phone_asks_with_it(stand: object, asks: list[Event], over: bool) -> None:
    said = line("S5", Trip.ASK, at=AT, id=9)
    # The tag of ``heard`` is number 5. Without ``tag`` it would be another finding.
    asks = [replace(ask, detail={**ask.detail, "tag": "t"}) for ask in asks]
    assert ("LP305" in codes(facts(on(stand, *asks), said))) is not over  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asks", "fetched", "gone"),
    [
        ([heard(AT), heard(AT + 2, id=2)], AT + 1, True),
        ([heard(AT + 1), heard(AT + 2, id=2)], AT + 1, True),
        ([heard(AT), heard(AT + 2, id=2, tag="v1")], AT + 1, False),
        ([heard(AT, status=204), heard(AT + 2, id=2)], AT + 1, False),
        ([heard(AGO - 1), heard(AT + 2, id=2)], AT + 1, False),
        ([heard(AT + 2, id=2), heard(AT)], AT + 2, False),
        ([heard(AT), heard(AT + 2, id=2)], AGO - 1, False),
        ([heard(AT)], AT - 1, False),
        ([], AT, False),
    ],
)
def test_a_phone_that_took_the_list_asks_with_its_tag(asks: list[Event], fetched: int, gone: bool) -> None:
    took = event(FETCHED, at=fetched, id=5, device=PHONE)
    verdict = first(facts(on(CURRENT, *asks), took))
    assert verdict.code == ("LP309" if gone else "LP000")
    if gone:
        assert (verdict.sure, verdict.proof) == (Sure.POSSIBLE, (1, 5, 2))
    assert codes(facts(on(CURRENT, *asks), replace(took, device_id=None))) == ["LP000"], "perhaps another phone"


def test_a_phone_on_the_first_trip_comes_first() -> None:
    other = Phone(replace(held(ASK, id="b"), device=Device("pass.test", "b", "t", AGO, 1, 1, AGO)), target())
    found = codes(facts(None, replace(failed(code="T1"), device_id=PHONE), phones=[other, on(FETCH)]))
    assert found == ["LP108", "LP301"]
