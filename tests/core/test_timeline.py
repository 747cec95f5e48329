"""The events, and what they add up to."""

from __future__ import annotations

from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepass.core.model import Watermarks
from livepass.core.timeline import TAKEN, TRIP_OF, Event, Kind, Stand, Trip, first_gap, fold

TYPE, A, B = "pass.test", "phone-a", "phone-b"
MINE, OTHER = "serial-1", "serial-2"
TARGET, OTHER_TARGET = "fp-a", "fp-b"


def event(
    kind: Kind,
    seq: int = 0,
    *,
    serial: str | None = None,
    device: str | None = None,
    target: str | None = None,
    asked: object = 0,
) -> Event:
    return Event(kind, 0, TYPE, serial, device, target, seq, {"asked": asked} if asked else {})


def marks(*events: Event) -> Watermarks:
    return fold(events, serial=MINE, device_id=A, target=TARGET)


ISSUED = event(Kind.ISSUED, 1, serial=MINE)
REGISTERED = event(Kind.REGISTERED, 2, serial=MINE, device=A)
CHANGED = event(Kind.CHANGED, 3, serial=MINE)
PUSHED = event(Kind.PUSH_ACCEPTED, 3, target=TARGET)
ASKED = event(Kind.ASKED, 3, device=A, asked=2)
FETCHED = event(Kind.FETCHED, 3, serial=MINE, device=A)
STORY = (ISSUED, REGISTERED, CHANGED, PUSHED, ASKED, FETCHED)


def test_a_whole_story() -> None:
    assert marks(*STORY) == Watermarks(changed=3, pushed=3, asked=2, told=3, served=3)


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ((), Watermarks(0)),
        ((ISSUED,), Watermarks(1)),
        (STORY[:3], Watermarks(3)),
        (STORY[:4], Watermarks(3, pushed=3)),
        (STORY[:5], Watermarks(3, pushed=3, asked=2, told=3)),
        ((event(Kind.VOIDED, 8, serial=MINE),), Watermarks(8)),
    ],
)
def test_each_trip_raises_its_own_mark(story: tuple[Event, ...], expected: Watermarks) -> None:
    assert marks(*story) == expected


@pytest.mark.parametrize(
    "foreign",
    [
        event(Kind.CHANGED, 9, serial=OTHER),
        event(Kind.PUSH_ACCEPTED, 9, target=OTHER_TARGET),
        event(Kind.PUSH_ACCEPTED, 9),
        event(Kind.ASKED, 9, device=B, asked=9),
        event(Kind.FETCHED, 9, serial=OTHER, device=A),
        event(Kind.FETCHED, 9, serial=MINE, device=B),
        event(Kind.FETCHED, 9, serial=MINE),
        event(Kind.REGISTERED, 9, serial=OTHER, device=A),
        event(Kind.REGISTERED, 9, serial=MINE, device=B),
        event(Kind.ISSUED, TAKEN, serial=MINE),
    ],
)
def test_events_of_others_are_skipped(foreign: Event) -> None:
    assert marks(*STORY, foreign) == marks(*STORY)


def test_only_answers_that_close_a_trip_raise() -> None:
    raising = {Kind.ISSUED, Kind.CHANGED, Kind.VOIDED, Kind.PERSONALIZED, Kind.NEW_EPOCH}
    raising |= {Kind.PUSH_ACCEPTED, Kind.ASKED, Kind.FETCHED}
    for kind in set(Kind) - raising:
        seen = marks(event(kind, 9, serial=MINE, device=A, target=TARGET, asked=9))
        assert seen == Watermarks(0), kind


def test_a_new_history_counts_as_a_change_of_everything() -> None:
    assert marks(*STORY, event(Kind.NEW_EPOCH, 9)).changed == 9


@pytest.mark.parametrize("again", [Kind.REGISTERED, Kind.TOKEN_CHANGED])
def test_a_pass_added_again_is_another_copy(again: Kind) -> None:
    joined = event(again, 4, serial=MINE, device=A)
    assert marks(*STORY, joined) == Watermarks(3, pushed=3, asked=2, told=0, served=0)
    late = event(Kind.ASKED, 3, device=A, asked=2)
    assert marks(*STORY, joined, late).told == 0, "answered before it joined, and written down after"
    assert marks(*STORY, joined, event(Kind.ASKED, 4, device=A, asked=2)).told == 4


@pytest.mark.parametrize("asked", ["7", None, 7.5])
def test_an_asked_mark_that_is_no_number_counts_for_nothing(asked: object) -> None:
    assert marks(event(Kind.ASKED, 3, device=A, asked=asked)) == Watermarks(0, told=3)


EVENTS = st.builds(
    event,
    st.sampled_from(Kind),
    st.integers(-1, 20),
    serial=st.sampled_from([None, MINE, OTHER]),
    device=st.sampled_from([None, A, B]),
    target=st.sampled_from([None, TARGET, OTHER_TARGET]),
    asked=st.integers(0, 20),
)


@given(st.lists(EVENTS, max_size=30), EVENTS)
def test_watermarks_are_only_ever_raised(history: list[Event], last: Event) -> None:
    before, after = marks(*history), marks(*history, last)
    added_again = last.kind is Kind.REGISTERED and (last.serial, last.device_id) == (MINE, A)
    if added_again:
        assert after.served == 0
    for was, now in zip(astuple(before)[: -1 if added_again else None], astuple(after), strict=False):
        assert now >= was


@pytest.mark.parametrize(
    ("seen", "stand"),
    [
        (None, Stand.REGISTER),
        (Watermarks(5, pushed=5, asked=5, told=5, served=5), Stand.CURRENT),
        (Watermarks(5, served=5), Stand.CURRENT),
        (Watermarks(5, served=6), Stand.CURRENT),
        (Watermarks(5, pushed=5, asked=5, told=5, served=4), Stand.FETCH),
        (Watermarks(5, told=5), Stand.FETCH),
        (Watermarks(5, pushed=5, asked=4, told=4, served=4), Stand.ASK),
        (Watermarks(5, asked=5, pushed=5), Stand.ASK),
        (Watermarks(5, pushed=4, asked=4, told=4, served=4), Stand.PUSH),
        (Watermarks(5), Stand.PUSH),
    ],
    ids=[
        "nobody registered",
        "all closed",
        "pull to refresh",
        "served a newer one",
        "told, not fetched",
        "came unasked, not fetched",
        "pushed, not asked",
        "asked with an old tag is not told",
        "changed, not pushed",
        "nothing but the change",
    ],
)
def test_the_verdict_is_the_first_gap_read_from_the_end(seen: Watermarks | None, stand: Stand) -> None:
    assert first_gap(seen) is stand


def test_every_kind_of_event_belongs_to_a_trip() -> None:
    assert set(TRIP_OF) == set(Kind)
    assert event(Kind.TOKEN_DEAD).trip is Trip.PUSH
    assert event(Kind.NEW_EPOCH).trip is Trip.ASK


def test_every_mark_begins_at_nothing() -> None:
    """A timeline may be cut off anywhere: each kind of event may be the first that is left."""
    assert marks(FETCHED) == Watermarks(0, served=3)
    assert marks(PUSHED) == Watermarks(0, pushed=3)
    assert marks(CHANGED) == Watermarks(3)
    assert marks(ASKED) == Watermarks(0, asked=2, told=3)
