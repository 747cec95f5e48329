"""The page ``docs/explanation/capacity.md``: what was measured, whether the model holds, and what follows from both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sizing.costs import STEPS, Costs, read
from sizing.model import Forecast, Layout, change_of_all

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/explanation/capacity.md"
RESULTS = ROOT / "bench/results/0.1.0"

DAY = 86_400
CHANGES_A_DAY = 1.0
LIFE_DAYS = 365
"""How long a pass is kept: so many are new each day."""
PEAK = 5.0
"""The busiest second, beside the average of the day."""
FULL = 0.5
"""A core is planned to be this busy in the busiest second."""
KILOBYTES = {"sqlite": 2.25, "postgres": 3.3}
"""On disk for each registration with its pass, phone and push target (``bench/scaling``)."""
BENCH = Layout(at_once=32)
"""How the row ``loop`` runs: one process on one core, and 32 connections of phones."""


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table of mass changes."""

    passes: int
    engine: str
    layout: Layout
    text: str


CASES = (
    Case(10_000, "sqlite", Layout(), "one `serve`, one core"),
    Case(1_000_000, "sqlite", Layout(), "one `serve`, one core"),
    Case(1_000_000, "postgres", Layout(web=4, worker=1, database=4), "four web, a worker, PostgreSQL with four cores"),
    Case(
        100_000_000,
        "postgres",
        Layout(web=32, worker=4, database=32),
        "32 web, four workers, PostgreSQL with 32 cores; one pass type",
    ),
    Case(
        100_000_000,
        "postgres",
        Layout(web=32, worker=4, database=32, callers=10),
        "the same; ten pass types, changed side by side",
    ),
)

DAYS = ((10_000, "sqlite"), (1_000_000, "sqlite"), (1_000_000, "postgres"), (100_000_000, "postgres"))

NAMES = {
    "register": "register, for the first time",
    "ask-204": "ask, nothing is new",
    "ask-changed": "ask, something is",
    "fetch-200": "fetch, built and signed for it",
    "phone": "a phone that was woken: ask and fetch",
    "change": "change, a thousand to a call",
    "push": "push: claimed, sent, recorded",
}


def loops(results: Path = RESULTS) -> Mapping[int, Sequence[float]]:
    """What was measured of the row ``loop``: by the number of phones, seconds of each round."""
    found: dict[int, list[float]] = {}
    for path in sorted(results.glob("*.json")):
        row = json.loads(path.read_text()).get("rows", {}).get("loop")
        if row:
            phones = int(row["note"].split()[0].replace(",", ""))
            found.setdefault(phones, []).extend(row["samples"]["ours"])
    return dict(sorted(found.items()))


def text(found: Mapping[str, Any], measured: Mapping[int, Sequence[float]]) -> str:
    """``found``: costs.json. ``measured``: of ``loops``."""
    costs = read(found["costs"])
    parts = {
        "machine": f"{found['machine']['cores']} virtual cores of an {found['machine']['cpu']}",
        "registrations": f"{found['registrations']:,}",
        "costs": "\n".join(_costs(costs)),
        "loops": "\n".join(_loops(costs["sqlite"], measured)),
        "days": "\n".join(_days(costs)),
        "changes": "\n".join(_changes(costs)),
    }
    page = TEXT
    for name, part in parts.items():
        page = page.replace(f"<{name}>", part)
    return page


def _costs(costs: Mapping[str, Costs]) -> Iterator[str]:
    yield "| step | SQLite | PostgreSQL: our process | PostgreSQL: the database |"
    yield "|---|---|---|---|"
    for step in STEPS:
        here, there = costs["sqlite"][step], costs["postgres"][step]
        yield f"| {NAMES[step]} | {_us(here.process)} | {_us(there.process)} | {_us(there.database)} |"


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f}"


def _loops(costs: Costs, measured: Mapping[int, Sequence[float]]) -> Iterator[str]:
    yield "| phones | measured, seconds | by the model | off by |"
    yield "|---|---|---|---|"
    for phones, rounds in measured.items():
        said, middle = change_of_all(phones, costs, BENCH).seconds, sorted(rounds)[len(rounds) // 2]
        each = ", ".join(f"{one:.1f}" for one in rounds)
        yield f"| {phones:,} | {each} | {said:.1f} | {said / middle - 1:+.0%} |"


def _days(costs: Mapping[str, Costs]) -> Iterator[str]:
    yield "| passes | changes a second: average, busiest | web, cores | workers, cores | PostgreSQL, cores | disk |"
    yield "|---|---|---|---|---|---|"
    for passes, engine in DAYS:
        average = passes * CHANGES_A_DAY / DAY
        need = needed(passes, costs[engine])
        database = _cores(need["database"]) if engine == "postgres" else "– (SQLite)"
        disk = passes * KILOBYTES[engine] / 1e6
        yield (
            f"| {passes:,} | {_figure(average)}, {_figure(average * PEAK)} | {_cores(need['web'])} "
            f"| {_cores(need['worker'])} | {database} | {_figure(disk)} GB |"
        )


def needed(passes: int, costs: Costs) -> Mapping[str, float]:
    """Cores of each part in the busiest second of a usual day, each of them ``FULL`` busy."""
    changes, new = passes * CHANGES_A_DAY * PEAK / DAY, passes * PEAK / (LIFE_DAYS * DAY)
    web = {"change": changes, "phone": changes, "fetch-200": new, "register": new}
    both = {**web, "push": changes}
    return {
        "web": sum(rate * costs[step].process for step, rate in web.items()) / FULL,
        "worker": changes * costs["push"].process / FULL,
        "database": sum(rate * costs[step].database for step, rate in both.items()) / FULL,
    }


def _cores(cores: float) -> str:
    return f"{cores:.1f}" if cores >= 0.05 else "under 0.1"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _changes(costs: Mapping[str, Costs]) -> Iterator[str]:
    yield "| passes | with | until every phone holds it | busiest | exhausted first |"
    yield "|---|---|---|---|---|"
    for case in CASES:
        told = change_of_all(case.passes, costs[case.engine], case.layout)
        engine = {"sqlite": "SQLite", "postgres": ""}[case.engine]
        shown = f"{engine}: {case.text}" if engine else case.text
        yield f"| {case.passes:,} | {shown} | {_time(told.seconds)} | {_busy(told)} | {_first(told, case, costs)} |"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _busy(told: Forecast) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in told.busy.items())


def _first(told: Forecast, case: Case, costs: Mapping[str, Costs]) -> str:
    """A call is one after the other within: where that is what takes the time, no core is at its end."""
    calls = case.passes * costs[case.engine]["change"].clock / case.layout.callers
    if calls > 0.9 * told.seconds and told.busy[told.first] < 0.9:
        return "the call: one number after the other for a pass type"
    return f"cores of the {told.first} processes" if told.first != "database" else "cores of PostgreSQL"


TEXT = (Path(__file__).parent / "page.md").read_text("utf-8")
