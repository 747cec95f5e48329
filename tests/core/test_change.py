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
    floor_of_a_new_epoch,
    http_date,
    moves,
    next_last_modified,
)

YEAR_9999 = 253_402_300_799


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


def test_http_date_is_right_at_both_ends_of_every_month_of_an_era() -> None:
    """The Gregorian calendar repeats after 400 years; the standard library says what is right."""
    firsts = [
        int(datetime(year, month, 1, tzinfo=UTC).timestamp()) for year in range(1970, 2402) for month in range(1, 13)
    ]
    for first in firsts[1:]:
        for seconds in (first - 1, first, first + 3600, first + 43_260):
            assert http_date(seconds) == formatdate(seconds, usegmt=True)


def test_a_version_and_a_history_may_begin_with_the_epoch() -> None:
    """Nobody gave a floor or a lost second: none is made up."""
    assert next_last_modified(None, 0) == 0
    assert floor_of_a_new_epoch(-AHEAD_SECONDS * 1000) == 1
    assert floor_of_a_new_epoch(-AHEAD_SECONDS * 1000, -1) == 0
