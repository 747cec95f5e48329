"""What ``why`` says of a phone that follows the pass, trip by trip: what just leads to a verdict, and what just not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core.why_facts import (
    AGO,
    ASK,
    CURRENT,
    FETCH,
    NOW,
    PASS,
    PHONE,
    PUSH,
    WORKER,
    event,
    facts,
    first,
    held,
    line,
    on,
    target,
)
from livepass.core.misdirected import DOUBLED
from livepass.core.timeline import Event, Kind, Stand, Trip
from livepass.core.trip2_push import HOUR, MINUTE
from livepass.core.verdict import Circuit, Cohort, Phone, Sure

OVERDUE = {CURRENT: "LP000", FETCH: "LP352", ASK: "LP301", PUSH: "LP210"}
"""What is said of a phone that has stood there for long, when nothing else was seen."""


@pytest.mark.parametrize("stand", OVERDUE)
def test_where_it_stands_is_said_when_nothing_else_was_seen(stand: Stand) -> None:
    assert first(facts(on(stand))).code == OVERDUE[stand]


def test_a_phone_is_named_by_the_beginning_of_its_id() -> None:
    verdict = first(facts(on(CURRENT, id="0123456789abcdef")))
    assert verdict.sentence == "Phone 01234567 was served the newest version."
    assert verdict.device_id == "0123456789abcdef"


def test_overdue_is_proved_by_what_was_last_heard_of_the_phone() -> None:
    asked, accepted = event(Kind.ASKED, id=3, at=AGO - 1), event(Kind.PUSH_ACCEPTED, id=4, at=AGO - 1)
    assert first(facts(on(PUSH, asked, accepted, event(Kind.REGISTERED, id=5)))).proof == (4,)
    assert first(facts(on(FETCH, replace(asked, id=6), accepted))).proof == (6,)
    assert first(facts(on(ASK))).proof == ()


# ── in flight: how long each trip may stand


@pytest.mark.parametrize("since", [0, 1, MINUTE - 1, MINUTE])
def test_a_push_is_in_flight_for_a_minute_after_the_change(since: int) -> None:
    code = "LP001" if since < MINUTE else "LP210"
    assert first(facts(on(PUSH), pass_=replace(PASS, changed_at=NOW - since))).code == code
    assert first(facts(on(PUSH, registered_at=NOW - since))).code == code, "or after it joined, where that came later"


@pytest.mark.parametrize(("since", "code"), [(5 * MINUTE - 1, "LP001"), (5 * MINUTE, "LP301")])
def test_an_ask_is_in_flight_for_five_minutes_after_the_push(since: int, code: str) -> None:
    assert first(facts(Phone(replace(held(ASK), pushed_at=NOW - since)))).code == code
    changed = replace(PASS, changed_at=NOW - since)
    assert first(facts(Phone(replace(held(ASK), pushed_at=None)), pass_=changed)).code == code, "or the change"


@pytest.mark.parametrize(("since", "code"), [(15 * MINUTE - 1, "LP001"), (15 * MINUTE, "LP352")])
def test_a_fetch_is_in_flight_for_a_quarter_of_an_hour_after_the_ask(since: int, code: str) -> None:
    assert first(facts(asked_just_now(since=since))).code == code


def asked_just_now(*, since: int = 1000, **registration: Any) -> Phone:
    one = held(FETCH, **registration)
    return Phone(replace(one, device=replace(one.device, asked_at=NOW - since)))


@pytest.mark.parametrize(("retold", "code"), [(0, "LP001"), (1, "LP001"), (2, "LP352")])
def test_a_phone_that_was_told_again_is_not_on_its_way_to_the_fetch(retold: int, code: str) -> None:
    assert first(facts(asked_just_now(retold=retold))).code == code


def test_a_phone_that_was_told_the_version_before_again_is_on_its_way_to_this_one() -> None:
    assert first(facts(on(PUSH, retold=2), pass_=replace(PASS, changed_at=NOW))).code == "LP001"


@pytest.mark.parametrize("stand", [PUSH, ASK, FETCH])
def test_in_flight_says_what_it_waits_for_and_to_look_again_in_a_minute(stand: Stand) -> None:
    one = held(stand)
    young = Phone(replace(one, pushed_at=NOW, device=replace(one.device, asked_at=NOW)))
    verdict = first(facts(young, pass_=replace(PASS, changed_at=NOW)))
    assert verdict.sentence == f"Phone phone-a is on its way to the newest version: it waits for the {stand.value}."
    assert (verdict.look_again_at, verdict.sure) == (NOW + MINUTE, Sure.CERTAIN)


# ── current, or nobody knows


@pytest.mark.parametrize(("confirmed", "sure"), [(4, Sure.LIKELY), (5, Sure.CERTAIN), (6, Sure.CERTAIN)])
def test_current_is_certain_when_the_fetch_was_surely_this_phones(confirmed: int, sure: Sure) -> None:
    assert first(facts(on(CURRENT, confirmed=confirmed))).sure is sure


def told(at: int, *, seq: int = 5) -> Event:
    return replace(event(Kind.ASKED, at=AGO + at, device=PHONE), seq=seq)


def served(at: int, *, seq: int = 5, device: str | None = PHONE) -> Event:
    return replace(event(Kind.FETCHED, at=AGO + at, device=device), seq=seq)


@pytest.mark.parametrize(
    ("since", "asks", "fetches", "sure"),
    [
        (0, [], [], Sure.CERTAIN),
        (1, [], [], Sure.LIKELY),
        (1, [told(1)], [], Sure.LIKELY),
        (1, [], [served(1)], Sure.LIKELY),
        (1, [told(1)], [served(0)], Sure.LIKELY),
        (1, [told(1)], [served(1)], Sure.CERTAIN),
        (1, [told(1), told(9)], [served(0), served(2)], Sure.CERTAIN),
        (1, [told(1, seq=4)], [served(2)], Sure.LIKELY),
        (1, [told(1)], [served(2, seq=4)], Sure.LIKELY),
        (1, [told(1)], [served(2, device="phone-b")], Sure.LIKELY),
        (1, [event(Kind.PUSH_ACCEPTED, at=AGO + 1)], [served(2)], Sure.LIKELY),
        (1, [told(1)], [event(Kind.FETCH_REFUSED, at=AGO + 2, device=PHONE)], Sure.LIKELY),
    ],
)
def test_current_is_certain_where_it_was_told_before_it_was_served(
    since: int, asks: list[Event], fetches: list[Event], sure: Sure
) -> None:
    """A phone that nobody knows may fetch, and the one that is known be told of it only then."""
    one = held(CURRENT)
    phone = Phone(replace(one, device=replace(one.device, asked_at=AGO + since)), target(), asks)
    verdict = first(facts(phone, *fetches))
    assert (verdict.code, verdict.sure) == ("LP000", sure)


@pytest.mark.parametrize("stand", [PUSH, ASK, FETCH])
@pytest.mark.parametrize(("served", "joined", "unseen"), [(0, 6, True), (0, 5, False), (0, 4, False), (1, 6, False)])
def test_what_a_phone_holds_that_joined_after_the_change_was_not_seen(
    stand: Stand, served: int, joined: int, unseen: bool
) -> None:
    assert first(facts(on(stand, served=served, joined=joined))).code == ("LP003" if unseen else OVERDUE[stand])


# ── push: dead tokens


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("DeviceTokenNotForTopic", "LP204"),
        ("BadDeviceToken", "LP205"),
        ("Unregistered", "LP203"),
        ("410", "LP203"),
        (None, "LP203"),
    ],
)
@pytest.mark.parametrize("stand", [PUSH, ASK])
def test_a_dead_push_token_is_named_by_why_it_died(stand: Stand, reason: str | None, code: str) -> None:
    died = event(Kind.TOKEN_DEAD, id=3)
    alive = on(stand, died, event(Kind.REGISTRATION_REFRESHED, id=4))
    dead = replace(alive, held=replace(alive.held, dead_at=AGO, dead_reason=reason))
    verdict = first(facts(dead, processes=()))
    assert (verdict.code, verdict.proof) == (code, (3,)), "before what is wrong with us"
    assert f"({reason or '?'})" in verdict.sentence
    assert first(facts(replace(dead, events=()))).proof == (), "the event may be forgotten by now"


@pytest.mark.parametrize("stand", [CURRENT, FETCH])
def test_a_dead_push_token_is_no_matter_once_the_phone_asked(stand: Stand) -> None:
    assert first(facts(on(stand, dead="Unregistered"))).code == OVERDUE[stand]


# ── push: us


@pytest.mark.parametrize(
    ("processes", "code"),
    [
        ([], "LP201"),
        ([("worker", MINUTE)], "LP201"),
        ([("worker", MINUTE - 1)], "LP210"),
        ([("serve", 0)], "LP201"),
        ([("serve", 0), ("serve+worker", 0)], "LP210"),
        ([("worker", HOUR), ("worker", 0)], "LP210"),
    ],
)
def test_a_push_needs_a_process_that_was_heard_of_within_a_minute(processes: list[tuple[str, int]], code: str) -> None:
    rows = [replace(WORKER, role=role, heard_at=NOW - ago) for role, ago in processes]
    assert first(facts(on(PUSH), processes=rows)).code == code
    assert first(facts(on(ASK), processes=rows)).code == "LP301", "what was pushed needs none any more"


def test_a_refused_credential_is_said_until_it_is_tried_again() -> None:
    verdict = first(facts(on(PUSH), circuit=Circuit(NOW + 1, "BadCertificate", AGO)))
    assert verdict.code == "LP202"
    assert verdict.sentence.endswith("APNs refused the certificate of this pass type (BadCertificate).")
    assert verdict.look_again_at == NOW + 1, "not the row's five minutes"
    assert first(facts(on(PUSH), circuit=Circuit(NOW, "BadCertificate", AGO))).code == "LP210"


def test_a_refused_key_is_named_with_what_it_means_and_the_way_back() -> None:
    refused = Circuit(NOW + 1, "InvalidProviderToken", AGO, "ABC123DEFG")
    verdict = first(facts(on(PUSH), circuit=refused))
    assert verdict.code == "LP212"
    assert (
        "APNs key ABC123DEFG, which pushes for this pass type, was refused: InvalidProviderToken (" in verdict.sentence
    )
    on_type = facts(on(PUSH)).pass_.pass_type
    assert verdict.remedy.endswith(f"Or push with the certificate: livepass apns-key use {on_type} --certificate")
    assert verdict.remedy[0].isupper()
    assert verdict.look_again_at == NOW + 1
    rejected = event(Kind.PUSH_REJECTED, status=403, reason="ExpiredProviderToken")
    over = first(facts(on(PUSH, rejected), circuit=replace(refused, open_until=NOW)))
    assert over.code == "LP212"
    assert "(tokens that we made just now" in over.sentence
    unheard = first(facts(on(PUSH), circuit=replace(refused, reason="APNs key ABC123DEFG is not in the database")))
    assert unheard.sentence.endswith("was refused: APNs key ABC123DEFG is not in the database.")


# ── push: answers of APNs


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (403, "BadCertificate", "LP202"),
        (0, "CertificateRefused", "LP202"),
        (0, "Unreachable", "LP206"),
        (0, "Timeout", "LP206"),
        (429, "TooManyRequests", "LP207"),
        (503, "ServiceUnavailable", "LP207"),
        (400, "BadDeviceToken", "LP207"),
        (410, "Unregistered", "LP207"),
        (400, "BadPath", "LP209"),
        (413, "PayloadTooLarge", "LP209"),
        ("?", "BadPath", "LP210"),
        (None, "BadPath", "LP210"),
    ],
)
def test_the_last_answer_of_apns_says_why_a_push_has_not_gone(status: object, reason: str, code: str) -> None:
    answer = event(Kind.PUSH_FAILED if status == 0 else Kind.PUSH_REJECTED, id=3, status=status, reason=reason)
    verdict = first(facts(on(PUSH, answer, owed=target(NOW + 9))))
    assert verdict.code == code
    if code != "LP210":
        assert verdict.proof == (3,)
        assert reason in verdict.sentence
        assert verdict.look_again_at == NOW + 9, "when the push is tried again"


def test_an_answer_without_a_reason_is_shown_with_a_question_mark() -> None:
    verdict = first(facts(on(PUSH, event(Kind.PUSH_REJECTED, status=502))))
    assert verdict.sentence == "Phone phone-a is not pushed yet: APNs answered 502 (?), and it is tried again."


REJECTED = event(Kind.PUSH_REJECTED, id=3, status=429, reason="TooManyRequests")


@pytest.mark.parametrize(
    ("phone", "code"),
    [
        (on(PUSH, replace(REJECTED, at=AGO)), "LP207"),
        (on(PUSH, replace(REJECTED, at=AGO - 1)), "LP210"),
        (on(PUSH, REJECTED, registered_at=AGO + HOUR), "LP210"),
        (on(PUSH, REJECTED, event(Kind.PUSH_ACCEPTED, id=4, status=200)), "LP210"),
        (on(PUSH, REJECTED, event(Kind.PUSH_FAILED, id=4, status=0, reason="Timeout")), "LP206"),
        (on(PUSH, REJECTED, event(Kind.PUSH_HELD, id=4)), "LP210"),
        (on(PUSH, event(Kind.PUSH_ACCEPTED, id=2, status=200), REJECTED), "LP207"),
        (on(PUSH, event(Kind.PUSH_HELD, id=2), REJECTED), "LP207"),
        (on(PUSH, event(Kind.REGISTERED, id=4, status=429), REJECTED), "LP207"),
        (on(PUSH, replace(REJECTED, device_id="phone-b")), "LP210"),
    ],
    ids=[
        "at the change",
        "before the change",
        "before it joined",
        "accepted since",
        "no answer since",
        "held back since",
        "accepted before",
        "held back before",
        "of another kind since",
        "of another phone",
    ],
)
def test_only_the_last_push_of_what_is_due_counts(phone: Phone, code: str) -> None:
    assert first(facts(phone)).code == code


# ── push: held back, or not owed


@pytest.mark.parametrize(
    ("next_at", "later", "code"),
    [
        (NOW + 1, None, "LP208"),
        (NOW, None, "LP210"),
        (NOW - 1, None, "LP210"),
        (NOW + 1, event(Kind.PUSH_ACCEPTED, id=4, status=200), "LP210"),
        (NOW + 1, event(Kind.PUSH_REJECTED, id=4), "LP210"),
        (NOW + 1, event(Kind.PUSH_FAILED, id=4), "LP210"),
        (NOW + 1, event(Kind.REGISTERED, id=4), "LP208"),
    ],
)
def test_a_push_is_called_held_until_it_may_go(next_at: int, later: Event | None, code: str) -> None:
    events = [event(Kind.PUSH_HELD, id=3), *([later] if later else [])]
    verdict = first(facts(on(PUSH, *events, owed=target(next_at))))
    assert verdict.code == code
    if code == "LP208":
        assert (verdict.proof, verdict.look_again_at) == ((3,), next_at)


@pytest.mark.parametrize(
    ("owed", "code", "sure"),
    [
        (None, "LP211", Sure.LIKELY),
        (target(wanted=4), "LP211", Sure.LIKELY),
        (target(wanted=5), "LP210", Sure.CERTAIN),
        (target(wanted=6), "LP210", Sure.CERTAIN),
    ],
    ids=["nothing", "the version before", "this version", "a later number"],
)
def test_a_change_without_a_push_is_told_from_a_push_that_is_late(owed: Any, code: str, sure: Sure) -> None:
    verdict = first(facts(Phone(held(PUSH), owed, (event(Kind.PUSH_HELD, at=AGO),))))
    assert (verdict.code, verdict.sure) == (code, sure)


# ── ask


@pytest.mark.parametrize(
    ("cohort", "pushed_ago", "code"),
    [
        (Cohort(10, 0), HOUR, "LP302"),
        (Cohort(11, 0), HOUR, "LP302"),
        (Cohort(9, 0), HOUR, "LP301"),
        (Cohort(500, 1), HOUR, "LP301"),
        (Cohort(500, 0), MINUTE, "LP001"),
    ],
    ids=["ten", "more", "nine prove nothing", "one asked", "just pushed"],
)
def test_nobody_asks_is_said_when_none_of_ten_phones_did(cohort: Cohort, pushed_ago: int, code: str) -> None:
    verdict = first(facts(Phone(replace(held(ASK), pushed_at=NOW - pushed_ago)), cohort=cohort))
    assert verdict.code == code
    if code == "LP302":
        assert verdict.sure is Sure.LIKELY
        assert f"for {cohort.pushed} phones in the same hour" in verdict.sentence


# ── fetch: it names no phone


@pytest.mark.parametrize(
    ("kind", "code", "said"),
    [
        (Kind.FETCH_REFUSED, "LP351", "a fetch of this pass was answered 401: its token was wrong."),
        (Kind.FETCH_FAILED, "LP358", "its fetch was answered 401: why not."),
    ],
)
def test_a_fetch_that_went_wrong_is_said_of_who_was_told(kind: Kind, code: str, said: str) -> None:
    wrong = event(kind, id=3, status=401, reason="why not")
    verdict = first(facts(on(FETCH), wrong, event(Kind.ISSUED, id=4)))
    assert (verdict.code, verdict.proof) == (code, (3,))
    assert verdict.sentence == f"Phone phone-a was told of the change, and {said}"
    bare = first(facts(on(FETCH), replace(wrong, detail={})))
    assert bare.sentence == verdict.sentence.replace("401", "?").replace("why not", "?")
    for stand in (CURRENT, ASK, PUSH):
        assert first(facts(on(stand), wrong)).code == OVERDUE[stand]
    for later in {Kind.FETCHED, Kind.FETCH_REFUSED, Kind.FETCH_FAILED} - {kind}:
        assert first(facts(on(FETCH), wrong, event(later, id=4))).code != code, "the last one counts"
    assert first(facts(on(FETCH), replace(wrong, at=AGO - 1))).code == "LP352", "before the change"
    assert first(facts(on(FETCH), replace(wrong, device_id="phone-b"))).code == "LP352", "another phone's"


@pytest.mark.parametrize(
    ("others", "more", "sure"),
    [
        ([], False, Sure.LIKELY),
        ([on(CURRENT, id="b", left_at=NOW), on(CURRENT, id="c", superseded_at=NOW)], False, Sure.LIKELY),
        ([on(CURRENT, id="b")], False, Sure.POSSIBLE),
        ([], True, Sure.POSSIBLE),
    ],
    ids=["alone", "the others are gone", "one of two", "one of many"],
)
def test_it_is_likelier_this_phones_where_no_other_follows_the_pass(
    others: list[Phone], more: bool, sure: Sure
) -> None:
    refused = event(Kind.FETCH_REFUSED, status=401)
    verdict = first(facts(None, refused, phones=[on(FETCH, id=PHONE), *others], more=more))
    assert (verdict.code, verdict.sure) == ("LP351", sure)


# ── asks that go astray


@pytest.mark.parametrize("stand", [ASK, FETCH])
@pytest.mark.parametrize("kind", [Kind.ASK_REFUSED, Kind.FETCH_REFUSED])
def test_v1_twice_is_why_nothing_else_is_heard(stand: Stand, kind: Kind) -> None:
    astray = event(kind, id=3, status=404, reason=DOUBLED)
    found = first(facts(on(stand), astray))
    assert (found.code, found.proof) == ("LP310", (3,))
    assert first(facts(on(stand), astray, event(Kind.FETCHED, id=4))).code == OVERDUE[stand], "it is over"
    assert first(facts(on(stand), astray, event(Kind.ASKED, id=4))).code == OVERDUE[stand], "it is over"
    assert first(facts(on(stand), replace(astray, device_id="phone-b"))).code == OVERDUE[stand], "another phone's"


def test_only_an_ask_with_v1_twice_names_its_phone() -> None:
    def sure(astray: Event, **more: Any) -> Sure:
        return first(facts(on(FETCH), astray, **more)).sure

    refused = event(Kind.FETCH_REFUSED, status=404, reason=DOUBLED)
    assert sure(event(Kind.ASK_REFUSED, device=PHONE, status=404, reason=DOUBLED), more=True) is Sure.CERTAIN
    assert sure(refused) is Sure.LIKELY
    assert sure(refused, more=True) is Sure.POSSIBLE, "anybody may send a fetch"


def test_the_address_of_the_pass_is_suspected_only_where_patience_is_over() -> None:
    elsewhere = replace(PASS, document=b'{"webServiceURL": "https://old.test"}')
    given = {"pass_": elsewhere, "ours": "https://new.test", "cohort": Cohort(50, 0)}
    found = first(facts(on(ASK), **given))
    assert (found.code, found.sure) == ("LP311", Sure.LIKELY)
    assert "calls https://old.test, and this service says that it is https://new.test:" in found.sentence
    assert first(facts(Phone(replace(held(ASK), pushed_at=NOW - 1)), **given)).code == "LP001"
    for stand in (PUSH, FETCH, CURRENT):
        assert first(facts(on(stand), **given)).code == OVERDUE[stand]


def test_a_new_history_is_what_a_phone_waits_for_when_nothing_changed_since() -> None:
    restarted = event(Kind.NEW_EPOCH, id=3, reason="tag_ahead")
    found = first(facts(on(ASK), history=restarted))
    assert (found.code, found.proof, found.look_again_at) == ("LP306", (3,), NOW + HOUR)
    assert "went back in time (tag ahead)" in found.sentence
    assert first(facts(on(ASK), history=replace(restarted, seq=4))).code == "LP301", "the pass changed since"
    assert first(facts(on(ASK), history=restarted, cohort=Cohort(50, 0))).code == "LP302"


@pytest.mark.parametrize(("status", "redirect"), [(299, False), (300, True), (399, True), (400, False), (None, False)])
def test_a_status_in_the_three_hundreds_is_a_redirect(status: int | None, redirect: bool) -> None:
    assert first(facts(on(ASK), line("T1", Trip.ASK, status=status))).code == ("LP312" if redirect else "LP303")
    assert first(facts(on(FETCH), line("T1", status=status))).code == ("LP362" if redirect else "LP359")
