"""How long ``why`` takes in a large database: of one pass, and of all at once, by how many wait.

In one process, as ``GET …/why`` and ``GET /why`` do it; and ``livepass why`` as an operator types it, where nearly all
of the time is Python's start. Who waits is made by the numbers in the database and taken back
afterwards: nobody; some, whose passes moved; everybody, as after a restore, which is what a large outage looks like.
"""

from __future__ import annotations

import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from typing import Any

import asyncpg
from scaling.databases import MANY, Database, Folder, serial, single
from scaling.figures import percentiles
from scaling.serving import environment

from livepass import wiring
from livepass.service.explaining import Explaining

ONE, ALL, TYPED = 1000, 5, 15
SOME = 2000
ONE_BAR_MS, ALL_BAR_S = 200, 5
"""What an operator waits for: for one pass the 99th percentile, and the median as typed; for all the median."""


async def measure(folder: Folder, database: Database) -> dict[str, Any]:
    """``{"one": percentiles in µs, "all": {who waits: {"median_s", "samples_s", "behind"}}, "typed":
    {"median_ms", "samples_ms", "python_ms"}}``.
    """
    folder.read_through(database)
    async with wiring.opened(database.config) as services:
        explaining = Explaining(services.store, services.clock, services.issuing.web_service_url)
        chance, times = random.Random(database.size), []
        for _ in range(ONE):
            name = serial(chance.randrange(database.large))
            started = time.perf_counter()
            await explaining.explain(MANY, name)
            times.append(time.perf_counter() - started)
        everything = {}
        for who, waiting in {"nobody": _nobody, f"{SOME:,}": _some, "everybody": _everybody}.items():
            async with waiting(database):
                samples = []
                for _ in range(ALL):
                    started = time.perf_counter()
                    found = await explaining.everything([MANY])
                    samples.append(time.perf_counter() - started)
            behind = found.registrations - found.current
            median = round(sorted(samples)[ALL // 2], 2)
            everything[who] = {"median_s": median, "samples_s": [round(one, 2) for one in samples], "behind": behind}
    one = percentiles([times])
    typed = _typed(database)
    return {"one": one, "all": everything, "typed": typed, "passed": _passed(one, everything, typed)}


def _passed(one: dict[str, Any], everything: dict[str, dict[str, Any]], typed: dict[str, Any]) -> bool:
    slowest = max(found["median_s"] for found in everything.values())
    return bool(max(one["p99_us"] / 1000, typed["median_ms"]) <= ONE_BAR_MS and slowest <= ALL_BAR_S)


def _typed(database: Database) -> dict[str, Any]:
    """The whole process, from its start to its end; beside it, in turns, what Python, asyncio and click alone take."""
    commands = (["-m", "livepass", "why", f"{MANY}/{serial(0)}"], ["-c", "import asyncio, click"])
    with tempfile.TemporaryDirectory() as compiled:
        # Compiled by the first run, as an installed package is; and the tree stays as it was.
        env = {**environment(database.config), "PYTHONPYCACHEPREFIX": compiled}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        rounds = [[_milliseconds(words, env) for words in commands] for _ in range(TYPED + 1)][1:]
    typed, python = zip(*rounds, strict=True)
    shown = [round(one) for one in typed]
    return {
        "median_ms": round(statistics.median(typed)),
        "samples_ms": shown,
        "python_ms": round(statistics.median(python)),
    }


def _milliseconds(words: Sequence[str], env: Mapping[str, str]) -> float:
    started = time.perf_counter()
    # Without a timeout: with one, the end is only looked for every 50 ms.
    subprocess.run([sys.executable, *words], env=dict(env), stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - started) * 1000


@asynccontextmanager
async def _nobody(database: Database) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def _some(database: Database) -> AsyncIterator[None]:
    step = database.large // (2 * SOME)
    serials = [serial(number) for number in range(0, database.large, step) if single(number)][:SOME]
    moved = "UPDATE pass SET seq = seq {by} WHERE pass_type = {type} AND serial IN ({serials})"
    words = {"type": f"'{MANY}'", "serials": ", ".join(f"'{one}'" for one in serials)}
    await _run(database, moved.format(by=f"+ {10 * database.size}", **words))
    try:
        yield
    finally:
        await _run(database, moved.format(by=f"- {10 * database.size}", **words))


@asynccontextmanager
async def _everybody(database: Database) -> AsyncIterator[None]:
    restart = f"UPDATE counter SET began = began {{by}} {10 * database.size} WHERE pass_type = '{MANY}'"
    await _run(database, restart.format(by="+"))
    try:
        yield
    finally:
        await _run(database, restart.format(by="-"))


async def _run(database: Database, statement: str) -> None:
    if database.engine == "sqlite":
        with closing(sqlite3.connect(database.config.sqlite_path, timeout=60, isolation_level=None)) as db:
            db.execute(statement)
        return
    connection = await asyncpg.connect(database.config.database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
