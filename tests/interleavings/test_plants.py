"""The lane finds mistakes that only isolation shows; ``scripts/interleavings --planted`` looks for all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from interleavings import planting
from interleavings.pairs import PAIRS
from interleavings.plants import PLANTS, Plant
from planted_copy import planted

ORDERS = 30


@pytest.mark.parametrize("one", PLANTS, ids=lambda one: one.name)
def test_a_plant_fits_the_product_and_has_its_pair(one: Plant, tmp_path: Path) -> None:
    planted(tmp_path, one.edits)
    assert one.pair in {pair.name for pair in PAIRS}


@pytest.mark.nightly
@pytest.mark.parametrize(
    "name", ["pass-not-locked", "claim-without-lock", "death-beside-registration", "refusal-beside-choice"]
)
def test_a_planted_mistake_is_found(name: str) -> None:
    [one] = planting.chosen([name])
    found = planting.find(one, ORDERS, seed=1)
    assert found.orders, f"{ORDERS} orders of {one.pair} do not show: {one.what}"
