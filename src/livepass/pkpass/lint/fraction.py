"""Dates with a fraction of a second, as JavaScript's toISOString writes them."""

from __future__ import annotations

from livepass.pkpass.dates import without_fraction
from livepass.pkpass.lint.problem import Problems, Severity, problem


def check(pointer: str, value: object, severity: Severity) -> Problems:
    """A value that is used as a date. ``severity``: of a date there that phones cannot read."""
    plain = without_fraction(value)
    if plain is not None:
        yield problem(
            "date-fraction",
            pointer,
            f"{str(value)[:40]!r} has a fraction of a second, and that phones read it is not confirmed",
            f"write {plain}",
            effect="refused" if severity == "fatal" else "logged",
        )
