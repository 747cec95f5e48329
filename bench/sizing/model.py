"""A model of one change of very many passes, until every phone holds it.

Steps of a tenth of a second. In each, a resource has so many seconds to give (its cores), and divides them evenly among
what is to be done with it; what has to be done next is what the step before let through. The pace of pushes is the
product's own (``core/budget.py``), steered by what fetches would take here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from livepass.core.budget import STEP_SECONDS, Pace
from sizing.costs import Costs

STEP = 0.1
NEVER = 60 * 24 * 3600.0
"""Seconds after which a forecast gives up."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Cores for each part. ``worker`` 0: the web process pushes too, and shares its core with phones. ``database`` 0:
    SQLite, whose work is the processes' own. ``at_once``: how many phones have a request under way, 0 for all of them.
    ``callers``: batch calls side by side, each of other pass types.
    """

    web: float = 1
    worker: float = 0
    database: float = 0
    at_once: int = 0
    callers: int = 1


@dataclass(frozen=True, slots=True)
class Forecast:
    """Seconds until all phones hold the change, and what share of them each resource was busy for."""

    seconds: float
    busy: Mapping[str, float]

    @property
    def first(self) -> str:
        """What is exhausted first."""
        return max(self.busy, key=lambda name: self.busy[name])


def change_of_all(phones: int, costs: Costs, layout: Layout) -> Forecast:
    """All passes are changed, a thousand to a call; each is on one phone, which is pushed, asks, and fetches."""
    run = _Run(phones, costs, layout)
    while run.fetched < phones - 0.5 and run.now < NEVER:
        run.step(_step(run.now))
    return Forecast(run.now, {name: spent / run.now for name, spent in run.spent.items()})


def _step(now: float) -> float:
    """Longer ones later: a run of hours needs no tenths of a second."""
    return max(STEP, min(STEP_SECONDS, now / 500))


class _Run:
    def __init__(self, phones: int, costs: Costs, layout: Layout) -> None:
        self.phones, self.costs, self.layout = phones, costs, layout
        self.now = self.changed = self.pushed = self.fetched = 0.0
        self.spent: dict[str, float] = {}
        self.paces = [Pace() for _ in range(max(1, math.ceil(layout.worker)))]
        self.sent = 0.0

    @property
    def rate(self) -> float:
        """Pushes a second that the paces allow."""
        return sum(pace.rate for pace in self.paces)

    def step(self, seconds: float) -> None:
        wanted = {
            "change": min(self.phones - self.changed, self.layout.callers * seconds / self.costs["change"].clock),
            "push": min(self.changed - self.pushed, self.rate * seconds),
            "phone": self.pushed - self.fetched,
        }
        done = _divided(wanted, self._uses(), {name: cores * seconds for name, cores in self._cores().items()})
        for name, uses in self._uses().items():
            for resource, each in uses.items():
                self.spent[resource] = self.spent.get(resource, 0.0) + done[name] * each / self._cores()[resource]
        self.changed += done["change"]
        self.fetched += done["phone"]
        self._steer(done["phone"] / seconds)  # by those pushed before: whoever is pushed now has not waited
        self.pushed += done["push"]
        self.sent += done["push"]
        self.now += seconds

    def _steer(self, served: float) -> None:
        """Each pace looks at how long a phone waits for those before it."""
        waiting = self.pushed - self.fetched
        if self.layout.at_once:
            waiting = min(waiting, self.layout.at_once)
        p95 = waiting / served if served else None
        if self.paces[0].may_move(self.now):
            share = int(self.sent / len(self.paces))
            self.paces = [pace.after(p95, self.now, share) for pace in self.paces]
            self.sent = 0.0

    def _cores(self) -> dict[str, float]:
        layout = self.layout
        cores = {"web": layout.web, "worker": layout.worker, "database": layout.database}
        return {name: count for name, count in cores.items() if count}

    def _uses(self) -> dict[str, dict[str, float]]:
        """By what is done: by resource, seconds for one."""
        costs, worker = self.costs, "worker" if self.layout.worker else "web"
        return {
            step: {where: costs[step].process, **({"database": costs[step].database} if self.layout.database else {})}
            for step, where in (("change", "web"), ("push", worker), ("phone", "web"))
        }


def _divided(
    wanted: Mapping[str, float], uses: Mapping[str, Mapping[str, float]], given: Mapping[str, float]
) -> dict[str, float]:
    """How much of each is done: every resource is shared evenly among those that want it, and what one leaves is the
    others'. Something that uses two resources gets what the scarcer one allows.
    """
    done = dict(wanted)
    for resource, seconds in given.items():
        demands = {name: done[name] * each[resource] for name, each in uses.items() if each.get(resource)}
        for name, granted in _evenly(demands, seconds).items():
            done[name] = min(done[name], granted / uses[name][resource])
    return done


def _evenly(demands: Mapping[str, float], seconds: float) -> dict[str, float]:
    granted, left = {}, seconds
    for number, name in enumerate(sorted(demands, key=lambda name: demands[name])):
        granted[name] = min(demands[name], left / (len(demands) - number))
        left -= granted[name]
    return granted
