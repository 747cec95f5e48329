"""What an ask costs beside how many registrations there are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from scaling import asking

from beside.rows import Row

if TYPE_CHECKING:
    from beside.measures import Bench

ASKS = 1_500
ROUNDS = 3
"""For each of the plan's: a 99th percentile is of few asks, and swings."""


def scale(bench: Bench, name: str) -> Row:
    """99th percentiles (ms) of asks over HTTP, in turns at the smallest size and at the largest."""
    sizes = bench.plan.scale
    databases = [bench.database(name.removeprefix("scale-"), size) for size in sizes]
    found = asyncio.run(asking.measure(bench.folder, databases, ROUNDS * bench.plan.rounds, ASKS))
    small, large = (found[str(size)]["all"] for size in sizes)
    row = Row(name, "ms")
    for at_small, at_large in zip(small["p99_us_of_rounds"], large["p99_us_of_rounds"], strict=True):
        row.add(at_large / 1000, smallest=at_small / 1000)
    row.note = f"{sizes[1]:,} registrations beside {sizes[0]:,}."
    return row
