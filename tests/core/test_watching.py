"""Which alarm is due, given what was said before; and what is watched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from livepass.core.rotation import DAY, Link
from livepass.core.watching import (
    HOUR,
    PROBLEMS,
    THRESHOLDS,
    Level,
    Problem,
    Seen,
    Watched,
    What,
    alarm,
    heir,
    next_look,
    subject,
    subjects,
    unsound,
)

TYPE = "pass.test"
NOW = 1_800_000_000_000
LEAF = Watched("certificate:a", What.CERTIFICATE, TYPE, NOW - 300 * DAY, NOW, NOW)
TLS = Watched("public_tls", What.PUBLIC_TLS, "", NOW - 90 * DAY, NOW, NOW)


def link(id_: str, *, ends: int = 400 * DAY, promoted: int | None = None, proven: int | None = None) -> Link:
    """A certificate from the Unix epoch on; its intermediate lasts for years."""
    return Link(id_, TYPE, 0, ends, 3000 * DAY, False, proven or promoted, promoted)


@pytest.mark.parametrize(
    ("left", "days"),
    [
        (90 * DAY + 1, None),
        (90 * DAY, 90),
        (60 * DAY + 1, 90),
        (60 * DAY, 60),
        (30 * DAY, 30),
        (14 * DAY, 14),
        (7 * DAY, 7),
        (3 * DAY, 3),
        (DAY, 1),
        (1, 1),
        (0, 0),
        (-500 * DAY, 0),
    ],
)
def test_the_lowest_threshold_that_was_reached_is_due(left: int, days: int | None) -> None:
    found = alarm(LEAF, NOW - left)
    assert (found.days if found else None) == days
    if found is not None:
        assert found.left == max(0, left // DAY)
        assert found.ended is (left <= 0)
        assert found.level is THRESHOLDS[found.days]


def test_each_is_said_once_and_none_that_was_passed_by() -> None:
    for said in THRESHOLDS:
        row = replace(LEAF, said_days=said)
        due = {days: alarm(row, NOW - days * DAY) for days in THRESHOLDS}
        assert {days for days, found in due.items() if found} == {days for days in THRESHOLDS if days < said}


def test_the_nearer_the_louder() -> None:
    loud = [list(Level).index(level) for level in THRESHOLDS.values()]
    assert list(THRESHOLDS) == sorted(THRESHOLDS, reverse=True)
    assert loud == sorted(loud)
    assert (THRESHOLDS[90], THRESHOLDS[30], THRESHOLDS[7], THRESHOLDS[0]) == (
        Level.NOTE,
        Level.WARNING,
        Level.ALARM,
        Level.ALARM,
    )


def test_nobody_is_alarmed_where_another_one_signs_then() -> None:
    found = alarm(LEAF, NOW - 3 * DAY, inherited=True)
    assert found is not None
    assert (found.days, found.level) == (3, Level.NOTE)


def test_what_a_machine_renews_is_told_in_the_last_quarter_of_its_life() -> None:
    assert [days for days in THRESHOLDS if alarm(TLS, NOW - days * DAY)] == [14, 7, 3, 1, 0]
    a_year = replace(TLS, starts_at=NOW - 365 * DAY)
    assert [days for days in THRESHOLDS if alarm(a_year, NOW - days * DAY)] == [90, 60, 30, 14, 7, 3, 1, 0]
    unknown = replace(TLS, starts_at=None)
    assert alarm(unknown, NOW - 90 * DAY) is not None
    people = replace(LEAF, starts_at=NOW - 90 * DAY)
    assert alarm(people, NOW - 90 * DAY) is not None


def test_the_end_of_apples_certificate_is_apples_business() -> None:
    assert alarm(replace(TLS, kind=What.APNS_TLS), NOW) is None
    assert alarm(replace(TLS, ends_at=None), NOW) is None


def test_every_problem_has_its_loudness() -> None:
    elsewhere = {Problem.NONE, Problem.EXPIRED, Problem.REVOKED}
    assert set(Problem) - set(PROBLEMS) == elsewhere


def test_live_certificates_are_watched_and_what_looks_there_are() -> None:
    live = link("a", promoted=1)
    looks = [What.PUBLIC_TLS, What.SIGNATURE]
    rows = {row.subject: row for row in subjects([[live, link("b", proven=1)], []], looks, NOW)}
    assert list(rows) == ["certificate:a", "intermediate:a", "signature:a", "public_tls"]
    assert {row.look_at for row in rows.values()} == {NOW}
    leaf, above = rows["certificate:a"], rows["intermediate:a"]
    assert (leaf.starts_at, leaf.ends_at) == (live.not_before, live.not_after)
    assert (above.starts_at, above.ends_at) == (None, live.intermediate_not_after)
    assert rows["signature:a"].ends_at is None
    assert [row.pass_type for row in rows.values()] == [TYPE, TYPE, TYPE, ""]
    assert [row.certificate_id for row in rows.values()] == ["a", "a", "a", ""]


def test_who_signs_next() -> None:
    old, new = link("a", ends=10 * DAY, promoted=1), link("b", ends=99 * DAY, promoted=2)
    assert heir(old, [old, new], 5 * DAY) == new
    assert heir(new, [old, new], 5 * DAY) is None, "the other one ends before"
    revoked = replace(new, revoked_at=1)
    assert heir(revoked, [old, revoked], 5 * DAY) == old, "at once, and not when it would have ended"
    assert heir(old, [old, revoked], 5 * DAY) is None
    assert heir(old, [old, new], 100 * DAY) is None, "both have ended"
    assert heir(old, [old], 0) is None


def test_what_failed_its_test_signature() -> None:
    row = Watched(subject(What.SIGNATURE, "a"), What.SIGNATURE, TYPE, None, None, 0, 1, Problem.UNSOUND, "no key")
    assert unsound(link("a"), [LEAF, row]) == "no key"
    assert unsound(link("b"), [LEAF, row]) is None
    assert unsound(link("a"), [replace(row, problem=Problem.UNKNOWN)]) is None


def test_what_is_not_well_is_looked_at_sooner() -> None:
    assert next_look(NOW, Seen(), 0.0) == NOW + DAY
    assert next_look(NOW, Seen(), 0.5) == NOW + DAY - HOUR // 2
    assert next_look(NOW, Seen(problem=Problem.UNREACHABLE), 0.5) == NOW + HOUR
