"""How often a phone tolerates a push, and how fast we may push at all."""

from __future__ import annotations

import math
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepass.core.budget import (
    LIMIT,
    SETTLE_SECONDS,
    SPACING_MS,
    START,
    Pace,
    go_at,
    score_after,
    zero_interval,
)

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


# ── how fast we may push at all


@pytest.mark.parametrize(
    ("rate", "p95", "sent", "after"),
    [
        (1000.0, None, 1000, 1051.0),
        (1000.0, 0.125, 1000, 1500.0),
        (1000.0, 0.126, 1000, 1051.0),
        (1000.0, 0.5, 500, 1051.0),
        (1000.0, 0.501, 1000, 500.0),
        (1000.0, math.inf, 0, 500.0),
        (12.0, 9.0, 12, 10.0),
        (19_999.0, 0.1, 20_000, 20_000.0),
        (1000.0, 0.1, 400, 800.0),
        (20_000.0, None, 3, START),
        (40.0, None, 0, 40.0),
    ],
    ids=[
        "no fetches", "quick: by half", "not quick: with care",
        "just fast enough", "slow: halve", "asks are refused there: halve", "floor", "ceiling",
        "not used: twice of what was", "a quiet time: as at the start", "a quiet time does not raise it",
    ],
)  # fmt: skip
def test_the_pace_follows_measured_fetch_latency(rate: float, p95: float | None, sent: int, after: float) -> None:
    pace = Pace(rate, moved_at=100.0).after(p95, 101.0, sent)
    assert pace.rate == pytest.approx(after)
    assert pace.eased == (p95 is not None and p95 > 0.5)


def test_the_pace_keeps_its_bounds() -> None:
    pace = Pace(100.0, floor=50.0, ceiling=101.0, slow_fetch=2.0, moved_at=0.0)
    assert pace.after(1.9, 1.0, 100).rate == 101.0
    slow = pace.after(2.1, 1.0, 100).after(2.1, 6.0, 100)
    assert (slow.rate, slow.floor, slow.ceiling, slow.slow_fetch) == (50.0, 50.0, 101.0, 2.0)


def test_after_a_halving_the_new_pace_is_measured_before_it_moves_again() -> None:
    start = Pace()
    assert start.may_move(0.0)
    slow = start.after(9.0, 10.0, 0)
    assert not slow.may_move(10.0 + SETTLE_SECONDS - 0.1) and slow.may_move(10.0 + SETTLE_SECONDS)
    fast = slow.after(0.1, 15.0, 1000)
    assert not fast.may_move(15.9) and fast.may_move(16.0)


def risen(pace: Pace, p95: float | None, seconds: int) -> Pace:
    """All of it used, second by second."""
    for _ in range(seconds):
        now = (pace.moved_at or 0.0) + pace.hold
        pace = pace.after(p95, now, int(pace.rate * max(pace.hold, 1.0)) + 1)
    return pace


def test_a_service_that_answers_at_once_is_soon_asked_for_more() -> None:
    start = Pace(moved_at=0.0)
    assert risen(start, 0.01, 4).rate > 1000 > risen(start, None, 20).rate, "what nobody saw proves nothing"


def test_above_a_pace_that_was_too_much_it_rises_with_care() -> None:
    halved = Pace(1600.0, moved_at=0.0).after(0.6, 1.0, 1600)
    assert halved.proven == halved.rate == 800.0
    later = risen(halved, 0.01, 3)
    assert 801.0 < later.rate < 1000.0 and later.proven == later.rate, "each step proves itself"
    quiet = later.after(None, (later.moved_at or 0.0) + 60.0, 0)
    assert (quiet.rate, quiet.proven) == (START, later.rate)
    assert risen(quiet, 0.01, 3).rate == pytest.approx(START * 1.5**3), "back to what it knows without waiting"
    assert later.rate <= risen(quiet, 0.01, 4).rate < later.rate * 1.06 + 1, "and no further than that at once"


def fetch_p95(pushed: float, capacity: float) -> float:
    """A service that answers at once what it can, and whose queue grows for five seconds by what it cannot."""
    return 0.05 if pushed <= capacity else 0.05 + 5 * (pushed - capacity) / capacity


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("capacity", [100.0, 800.0, 5000.0])
def test_the_sum_of_all_workers_finds_what_the_service_can_do(capacity: float, workers: int) -> None:
    """Each has its own pace, started at another time; nobody divides anything. Fetches are measured over five seconds:
    for a while, what is measured is what was before.
    """
    paces = [Pace(rate=50.0 * (3 ** (n % 3)), floor=1.0) for n in range(workers)]
    sums, measured = [], deque([0.0], maxlen=5)
    for second in range(900):
        p95 = max(measured)
        measured.append(fetch_p95(sum(pace.rate for pace in paces), capacity))
        paces = [
            pace.after(p95, float(second), int(pace.rate * max(pace.hold, 1))) if pace.may_move(second) else pace
            for pace in paces
        ]
        sums.append(sum(pace.rate for pace in paces))
    settled = sums[300:]
    assert max(settled) < 1.6 * capacity, "never far above what it can do"
    assert sum(settled) / len(settled) > 0.5 * capacity, "and most of it is used"
    assert max(pace.rate for pace in paces) < 2 * min(pace.rate for pace in paces), "by all of them alike"


def test_exactly_the_limit_may_still_go() -> None:
    """A push that arrives at the free rate adds nothing: at the limit it is not above it."""
    assert go_at(LIMIT, NOW - 2 * HOUR, 1, NOW) == NOW
    assert go_at(2.0, NOW - SPACING_MS, 0, NOW - 1) == NOW
    half = 30 * MINUTE  # a quarter of the way: haste 3/4, adds 27/64
    assert go_at(LIMIT - 27 / 64, NOW - half, 1, NOW) == NOW


def test_what_was_sent_counts_by_the_second() -> None:
    """A pace that was looked at late, or at once, is judged by pushes a second and not by pushes."""
    assert Pace(1000.0, moved_at=100.0).after(None, 110.0, 4000).rate == pytest.approx(800.0)
    assert Pace(1000.0, moved_at=100.0).after(None, 110.0, 5000).rate == pytest.approx(1051.0)
    assert Pace(1000.0, moved_at=100.0).after(None, 100.5, 499).rate == pytest.approx(998.0)


def test_a_pace_that_never_moved_was_not_used() -> None:
    assert Pace(2.0).after(None, 0.0, 1000).rate == 2.0
    assert Pace(1.0).after(None, 0.0, 1000).rate == 1.0
    assert Pace(0.5).after(None, 0.0, 1000).rate == 0.5


def test_a_new_pace_may_move_at_once_and_is_not_eased() -> None:
    assert (Pace().hold, Pace().moved_at, Pace().eased) == (0.0, None, False)
    assert Pace(moved_at=7.0).may_move(7.0)
    assert (Pace().rate, Pace().floor, Pace().ceiling, Pace().slow_fetch) == (250.0, 10.0, 20_000.0, 0.5)
