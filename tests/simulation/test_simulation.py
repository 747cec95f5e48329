"""Some of the simulation in the ordinary suite. CI runs thousands of seeds: ``scripts/simulate``."""

from __future__ import annotations

from pathlib import Path

import pytest

from planted_copy import planted
from simulation import planting
from simulation.__main__ import determinism
from simulation.faults import DEFENCES, Faults, draw
from simulation.planted import PLANTED, Plant
from simulation.process import SLOWED
from simulation.regressions import REGRESSIONS, Regression
from simulation.results import Summary, show
from simulation.runs import run_chunk

DAYS = 1.5
FEW = 30
AT_ONCE = 10
OFTEN_FOUND = ("last-modified-of-the-clock", "join-without-number", "token-of-the-type")


def holds(summary: Summary) -> bool:
    for failure in summary.failures:
        show(failure, DAYS)
    return not summary.failures


@pytest.mark.parametrize("first", range(1, FEW, AT_ONCE))
def test_every_rule_holds(first: int) -> None:
    assert holds(run_chunk(DAYS, [(seed, "") for seed in range(first, first + AT_ONCE)]))


@pytest.mark.parametrize("regression", REGRESSIONS, ids=lambda one: f"{one.seed}-{one.profile}")
def test_what_was_mended_stays_mended(regression: Regression) -> None:
    assert holds(run_chunk(DAYS, [(regression.seed, regression.profile)]))


def test_a_seed_is_the_same_history_everywhere() -> None:
    assert determinism([(seed, "") for seed in (1, 2, 3)], 0.5) == 0


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.name)
def test_every_planted_mistake_still_fits_the_product(plant: Plant, tmp_path: Path) -> None:
    planted(tmp_path, [(plant.file, plant.old, plant.new)])


@pytest.mark.parametrize("name", OFTEN_FOUND)
def test_planted_mistakes_are_found(name: str) -> None:
    [plant] = planting.chosen([name])
    assert planting.find(plant, most=10, days=DAYS).rule


def test_names_of_planted_mistakes_are_theirs_alone() -> None:
    assert len({plant.name for plant in PLANTED}) == len(PLANTED) >= 25


def test_profiles_draw_what_they_say() -> None:
    import random

    for seed in range(50):
        rng = random.Random(seed)
        assert draw(rng, "calm") == (Faults(), frozenset(DEFENCES))
        alone, defences = draw(rng, "one")
        assert sum(1 for rate in vars(alone).values() if rate) == 1 and len(defences) == len(DEFENCES)
        assert len(draw(rng, "bare")[1]) == 1


def test_the_product_has_its_own_times_again_afterwards() -> None:
    before = {(module, name): getattr(module, name) for module, name in SLOWED}
    run_chunk(0.1, [(1, "calm")])
    assert {(module, name): getattr(module, name) for module, name in SLOWED} == before
    assert not set(before.values()) & {900.0, 14400.0}
