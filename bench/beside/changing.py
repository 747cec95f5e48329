"""Changes through the issuer API of one process, beside the same statements by the bare driver.

What is the same: for some changes, the statements of their transactions are taken down with their parameters, as the
store runs them; the driver then runs those, prepared, a commit for each change, on one connection and with the same
durability. What it saves is all of HTTP, drafting, lint, hashing, and every decision.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import pickle
import random
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop
from scaling.databases import MANY, Database, serial, single

from beside import children, load
from beside.device import served
from beside.rows import Row
from livepass import wiring
from livepass.service.drafting import Wish
from livepass.service.issuing import Issued

if TYPE_CHECKING:
    from beside.measures import Bench

AT_ONCE = 1_000
TAKEN_DOWN = 50
"""Changes one to a call whose statements are taken down; of batches, a fifth: of fewer, the pages would be the same."""

Call = tuple[str, str, Any]
"""How a statement was run (rows, run, run_many, run_rows), its name, its parameters."""


def change(bench: Bench, name: str) -> Row:
    """One pass to a call, over 32 connections."""
    return _row(bench, name, "change-", 1)


def batch(bench: Bench, name: str) -> Row:
    """1,000 passes to a call, one call after the other."""
    return _row(bench, name, "batch-", AT_ONCE)


def _row(bench: Bench, name: str, prefix: str, at_once: int) -> Row:
    database, plan, row = bench.database(name.removeprefix(prefix)), bench.plan, Row(name, "changes/s")
    with tempfile.TemporaryDirectory(prefix="livepass-bench-") as folder:
        taken = Path(folder) / "statements"
        taken.write_bytes(pickle.dumps(asyncio.run(take_down(database, at_once))))
        for _ in range(plan.rounds):
            bare = children.outcome(
                "driver", taken=str(taken), at_once=at_once, seconds=plan.seconds, **bench.opened(database)
            )
            with served("serve", **bench.opened(database)) as (port, pid):
                if at_once == 1:
                    rate = uvloop.run(load.measure(port, pid, _patches(database), plan.seconds, 200)).per_second
                else:
                    rate = batches(port, database, plan.seconds)
            row.add(rate, driver=bare["per_second"])
    row.note = f"{database.size:,} registrations; the driver commits one call at a time."
    return row


def chosen(database: Database, seed: int) -> Iterator[str]:
    """Serials of passes that one phone follows, drawn from all; none comes twice within a batch."""
    chance, lately = random.Random(seed), deque[int](maxlen=AT_ONCE)
    while True:
        if single(number := chance.randrange(database.large)) and number not in lately:
            lately.append(number)
            yield serial(number)


def _patches(database: Database) -> Iterator[bytes]:
    points = count(time.time_ns() // 1_000_000)
    for one in chosen(database, random.randrange(2**32)):
        body = b'{"data":{"points":%d}}' % next(points)
        lines = f"PATCH /api/v1/passes/{MANY}/{one} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        head = f"{lines}Authorization: Bearer {database.config.admin_key}\r\nContent-Length: {len(body)}\r\n\r\n"
        yield head.encode() + body


def batches(port: int, database: Database, seconds: float) -> float:
    """Changes a second, a thousand to a call, one call after the other."""
    client, passes = http.client.HTTPConnection("127.0.0.1", port), chosen(database, random.randrange(2**32))
    headers = {"Authorization": f"Bearer {database.config.admin_key}", "Content-Type": "application/x-ndjson"}
    points, done, began = count(time.time_ns() // 1_000_000), 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        lines = [
            json.dumps(
                {"pass_type": MANY, "serial": next(passes), "template": "bench", "data": {"points": next(points)}}
            )
            for _ in range(AT_ONCE)
        ]
        client.request("POST", "/api/v1/passes:batch", "\n".join(lines) + "\n", headers)
        results = client.getresponse().read().splitlines()
        if len(results) != AT_ONCE or not all(b'"ok":true' in result for result in results):
            raise SystemExit(f"a batch was answered {results[:2]!r}")
        done += AT_ONCE
    return done / (time.perf_counter() - began)


# ── the bare driver


async def take_down(database: Database, at_once: int) -> list[list[Call]]:
    """The statements of some changes, by transaction."""
    passes, transactions = chosen(database, 1), []
    async with wiring.opened(database.config) as services:
        for number in range(TAKEN_DOWN if at_once == 1 else TAKEN_DOWN // 5):
            wishes = [Wish(MANY, next(passes), "bench", {"points": time.time_ns()}) for _ in range(at_once)]
            with _TakenDown(database.engine) as calls:
                results = await services.issuing.put_many(wishes)
            if not all(isinstance(result, Issued) and result.changed for result in results):
                raise SystemExit(f"change {number} was refused, or changed nothing: {results[0]}")
            transactions.append(calls)
    return transactions


class _TakenDown:
    """Every statement that writes, or is read inside the writing, meanwhile."""

    def __init__(self, engine: str) -> None:
        from livepass.store import postgres_statements, sqlite

        self._connection = postgres_statements.PostgresConnection if engine == "postgres" else sqlite.SqliteConnection
        # On PostgreSQL many rows are one statement, which goes the way of ``rows``.
        ways = ("rows", "run", "run_many", *(("run_rows",) if engine == "sqlite" else ()))
        self._kept = {how: getattr(self._connection, how) for how in ways}

    def __enter__(self) -> list[Call]:
        calls: list[Call] = []

        def taking(how: str, original: Any) -> Any:
            async def call(connection: Any, name: str, *parameters: Any) -> Any:
                calls.append((how, name, parameters if how == "run_rows" else parameters[0]))
                return await original(connection, name, *parameters)

            return call

        for how, original in self._kept.items():
            setattr(self._connection, how, taking(how, original))
        return calls

    def __exit__(self, *_: object) -> None:
        for how, original in self._kept.items():
            setattr(self._connection, how, original)


async def driver(url: str, transactions: Sequence[Sequence[Call]], at_once: int, seconds: float) -> dict[str, float]:
    """Run what was taken down, again and again."""
    from beside.roles import timed_in

    run = await (_postgres(url) if url.startswith("postgresql") else _sqlite(url))
    turns = count()

    async def one() -> int:
        await run(transactions[next(turns) % len(transactions)])
        return at_once

    print("ready", flush=True)
    return await timed_in(seconds, one)


async def _sqlite(url: str) -> Any:
    from livepass.store import sqlite
    from livepass.store.named import load as statements

    db, known = sqlite.connect(Path(url.removeprefix("sqlite:///"))), statements("sqlite")
    connection = sqlite.SqliteConnection(db, dict(known))

    async def run(calls: Sequence[Call]) -> None:
        db.execute("BEGIN IMMEDIATE")
        for how, name, parameters in calls:
            if how == "run_rows":
                await connection.run_rows(name, *parameters)
            elif how == "run_many":
                db.executemany(known[name], parameters)
            else:
                db.execute(known[name], parameters).fetchall()
        db.execute("COMMIT")

    return run


async def _postgres(url: str) -> Any:
    import asyncpg

    from livepass.store.postgres_statements import statements

    db, known = await asyncpg.connect(url), statements()

    async def run(calls: Sequence[Call]) -> None:
        await db.execute("BEGIN")
        for how, name, parameters in calls:
            statement = known[name]
            if how == "run_many":
                await db.executemany(statement.sql, [statement.values(one) for one in parameters])
            else:
                await db.fetch(statement.sql, *statement.values(parameters))
        await db.execute("COMMIT")

    return run
