"""What is given up first, and that it neither starts with a hiccup nor flaps."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepass.core.shedding import (
    DOWN_AFTER,
    EASED,
    GIVEN_UP,
    RUNGS,
    UP_AFTER,
    Level,
    Pressure,
    Shedding,
    given_up,
)

CALM = Pressure(0, 0.0, None)


def reached(*measures: Pressure, start: Shedding | None = None) -> Shedding:
    shedding = start or Shedding()
    for measure in measures:
        shedding = shedding.after(measure)
    return shedding


def test_the_order_of_sacrifice() -> None:
    """hazards.md §2.10: log, issuer reads, asks, registrations; a fetch has no level at all."""
    assert list(GIVEN_UP.values()) == [
        "log records",
        "issuer reads and share pages",
        "asks and shared files",
        "registrations",
    ]
    assert list(GIVEN_UP) == sorted(GIVEN_UP) == [rung.level for rung in RUNGS]
    assert given_up(Level.NONE) == ""
    assert given_up(Level.ASK) == "log records, issuer reads and share pages, asks and shared files"
    assert given_up(Level.REGISTER) == "log records, issuer reads and share pages, asks and shared files, registrations"


def test_each_rung_is_harder_to_reach_than_the_one_below() -> None:
    for lower, higher in pairwise(RUNGS):
        assert lower.in_flight < higher.in_flight and lower.lag < higher.lag and lower.fetch_p95 < higher.fetch_p95


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.level.name)
def test_any_one_measure_is_enough(rung: object) -> None:
    assert rung in RUNGS
    for enough, nearly in (
        (Pressure(rung.in_flight, 0.0, None), Pressure(rung.in_flight - 1, 0.0, None)),
        (Pressure(0, rung.lag, None), Pressure(0, rung.lag - 0.001, None)),
        (Pressure(0, 0.0, rung.fetch_p95), Pressure(0, 0.0, rung.fetch_p95 - 0.001)),
    ):
        assert reached(*[enough] * UP_AFTER).level == rung.level
        assert reached(*[nearly] * UP_AFTER).level == rung.level - 1


def test_one_late_round_is_no_pressure() -> None:
    hiccup = Pressure(0, 9.0, None)
    assert reached(*[hiccup] * (UP_AFTER - 1)).level == Level.NONE
    assert reached(hiccup, CALM, hiccup, CALM, hiccup).level == Level.NONE


def test_up_at_once_and_down_a_level_at_a_time() -> None:
    level = reached(*[Pressure(10_000, 0.0, None)] * UP_AFTER)
    assert level.level == Level.REGISTER
    levels = [level.level]
    for _ in range(4 * DOWN_AFTER):
        level = level.after(CALM)
        levels.append(level.level)
    assert levels == [Level.REGISTER] * DOWN_AFTER + [
        each for each in (Level.ASK, Level.READ, Level.LOG) for _ in range(DOWN_AFTER)
    ] + [Level.NONE]
    assert level.after(CALM) == Shedding()


def test_only_half_the_pressure_counts_as_ease() -> None:
    ask = next(rung for rung in RUNGS if rung.level is Level.ASK)
    start = reached(*[Pressure(ask.in_flight, 0.0, None)] * UP_AFTER)
    hardly = Pressure(int(ask.in_flight * EASED), 0.0, None)
    assert reached(*[hardly] * 50, start=start).level == Level.ASK
    assert reached(*[CALM] * (DOWN_AFTER - 1), hardly, *[CALM] * (DOWN_AFTER - 1), start=start).level == Level.ASK
    less = Pressure(int(ask.in_flight * EASED) - 1, 0.0, None)
    assert reached(*[less] * DOWN_AFTER, start=start).level == Level.READ


@given(st.lists(st.builds(Pressure, st.integers(0, 5000), st.floats(0, 4), st.none() | st.floats(0, 20)), max_size=60))
def test_whatever_comes_it_moves_slowly_and_ends_at_nothing(measures: list[Pressure]) -> None:
    shedding, moves = Shedding(), 0
    for measure in measures:
        before, shedding = shedding, shedding.after(measure)
        assert shedding.level >= before.level - 1
        moves += shedding.level != before.level
    assert moves <= len(measures) // UP_AFTER
    assert reached(*[CALM] * (len(Level) * DOWN_AFTER), start=shedding) == Shedding()


def test_one_late_round_is_no_pressure_while_it_eases_either() -> None:
    start = reached(*[Pressure(RUNGS[0].in_flight, 0.0, None)] * UP_AFTER)
    assert reached(CALM, Pressure(10_000, 0.0, None), start=start).level == Level.LOG


def test_it_counts_measures_one_by_one() -> None:
    hiccup = Pressure(0, 9.0, None)
    assert reached(hiccup) == Shedding(Level.NONE, over=1)
    assert reached(CALM, start=Shedding(Level.LOG)) == Shedding(Level.LOG, under=1)
