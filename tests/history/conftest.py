"""What went back in time is noticed on every engine."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def on_every_engine(engine: str) -> None:
    """Every test of this folder runs once on each."""
