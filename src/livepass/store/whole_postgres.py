"""A PostgreSQL database as a whole: read in one REPEATABLE READ transaction, filled in one transaction.

What is set aside moves into a schema of its own, which costs nothing however much it is; new tables take its place in
the same transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson

from livepass.core.model import PRESENT_MS
from livepass.core.unavailable import Unavailable
from livepass.store import postgres_link, postgres_schema
from livepass.store.named import Engine, load
from livepass.store.postgres_statements import PostgresConnection, Statement
from livepass.store.reading import Parameters, Reading
from livepass.store.rows import Row
from livepass.store.whole import (
    ARCHIVED,
    EMPTIED,
    MADE_BY_ITSELF,
    TABLES,
    Batches,
    CannotSetAside,
    Filled,
    Filling,
    Layout,
    NotEmpty,
    NotSetAside,
    Renew,
    StillWorking,
    layouts,
    names,
)
from livepass.store.writing import Writing

LEAST, MOST = 16, 4096
"""Rows fetched at a time: as many as fit into"""
BATCH_BYTES = 1024 * 1024

_ALONE = """
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL lock_timeout = '10s'"""
"""A whole database takes as long as it takes; but nobody waits long for somebody else."""


def statements() -> dict[str, Statement]:
    """Those of the service, and those about the whole."""
    texts = {name: text for file in ("queries", "archive", "verify") for name, text in load("postgres", file).items()}
    return {name: Statement(text) for name, text in texts.items()}


class _Asking:
    """Named statements on one connection."""

    def __init__(self, db: Any) -> None:
        self.db = db
        self.known = statements()

    async def rows(self, name: str, **parameters: Any) -> Sequence[Row]:
        statement = self.known[name]
        found: Sequence[Row] = await self.db.fetch(statement.sql, *statement.values(parameters))
        return found

    async def run_each(self, name: str, **parameters: Any) -> None:
        """Run the statements that a statement answers."""
        for row in await self.rows(name, **parameters):
            await self.db.execute(row[0])

    async def layout(self) -> Mapping[str, Layout]:
        return layouts(await self.rows("layout", tables=list(TABLES)), orjson.loads)


class PostgresSnapshot:
    """``store.whole.Snapshot``: a connection inside a read-only REPEATABLE READ transaction."""

    engine: Engine = "postgres"

    def __init__(self, db: Any, schema: int) -> None:
        self._asking = _Asking(db)
        self.schema = schema
        self.reading = Reading(PostgresConnection(db, self._asking.known))

    async def layout(self) -> Mapping[str, Layout]:
        return await self._asking.layout()

    def dump(self, table: Layout) -> Batches:
        return self._batches(table.read)

    def stream(self, statement: str, parameters: Parameters) -> Batches:
        named = self._asking.known[statement]
        return self._batches(named.sql, *named.values(parameters))

    async def _batches(self, statement: str, *values: Any) -> Batches:
        cursor = await self._asking.db.cursor(statement, *values)
        count = LEAST
        while rows := await cursor.fetch(count):
            yield rows
            size = sum(len(cell) for row in rows for cell in row if isinstance(cell, str | bytes))
            count = max(LEAST, min(MOST, count * 2 if size < BATCH_BYTES else count // 2))

    async def damage(self, *, quick: bool) -> Sequence[str]:
        return ()


class WholePostgres:
    """``store.whole.Whole`` of one database."""

    def __init__(self, url: str) -> None:
        self._url = url

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        db = await postgres_link.connect(self._url)
        try:
            yield db
        except postgres_link.LOST_CONNECTION as error:
            raise Unavailable(f"the database went away: {postgres_link.said(error)}") from error
        finally:
            await db.close()

    @asynccontextmanager
    async def snapshot(self, set_aside: str = "") -> AsyncIterator[PostgresSnapshot]:
        if not set_aside:
            await postgres_schema.check_schema(self._url)
        async with self._connected() as db, db.transaction(isolation="repeatable_read", readonly=True):
            await db.execute(_ALONE)
            if set_aside:
                await _Asking(db).rows("look_into", set_aside=set_aside)
            found = await postgres_schema.schema(db)
            if not found.number:
                raise NotSetAside(set_aside)
            yield PostgresSnapshot(db, found.number)

    async def fill(self, archive: Filling, *, replace: bool, now: int, renew: Renew) -> Filled:
        await postgres_schema.check_schema(self._url)
        async with self._connected() as db, db.transaction():
            await db.execute(_ALONE)
            asking = _Asking(db)
            await db.execute("SELECT pg_advisory_xact_lock($1)", postgres_schema.UPGRADE_LOCK)
            # By the clock that the processes go by.
            at = await Reading(PostgresConnection(db, asking.known)).database_time() or now
            set_aside = await _make_room(asking, replace, at)
            replaced = await _fill(asking, archive)
            await renew(Writing(PostgresConnection(db, asking.known)))
        forget = f"psql \"$LIVEPASS_DATABASE_URL\" -c 'DROP SCHEMA {set_aside} CASCADE'" if set_aside else ""
        return Filled(set_aside, forget, replaced)


async def _make_room(asking: _Asking, replace: bool, now: int) -> str:
    """Nobody else touches the tables from here on. Where the data that is there was moved; ``""``: there is none."""
    try:
        await asking.run_each("locking", tables=list(TABLES))
    except asyncpg.LockNotAvailableError as error:
        hint = "stop it: SELECT pid, application_name, state, query FROM pg_stat_activity shows what is connected"
        raise CannotSetAside("somebody uses its tables", hint) from error
    working = await asking.rows("present", after=now - PRESENT_MS)
    if working:
        raise StillWorking(working)
    there = [
        table.name
        for table in (await asking.layout()).values()
        if table.name in ARCHIVED and table.name not in MADE_BY_ITSELF and await asking.db.fetch(table.probe)
    ]
    if not there:
        return ""
    if not replace:
        raise NotEmpty(there)
    return await _set_aside(asking, now)


async def _set_aside(asking: _Asking, now: int) -> str:
    stem = f"livepass_set_aside_{datetime.fromtimestamp(now / 1000, UTC):%Y%m%dt%H%M%Sz}"
    for name in names(stem):
        if not await asking.rows("is_taken", set_aside=name):
            break
    last_ids = {table.name: table.last_id for table in (await asking.layout()).values() if table.last_id}
    try:
        await asking.run_each("setting_aside", set_aside=name)
        await asking.run_each("moving", set_aside=name, tables=list(TABLES))
        await postgres_schema.migrate(asking.db, now)
    except asyncpg.InsufficientPrivilegeError as error:
        hint = "this role must own the tables and may create schemas: GRANT CREATE ON DATABASE … TO …"
        raise CannotSetAside(str(error), hint) from error
    for table, last_id in last_ids.items():
        await asking.rows("raise_last_id", table=table, after=last_id)
    return name


async def _fill(asking: _Asking, archive: Filling) -> int:
    """Answers how many characters could not be kept."""
    indexes = await asking.rows("indexes", tables=list(ARCHIVED))
    for drop, _ in indexes:
        await asking.db.execute(drop)
    replaced = _Replaced()
    layout = await asking.layout()
    for name in EMPTIED:
        await asking.db.execute(layout[name].empty)
    for name in ARCHIVED:
        columns = list(archive.columns(name))
        records = replaced.storable(archive.rows(name), _texts(layout[name], columns))
        await asking.db.copy_records_to_table(name, columns=columns, records=records)
        last_id = archive.last_id(name)
        if last_id is not None:
            await asking.rows("raise_last_id", table=name, after=last_id)
    for _, make in indexes:
        await asking.db.execute(make)
    await asking.rows("end_leases")
    await asking.rows("end_import_leases")
    await asking.rows("is_here", physical=await postgres_link.physical(asking.db))
    await asking.run_each("analyzing", tables=list(ARCHIVED))
    return replaced.count


def _texts(table: Layout, columns: Sequence[str]) -> list[int]:
    """The places of texts in an archived row."""
    kinds = dict(zip(table.columns, table.kinds, strict=True))
    return [place for place, column in enumerate(columns) if kinds[column] == "text"]


class _Replaced:
    """PostgreSQL holds no NUL in a text, SQLite does. Names are looked up by the same rule (``postgres``)."""

    def __init__(self) -> None:
        self.count = 0

    def storable(self, batches: Iterator[list[Row]], texts: Sequence[int]) -> Iterator[Row]:
        for rows in batches:
            for row in rows:
                for place in texts:
                    text = row[place]
                    if text is not None and "\x00" in text:
                        self.count += text.count("\x00")
                        row = [*row[:place], text.replace("\x00", "\ufffd"), *row[place + 1 :]]
                yield row
