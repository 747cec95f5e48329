"""A clock that is moved through a year, with real processes: no certificate's end, or exchange, strands a pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from years.sky import travel

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]


def test_a_year_with_two_rotations_under_load(tmp_path: Path) -> None:
    travel("a_year", tmp_path)
