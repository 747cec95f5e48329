"""The model of capacity: it reproduces what was measured, loses nothing, and names what is exhausted first."""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import replace
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
if not BENCH.exists():
    pytest.skip("the benchmarks are not in this copy", allow_module_level=True)
sys.path.append(str(BENCH))

from sizing import page  # noqa: E402
from sizing.costs import STEPS, Cost, read  # noqa: E402
from sizing.model import Layout, change_of_all  # noqa: E402

KEPT = json.loads((page.RESULTS / "costs.json").read_text())
COSTS = read(KEPT["costs"])
LOOPS = page.loops()
PLAIN = {step: Cost(0.001, 0.0005, 0.001) for step in STEPS}


def test_the_page_is_the_one_that_is_made() -> None:
    assert page.PAGE.read_text("utf-8") == page.text(KEPT, LOOPS), "bench/capacity --page"


@pytest.mark.parametrize("phones", LOOPS)
def test_the_model_is_within_a_quarter_of_what_was_measured(phones: int) -> None:
    said = change_of_all(phones, COSTS["sqlite"], page.BENCH).seconds
    assert said == pytest.approx(statistics.median(LOOPS[phones]), rel=0.25)


def test_fifty_thousand_phones_were_measured() -> None:
    assert max(LOOPS) > 30_000


def test_what_is_exhausted_first_is_named_and_as_long_as_it_takes() -> None:
    """A millisecond of the web for a change and one for its phone, on two cores; the other parts have more."""
    told = change_of_all(100_000, PLAIN, Layout(web=2, worker=4, database=8))
    assert told.first == "web"
    assert 100 <= told.seconds <= 130
    assert told.busy["web"] > 0.75


@pytest.mark.parametrize(
    ("layout", "first"),
    [(Layout(web=8, worker=1, database=0.5), "database"), (Layout(web=8, worker=0.1, database=8), "worker")],
)
def test_it_may_be_another_part(layout: Layout, first: str) -> None:
    costs = {**PLAIN, "change": replace(PLAIN["change"], clock=0.0001)}
    assert change_of_all(20_000, costs, layout).first == first


def test_one_call_is_one_after_the_other_and_several_are_not() -> None:
    layout = Layout(web=100, worker=10, database=100)
    one, ten = (change_of_all(1_000_000, PLAIN, replace(layout, callers=callers)) for callers in (1, 10))
    assert one.seconds >= 1_000
    assert ten.seconds < 0.3 * one.seconds


def test_pushes_are_paced_from_a_slow_start() -> None:
    """250, then half as many again each second: ten thousand phones need five seconds of it, however quick all is."""
    quick = {step: Cost(1e-6, 0, 1e-6) for step in STEPS}
    assert 5 <= change_of_all(10_000, quick, Layout()).seconds <= 12


def test_a_phone_that_waits_halves_the_pace_and_all_are_served_in_the_end() -> None:
    slow = {**PLAIN, "phone": Cost(0.02)}
    told = change_of_all(5_000, slow, Layout())
    assert told.seconds >= 5_000 * 0.022
    assert told.seconds < 4 * 5_000 * 0.022
