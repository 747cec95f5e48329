"""From samples to the figures that are shown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any


def percentile(samples: Sequence[float], share: float) -> float:
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def micro(samples: Sequence[float]) -> list[int]:
    return [round(sample * 1e6) for sample in samples]


def percentiles(rounds: Sequence[Sequence[float]]) -> dict[str, Any]:
    """The median over rounds of each round's percentile, in microseconds; and each round's."""
    p50, p99 = ([percentile(one, share) * 1e6 for one in rounds] for share in (0.5, 0.99))
    return {
        "p50_us": round(statistics.median(p50)),
        "p99_us": round(statistics.median(p99)),
        "p50_us_of_rounds": [round(one) for one in p50],
        "p99_us_of_rounds": [round(one) for one in p99],
    }
