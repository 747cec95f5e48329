"""All passes at once: what is said of some stands for the rest, and who must act comes first."""

from __future__ import annotations

from dataclasses import replace

from livepass.core.findings import Who
from livepass.core.morning import Behind, Example, extrapolated, grouped, shares
from livepass.core.timeline import Stand, Trip
from livepass.core.verdict import Sure, Verdict

TYPE = "pass.test"


def verdict(code: str, problem: bool = True, sure: Sure = Sure.CERTAIN) -> Verdict:
    return Verdict(code, "a name", Trip.PUSH, f"{code} of a phone.", (), sure, Who.OPERATOR, "Mend it.", None, problem)


def lot(*verdicts: Verdict, pass_type: str = TYPE) -> list[tuple[Example, Verdict]]:
    return [(Example(pass_type, f"s{n}", f"d{n}"), one) for n, one in enumerate(verdicts)]


def behind(people: int, pass_type: str = TYPE) -> Behind:
    return Behind(pass_type, Stand.PUSH, "", people, ())


A, B, STATE = verdict("LP202"), verdict("LP210"), verdict("LP001", problem=False)


def test_a_lot_that_was_looked_at_as_a_whole_is_counted() -> None:
    [group] = grouped(shares(behind(2), lot(A, A)))
    assert (group.people, group.exact, group.pass_types) == (2, True, (TYPE,))
    assert group.examples == (Example(TYPE, "s0", "d0"), Example(TYPE, "s1", "d1"))


def test_a_larger_one_is_estimated_and_nobody_is_lost() -> None:
    found = shares(behind(1000), lot(A, A, B))
    assert [share.people for share in found] == [334, 333, 333]
    groups = grouped(found)
    assert [(one.verdict.code, one.people, one.exact) for one in groups] == [
        ("LP202", 667, False),
        ("LP210", 333, False),
    ]


def test_of_a_lot_that_nobody_could_look_at_nothing_is_said() -> None:
    assert shares(behind(7), []) == []


def test_who_must_act_comes_first_then_what_concerns_most() -> None:
    found = [
        *shares(behind(900), lot(STATE)),
        *shares(behind(5), lot(A)),
        *shares(behind(50), lot(B)),
        *shares(behind(50, "pass.other"), lot(verdict("LP203"), pass_type="pass.other")),
    ]
    assert [one.verdict.code for one in grouped(found)] == ["LP203", "LP210", "LP202", "LP001"]


def test_a_group_is_as_sure_as_its_least_sure_and_exact_only_as_a_whole() -> None:
    unsure = replace(A, sure=Sure.POSSIBLE)
    likely = replace(A, sure=Sure.LIKELY)
    [group] = grouped(
        [*shares(behind(2), lot(A, likely)), *shares(behind(9, "pass.b"), lot(unsure, pass_type="pass.b"))]
    )
    assert (group.sure, group.exact, group.people, group.pass_types) == (Sure.POSSIBLE, False, 11, ("pass.b", TYPE))
    [group] = grouped(shares(behind(2), lot(A, likely)))
    assert group.sure is Sure.LIKELY


def test_some_examples_are_named() -> None:
    [group] = grouped(shares(behind(99), lot(*[A] * 20)))
    assert len(group.examples) == 10


def test_pass_types_come_by_name() -> None:
    names = [f"pass.{letter}" for letter in "zyxwvutsrqponm"]
    [group] = grouped([share for name in names for share in shares(behind(1, name), lot(A, pass_type=name))])
    assert group.pass_types == tuple(reversed(names))
    assert grouped([]) == ()


def test_what_was_not_placed_is_shared_out_like_what_was_and_nobody_is_lost() -> None:
    lots = [behind(1), behind(2), behind(4)]
    found = extrapolated(lots, 1000)
    assert [one.people for one in found] == [142, 286, 572]
    assert not any(one.counted for one in found)
    [group] = grouped(shares(extrapolated([behind(2)], 3)[0], lot(A, A, A)))
    assert (group.people, group.exact) == (3, False), "estimated, whatever was looked at"


def test_lots_that_are_all_there_is_stay_as_they_are() -> None:
    lots = [behind(1), behind(2)]
    for people in (0, 3):
        assert extrapolated(lots, people) == lots
    assert extrapolated([], 0) == []
