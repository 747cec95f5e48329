"""Databases with something odd in every column, and what stands in a database, for tests of archives and restores."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import engines
from livepass.store import archive
from livepass.store.archive import Archive, Manifest
from livepass.store.whole import ARCHIVED, Filled, Layout, Whole
from livepass.store.whole_postgres import WholePostgres
from livepass.store.whole_sqlite import WholeSqlite
from livepass.store.writing import Writing

TEXT = 'Zoë ½ \U0001f3ab \u202e "quoted" \'single\' \\ back\tslash %s {"a": "\\u0000"} \r\n'
BYTES = bytes(range(256)) + b"\n\r\x00" * 3
BIG = 2**62 + 1
REALS = (0.1 + 0.2, 1e308, -5e-324)
NOW = 1_900_000_000_000
COUNTED = {("event", "id"), ("audit", "id")}
"""Columns that the database fills in."""


def whole(url: str) -> Whole:
    return WholeSqlite(Path(url.removeprefix("sqlite:///"))) if url.startswith("sqlite:") else WholePostgres(url)


def made(engine: str, path: Path) -> str:
    """A new database with the newest schema, on that engine."""
    before = engines.chosen()
    engines.choose(engine)
    try:
        return engines.new_database(path)
    finally:
        engines.choose(before)


def fill_oddly(url: str, rows: int = 3) -> None:
    """Rows in every table, with what is hard to carry in every column; every other value that may be null is."""
    engines.run(url, "DELETE FROM installation")
    columns_of = _columns(url)
    for table in engines.aside(layout(url)).values():
        if table.name not in ARCHIVED:
            continue
        for number in range(1 if table.name == "installation" else rows):
            columns = [column for column in table.columns if (table.name, column) not in COUNTED]
            cells = [_odd(columns_of[table.name, column], number) for column in columns]
            places = ", ".join("?" for _ in columns)
            engines.run(url, f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({places})", *cells)


def _odd(column: Mapping[str, Any], number: int) -> Any:
    kind = str(column["type"]).lower()
    if (column["table"], column["column"]) == ("installation", "id"):
        return 1
    if column["optional"] and number % 2:
        return None
    odd = {
        "text": f"{number}{TEXT}",
        "blob": bytes([number]) + BYTES,
        "bytea": bytes([number]) + BYTES,
        "double precision": REALS[number % len(REALS)],
        "bigint": BIG + number,
        "integer": number,
    }
    return odd[kind]


def _columns(url: str) -> Mapping[tuple[str, str], Mapping[str, Any]]:
    in_sqlite = (
        'SELECT m.name AS "table", c.name AS "column", c.type, c."notnull" = 0 AND c.pk = 0 AS optional'
        " FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
    )
    in_postgres = (
        'SELECT table_name AS "table", column_name AS "column", data_type AS type, is_nullable = \'YES\' AS optional'
        " FROM information_schema.columns WHERE table_schema = 'public'"
    )
    found = engines.look(url, in_sqlite if url.startswith("sqlite:") else in_postgres)
    return {(row["table"], row["column"]): row for row in found}


async def layout(url: str) -> Mapping[str, Layout]:
    async with whole(url).snapshot() as snapshot:
        return await snapshot.layout()


async def contents(url: str, set_aside: str = "") -> dict[str, list[list[Any]]]:
    """Every row of every table of an archive, in the order of their keys."""
    async with whole(url).snapshot(set_aside) as snapshot:
        found = {}
        for name, table in (await snapshot.layout()).items():
            if name in ARCHIVED:
                order = sorted(table.columns)
                found[name] = sorted(
                    [
                        [row[table.columns.index(column)] for column in order]
                        async for rows in snapshot.dump(table)
                        for row in map(list, rows)
                    ],
                    key=repr,
                )
        return found


async def archived(url: str) -> tuple[bytes, Manifest]:
    stream = io.BytesIO()
    async with whole(url).snapshot() as snapshot:
        manifest = await archive.write(snapshot, stream, livepass="0", created_at=NOW)
    return stream.getvalue(), manifest


async def nothing(_: Writing) -> None:
    """No new history: what was loaded stays as it was."""


async def fill(url: str, data: bytes, *, replace: bool = False, now: int = NOW, renew: Any = nothing) -> Filled:
    opened = Archive(io.BytesIO(data))
    opened.verify()
    return await whole(url).fill(opened, replace=replace, now=now, renew=renew)
