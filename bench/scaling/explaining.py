"""How long ``why`` takes in a large database: of one pass, and of all at once, by how many wait.

In one process, as ``GET …/why`` and ``GET /why`` do it. Who waits is made by the numbers in the database and taken back
afterwards: nobody; some, whose passes moved; everybody, as after a restore, which is what a large outage looks like.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import asyncpg
from scaling.databases import MANY, Database, Folder, serial, single
from scaling.figures import percentiles

from livepass import wiring
from livepass.service.explaining import Explaining

ONE, ALL = 1000, 5
SOME = 2000
ONE_BAR_MS, ALL_BAR_S = 200, 5
"""What an operator waits for: the 99th percentile for one pass, the median for all."""


async def measure(folder: Folder, database: Database) -> dict[str, Any]:
    """``{"one": percentiles in µs, "all": {who waits: {"median_s", "samples_s", "behind"}}}``."""
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
    return {"one": one, "all": everything, "passed": _passed(one, everything)}


def _passed(one: dict[str, Any], everything: dict[str, dict[str, Any]]) -> bool:
    slowest = max(found["median_s"] for found in everything.values())
    return bool(one["p99_us"] / 1000 <= ONE_BAR_MS and slowest <= ALL_BAR_S)


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
