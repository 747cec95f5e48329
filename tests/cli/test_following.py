"""Following a timeline shows each event once, also one that appears below those already shown."""

from __future__ import annotations

from typing import Any

from livepass.cli.pass_ import SETTLE_SECONDS, _settled


def row(id_: int, second: int) -> dict[str, Any]:
    return {"id": id_, "at": f"2026-11-24T10:00:{second:02}.000Z"}


def test_the_last_seconds_are_read_again() -> None:
    settled = int(40 - SETTLE_SECONDS)
    assert _settled([]) == 0
    assert _settled([row(7, 40)]) == 0
    assert _settled([row(1, 1), row(5, settled - 1), row(6, settled), row(9, 40)]) == 5


def test_an_event_that_was_late_by_id_is_not_skipped() -> None:
    """Two processes write: number 8 is taken first and becomes visible last."""
    seen = [row(3, 10), row(9, 40)]
    assert _settled(seen) < 8
