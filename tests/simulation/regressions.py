"""Seeds that found something, to be run for good.

A seed rots when the world changes around it: what it found also has a test of its own beside the code, and is planted
as a mistake that the simulation must find again, unless it takes thousands of seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Regression:
    seed: int
    profile: str
    found: str


REGRESSIONS: Sequence[Regression] = (
    Regression(689, "swarm", "a registration that a proxy repeated late brought an old push token back"),
    Regression(3048, "swarm", "after a failover, a date that the lost history had given away named another version"),
    Regression(
        3281, "swarm", "a backup of a history before the present one, further on than it, was taken for its successor"
    ),
    Regression(776, "swarm", "the same, twenty minutes later"),
    Regression(
        10084, "swarm", "a late repetition of an old registration kept the phone's next push token out for good"
    ),
    Regression(
        10333, "swarm", "late repetitions of a registration made a dead token look alive, to be pushed for good"
    ),
    Regression(20261128000603, "swarm", "a 410 was never believed because the registration was dated by a fast clock"),
    Regression(
        20261128001981, "swarm", "a phone that registered again after a DELETE that was lost was told of nothing"
    ),
    Regression(727324718519, "swarm", "a failover in a burst, with the clock set back, gave one date to two versions"),
    Regression(
        8112026001810,
        "swarm",
        "after a fast clock was set right, a repeated fetch counted as a delivery",
    ),
    Regression(
        50023182, "swarm", "why was certain of a phone whose pass another one fetched before it was told of the change"
    ),
    Regression(
        1061233980440,
        "swarm",
        "why was certain of a phone whose pass was fetched by one that just added it and was not known yet",
    ),
    Regression(
        50043226,
        "swarm",
        "a DELETE that a proxy repeated after a failover looked newer than the registration that had been lost",
    ),
    Regression(
        816091265587,
        "swarm",
        "a registration that a failover lost was not replayed, as the phone had registered another pass since",
    ),
)
