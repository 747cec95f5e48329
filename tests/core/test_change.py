"""What counts as a change, and the version id it gets."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepass.core.change import (
    AHEAD_SECONDS,
    changed_fields,
    floor_of_a_new_epoch,
    http_date,
    lock_screen_text,
    moves,
    next_last_modified,
)

YEAR_9999 = 253_402_300_799


def document(*fields: dict[str, object], style: str = "storeCard", group: str = "primaryFields") -> dict[str, object]:
    return {style: {group: list(fields)}}


def points(value: object, **more: object) -> dict[str, object]:
    return {"key": "points", "value": value, **more}


@pytest.mark.parametrize(
    ("stored", "new", "moved"),
    [(None, "a", True), ("a", "b", True), ("a", "a", False)],
    ids=["new pass", "other manifest", "same manifest"],
)
def test_no_change_no_tag(stored: str | None, new: str, moved: bool) -> None:
    assert moves(stored, new) is moved


def test_last_modified_has_whole_seconds() -> None:
    assert next_last_modified(None, 1_999) == 1
    assert next_last_modified(0, 5_999) == 5


def test_two_changes_in_one_second_differ() -> None:
    assert next_last_modified(5, 5_400) == 6


def test_last_modified_does_not_follow_a_clock_that_goes_back() -> None:
    assert next_last_modified(100, 7_000) == 101


@given(st.lists(st.integers(0, 10**13), min_size=2, max_size=20))
def test_last_modified_strictly_increases(clock: list[int]) -> None:
    versions: list[int] = []
    for now in clock:
        versions.append(next_last_modified(versions[-1] if versions else None, now))
    assert all(before < after for before, after in pairwise(versions))
    assert all(version >= now // 1000 for version, now in zip(versions, clock, strict=True))


@given(st.integers(0, YEAR_9999))
def test_http_date_is_imf_fixdate(seconds: int) -> None:
    assert http_date(seconds) == formatdate(seconds, usegmt=True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
    ],
)
def test_http_date_at_the_edges_of_the_calendar(seconds: int, text: str) -> None:
    assert http_date(seconds) == text


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (None, document(points(1)), [("points", None, 1, None)]),
        (document(points(1)), document(points(1)), []),
        (document(points(1)), document(points(1, label="Points", changeMessage="Now %@")), []),
        (document(points(1)), document(points(2, changeMessage="Now %@")), [("points", 1, 2, "Now %@")]),
        (document(points(1, changeMessage="Was %@")), document(points(2)), [("points", 1, 2, None)]),
        (document(points(1)), document(), [("points", 1, None, None)]),
        (document(points(1)), document(points(1), group="backFields"), []),
        (document(points(1)), document(points(2), style="generic"), [("points", 1, 2, None)]),
        (
            document(points(1), {"key": "level", "value": "Gold"}),
            document({"key": "level", "value": "Silver"}, points(2)),
            [("level", "Gold", "Silver", None), ("points", 1, 2, None)],
        ),
        (document(points(1)), document(points(2), points(3)), [("points", 1, 2, None)]),
    ],
    ids=[
        "a new pass",
        "nothing",
        "label and message only",
        "value with a message",
        "the new document's message counts",
        "field removed",
        "field moved to the back",
        "other style",
        "two, in the new order",
        "of two with one key the first counts",
    ],
)
def test_fields_are_matched_by_key(
    before: dict[str, object] | None, after: dict[str, object], changes: list[tuple[object, ...]]
) -> None:
    found = changed_fields(before, after)
    assert [(c["key"], c["before"], c["after"], c["message"]) for c in found] == changes


@pytest.mark.parametrize(
    "spoiled",
    [
        {"storeCard": []},
        {"storeCard": {"primaryFields": {"key": "points"}}},
        {"storeCard": {"primaryFields": ["points", None, {"value": 1}, {"key": 7, "value": 1}]}},
        {},
    ],
)
def test_what_is_not_a_field_is_passed_over(spoiled: dict[str, object]) -> None:
    assert changed_fields(spoiled, spoiled) == []
    assert changed_fields(None, spoiled) == []


def change(message: object, after: object) -> dict[str, object]:
    return {"key": "points", "before": 1, "after": after, "message": message}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ([], None),
        ([change(None, 2)], None),
        ([change("You have %@ points", 2)], "You have 2 points"),
        ([change("You have %@ points", 2), change(None, 3)], "You have 2 points"),
        ([change("100%% of %@", 2)], "100% of 2"),
        ([change("%@ off", "50%%")], "50%% off"),
        ([change("%@ off", "%@")], "%@ off"),
        ([change("%%@ and %@", 2)], "%@ and 2"),
        ([change("no placeholder", 2)], "no placeholder"),
    ],
    ids=[
        "no change",
        "silent",
        "one message",
        "one message, one silent",
        "escaped percent",
        "percents of the value stay",
        "a placeholder in the value stays",
        "escaped percent before an at sign",
        "without a placeholder",
    ],
)
def test_lock_screen_shows_the_message_with_the_new_value(changes: list[dict[str, object]], text: str | None) -> None:
    assert lock_screen_text(changes) == text


def test_several_messages_become_one_general_line() -> None:
    text = lock_screen_text([change("Now %@", 2), change("Gate %@", "B4")])
    assert text is not None
    assert "several" in text
    assert "B4" not in text


def test_http_date_is_right_at_both_ends_of_every_month_of_an_era() -> None:
    """The Gregorian calendar repeats after 400 years; the standard library says what is right."""
    firsts = [
        int(datetime(year, month, 1, tzinfo=UTC).timestamp()) for year in range(1970, 2402) for month in range(1, 13)
    ]
    for first in firsts[1:]:
        for seconds in (first - 1, first, first + 3600, first + 43_260):
            assert http_date(seconds) == formatdate(seconds, usegmt=True)


@pytest.mark.parametrize("style", ["boardingPass", "coupon", "eventTicket", "generic", "storeCard", "posterGeneric"])
@pytest.mark.parametrize(
    "group",
    [
        "headerFields", "primaryFields", "secondaryFields", "auxiliaryFields", "backFields", "footerFields",
        "additionalInfoFields",
    ],
)  # fmt: skip
def test_a_field_is_compared_wherever_apple_lets_it_stand(style: str, group: str) -> None:
    before, after = document(points(1), style=style, group=group), document(points(2), style=style, group=group)
    assert changed_fields(before, after) == [{"key": "points", "before": 1, "after": 2, "message": None}]


def test_a_version_and_a_history_may_begin_with_the_epoch() -> None:
    """Nobody gave a floor or a lost second: none is made up."""
    assert next_last_modified(None, 0) == 0
    assert floor_of_a_new_epoch(-AHEAD_SECONDS * 1000) == 1
    assert floor_of_a_new_epoch(-AHEAD_SECONDS * 1000, -1) == 0


def test_the_lock_screen_fills_in_the_value_once() -> None:
    assert lock_screen_text([{"message": "%@ of %@", "after": 3}]) == "3 of %@"
