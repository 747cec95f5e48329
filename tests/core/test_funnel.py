"""The words of the funnel belong to its numbers."""

from __future__ import annotations

from dataclasses import fields

from livepass.core.funnel import STEPS, Funnel


def test_every_step_says_what_it_means() -> None:
    assert [field.name for field in fields(Funnel)][1:] == list(STEPS)  # type: ignore[arg-type]
