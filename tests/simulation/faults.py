"""What can go wrong, and how often it does in a seed: a table, and the draw.

Moderate rates everywhere hide bugs: good layers mask bad ones, and rare combinations stay rare. So each fault's rate is
drawn for itself from none, low, high and extreme; a tenth of the seeds has one fault only, and a tenth has all defences
but one switched off.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, fields


@dataclass
class Faults:
    """Shares of requests or pushes that it happens to, or how often a day (``per_day``): low, high, extreme."""

    # between phone and service
    request_lost: float = field(default=0.0, metadata={"rates": (0.02, 0.15, 0.5)})
    answer_lost: float = field(default=0.0, metadata={"rates": (0.02, 0.15, 0.5)})
    half_written: float = field(default=0.0, metadata={"rates": (0.02, 0.1, 0.4)})
    late: float = field(default=0.0, metadata={"rates": (0.02, 0.2, 0.6)})
    duplicated: float = field(default=0.0, metadata={"rates": (0.02, 0.15, 0.5)})
    # APNs
    push_lost: float = field(default=0.0, metadata={"rates": (0.02, 0.2, 0.7)})
    push_late: float = field(default=0.0, metadata={"rates": (0.05, 0.3, 0.8)})
    push_refused: float = field(default=0.0, metadata={"rates": (0.02, 0.2, 0.5)})
    push_unanswered: float = field(default=0.0, metadata={"rates": (0.02, 0.2, 0.5)})
    credential_refused: float = field(default=0.0, metadata={"per_day": (0.3, 1.0, 3.0)})
    # phones
    offline: float = field(default=0.0, metadata={"per_day": (0.3, 1.5, 6.0)})
    reboot: float = field(default=0.0, metadata={"per_day": (0.2, 1.0, 4.0)})
    new_token: float = field(default=0.0, metadata={"per_day": (0.1, 0.5, 3.0)})
    toggled: float = field(default=0.0, metadata={"per_day": (0.4, 2.0, 8.0)})
    restored_phone: float = field(default=0.0, metadata={"per_day": (0.1, 0.3, 0.6)})
    # operators and machines
    crash: float = field(default=0.0, metadata={"per_day": (0.5, 4.0, 24.0)})
    restart: float = field(default=0.0, metadata={"per_day": (0.3, 1.0, 4.0)})
    hiccup: float = field(default=0.0, metadata={"rates": (0.005, 0.05, 0.2)})
    conflict: float = field(default=0.0, metadata={"rates": (0.01, 0.1, 0.4)})
    restore: float = field(default=0.0, metadata={"per_day": (0.2, 0.7, 2.0)})
    failover: float = field(default=0.0, metadata={"per_day": (0.2, 0.7, 3.0)})
    clock_wrong: float = field(default=0.0, metadata={"per_day": (0.3, 1.0, 4.0)})
    rotate: float = field(default=0.0, metadata={"per_day": (0.3, 1.0, 4.0)})


NAMES = tuple(one.name for one in fields(Faults))

PROFILES = ("swarm", "calm", "one", "bare")
"""``swarm``: every rate drawn. ``calm``: no fault at all. ``one``: one fault only. ``bare``: one defence only."""

DEFENCES: Mapping[str, str] = {
    # What is then not asserted.
    "pushes": "L1: phones hear of a change when they come by themselves",
    "retells": "L1 for a pass that was told and whose download was given up",
    "journal": "S7 and L4 for registrations that a restored backup did not hold",
    "witness": "nothing: without it, backups are put back by the restore command only, which begins a new epoch itself",
    "stamps": "nothing: without a proxy that stamps requests, none comes twice or late",
    "connections": "nothing: without them, the evidence is weaker and passes are told more often",
}


def profile_of(rng: random.Random) -> str:
    drawn = rng.random()
    return "one" if drawn < 0.1 else "bare" if drawn < 0.2 else "calm" if drawn < 0.22 else "swarm"


def draw(rng: random.Random, profile: str) -> tuple[Faults, frozenset[str]]:
    """The rates of a seed and its defences."""
    faults, defences = Faults(), frozenset(DEFENCES)
    only = rng.choice(NAMES)
    for one in fields(Faults):
        level = rng.choices((0, 1, 2, 3), (4, 3, 3, 1))[0]
        if profile == "calm" or (profile == "one" and one.name != only):
            continue
        if profile == "one":
            level = rng.choice((2, 3))
        steps = one.metadata.get("rates") or one.metadata["per_day"]
        setattr(faults, one.name, (0.0, *steps)[level])
    if profile == "bare":
        defences = frozenset({rng.choice(tuple(DEFENCES))})
    elif profile == "swarm":
        defences = frozenset(name for name in DEFENCES if name not in ("pushes", "retells") or rng.random() < 0.97)
        defences -= frozenset(name for name in ("journal", "witness", "stamps", "connections") if rng.random() < 0.2)
    return faults, defences
