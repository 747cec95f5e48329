"""What each step of the loop costs the process that does it and the database, measured on this machine.

The rows of ``bench/all`` say what a step costs beside something else. Here it is seconds of a core, of either side.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvloop
from beside import changing, children, load, null_apns
from beside.device import STREAMS, ask, fetches, free_port, learn, served, settled
from beside.measures import Bench
from scaling.databases import Database

ENGINES = ("sqlite", "postgres")
REQUESTS = ("register", "ask-204", "ask-changed", "fetch-200")
STEPS = (*REQUESTS, "phone", "change", "push")
"""``phone``: an ask and the fetch that follows it, in turns with those of others. It is more than both alone: that many
asks a second alone, and the note that is written of each is given up for most.
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds for one: of a core for the process, of a core for the database server, and on the clock where the step
    is done by one process alone.
    """

    process: float
    database: float = 0.0
    clock: float = 0.0


Costs = Mapping[str, Cost]
"""By step."""


def read(found: Mapping[str, Any]) -> Mapping[str, Costs]:
    """By engine, from what ``measured`` answers, which is written in microseconds."""
    return {
        engine: {step: Cost(**{side: figure / 1e6 for side, figure in sides.items()}) for step, sides in steps.items()}
        for engine, steps in found.items()
    }


def measured(bench: Bench) -> dict[str, dict[str, dict[str, float]]]:
    """By engine and step: µs of the process and of the database, and on the clock; medians of the rounds."""
    result: dict[str, dict[str, dict[str, float]]] = {}
    for engine in ENGINES:
        database = bench.database(engine)
        rounds = [_round(bench, database) for _ in range(bench.plan.rounds)]
        result[engine] = {step: _median([one[step] for one in rounds]) for step in STEPS}
    return result


def _median(costs: list[Cost]) -> dict[str, float]:
    sides = ("process", "database", "clock")
    return {side: round(statistics.median(getattr(cost, side) for cost in costs) * 1e6, 1) for side in sides}


def _round(bench: Bench, database: Database) -> dict[str, Cost]:
    of_database = _database_seconds(bench, database)
    costs = {step: _requests(bench, database, step, of_database) for step in REQUESTS}
    costs["phone"] = _phones(bench, database, of_database)
    return {**costs, "change": _changes(bench, database, of_database), "push": _pushes(bench, database, of_database)}


def _database_seconds(bench: Bench, database: Database) -> Callable[[], float]:
    """Reads what the database server has spent so far; SQLite is part of the process."""
    if database.engine == "sqlite":
        return lambda: 0.0
    first = int((bench.folder.path / "postgres/data/postmaster.pid").read_text().split(maxsplit=1)[0])
    return lambda: children.cpu_seconds(first) + children.cpu_seconds_of_ended(first)


@contextmanager
def _counting(of_database: Callable[[], float], of_process: Callable[[], float]) -> Iterator[list[float]]:
    """Fills in at the end: seconds of the process, of the database, and on the clock."""
    spent: list[float] = []
    process, database, began = of_process(), of_database(), time.perf_counter()
    yield spent
    spent += of_process() - process, of_database() - database, time.perf_counter() - began


def _requests(bench: Bench, database: Database, step: str, of_database: Callable[[], float]) -> Cost:
    """Fetches are of passes that were not built before."""
    seconds = bench.plan.seconds
    passes = 5_000 if step != "fetch-200" else int((seconds + 1) * 5_000 * 3)
    known = learn(database, passes, anew=step == "register")
    stream, expected = STREAMS[step]
    first = settled(known) if step == "ask-204" else ()
    return _asked(bench, database, _Counted(stream(known)), expected, of_database, first)


def _phones(bench: Bench, database: Database, of_database: Callable[[], float]) -> Cost:
    """A phone that was woken: it asks with an old tag, and fetches what it is told of, which was not built before."""
    known = learn(database, int((bench.plan.seconds + 1) * 3_000))
    both = zip(ask(known, known.oldest), fetches(known), strict=False)
    one = _asked(bench, database, _Counted(request for pair in both for request in pair), 200, of_database)
    return Cost(2 * one.process, 2 * one.database, 2 * one.clock)


def _asked(
    bench: Bench,
    database: Database,
    requests: _Counted,
    expected: int,
    of_database: Callable[[], float],
    first: Sequence[bytes] = (),
) -> Cost:
    seconds = bench.plan.seconds
    with served("serve", **bench.opened(database)) as (port, pid):
        if first:
            uvloop.run(load.all_of(port, iter(first), expected))
        with _counting(of_database, lambda: children.cpu_seconds(pid)) as spent:
            rate = uvloop.run(load.measure(port, pid, requests, seconds, expected))
    return Cost(1 / rate.per_cpu_second, spent[1] / requests.count, 1 / rate.per_second)


class _Counted:
    """How many requests were sent."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self._requests, self.count = requests, 0

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> bytes:
        self.count += 1
        return next(self._requests)


def _changes(bench: Bench, database: Database, of_database: Callable[[], float]) -> Cost:
    """A thousand to a call, one call after the other: on the clock, what one caller gets."""
    with (
        served("serve", **bench.opened(database)) as (port, pid),
        _counting(of_database, lambda: children.cpu_seconds(pid)) as spent,
    ):
        rate = changing.batches(port, database, bench.plan.seconds)
    done = rate * spent[2]
    return Cost(spent[0] / done, spent[1] / done, 1 / rate)


def _pushes(bench: Bench, database: Database, of_database: Callable[[], float]) -> Cost:
    due = bench.plan.due
    with null_apns.running(free_port()) as apns:
        bench.folder.make_due(database, due)
        with _counting(of_database, lambda: 0.0) as spent:
            done = children.outcome("dispatch", due=due, **apns.known_to(), **bench.opened(database))
    return Cost(1 / done["per_cpu_second"], spent[1] / due, 1 / done["per_second"])
