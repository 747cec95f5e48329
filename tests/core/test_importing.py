"""Tries in vain: how long to pause after each, when to give up, and when waiting begins anew."""

from __future__ import annotations

import pytest

from livepass.core.importing import MOST_TRIES, PAUSES_MS, Tried, tried


def test_pauses_grow_and_end() -> None:
    assert list(PAUSES_MS) == sorted(set(PAUSES_MS)) and sum(PAUSES_MS) < 2 * 3_600_000
    vain, pauses = 0, []
    while not (after := tried(vain, went_through=False, failed=True)).over:
        assert after.vain == vain + 1
        vain = after.vain
        pauses.append(after.pause_ms)
    assert tuple(pauses) == PAUSES_MS and after == Tried(MOST_TRIES, over=True)
    assert len(pauses) == MOST_TRIES - 1


@pytest.mark.parametrize(
    ("vain", "went_through", "failed", "then"),
    [
        (0, True, False, Tried(0)),
        (MOST_TRIES - 1, True, False, Tried(0)),  # waiting helped
        (MOST_TRIES - 1, True, True, Tried(0)),
        (MOST_TRIES, True, False, Tried(MOST_TRIES)),  # it did not, once
        (MOST_TRIES, False, True, Tried(MOST_TRIES, over=True)),
        (3, False, False, Tried(3)),  # rows were refused, which says nothing
        (0, False, True, Tried(1, PAUSES_MS[0])),
    ],
)
def test_after_a_turn(vain: int, went_through: bool, failed: bool, then: Tried) -> None:
    assert tried(vain, went_through=went_through, failed=failed) == then
