"""A fresh database on either engine, for tests that run on both: ask for the fixture ``engine``, then use these."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Coroutine
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from livepass.service.seams import Store
from livepass.store import postgres, sqlite
from servers.postgres import Databases, require

T = TypeVar("T")

ENGINES = ("sqlite", "postgres")
_chosen = "sqlite"


def choose(engine: str) -> None:
    """Which engine ``new_database`` makes databases of, until chosen otherwise."""
    global _chosen
    _chosen = engine


def chosen() -> str:
    return _chosen


def new_database(path: Path) -> str:
    """A database with the newest schema and nothing in it; its ``LIVEPASS_DATABASE_URL``. On SQLite it is ``path``."""
    if _chosen == "sqlite":
        sqlite.upgrade(path, uuid="u1", now=1)
        return f"sqlite:///{path}"
    return require().copy_of(_template())


@cache
def _template() -> str:
    url = require().create_database()
    aside(postgres.upgrade(url, uuid="u1", now=1))
    return url


async def open_store(url: str) -> Store:
    if url.startswith("sqlite:///"):
        return sqlite.SqliteStore(Path(url.removeprefix("sqlite:///")))
    return await postgres.PostgresStore.open(url)


def look(url: str, sql: str) -> list[dict[str, Any]]:
    """The rows of a SELECT, as somebody else sees them. On PostgreSQL, bytes come as hexadecimal text."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10)) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(sql)]
    server = _server(url)
    found = server.rows(f"SELECT row_to_json(one)::text FROM ({sql}) one", url.rpartition("/")[2])
    return [json.loads(row[0]) for row in found]


def tables(url: str) -> list[str]:
    """Every table there is."""
    if url.startswith("sqlite:///"):
        return [row["name"] for row in look(url, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return [row["tablename"] for row in look(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]


def _server(url: str) -> Databases:
    server = require()
    assert server.url(url.rpartition("/")[2]) == url, "a database of some other server"
    return server


def aside(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, whether or not a loop runs in this thread."""
    outcome: list[T] = []
    thread = threading.Thread(target=lambda: outcome.append(asyncio.run(work)))
    thread.start()
    thread.join()
    return outcome[0]
