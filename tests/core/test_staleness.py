"""Figures of all registrations: what is in time, how long round trips took, how far a fan-out is."""

from __future__ import annotations

from typing import Any

import pytest

from livepass.core.house import FanOut
from livepass.core.staleness import AGES, WORDS, Instants, Legs, Spread, Waiting, added, in_time, legs


def test_each_step_has_its_words() -> None:
    assert len(WORDS) == len(AGES) + 1


def test_lots_of_several_pass_types_are_added_up() -> None:
    lots = [Waiting(2, False, 3, 50), Waiting(0, False, 1, 90), Waiting(2, True, 5, 10), Waiting(2, False, 4, 40)]
    assert added(lots) == [Waiting(0, False, 1, 90), Waiting(2, False, 7, 40), Waiting(2, True, 5, 10)]


@pytest.mark.parametrize(
    ("heard", "lots", "share"),
    [
        (0, [], None),
        (100, [], 1.0),
        # Younger than 15 minutes is in time, and who was never served anything is not counted at all.
        (100, [Waiting(0, False, 50, 1), Waiting(1, False, 20, 1), Waiting(4, True, 9, 1)], 1.0),
        (100, [Waiting(1, False, 20, 1), Waiting(2, False, 1, 1), Waiting(4, False, 2, 1)], 0.97),
    ],
)
def test_what_is_in_time(heard: int, lots: list[Waiting], share: float | None) -> None:
    assert in_time(heard, lots) == share


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([], Legs(0, None, None)),
        ([(1, 4, 9)], Legs(1, Spread(1, 3, 3), Spread(1, 5, 5))),
        ([(4, 4, 4)], Legs(1, Spread(1, 0, 0), Spread(1, 0, 0))),
        # What is not in order says nothing; what was not seen neither.
        ([(5, 4, 3), (None, None, 9), (None, 4, 9), (1, None, None)], Legs(4, None, Spread(1, 5, 5))),
        ([(3, 9, None)], Legs(1, Spread(1, 6, 6), None)),
        # By nearest rank: of 1 … 20, the 10th and the 19th.
        ([(0, n, 20) for n in range(20, 0, -1)], Legs(20, Spread(20, 10, 19), Spread(20, 9, 18))),
    ],
)
def test_how_long_round_trips_took(seen: list[Instants], expected: Legs) -> None:
    assert legs(seen) == expected


@pytest.mark.parametrize(
    ("after_key", "upto", "done"),
    [
        ("", "80000000aa", 0.0),
        ("40000000aa", "80000000aa", 0.5),
        ("90000000aa", "80000000aa", 1.0),
        ("00000000aa", "00000000aa", 1.0),
        ("phone-1", "80000000aa", None),
        ("40000000aa", "~", None),
    ],
)
def test_how_far_a_fan_out_is(after_key: str, upto: str, done: float | None) -> None:
    row: tuple[Any, ...] = ("pass.test.a", "changed", "s", 7, 1)
    assert FanOut(*row, after_key, upto, "").done == done
