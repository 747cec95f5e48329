"""Lines of phones, in lots that mean the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from livepass.core import testimony
from livepass.core.complaints import DAYS, LINES, grouped
from livepass.core.timeline import Event, Kind
from livepass.core.trip2_push import DAY

NOW = 100 * DAY
TASK = "Get pass task (for device {device}, pass type pass.x, serial number {serial}; with web service url {url}) "
UNAUTHORIZED = TASK + "encountered error: Authentication failure"
STRANGE = TASK + "encountered error: The moon is full"


def said(id_: int, line: str, device: str = "d1", serial: str = "s1", at: int = NOW) -> Event:
    event = testimony.testify(line.format(device=device, serial=serial, url="https://e.example"), at)
    assert event is not None
    return replace(event, id=id_)


def test_what_means_the_same_is_one_lot_and_most_phones_come_first() -> None:
    events = [
        said(1, STRANGE, at=NOW - DAY),
        said(2, UNAUTHORIZED, "d1", "s1", NOW - 2 * DAY),
        said(3, UNAUTHORIZED, "d2", "s1", NOW - 5),
        said(4, UNAUTHORIZED, "d2", "s2", NOW),
    ]
    first, second = grouped(events, NOW)
    assert (first.code, first.known, first.count, first.phones, first.passes) == ("T0", True, 3, 2, 2)
    assert (first.first_at, first.last_at, first.level, first.about) == (NOW - 2 * DAY, NOW, "error", "fetch")
    assert list(first.days) == [0, 0, 0, 0, 1, 0, 2]
    assert [line.id for line in first.lines] == [4, 3, 2]
    assert first.finding is not None and first.finding.startswith("LP")
    assert (second.code, second.known, second.finding) == ("?", False, None)
    assert "The moon is full" in second.shape and "d1" not in second.shape


def test_unknown_sentences_are_told_apart_by_their_shape() -> None:
    assert len(grouped([said(1, STRANGE), said(2, STRANGE.replace("moon", "sun"))], NOW)) == 2


def test_only_the_newest_lines_are_kept_and_the_last_days_counted() -> None:
    events = [said(n, UNAUTHORIZED, at=NOW - (DAYS - 1 + n % 2) * DAY) for n in range(20)]
    # A clock of another process may be ahead.
    [one] = grouped([*events, said(99, UNAUTHORIZED, at=NOW + 5000)], NOW)
    assert [line.id for line in one.lines] == [99, 19, 18, 17, 16] and len(one.lines) == LINES
    assert list(one.days) == [10, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    "detail", [{}, {"code": 7, "meaning": None, "about": "the moon", "status": "?"}, {"code": "T1", "about": "fetch"}]
)
def test_an_event_that_lacks_something_is_shown_all_the_same(detail: dict[str, object]) -> None:
    [one] = grouped([Event(Kind.TESTIFIED, NOW, "pass.x", detail=detail, id=1)], NOW)
    assert (one.count, one.phones, one.passes) == (1, 0, 0)


def test_a_status_leads_to_its_finding() -> None:
    line = TASK + "encountered error: Unexpected response code 302"
    plain = TASK + "encountered error: Unexpected response code 500"
    found = {one.finding for status in (line, plain) for one in grouped([said(1, status)], NOW)}
    assert len(found) == 2
