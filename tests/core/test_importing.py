"""What an import is at its beginning and what others say of it; tries in vain: how long to pause after each, when to
give up, and when waiting begins anew.
"""

from __future__ import annotations

import pytest

from livepass.core.importing import (
    ABANDONED_MS,
    KEPT_MS,
    MOST_TRIES,
    PAUSES_MS,
    ImportJob,
    ImportRow,
    ImportState,
    Progress,
    Tried,
    tried,
)

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000


def test_what_is_said_elsewhere() -> None:
    assert KEPT_MS == 7 * 24 * HOUR, "a week, as the guide and the API say"
    assert ABANDONED_MS == HOUR, "what nobody acknowledged does not stay for a week"
    assert PAUSES_MS == (5 * SECOND, 30 * SECOND, 3 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR), "as ADR 40 says"
    stored = ["receiving", "working", "finished", "cancelled", "abandoned"]
    assert [each.value for each in ImportState] == stored, "statements and the API name them"


def test_an_import_begins_with_nothing_done() -> None:
    job = ImportJob("default", "imp_1", "key_1", 7, "auto", False, {})
    assert job.state is ImportState.RECEIVING
    counted = (job.made, job.changed, job.unchanged, job.refused, job.failed)
    assert counted == (0, 0, 0, 0, 0) and (job.rows, job.waiting, job.vain, job.turn_at) == (0, 0, 0, 0)


def test_progress_counts_what_it_names_and_nothing_else() -> None:
    """Else each step of an import would count rows that nobody sent."""
    assert Progress() == Progress(made=0, changed=0, unchanged=0, refused=0, failed=0)


def test_after_a_turn_that_was_not_in_vain_nothing_is_waited_for() -> None:
    assert (Tried(0).pause_ms, Tried(0).over) == (0, False)


def test_what_a_row_says_of_people_is_not_printed() -> None:
    assert "Ada" not in repr(ImportRow(2, "pass.test", "1", '{"data": {"name": "Ada"}}'))


def test_pauses_grow_and_end() -> None:
    assert list(PAUSES_MS) == sorted(set(PAUSES_MS)) and sum(PAUSES_MS) < 2 * HOUR
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
