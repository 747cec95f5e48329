"""Every verdict from the facts that lead to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.why_facts import (
    AGO,
    ASK,
    CURRENT,
    FETCH,
    LEFT,
    LIVE,
    NOW,
    PASS,
    PHONE,
    PUSH,
    TYPE,
    UNSOUND,
    WORKER,
    event,
    facts,
    held,
    line,
    on,
    target,
)
from livepass.core.findings import BY_CODE
from livepass.core.misdirected import DOUBLED
from livepass.core.model import Device, Watermarks
from livepass.core.timeline import Kind, Stand, Trip
from livepass.core.trip2_push import DAY, HOUR, MINUTE
from livepass.core.verdict import Circuit, Cohort, Facts, Phone, Sure
from livepass.core.why import COHORT, RETRIES, RULES, explain
from livepass.core.why_pass import BURST

REJECTED, FAILED = Kind.PUSH_REJECTED, Kind.PUSH_FAILED
RESTARTED = event(Kind.NEW_EPOCH, reason="tag_ahead")
MOVED = replace(PASS, document=b'{"webServiceURL": "https://new.test/wallet"}', url_seq=1)
ELSEWHERE = replace(PASS, document=b'{"webServiceURL": "https://old.test/wallet/"}')
LATE = replace(PASS, changed_at=NOW - 1000)


def said(stand: Stand, code: str, about: Trip = Trip.FETCH) -> Facts:
    return facts(on(stand), line(code, about))


def answered(status: int, reason: str, kind: Kind = REJECTED) -> Facts:
    return facts(on(PUSH, event(kind, status=status, reason=reason)))


ASKED_TWICE = [event(Kind.ASKED, device=PHONE, at=AGO + at, id=at, status=200, tag=None) for at in (1, 3)]
SENT_AGAIN = [
    event(Kind.FETCHED, device=PHONE, at=NOW - MINUTE, id=n, status=200, conditional=True) for n in range(RETRIES)
]

CASES: list[tuple[str, Facts]] = [
    ("LP000", facts(on(CURRENT))),
    ("LP001", facts(on(PUSH), pass_=LATE)),
    ("LP001", facts(Phone(replace(held(ASK), pushed_at=NOW - 1000)))),
    ("LP001", facts(Phone(replace(held(FETCH), device=Device(TYPE, PHONE, "token", AGO, 1, 5, NOW - 1000))))),
    ("LP002", facts()),
    ("LP003", facts(on(FETCH, served=0, joined=6))),
    ("LP004", facts(on(CURRENT), pass_=replace(PASS, voided=True))),
    ("LP005", facts(on(CURRENT), pass_=replace(PASS, document=b'{"expirationDate": "2026-01-01T00:00Z"}'))),
    ("LP006", facts(None, event(Kind.FETCHED))),
    ("LP101", facts(None, event(Kind.REGISTRATION_REFUSED, status=401, reason="wrong token"))),
    ("LP102", facts(on(CURRENT, **LEFT), event(Kind.UNREGISTERED))),
    (
        "LP103",
        facts(
            on(CURRENT, *(event(Kind.PUSH_ACCEPTED, id=n) for n in range(BURST)), event(Kind.ASKED), **LEFT),
            event(Kind.UNREGISTERED),
        ),
    ),
    ("LP104", facts(None, event(Kind.TOO_MANY_PHONES))),
    ("LP105", facts(on(CURRENT, superseded_at=NOW))),
    ("LP105", facts(on(CURRENT, superseded_at=NOW), event(Kind.REGISTRATION_SUPERSEDED))),
    ("LP106", facts(history=RESTARTED, strangers=[event(Kind.ASKED_UNKNOWN, device="x", ours=True)])),
    ("LP107", facts(pass_=ELSEWHERE, ours="https://new.test/wallet")),
    ("LP311", facts(on(ASK), pass_=ELSEWHERE, ours="https://new.test/wallet")),
    ("LP110", facts(None, event(Kind.REGISTRATION_REFUSED, status=404, reason=DOUBLED))),
    ("LP310", facts(on(ASK, event(Kind.ASK_REFUSED, status=404, reason=DOUBLED)))),
    ("LP310", facts(on(FETCH), event(Kind.FETCH_REFUSED, status=404, reason=DOUBLED))),
    ("LP108", facts(None, line("T0", Trip.REGISTER, shape="Register task (for …"))),
    ("LP108", facts(on(FETCH), line("T1", Trip.REGISTER, shape="Register task (for …"))),
    ("LP109", facts(None, event(Kind.REGISTRATION_REFUSED, status=401, reason="no token"))),
    ("LP111", facts(pass_=MOVED, phones=(on(ASK), on(ASK, id="b", joined=2, served=0)))),
    ("LP112", facts(on(ASK), pass_=MOVED)),
    ("LP112", facts(pass_=MOVED, phones=(on(ASK), on(ASK, id="b", joined=2, **LEFT)))),
    ("LP301", facts(on(ASK), pass_=replace(MOVED, url_seq=2))),
    ("LP301", facts(on(ASK, joined=2), pass_=MOVED)),
    ("LP201", facts(on(PUSH), processes=())),
    ("LP201", facts(on(PUSH), processes=(replace(WORKER, heard_at=NOW - MINUTE),))),
    ("LP201", facts(on(PUSH), processes=(replace(WORKER, role="serve"),))),
    ("LP202", facts(on(PUSH), circuit=Circuit(NOW + 1, "BadCertificate", AGO))),
    ("LP202", answered(403, "BadCertificate")),
    ("LP212", facts(on(PUSH), circuit=Circuit(NOW + 1, "InvalidProviderToken", AGO, "ABC123DEFG"))),
    ("LP212", replace(answered(403, "InvalidProviderToken"), circuit=Circuit(NOW, "over", AGO, "ABC123DEFG"))),
    ("LP203", facts(on(PUSH, dead="Unregistered"))),
    ("LP203", facts(on(ASK, event(Kind.TOKEN_DEAD), dead="ExpiredToken"))),
    ("LP204", facts(on(PUSH, dead="DeviceTokenNotForTopic"))),
    ("LP205", facts(on(PUSH, dead="BadDeviceToken"))),
    ("LP206", answered(0, "Unreachable", FAILED)),
    ("LP207", answered(503, "ServiceUnavailable")),
    ("LP207", answered(429, "TooManyRequests")),
    ("LP208", facts(on(PUSH, event(Kind.PUSH_HELD), owed=target(NOW + 1)))),
    ("LP209", answered(400, "BadPath")),
    ("LP210", facts(on(PUSH))),
    ("LP210", facts(on(PUSH, event(Kind.PUSH_HELD)))),
    ("LP210", facts(on(PUSH, event(REJECTED, status="?")))),
    ("LP210", facts(on(PUSH), circuit=Circuit(NOW, "over", AGO))),
    ("LP211", facts(Phone(held(PUSH)))),
    ("LP211", facts(on(PUSH, owed=target(wanted=4)))),
    ("LP301", facts(on(ASK, event(Kind.PUSH_ACCEPTED)))),
    ("LP301", facts(on(ASK), cohort=Cohort(COHORT, 1))),
    ("LP302", facts(on(ASK), cohort=Cohort(COHORT, 0))),
    ("LP303", said(ASK, "T1", Trip.ASK)),
    ("LP303", said(FETCH, "T0", Trip.ASK)),
    ("LP304", said(ASK, "T3", Trip.ASK)),
    ("LP305", said(FETCH, "S6", Trip.ASK)),
    ("LP306", facts(on(ASK), history=RESTARTED)),
    ("LP307", said(FETCH, "S4", Trip.ASK)),
    ("LP312", facts(on(ASK), line("T1", Trip.ASK, status=301))),
    ("LP308", said(ASK, "S3", Trip.ASK)),
    ("LP309", facts(on(CURRENT, *ASKED_TWICE), event(Kind.FETCHED, device=PHONE, at=AGO + 2, id=2))),
    ("LP351", facts(on(FETCH), event(Kind.FETCH_REFUSED, status=401))),
    ("LP352", facts(on(FETCH))),
    ("LP352", facts(on(FETCH), event(Kind.FETCHED))),
    ("LP352", facts(on(FETCH), event(Kind.FETCH_REFUSED, id=1), event(Kind.FETCHED, id=2))),
    ("LP352", facts(Phone(replace(held(FETCH, retold=2), device=Device(TYPE, PHONE, "token", AGO, 1, 5, NOW - 1000))))),
    ("LP353", said(CURRENT, "T4")),
    ("LP354", said(FETCH, "T5b")),
    ("LP355", said(FETCH, "S0")),
    ("LP357", said(CURRENT, "S1")),
    ("LP358", facts(on(FETCH), event(Kind.FETCH_FAILED, status=503, reason="no certificate"))),
    ("LP359", said(CURRENT, "T0")),
    ("LP362", facts(on(CURRENT), line("T1", status=308))),
    ("LP360", facts(on(FETCH), event(Kind.FETCH_REFUSED, status=401, reason="no token"))),
    ("LP361", facts(on(CURRENT), *SENT_AGAIN)),
    ("LP401", facts(on(CURRENT), event(Kind.UNCHANGED))),
    ("LP402", facts(on(CURRENT), event(Kind.TEMPLATE_REFUSED, reason="refused", faults=["/a: is wrong"]))),
    ("LP402", facts(on(CURRENT), event(Kind.TEMPLATE_REFUSED, reason="refused"))),
    ("LP403", facts(on(CURRENT), event(Kind.CHANGED, fields=[], notice="silent"))),
    ("LP404", facts(on(CURRENT), event(Kind.CHANGED, fields=[{"key": "points"}], notice="silent"))),
    ("LP405", facts(on(CURRENT), event(Kind.CHANGED, fields=[{"key": "a"}], notice="general"))),
    ("LP501", facts(on(CURRENT), certificate=None)),
    ("LP502", facts(on(CURRENT), certificate=replace(LIVE, not_after=NOW))),
    ("LP503", facts(on(CURRENT), certificate=replace(LIVE, not_after=NOW + DAY))),
    ("LP504", facts(on(CURRENT), pass_=replace(PASS, document=b'{"nfc": {}}'))),
    ("LP505", facts(on(CURRENT), certificate=replace(LIVE, revoked_at=NOW))),
    ("LP506", replace(facts(on(CURRENT)), watched=(UNSOUND,))),
]


@pytest.mark.parametrize(("code", "given"), CASES, ids=[f"{code}-{n}" for n, (code, _) in enumerate(CASES)])
def test_each_verdict_comes_first_where_it_holds(code: str, given: Facts) -> None:
    first = explain(given, NOW)[0]
    assert first.code == code, first
    assert first.problem == BY_CODE[code].problem
    assert "{" not in (first.sentence + first.remedy).replace("it {said} so", "")


def test_every_finding_has_a_case_and_no_rule_lacks_a_finding() -> None:
    assert {code for code, _ in CASES} == set(BY_CODE)
    assert {code for code, _, _ in RULES} < set(BY_CODE)


@pytest.mark.parametrize(
    "given",
    [
        facts(on(CURRENT, served_at=NOW), line("T4")),
        facts(on(CURRENT), line("T4", at=AGO - 1)),
        facts(on(CURRENT), line("T0", Trip.ASK)),
        facts(on(CURRENT), line("S0")),
        facts(on(CURRENT), line("T4", device="phone-b")),
        facts(on(CURRENT), event(Kind.FETCH_REFUSED, status=401)),
        facts(on(CURRENT), event(Kind.REGISTRATION_REFUSED, status=401)),
        facts(on(CURRENT, dead="Unregistered"), processes=(), circuit=Circuit(NOW + 1, "x", AGO)),
        facts(on(CURRENT), event(Kind.TEMPLATE_REFUSED, id=1), event(Kind.CHANGED, id=2)),
    ],
)
def test_what_is_over_or_of_others_accuses_nobody(given: Facts) -> None:
    assert [verdict.code for verdict in explain(given, NOW)] == ["LP000"]


def test_the_phone_that_is_worst_off_comes_first_and_states_last() -> None:
    phones = [on(CURRENT, id="a"), on(FETCH, id="b"), on(PUSH, id="c"), on(ASK, id="d")]
    found = explain(facts(phones=phones), NOW)
    assert [(one.code, one.device_id) for one in found] == [
        ("LP210", "c"),
        ("LP352", "b"),
        ("LP301", "d"),
        ("LP000", "a"),
    ]


def test_a_phone_that_is_on_its_way_comes_before_those_that_have_arrived() -> None:
    phones = [on(CURRENT, id="a"), on(PUSH, id="b", registered_at=NOW), on(ASK, id="c", served=0, joined=6)]
    assert [one.device_id for one in explain(facts(phones=phones), NOW)] == ["b", "c", "a"]


def test_how_sure_it_is() -> None:
    assert [*Sure] == ["certain", "likely", "possible"], "the words that the API shows"

    def sure(given: Facts) -> Sure:
        return explain(given, NOW)[0].sure

    assert sure(facts(on(CURRENT))) is Sure.CERTAIN
    assert sure(facts(on(CURRENT, confirmed=1))) is Sure.LIKELY
    untold = replace(held(CURRENT), watermarks=Watermarks(5, 5, 1, 4, 5))
    assert sure(facts(Phone(untold, target()))) is Sure.LIKELY, "perhaps another phone fetched it"
    refused = event(Kind.FETCH_REFUSED, status=401)
    assert sure(facts(on(FETCH), refused)) is Sure.LIKELY
    assert sure(facts(on(FETCH), refused, more=True)) is Sure.POSSIBLE
    two = (on(FETCH), on(FETCH, id="b"))
    assert sure(facts(None, line("T4"), phones=two)) is Sure.CERTAIN, "it names its phone"
    assert sure(facts(None, line("T4", device=None), phones=two)) is Sure.POSSIBLE
    assert sure(facts(on(FETCH), line("T4", device=None))) is Sure.LIKELY, "nobody else follows it"
    assert sure(facts(on(FETCH), line("T4", device=None), more=True)) is Sure.POSSIBLE
    assert sure(facts(on(FETCH), line("T4"), more=True)) is Sure.CERTAIN
    late = line("T4", device=None)
    assert sure(facts(on(CURRENT, served_at=late.at - 1), late)) is Sure.POSSIBLE, "a phone that left says things, too"


@pytest.mark.parametrize(
    ("after", "of", "sure"), [(1, None, Sure.POSSIBLE), (0, None, Sure.CERTAIN), (1, PHONE, Sure.CERTAIN)]
)
def test_a_later_fetch_of_nobody_known_may_have_been_this_phone(after: int, of: str | None, sure: Sure) -> None:
    fetched = event(Kind.FETCHED, at=AGO + MINUTE + after, device=of, status=200)
    verdict = explain(facts(on(FETCH), line("T4"), fetched), NOW)[0]
    assert (verdict.code, verdict.sure) == ("LP353", sure)


def test_when_to_look_again() -> None:
    held_back = explain(facts(on(PUSH, event(Kind.PUSH_HELD), owed=target(NOW + 9))), NOW)[0]
    assert held_back.look_again_at == NOW + 9
    assert explain(facts(on(ASK)), NOW)[0].look_again_at == NOW + HOUR
    assert explain(facts(on(CURRENT)), NOW)[0].look_again_at is None
    unowed = Phone(held(PUSH), None, (event(REJECTED, status=503, reason="Shutdown"),))
    assert explain(facts(unowed), NOW)[0].look_again_at == NOW + 15 * MINUTE
