"""What ``why`` says of a pass as a whole: its certificate, its last change, and nobody who follows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.why_facts import AGO, CURRENT, FETCH, LEFT, LIVE, NOW, PASS, UNSOUND, codes, event, facts, first, on
from livepass.core.timeline import Event, Kind
from livepass.core.trip2_push import DAY, HOUR
from livepass.core.verdict import Facts, Phone, Sure
from livepass.core.why import explain

SOON = 30 * DAY
PUSHED = Kind.PUSH_ACCEPTED


# ── the certificate


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (-1, ["LP502", "LP000"]),
        (0, ["LP502", "LP000"]),
        (1, ["LP000", "LP503"]),
        (SOON - 1, ["LP000", "LP503"]),
        (SOON, ["LP000"]),
    ],
    ids=["expired", "at this instant", "just not", "a little less than 30 days", "30 days"],
)
def test_a_certificate_is_called_expiring_for_its_last_30_days(left: int, said: list[str]) -> None:
    for end in ("not_after", "intermediate_not_after"):
        given = facts(on(CURRENT), certificate=replace(LIVE, **{end: NOW + left}))
        assert sorted(codes(given)) == sorted(said), f"{end}: the chain is as short as its shortest"


@pytest.mark.parametrize(("left", "days"), [(SOON - 1, 29), (DAY, 1), (DAY - 1, 0)])
def test_its_last_days_are_counted_whole(left: int, days: int) -> None:
    verdict = first(facts(certificate=replace(LIVE, not_after=NOW + left)))
    assert verdict.sentence == f"The certificate of the pass type expires in {days} days."
    assert verdict.look_again_at == NOW + DAY


# ── the last change


def refused(**detail: object) -> Event:
    return event(Kind.TEMPLATE_REFUSED, id=3, **detail)


@pytest.mark.parametrize(
    ("detail", "reason"),
    [
        ({"reason": "refused", "faults": ["/a: is wrong", "/b: too"]}, "/a: is wrong, /b: too"),
        ({"reason": "refused", "faults": ("/a: is wrong",)}, "/a: is wrong"),
        ({"reason": "refused", "faults": []}, "refused"),
        ({"reason": "refused", "faults": "no list"}, "refused"),
        ({"reason": "refused"}, "refused"),
        ({}, "?"),
    ],
)
def test_a_refused_template_is_explained_by_its_faults_else_by_its_reason(
    detail: dict[str, object], reason: str
) -> None:
    verdict = first(facts(on(CURRENT), refused(**detail)))
    assert verdict.code == "LP402"
    assert verdict.sentence == f"The pass could not follow the newest revision of its template: {reason}."
    assert verdict.proof == (3,)


@pytest.mark.parametrize("since", [Kind.ISSUED, Kind.CHANGED, Kind.VOIDED, Kind.UNCHANGED])
def test_a_change_that_came_later_is_what_counts(since: Kind) -> None:
    assert "LP402" not in codes(facts(on(CURRENT), refused(), event(since, id=4)))
    assert "LP402" in codes(facts(on(CURRENT), event(since, id=2), refused())), "newest by number, whatever the order"


@pytest.mark.parametrize("since", [Kind.ISSUED, Kind.CHANGED, Kind.VOIDED, Kind.PERSONALIZED, Kind.TEMPLATE_REFUSED])
def test_what_came_out_the_same_is_said_until_the_next_change(since: Kind) -> None:
    unchanged = event(Kind.UNCHANGED, id=3)
    assert "LP401" not in codes(facts(on(CURRENT), unchanged, event(since, id=4)))
    found = first(facts(on(CURRENT), event(since, id=2), unchanged, event(Kind.FETCHED, id=5)))
    assert (found.code, found.proof) == ("LP401", (3,)), "a fetch is no change"
    assert found.remedy == "See what would change: livepass pass set pass.test/s1 key=value --dry-run"


def test_a_voided_pass_is_called_so_beside_what_its_phones_have() -> None:
    assert codes(facts(on(CURRENT), pass_=replace(PASS, voided=True))) == ["LP004", "LP000"]


def test_all_that_is_wrong_is_said_before_all_that_is_not() -> None:
    expiring = replace(LIVE, not_after=NOW + DAY)
    given = facts(None, refused(), certificate=expiring, pass_=replace(PASS, voided=True))
    assert codes(given) == ["LP402", "LP503", "LP004", "LP002"]


# ── nobody follows it


def test_a_pass_that_nobody_registered_says_how_to_build_it() -> None:
    verdict = first(facts())
    assert verdict.remedy == "Add the pass to a phone: livepass pass build pass.test/s1 -o FILE.pkpass"
    assert (verdict.proof, verdict.device_id, verdict.sure) == ((), None, Sure.CERTAIN)


@pytest.mark.parametrize(
    ("detail", "seen"),
    [({"status": 401, "reason": "wrong token"}, "401 (wrong token)"), ({}, "? (?)")],
    ids=["as noted", "noted by an older livepass"],
)
def test_a_refused_registration_says_what_was_answered(detail: dict[str, object], seen: str) -> None:
    verdict = first(facts(None, event(Kind.REGISTRATION_REFUSED, id=3, **detail)))
    assert verdict.sentence == f"The last attempt to register was answered {seen}, and no phone follows the pass."
    assert verdict.proof == (3,)


@pytest.mark.parametrize(
    ("last", "code", "sure"),
    [
        (Kind.UNREGISTERED, "LP102", Sure.CERTAIN),
        (Kind.REGISTRATION_REFUSED, "LP101", Sure.CERTAIN),
        (Kind.REGISTRATION_SUPERSEDED, "LP105", Sure.LIKELY),
    ],
)
def test_what_came_last_of_the_first_trip_says_why_nobody_is_left(last: Kind, code: str, sure: Sure) -> None:
    earlier = [kind for kind in (Kind.UNREGISTERED, Kind.REGISTRATION_REFUSED) if kind != last]
    given = facts(None, *(event(kind, id=n) for n, kind in enumerate(earlier)), event(last, id=5), event(PUSHED, id=6))
    verdict = first(given)
    assert (verdict.code, verdict.sure, verdict.proof) == (code, sure, (5,))


def test_of_phones_that_are_all_superseded_nothing_else_is_known() -> None:
    verdict = first(facts(on(CURRENT, superseded_at=NOW)))
    assert (verdict.code, verdict.sure, verdict.proof) == ("LP105", Sure.CERTAIN, ())


# ── nobody, after a burst of pushes

DELETED = AGO + 2 * HOUR


def burst(count: int, *, kind: Kind = PUSHED, at: int = DELETED, since: int = 1) -> list[Event]:
    return [event(kind, at=at, id=n) for n in range(since, since + count)]


def deserted(*phones: Phone) -> Facts:
    return facts(None, event(Kind.UNREGISTERED, at=DELETED, id=99), phones=phones)


@pytest.mark.parametrize(
    ("pushes", "count"),
    [
        (burst(5), 5),
        (burst(7), 7),
        (burst(5, at=DELETED - HOUR), 5),
        (burst(4), None),
        ([*burst(4), *burst(1, at=DELETED + 1, since=5)], None),
        ([*burst(4), *burst(1, at=DELETED - HOUR - 1, since=5)], None),
        ([*burst(4), *burst(3, kind=Kind.PUSH_REJECTED, since=5)], None),
    ],
    ids=["5", "7", "an hour before", "4", "one after it", "one over an hour before", "what was rejected woke nobody"],
)
def test_five_pushes_in_the_hour_before_the_last_phone_left_are_a_burst(pushes: list[Event], count: int | None) -> None:
    verdict = first(deserted(on(CURRENT, *pushes, **LEFT)))
    if count is None:
        assert (verdict.code, verdict.proof) == ("LP102", (99,))
    else:
        assert (verdict.code, verdict.sure) == ("LP103", Sure.POSSIBLE)
        assert f"stopped listening after {count} pushes within an hour" in verdict.sentence
        assert verdict.proof == (99, *(one.id for one in pushes))


def test_the_pushes_of_all_phones_count_and_each_of_them_once() -> None:
    a, b = burst(3), burst(2, since=4)
    assert first(deserted(on(CURRENT, *a, id="a", **LEFT), on(CURRENT, *b, id="b", **LEFT))).code == "LP103"
    twice = on(CURRENT, *a, id="a", **LEFT), on(CURRENT, *a, id="b", **LEFT)
    assert first(deserted(*twice)).code == "LP102", "two device ids of one phone, and the pushes to its one token"


# ── a crowd


def test_a_crowd_is_said_whoever_follows_the_pass() -> None:
    crowd = event(Kind.TOO_MANY_PHONES, id=3, phones=70, cap=64, never_asked=2)
    assert codes(facts(on(CURRENT), crowd)) == ["LP104", "LP000"]
    verdict = first(facts(None, crowd))
    assert (verdict.code, verdict.proof) == ("LP104", (3,))
    assert "70 phones follow this pass, where 64 are expected" in verdict.sentence
    assert "(2 so far)" in verdict.sentence


# ── nobody is known


def lost(*, at: int = AGO + HOUR, ours: bool = True, device: str = "x") -> Event:
    return event(Kind.ASKED_UNKNOWN, at=at, id=20, device=device, ours=ours)


RESTARTED = event(Kind.NEW_EPOCH, at=AGO + 1, id=10, reason="restored")


def test_phones_that_are_unknown_after_a_restore_may_be_those_of_this_pass() -> None:
    verdict = first(facts(history=RESTARTED, strangers=[lost(), lost(), lost(device="y")]))
    assert (verdict.code, verdict.sure, verdict.proof) == ("LP106", Sure.POSSIBLE, (10, 20, 20, 20))
    assert "since then 2 phones" in verdict.sentence
    fetched = event(Kind.FETCHED, id=30)
    likely = first(facts(None, fetched, history=RESTARTED, strangers=[lost()]))
    assert (likely.code, likely.sure, likely.proof[-1]) == ("LP106", Sure.LIKELY, 30)


@pytest.mark.parametrize(
    ("history", "strangers"),
    [
        (None, [lost()]),
        (replace(RESTARTED, at=AGO), [lost()]),
        (RESTARTED, []),
        (RESTARTED, [lost(ours=False)]),
        (RESTARTED, [lost(at=AGO)]),
    ],
    ids=["no restore", "the pass is younger", "no unknown phones", "tags of others", "before it"],
)
def test_where_nothing_points_to_a_loss_nobody_has_the_pass(history: Event | None, strangers: list[Event]) -> None:
    assert first(facts(history=history, strangers=strangers)).code == "LP002"


def test_the_ask_at_the_instant_of_the_restore_counts() -> None:
    assert first(facts(history=RESTARTED, strangers=[lost(at=AGO + 1)])).code == "LP106"


def test_a_pass_of_another_address_names_both() -> None:
    pass_ = replace(PASS, document=b'{"webServiceURL": "https://old.test/wallet"}')
    verdict = first(facts(pass_=pass_, ours="https://new.test/wallet", history=RESTARTED, strangers=[lost()]))
    assert (verdict.code, verdict.sure) == ("LP107", Sure.LIKELY)
    assert "https://old.test/wallet, and this service says that it is https://new.test/wallet" in verdict.sentence
    also_ours = ["https://x.test", "https://old.test/wallet/"]
    assert first(facts(pass_=pass_, ours="https://new.test/wallet", also_ours=also_ours)).code == "LP002"
    for ours in ("", "https://old.test/wallet", "https://old.test/wallet/"):
        assert first(facts(pass_=pass_, ours=ours)).code == "LP002"
    for url, ours, code in (
        ("https://a.test/w/", "https://a.test/w", "LP002"),
        ("https://a.test/X", "https://a.test", "LP107"),
        ("https://a.test", "https://a.test/X", "LP107"),
    ):
        there = replace(PASS, document=f'{{"webServiceURL": "{url}"}}'.encode())
        assert first(facts(pass_=there, ours=ours)).code == code
    assert first(facts(pass_=replace(PASS, document=b'{"webServiceURL": 7}'), ours="x")).code == "LP002"


def test_phones_that_are_used_up_come_before_all_of_these() -> None:
    phone = on(CURRENT, superseded_at=NOW)
    assert first(facts(phone, event(Kind.FETCHED), history=RESTARTED, strangers=[lost()])).code == "LP105"


# ── what nobody noticed


@pytest.mark.parametrize(
    ("date", "over"),
    [
        ("2020-01-01T00:00Z", True),
        ("2020-01-01T00:00:00+02:00", True),
        ("2999-01-01T00:00Z", False),
        ("2020-01-01T00:00", False),
        ("then", False),
    ],
)
def test_an_expired_pass_is_called_so(date: str, over: bool) -> None:
    given = facts(on(CURRENT), pass_=replace(PASS, document=f'{{"expirationDate": "{date}"}}'.encode()))
    assert codes(given) == (["LP005", "LP000"] if over else ["LP000"])
    assert not over or date in first(given).sentence


def test_a_pass_expires_at_the_instant_that_it_says() -> None:
    def given(ms: int) -> Facts:
        text = datetime.fromtimestamp((NOW + ms) / 1000, UTC).isoformat()
        return facts(on(CURRENT), pass_=replace(PASS, document=f'{{"expirationDate": "{text}"}}'.encode()))

    assert codes(given(0)) == ["LP005", "LP000"]
    assert codes(given(1)) == ["LP000"]


SILENT = event(
    Kind.CHANGED, fields=[{"key": "points"}], notice="silent", because="points changed but has no changeMessage"
)


def test_a_change_that_announced_nothing_is_said_once_all_phones_have_it() -> None:
    verdict = first(facts(on(CURRENT), SILENT))
    assert (verdict.code, verdict.sure, verdict.proof) == ("LP404", Sure.LIKELY, (7,))
    assert "points changed but has no changeMessage." in verdict.sentence
    for phones in ([on(CURRENT), on(FETCH, id="b")], [on(CURRENT, **LEFT)], []):
        assert "LP404" not in codes(facts(None, SILENT, phones=phones)), "nobody wonders yet"
    superseded = [on(CURRENT), on(FETCH, id="b", superseded_at=NOW)]
    assert "LP404" in codes(facts(None, SILENT, phones=superseded))


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ({"fields": [], "notice": "silent"}, ["LP403", "LP000"]),
        ({"fields": [{"key": "a"}], "notice": "exact"}, ["LP000"]),
        ({"fields": [{"key": "a"}], "notice": "general"}, ["LP405", "LP000"]),
        ({}, ["LP000"]),
        ({"fields": "?"}, ["LP000"]),
    ],
)
def test_what_a_change_announced(detail: dict[str, object], said: list[str]) -> None:
    assert codes(facts(on(CURRENT), event(Kind.CHANGED, **detail))) == said
    assert codes(facts(on(CURRENT), event(Kind.ISSUED, **detail))) == ["LP000"], "a new pass announces nothing"


@pytest.mark.parametrize(("nfc", "document", "lost"), [(False, b'{"nfc": {}}', True), (True, b'{"nfc": {}}', False)])
def test_a_certificate_that_may_not_sign_nfc_is_wrong_for_an_nfc_pass(nfc: bool, document: bytes, lost: bool) -> None:
    given = facts(on(CURRENT), certificate=replace(LIVE, nfc=nfc), pass_=replace(PASS, document=document))
    assert codes(given) == (["LP504", "LP000"] if lost else ["LP000"])
    assert codes(facts(on(CURRENT), certificate=replace(LIVE, nfc=nfc))) == ["LP000"]


def test_the_worst_of_a_certificate_is_said_first_and_alone() -> None:
    revoked = facts(on(CURRENT), certificate=replace(LIVE, revoked_at=NOW, not_after=NOW - 1), watched=(UNSOUND,))
    assert codes(revoked) == ["LP505", "LP000"]
    expired = facts(on(CURRENT), certificate=replace(LIVE, not_after=NOW - 1), watched=(UNSOUND,))
    assert codes(expired) == ["LP502", "LP000"]
    unsound = facts(on(CURRENT), certificate=replace(LIVE, not_after=NOW + DAY), watched=(UNSOUND,))
    assert codes(unsound) == ["LP506", "LP000"]
    assert "no key" in explain(unsound, NOW)[0].sentence


def test_a_certificate_that_expires_names_the_next_step() -> None:
    expiring = replace(LIVE, not_after=NOW + 5 * DAY)
    waiting = replace(LIVE, id="next", promoted_at=None, proven_at=None)
    followed = replace(LIVE, id="next", promoted_at=0)
    assert "cert import" in first(facts(on(CURRENT), certificate=replace(expiring, not_after=NOW))).remedy
    said = facts(on(CURRENT), lineage=(expiring, waiting))
    [soon] = [one for one in explain(said, NOW) if one.code == "LP503"]
    assert soon.remedy == (
        "livepass cert prove next, then livepass cert promote next; livepass cert plan shows what stops when."
    )
    assert codes(facts(on(CURRENT), lineage=(expiring, followed))) == ["LP000"], "another one signs then"
