"""Both engines get the same schema, old and new livepass may share it while it only grows, and nobody is cut off."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from pathlib import Path

import asyncpg
import pytest

import engines
from livepass.store import postgres_schema, sqlite
from livepass.store.named import Migration, migrations
from livepass.store.schema import Schema, SchemaMismatch, StillRunning, WrongEncoding, require
from servers.postgres import require as require_postgres

NEWEST = migrations("sqlite")[-1].number
GROWS = Migration(NEWEST + 1, "grows", 1, "ALTER TABLE pass_type ADD COLUMN note TEXT;")
SHRINKS = Migration(NEWEST + 2, "shrinks", NEWEST + 2, "ALTER TABLE pass_type DROP COLUMN note;")


async def upgrade(url: str, now: int = 1) -> list[str]:
    if url.startswith("sqlite:///"):
        return sqlite.upgrade(Path(url.removeprefix("sqlite:///")), uuid="u", now=now)
    return await postgres_schema.upgrade(url, uuid="u", now=now)


async def check(url: str) -> None:
    if url.startswith("sqlite:///"):
        sqlite.check_schema(Path(url.removeprefix("sqlite:///")))
    else:
        await postgres_schema.check_schema(url)


async def do(url: str, sql: str) -> None:
    if url.startswith("sqlite:///"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as db:
            db.execute(sql)
        db.close()
    else:
        db = await asyncpg.connect(url)
        await db.execute(sql)
        await db.close()


def known(monkeypatch: pytest.MonkeyPatch, *more: Migration) -> None:
    """What this livepass knows: its own migrations and these."""
    for engine in (sqlite, postgres_schema):
        monkeypatch.setattr(engine, "migrations", lambda name: [*migrations(name), *more])


# ── the same on both


def columns(url: str) -> dict[str, list[tuple[str, bool]]]:
    """(name, whether it must be there) of every column, by table, in order."""
    if url.startswith("sqlite:///"):
        return {
            table: [
                (row["name"], bool(row["notnull"] or row["pk"]))
                for row in engines.look(
                    url, f"SELECT name, \"notnull\", pk FROM pragma_table_info('{table}') ORDER BY cid"
                )
            ]
            for table in engines.tables(url)
            if not table.startswith("sqlite_")
        }
    found: dict[str, list[tuple[str, bool]]] = {}
    for row in engines.look(
        url,
        "SELECT table_name, column_name, is_nullable FROM information_schema.columns"
        " WHERE table_schema = 'public' ORDER BY table_name, ordinal_position",
    ):
        found.setdefault(row["table_name"], []).append((row["column_name"], row["is_nullable"] == "NO"))
    return found


def indexes(url: str) -> dict[str, str]:
    """What each index that a migration names covers, and of which rows."""
    if url.startswith("sqlite:///"):
        sql = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        found = {row["name"]: row["sql"] for row in engines.look(url, sql)}
    else:
        sql = "SELECT indexname AS name, indexdef AS sql FROM pg_indexes WHERE schemaname = 'public'"
        found = {row["name"]: row["sql"] for row in engines.look(url, sql) if not row["name"].endswith("_pkey")}
    return {name: covered(sql) for name, sql in found.items()}


def covered(sql: str) -> str:
    """The columns and the condition of an index, without what each engine writes around them."""
    match = re.search(r"\(([^()]*)\)(?:\s+WHERE\s+(.*))?$", sql, re.DOTALL)
    assert match is not None
    condition = re.sub(r"::text|[()\s]", "", match[2] or "")
    fields = re.sub(r"\s", "", match[1])
    return f"{fields} where {condition}"


def keys(url: str) -> dict[str, list[str]]:
    """The columns of each primary key."""
    if url.startswith("sqlite:///"):
        return {
            table: [
                row["name"]
                for row in engines.look(url, f"SELECT name FROM pragma_table_info('{table}') WHERE pk > 0 ORDER BY pk")
            ]
            for table in columns(url)
        }
    found: dict[str, list[str]] = {table: [] for table in columns(url)}
    sql = (
        "SELECT t.table_name, k.column_name FROM information_schema.table_constraints t"
        " JOIN information_schema.key_column_usage k USING (constraint_schema, constraint_name, table_name)"
        " WHERE t.constraint_type = 'PRIMARY KEY' AND t.table_schema = 'public' ORDER BY 1, k.ordinal_position"
    )
    for row in engines.look(url, sql):
        found[row["table_name"]].append(row["column_name"])
    return found


OF_SQLITE_ALONE = {"pass_seq"}
"""What it has to make up for: that it reads whole rows where an index would do."""


def test_both_engines_have_the_same_tables_columns_keys_and_indexes(tmp_path: Path) -> None:
    urls = []
    for engine in engines.ENGINES:
        engines.choose(engine)
        urls.append(engines.new_database(tmp_path / "a.db"))
    engines.choose("sqlite")
    for part in (columns, keys, indexes):
        ours, theirs = (part(url) for url in urls)
        assert {name: ours[name] for name in ours if name not in OF_SQLITE_ALONE} == theirs, part.__name__
    assert set(indexes(urls[0])) >= OF_SQLITE_ALONE
    assert len(columns(urls[0])) > 10
    assert len(indexes(urls[0])) > 5


def test_both_engines_have_the_same_migrations() -> None:
    def labels(engine: str) -> list[tuple[str, int]]:
        return [(migration.label, migration.oldest) for migration in migrations(engine)]  # type: ignore[arg-type]

    assert labels("sqlite") == labels("postgres")


# ── old and new at once


@pytest.mark.parametrize(
    ("found", "code", "fits"),
    [
        (Schema(3, 1), 3, True),
        (Schema(3, 3), 3, True),
        (Schema(2, 1), 3, False),
        (Schema(4, 3), 3, True),
        (Schema(4, 4), 3, False),
        (Schema(0, 0), 3, False),
    ],
)
def test_a_newer_schema_suits_while_it_only_grew(found: Schema, code: int, fits: bool) -> None:
    if fits:
        require(found, code)
    else:
        with pytest.raises(SchemaMismatch):
            require(found, code)


@pytest.mark.usefixtures("engine")
def test_expand_then_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        url = engines.new_database(tmp_path / "a.db")
        old = await engines.open_store(url)

        async def old_works() -> None:
            await old.write(lambda tx: tx.ensure_pass_type("pass.a", "default", "T", "e1", 1))
            assert [found.pass_type for found in await old.pass_types()] == ["pass.a"]

        known(monkeypatch, GROWS)
        assert await upgrade(url) == [GROWS.label]
        known(monkeypatch)
        await old_works()
        await check(url)  # and another old one may start

        await do(
            url,
            "INSERT INTO process (id, host, pid, role, schema, started_at, heard_at, shedding)"
            f" VALUES ('p', 'box', 7, 'serve', {NEWEST}, 1, 100000, 0)",
        )
        known(monkeypatch, GROWS, SHRINKS)
        with pytest.raises(StillRunning, match="box pid 7") as refused:
            await upgrade(url, now=130_000)
        assert "stop them" in refused.value.hint
        await old_works()
        assert await upgrade(url, now=160_001) == [SHRINKS.label], "a minute after its last sign it counts as gone"
        known(monkeypatch)
        with pytest.raises(SchemaMismatch, match=f"schema {NEWEST + 2}") as newer:
            await check(url)
        assert "newer livepass" in newer.value.hint
        await old.close()

    asyncio.run(main())


def test_postgres_is_upgraded_once_by_several_at_once() -> None:
    async def main() -> None:
        url = require_postgres().create_database()
        ran = await asyncio.gather(*(upgrade(url) for _ in range(6)))
        assert sum(map(len, ran)) == NEWEST
        assert len(engines.look(url, "SELECT * FROM installation")) == 1

    asyncio.run(main())


def test_postgres_without_a_schema_says_what_to_run() -> None:
    async def main() -> None:
        url = require_postgres().create_database()
        with pytest.raises(SchemaMismatch) as refused:
            await engines.open_store(url)
        assert refused.value.hint == "livepass db upgrade"

    asyncio.run(main())


def test_a_migration_that_is_cut_off_leaves_nothing_on_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        url = require_postgres().create_database()
        half = Migration(NEWEST + 1, "half", 1, "CREATE TABLE half (x bigint); INSERT INTO nowhere VALUES (1);")
        known(monkeypatch, half)
        with pytest.raises(asyncpg.UndefinedTableError):
            await upgrade(url)
        assert engines.tables(url) == []

    asyncio.run(main())


# ── PostgreSQL alone


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_new_database_that_cannot_hold_every_name_is_refused(encoding: str) -> None:
    """Fails when it is taken: LATIN1 breaks off in the middle, and SQL_ASCII takes bytes for letters."""
    server, name = require_postgres(), f"livepass_{encoding.lower()}"
    server.run_sql(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(WrongEncoding, match=f"is {encoding}") as error:
            asyncio.run(upgrade(server.url(name)))
        assert "ENCODING 'UTF8'" in error.value.hint
        assert server.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", name) == [], (
            "nothing was begun"
        )
    finally:
        server.drop_database(name)
