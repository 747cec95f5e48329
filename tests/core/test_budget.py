"""How often a phone tolerates a push, and how fast we may push at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepass.core.budget import LIMIT, SPACING_MS, Pace, go_at, score_after, zero_interval

MINUTE, HOUR = 60_000, 3_600_000
NOW = 1_790_000_000_000


@pytest.mark.parametrize(("passes", "hours"), [(0, 2), (1, 2), (2, 1), (3, 2 / 3), (4, 0.5), (5, 0.5), (100, 0.5)])
def test_the_free_rate_depends_on_how_many_passes_the_phone_has(passes: int, hours: float) -> None:
    assert zero_interval(passes) == int(hours * HOUR)


@pytest.mark.parametrize(
    ("every", "adds"),
    [(HOUR, 0.125), (30 * MINUTE, 0.42), (MINUTE, 0.98), (2 * HOUR, 0.0)],
    ids=["hourly", "every half hour", "every minute", "every two hours"],
)
def test_the_figures_of_the_sheet(every: int, adds: float) -> None:
    """protocol.md §2.3, one pass of the type."""
    assert score_after(0.0, NOW, 1, NOW + every) == pytest.approx(adds, abs=0.005)
    assert score_after(1.0, NOW, 1, NOW + every) == pytest.approx(1 + adds, abs=0.005)


def test_fifty_pushes_a_minute_apart_come_to_forty_nine() -> None:
    score = 0.0
    for push in range(50):
        score = score_after(score, NOW + push * MINUTE, 1, NOW + (push + 1) * MINUTE)
    assert score == pytest.approx(49, abs=0.5)


def test_patience_comes_back_linearly_and_ends_at_zero() -> None:
    assert score_after(2.0, NOW, 1, NOW + 3 * HOUR) == pytest.approx(1.5)
    assert score_after(2.0, NOW, 1, NOW + 48 * HOUR) == 0.0


def test_the_first_push_costs_nothing() -> None:
    assert score_after(0.0, None, 1, NOW) == 0.0
    assert go_at(0.0, None, 1, NOW) == NOW


@pytest.mark.parametrize(
    ("score", "last", "now", "go"),
    [
        (0.0, NOW - HOUR, NOW, NOW),
        (0.0, NOW, NOW, NOW + SPACING_MS),
        (0.0, NOW - SPACING_MS // 4, NOW, NOW + SPACING_MS - SPACING_MS // 4),
        (LIMIT - 1, NOW - MINUTE, NOW, NOW),
        (LIMIT, NOW - MINUTE, NOW, NOW - MINUTE + 2 * HOUR),
        (LIMIT, NOW - 2 * HOUR, NOW, NOW),
        (LIMIT + 40, NOW - 2 * HOUR, NOW, NOW),
        (LIMIT + 40, NOW - 90 * HOUR, NOW, NOW),
    ],
    ids=[
        "an hour ago",
        "just pushed: apart by the spacing",
        "pushed a moment ago",
        "one more fits",
        "none fits: wait for the free rate",
        "the free rate always fits",
        "also far above the limit",
        "a long rest",
    ],
)
def test_hold_or_go(score: float, last: int, now: int, go: int) -> None:
    assert go_at(score, last, 1, now) == go


@given(
    st.lists(st.integers(0, 4 * HOUR), min_size=1, max_size=60),
    st.integers(1, 6),
)
def test_who_waits_for_go_never_exceeds_the_limit(wishes: list[int], passes: int) -> None:
    score, last, now = 0.0, None, NOW
    for wish in wishes:
        now = go_at(score, last, passes, now + wish)
        assert last is None or now - last >= SPACING_MS
        score, last = score_after(score, last, passes, now), now
        assert 0 <= score <= LIMIT


@pytest.mark.parametrize(
    ("rate", "p95", "after"),
    [
        (1000.0, None, 1051.0),
        (1000.0, 0.1, 1051.0),
        (1000.0, 0.5, 1051.0),
        (1000.0, 0.501, 500.0),
        (12.0, 9.0, 10.0),
        (19_999.0, 0.1, 20_000.0),
    ],
    ids=["no fetches", "fast", "just fast enough", "slow: halve", "floor", "ceiling"],
)
def test_the_pace_follows_measured_fetch_latency(rate: float, p95: float | None, after: float) -> None:
    assert Pace(rate).after(p95).rate == pytest.approx(after)


def test_the_pace_keeps_its_bounds() -> None:
    pace = Pace(100.0, floor=50.0, ceiling=101.0, slow_fetch=2.0)
    assert pace.after(1.9) == Pace(101.0, 50.0, 101.0, 2.0)
    assert pace.after(2.1).after(2.1).rate == 50.0
