"""A fresh database on either engine, for tests that run on both: ask for the fixture ``engine``, then use these."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import threading
import time
from collections.abc import Coroutine, Sequence
from contextlib import closing
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from livepass.service.seams import Store
from livepass.store import postgres, postgres_schema, sqlite
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
    aside(postgres_schema.upgrade(url, uuid="u1", now=1))
    run(url, "UPDATE installation SET physical = ''")  # or each copy would find out that it is one
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


def content(url: str) -> dict[str, list[str]]:
    """Every row of every table, each as the text of what ``look`` answers, read over one connection."""
    names = tables(url)
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10)) as db:
            db.row_factory = sqlite3.Row
            return {name: sorted(str(dict(row)) for row in db.execute(f'SELECT * FROM "{name}"')) for name in names}
    statements = [f'SELECT row_to_json(one)::text FROM "{name}" one' for name in names]
    found = _server(url).rows_of_all(url.rpartition("/")[2], statements)
    return {name: sorted(str(json.loads(row[0])) for row in rows) for name, rows in zip(names, found, strict=True)}


def run(url: str, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
    """Run one statement, with ``?`` for each argument, behind everybody's back; its rows."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10, isolation_level=None)) as db:
            return db.execute(sql, arguments).fetchall()
    return _server(url).rows(_numbered(sql), url.rpartition("/")[2], *arguments)


def run_all(url: str, statements: Sequence[tuple[str, Sequence[object]]]) -> None:
    """As ``run``, of many, over one connection."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10, isolation_level=None)) as db:
            for sql, arguments in statements:
                db.execute(sql, tuple(arguments))
        return
    _server(url).run_all(url.rpartition("/")[2], [(_numbered(sql), arguments) for sql, arguments in statements])


def _numbered(sql: str) -> str:
    numbers = count(1)
    return re.sub(r"\?", lambda _: f"${next(numbers)}", sql)


_SOUND = """
DO $$
DECLARE one regclass; by_order numeric; by_index numeric;
BEGIN
  FOR one IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
    PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'off', true),
            set_config('enable_indexonlyscan', 'off', true), set_config('enable_bitmapscan', 'off', true);
    EXECUTE format('SELECT coalesce(sum(hashtext(one::text)), 0) FROM %s one', one) INTO by_order;
    PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'on', true);
    EXECUTE format('SELECT coalesce(sum(hashtext(one::text)), 0) FROM (SELECT * FROM %s ORDER BY %s) one', one, (
      SELECT string_agg(quote_ident(attname), ', ' ORDER BY array_position(indkey::int2[], attnum))
        FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
       WHERE indrelid = one AND indisprimary)) INTO by_index;
    IF by_order <> by_index THEN
      RAISE EXCEPTION 'table % and its key differ', one;
    END IF;
  END LOOP;
END $$
"""


def require_sound(url: str) -> None:
    """The database holds together: what is read row by row is what its keys lead to. Raises where it is damaged."""
    if url.startswith("sqlite:///"):
        assert run(url, "PRAGMA quick_check") == [("ok",)]
    else:
        run(url, _SOUND)


_LEFT_BEHIND = """
SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND backend_type = 'client backend'
"""


def wait_until_alone(url: str) -> None:
    """PostgreSQL carries out what a client sent before it was killed: wait until nobody is connected any more."""
    if not url.startswith("sqlite:///"):
        until = time.monotonic() + 60
        while run(url, _LEFT_BEHIND):
            assert time.monotonic() < until, "somebody stays connected"
            time.sleep(0.02)


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
