"""Dates of a new history: none that the lost one may have given away."""

from __future__ import annotations

from livepass.core.change import AHEAD_SECONDS, floor_of_a_new_epoch, next_last_modified

NOW = 1_790_000_000_000


def test_a_pass_that_changed_many_times_in_a_second_before_the_loss_is_dated_anew() -> None:
    given = None
    for _ in range(AHEAD_SECONDS):
        given = next_last_modified(given, NOW)
    assert given is not None
    assert next_last_modified(None, NOW, floor_of_a_new_epoch(NOW)) > given


def test_what_is_known_to_be_given_away_counts_when_it_is_later() -> None:
    known = NOW // 1000 + 10 * AHEAD_SECONDS
    assert floor_of_a_new_epoch(NOW, known) == known + 1
