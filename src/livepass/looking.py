"""From configuration to a database that is only looked at: no key is opened, nothing runs beside, nothing is written.

What looking does without is not imported here: a person at a terminal waits for every import.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from livepass.config import Config, ConfigError
from livepass.runtime import SharedClock, WallClock
from livepass.service.explaining import Explaining

if TYPE_CHECKING:
    from livepass.service.seams import Clock, Reader


@asynccontextmanager
async def looking(config: Config) -> AsyncIterator[Explaining]:
    """The use case that only reads, over an open database. Raises ``SchemaMismatch`` and ``Unavailable``."""
    async with _postgres(config) if config.on_postgres else _sqlite(config) as (reader, clock):
        yield Explaining(reader, clock, config.web_service_url, config.other_urls)


@asynccontextmanager
async def _sqlite(config: Config) -> AsyncIterator[tuple[Reader, Clock]]:
    from livepass.store.sqlite import SqliteReader

    reader = SqliteReader(config.sqlite_path)
    try:
        yield reader, WallClock()
    finally:
        reader.close()


@asynccontextmanager
async def _postgres(config: Config) -> AsyncIterator[tuple[Reader, Clock]]:
    """Without ``renew`` nothing is written, also where the database is another copy than before."""
    store, clock = await postgres_store().PostgresStore.open(config.database_url, connections=1), SharedClock()
    try:
        await clock.measure(store.database_time)
        yield store, clock
    finally:
        await store.close()


def postgres_store() -> Any:
    """The engine's module, loaded when it is asked for: its driver is an extra that SQLite does without."""
    try:
        from livepass.store import postgres
    except ImportError as error:
        hint = "install livepass[postgres]"
        raise ConfigError("LIVEPASS_DATABASE_URL names PostgreSQL, and its driver is not installed", hint) from error
    return postgres
