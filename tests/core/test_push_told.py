"""What is told of the pushes of a change: whom they went to, what was answered, and to whom that points."""

from __future__ import annotations

import pytest

from livepass.core.push_told import ANSWERED, CAUSES, KINDS, WHAT_NEXT, Said, Told, Whose, told, whose
from livepass.core.timeline import Event, Kind
from livepass.core.trip2_push import ANSWERS, Next

TYPE = "pass.test.a"


def event(id_: int, kind: Kind, seq: int = 7, target: str | None = None, at: int = 0, **detail: object) -> Event:
    serial = "s" if kind in CAUSES else None
    return Event(kind, at or 100 + id_, TYPE, serial, None, target, seq, detail, id_)


def test_every_action_has_its_sentence() -> None:
    assert set(WHAT_NEXT) == set(Next)


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (200, "", Whose.NOBODY),
        (410, "Unregistered", Whose.PHONE),
        (400, "BadDeviceToken", Whose.PHONE),
        (403, "ExpiredProviderToken", Whose.CREDENTIAL),
        (0, "CertificateRefused", Whose.CREDENTIAL),
        (0, "Unreachable", Whose.NETWORK),
        (0, "Timeout", Whose.NETWORK),
        (0, "SomethingNew", Whose.NETWORK),
        (429, "TooManyRequests", Whose.APNS),
        (503, "ServiceUnavailable", Whose.APNS),
        (418, "SomethingNew", Whose.APNS),
        (413, "PayloadTooLarge", Whose.LIVEPASS),
    ],
)
def test_whose_an_answer_is(status: int, reason: str, expected: Whose) -> None:
    assert whose(status, reason) is expected


@pytest.mark.parametrize(("status", "reason"), sorted(ANSWERS))
def test_no_answer_is_nobodys(status: int, reason: str) -> None:
    assert whose(status, reason) is not Whose.NOBODY


def test_a_change_with_everything_that_may_become_of_its_pushes() -> None:
    changed = event(1, Kind.CHANGED, fields=[])
    gone = {"status": 410, "reason": "Unregistered"}
    lines = told(
        [
            event(6, Kind.TOKEN_DEAD, target="c", **gone),
            changed,
            event(2, Kind.PUSH_ACCEPTED, target="a", status=200),
            event(3, Kind.PUSH_ACCEPTED, target="b", status=200),
            # Pushed again, because it did not ask.
            event(4, Kind.PUSH_ACCEPTED, target="a", status=200),
            event(5, Kind.PUSH_FAILED, target="d", status=0, reason="Timeout"),
            event(7, Kind.PUSH_HELD, target="e", until=900, score=3.5),
            event(8, Kind.PUSH_HELD, target="e", until=950, score=3.5),
            event(9, Kind.PUSH_HELD, target="f", until="?"),
        ]
    )
    said = [Said(200, "", 3, 2), Said(410, "Unregistered", 1, 1), Said(0, "Timeout", 1, 1)]
    assert lines == [Told(TYPE, 7, changed, 4, 2, 2, 950, said, 102, 106)]
    assert [(one.whose, one.next) for one in said] == [
        (Whose.NOBODY, WHAT_NEXT[Next.ACCEPTED]),
        (Whose.PHONE, WHAT_NEXT[Next.TOKEN_DEAD]),
        (Whose.NETWORK, WHAT_NEXT[Next.LATER]),
    ]


def test_the_newest_line_comes_first_whatever_the_order_of_the_events() -> None:
    events = [event(n, Kind.PUSH_ACCEPTED, seq=n, target="a", status=200) for n in (2, 9, 5)]
    assert [line.seq for line in told(events)] == [9, 5, 2]
    assert [line.cause for line in told(events)] == [None] * 3, "older than what was looked at"


@pytest.mark.parametrize("kind", [Kind.CHANGED, Kind.VOIDED, Kind.NEW_EPOCH])
def test_a_change_that_nobody_was_pushed_for_is_told(kind: Kind) -> None:
    [line] = told([event(1, kind)])
    assert (line.phones, line.held, line.said, line.first_at, line.held_until) == (0, 0, [], None, None)


@pytest.mark.parametrize("kind", [Kind.ISSUED, Kind.REGISTERED, Kind.ASKED, Kind.PUSH_ACCEPTED])
def test_what_needs_no_line_of_its_own_has_none(kind: Kind) -> None:
    assert told([event(1, kind, seq=0 if kind in ANSWERED else 7)]) == []


def test_the_change_is_the_cause_where_a_phone_joined_with_the_same_number() -> None:
    changed = event(3, Kind.CHANGED)
    events = [event(9, Kind.REGISTERED), changed, event(4, Kind.PUSH_HELD, target="a", until=5)]
    assert [line.cause for line in told(events)] == [changed]


def test_other_pass_types_have_numbers_of_their_own() -> None:
    other = Event(Kind.PUSH_ACCEPTED, 1, "pass.test.b", target="a", seq=7, detail={"status": 200}, id=2)
    assert len(told([event(1, Kind.CHANGED), other])) == 2
    assert set(ANSWERED) | set(CAUSES) | {Kind.PUSH_HELD} == set(KINDS)
