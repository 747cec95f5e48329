"""How a canary stands, by its runs and by who has it; and what processes disagree in."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from livepass.core.canary import WINDOW_MS, Leg, Run, Step
from livepass.core.canary_standing import SILENT_MS, Standing, State, apart, having, running
from livepass.core.model import PRESENT_MS, Process

NOW = 1_800_000_000_000
TYPE = "pass.test.a"
MINUTE = 60_000


def ran(age: int, wrong: str = "") -> Run:
    return Run(TYPE, NOW - age, [Step(Leg.REGISTER, 5, wrong)], None if wrong else 40, 60_000)


def standing(*runs: Run, named_by: int = 0, of: int = 0, here: bool = True) -> Standing:
    lately = [run for run in runs if NOW - run.at <= WINDOW_MS]
    return Standing(TYPE, NOW, lately, runs[0] if runs else None, named_by, of, here)


def process(pid: int, canaries: str | None, heard: int = NOW) -> Process:
    return Process(str(pid), "host", pid, "serve", 1, 0, heard, None, 0, canaries)


GOOD, BAD = ran(MINUTE), ran(MINUTE, "no answer")


@pytest.mark.parametrize(
    ("found", "state", "sentence"),
    [
        (standing(), State.NEW, ""),
        (standing(named_by=1, of=1), State.NEW, ""),
        (standing(GOOD, BAD), State.COHERENT, ""),
        (standing(BAD, GOOD, named_by=2, of=2), State.FAILS, "register: no answer"),
        (standing(ran(SILENT_MS)), State.COHERENT, ""),
        (standing(ran(SILENT_MS + 1)), State.SILENT, "nothing has run it for 30 min"),
        (standing(ran(SILENT_MS + 1, "x"), named_by=1, of=1), State.SILENT, "nothing has run it for 30 min"),
        (standing(ran(120 * MINUTE - 1)), State.SILENT, "nothing has run it for 119 min"),
        (standing(ran(120 * MINUTE)), State.SILENT, "nothing has run it for 2 h"),
        (standing(ran(WINDOW_MS + 1)), State.SILENT, "nothing has run it for 24 h"),
        (standing(ran(60 * 60 * MINUTE - 1)), State.SILENT, "nothing has run it for 59 h"),
        (standing(GOOD, named_by=0, of=2), State.SILENT, "no running process has it"),
        (standing(named_by=0, of=2), State.SILENT, "no running process has it"),
        (standing(BAD, named_by=0, of=2, here=False), State.OFF, ""),
        (standing(BAD, here=False), State.FAILS, "register: no answer"),
        (standing(ran(-MINUTE)), State.COHERENT, ""),
    ],
)
def test_a_state_and_what_is_wrong(found: Standing, state: State, sentence: str) -> None:
    """Fails when one is silent and looks healthy, or is turned off and looks silent."""
    assert (found.state, found.sentence) == (state, sentence)
    assert found.needs == (state in (State.FAILS, State.SILENT)) == bool(found.remedy) == bool(sentence)


def test_without_a_word_of_processes_the_runs_alone_count() -> None:
    assert Standing(TYPE, NOW, [], None) == standing(named_by=0, of=0, here=True)
    assert [each.value for each in State] == ["coherent", "new", "fails", "silent", "off"], "they stand in JSON"
    assert (SILENT_MS, PRESENT_MS) == (30 * MINUTE, MINUTE), "as help and runbook say"


def test_since_when() -> None:
    """The first that failed in a row; of a silent one, the last run at all."""
    assert standing(GOOD, BAD).since is None
    assert standing(ran(1, "x"), ran(2, "y"), ran(3), ran(4, "z")).since == NOW - 2
    assert standing(ran(1, "x"), ran(2, "y")).since == NOW - 2
    assert standing(ran(WINDOW_MS + 1, "x")).since == NOW - WINDOW_MS - 1
    assert standing(ran(1, "x"), ran(WINDOW_MS + 1, "x")).since == NOW - 1, "as far as a day goes"
    assert standing(named_by=0, of=1).since is None
    silent = standing(ran(SILENT_MS + 1, "x"), ran(SILENT_MS + 2, "x"))
    assert silent.since == NOW - SILENT_MS - 1


def test_the_share_is_of_the_last_day() -> None:
    assert standing().share is None
    assert standing(GOOD, BAD, ran(WINDOW_MS + 1)).share == 0.5


@pytest.mark.parametrize(
    ("processes", "have", "disputed"),
    [
        ([], {}, []),
        ([process(1, None)], {}, []),
        ([process(1, "")], {}, []),
        ([process(1, "a b"), process(2, "a b")], {"a": [1, 2], "b": [1, 2]}, []),
        ([process(1, "c b a")], {"a": [1], "b": [1], "c": [1]}, []),
        ([process(1, "a b"), process(2, "b")], {"a": [1], "b": [1, 2]}, ["a"]),
        ([process(1, "b"), process(2, "")], {"b": [1]}, ["b"]),
    ],
)
def test_who_has_which(processes: Sequence[Process], have: dict[str, list[int]], disputed: list[str]) -> None:
    assert [(name, [one.pid for one in each]) for name, each in having(processes).items()] == list(have.items())
    assert list(apart(processes)) == disputed


def test_a_dispute_names_both_sides_and_not_everybody() -> None:
    sides = apart([process(pid, "a" if pid > 1 else "") for pid in range(1, 7)])
    assert sides == {
        "a": "LIVEPASS_CANARY names a for serve on host (pid 2), serve on host (pid 3), serve on host (pid 4) and 2 "
        "more, and not for serve on host (pid 1)"
    }
    three = apart([process(pid, "a" if pid > 1 else "") for pid in range(1, 5)])["a"]
    assert "(pid 4), and not for" in three and "more" not in three


def test_who_is_silent_or_cannot_have_one_takes_no_part() -> None:
    here = process(1, "")
    assert running([here, process(2, None), process(3, "a", NOW - PRESENT_MS)], NOW) == [here]
