"""The schema of a database on PostgreSQL: bringing it up to date, and whether this livepass can work on it."""

from __future__ import annotations

from typing import Any

from livepass.core.model import PRESENT_MS
from livepass.store.named import migrations
from livepass.store.postgres_link import connect, physical
from livepass.store.schema import MIGRATION_TABLE, Schema, StillRunning, WrongEncoding, due, require

UPGRADE_LOCK = 0x6C697665


async def upgrade(url: str, *, uuid: str, now: int) -> list[str]:
    """Bring a database to the newest schema; answers the migrations that ran. Safe to run at every start, by several.

    Raises ``StillRunning`` when a migration would break processes that work on the database right now, and
    ``WrongEncoding`` for a new one that is not in UTF8: with a locale of C, that is what PostgreSQL makes by itself.
    """
    db = await connect(url)
    try:
        async with db.transaction():
            await db.execute("SELECT pg_advisory_xact_lock($1)", UPGRADE_LOCK)
            ran = await migrate(db, now)
            await db.execute(
                "INSERT INTO installation (id, uuid, physical, created_at) VALUES (1, $1, $2, $3)"
                " ON CONFLICT DO NOTHING",
                *(uuid, await physical(db), now),
            )
    finally:
        await db.close()
    return ran


async def migrate(db: Any, now: int) -> list[str]:
    """Run the migrations that a database has not had; answers their names. In a transaction, under the lock."""
    ran = []
    found, encoding = await schema(db), await db.fetchval("SHOW server_encoding")
    if found.number == 0 and encoding != "UTF8":
        raise WrongEncoding(encoding)
    await db.execute(MIGRATION_TABLE)
    for migration in due(migrations("postgres"), found):
        await _refuse_to_break(db, migration, now)
        await db.execute(migration.script)
        await db.execute(
            "INSERT INTO migration (number, name, oldest, applied_at) VALUES ($1, $2, $3, $4)",
            *(migration.number, migration.name, migration.oldest, now),
        )
        ran.append(migration.label)
    return ran


async def _refuse_to_break(db: Any, migration: Any, now: int) -> None:
    if migration.oldest < 2:
        return
    present = await db.fetch(
        "SELECT host, pid FROM process WHERE schema < $1 AND heard_at > $2 ORDER BY host, pid",
        *(migration.oldest, now - PRESENT_MS),
    )
    if present:
        raise StillRunning(migration, [f"{row[0]} pid {row[1]}" for row in present])


async def check_schema(url: str) -> None:
    """Raise ``SchemaMismatch`` unless this livepass can work on the database."""
    db = await connect(url)
    try:
        require(await schema(db), migrations("postgres")[-1].number)
    finally:
        await db.close()


async def schema(db: Any) -> Schema:
    if await db.fetchval("SELECT to_regclass('migration')") is None:
        return Schema(0, 0)
    row = await db.fetchrow("SELECT coalesce(max(number), 0), coalesce(max(oldest), 0) FROM migration")
    return Schema(row[0], row[1])
