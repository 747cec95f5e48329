"""A clock that is moved through a year, with real processes: no certificate's end, or exchange, strands a pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from years.sky import travel

pytestmark = pytest.mark.timeout(300)


@pytest.mark.nightly
@pytest.mark.alone
def test_a_year_with_two_rotations_under_load(tmp_path: Path) -> None:
    travel("a_year", tmp_path)


@pytest.mark.parametrize(
    "scene", ["the_end_of_the_only_one", "the_end_with_an_heir", "a_bad_one", "another_generation"]
)
def test_no_certificate_strands_a_pass(scene: str, tmp_path: Path) -> None:
    travel(scene, tmp_path)
