"""What comes when: hand-overs, the end, and what to do before it."""

from __future__ import annotations

from dataclasses import replace

from core.test_rotation import NEW, NOW, OLD, PROMOTED, PROVEN
from livepass.core.rotation import DAY, GUARD_MS, Link
from livepass.core.rotation_plan import ALL, NOTHING, SIGNING_ENDS, STILL, THE_END, next_step, plan


def told(*lineage: Link, now: int = NOW) -> list[tuple[int, str | None, str]]:
    return [((due.at - NOW) // DAY, due.certificate_id, due.stops) for due in plan(lineage, now)]


def test_one_certificate_ends_and_the_next_one_is_wanted_a_month_before() -> None:
    assert told(OLD) == [(65, "old", NOTHING), (95, "old", THE_END)]
    wanted, end = plan([OLD], NOW)
    assert "livepass cert import" in wanted.do and wanted.goes_on == ALL
    assert end.goes_on == STILL and end.do == ""


def test_within_the_month_it_is_wanted_now() -> None:
    assert told(OLD, now=NOW + 80 * DAY)[0] == (80, "old", NOTHING)


def test_what_waits_is_named_with_its_next_step() -> None:
    staged, proven = plan([OLD, NEW], NOW)[0], plan([OLD, PROVEN], NOW)[0]
    assert (staged.certificate_id, staged.do) == ("new", "livepass cert prove new, then livepass cert promote new")
    assert (proven.certificate_id, proven.do) == ("new", "livepass cert promote new")
    both = plan([OLD, replace(NEW, id="newer", not_after=NOW + 800 * DAY), PROVEN], NOW)[0]
    assert both.certificate_id == "new", "what has proved itself comes first"
    sooner = plan([OLD, replace(PROVEN, not_after=OLD.not_after - 1)], NOW)[0]
    assert "import" in sooner.do, "it would end before"


def test_live_ones_hand_over_a_day_before_their_end() -> None:
    again = replace(OLD, promoted_at=NOW)
    dates = plan([again, replace(PROMOTED, promoted_at=NOW - 1)], NOW)
    assert [((due.at - NOW) // DAY, due.stops) for due in dates] == [(94, NOTHING), (364, NOTHING), (394, THE_END)]
    assert "new signs and pushes instead of old" in dates[0].what
    assert dates[0].at == OLD.until - GUARD_MS


def test_an_intermediate_that_ends_first_is_named() -> None:
    assert "its intermediate ends" in plan([replace(OLD, intermediate_not_after=NOW + 9 * DAY)], NOW)[-1].what
    assert "and it ends" in plan([OLD], NOW)[-1].what


def test_the_end_that_nothing_followed_is_told_and_so_is_nothing_at_all() -> None:
    assert told(replace(OLD, not_after=NOW - DAY)) == [(-1, "old", THE_END), (0, "old", NOTHING)]
    [none] = plan([], NOW)
    assert (none.at, none.certificate_id, none.stops) == (NOW, None, THE_END)
    assert "import" in none.do
    assert plan([PROVEN], NOW)[0].do == "livepass cert promote new"
    revoked = plan([replace(OLD, revoked_at=NOW - 2 * DAY)], NOW)
    assert [due for due in revoked if due.stops == THE_END and "revoked" in due.what and "import" in due.do]


def test_the_next_step_by_itself() -> None:
    assert "cert import" in next_step([OLD], NOW)
    assert next_step([OLD, PROVEN], NOW) == "livepass cert promote new"
    assert next_step([OLD, NEW], NOW) == "livepass cert prove new, then livepass cert promote new"
    sooner = replace(PROVEN, not_after=OLD.not_after - 1)
    assert "cert import" in next_step([OLD, sooner], NOW), "it would end before"
    assert next_step([replace(OLD, revoked_at=NOW), sooner], NOW) == "livepass cert promote new", "better than nothing"
    assert next_step([PROVEN], NOW) == "livepass cert promote new"


def test_pushes_by_key_do_not_end_with_a_certificate() -> None:
    assert [due.stops for due in plan([OLD], NOW, by_key=True)] == [NOTHING, SIGNING_ENDS]
    assert [due.stops for due in plan([], NOW, by_key=True)] == [SIGNING_ENDS]
