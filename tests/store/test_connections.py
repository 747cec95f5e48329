"""What every connection to PostgreSQL is promised: a commit is on disk, and nothing is waited for too long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from livepass.store import postgres_link, postgres_schema
from livepass.store.postgres import PostgresStore
from servers.postgres import NoPostgres, Server, require, without


async def shown(store: PostgresStore, name: str) -> str:
    async with store.pool.acquire() as db:
        found: str = await db.fetchval(f"SHOW {name}")
    return found


async def opened(url: str) -> PostgresStore:
    await postgres_schema.upgrade(url, uuid="u", now=1)
    return await PostgresStore.open(url)


@pytest.mark.parametrize("of", ["DATABASE {0}", "ROLE postgres IN DATABASE {0}"])
@pytest.mark.parametrize(
    ("usual", "ours"), [("off", "on"), ("on", "on"), ("local", "local"), ("remote_apply", "remote_apply")]
)
def test_a_commit_waits_for_the_disk_whatever_is_usual_there(of: str, usual: str, ours: str) -> None:
    async def main() -> None:
        url = require().create_database()
        name = url.rpartition("/")[2]
        require().run_sql(f"ALTER {of.format(name)} SET synchronous_commit = {usual}")
        store = await opened(url)
        assert await shown(store, "synchronous_commit") == ours
        await store.pool.expire_connections()
        assert await shown(store, "synchronous_commit") == ours, "on every new connection"
        db = await postgres_link.connect(url)
        assert await db.fetchval("SHOW synchronous_commit") == ours, "and where a database is upgraded or restored"
        await db.close()
        await store.close()

    asyncio.run(main())


@pytest.fixture
def reckless() -> Iterator[Server]:
    try:
        started = Server.start(fsync=False)
    except NoPostgres as error:
        without(str(error))
    yield started
    started.close()


def test_a_server_that_does_not_write_to_its_disk_is_warned_of_once(
    reckless: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        store = await opened(reckless.create_database())
        await store.pool.expire_connections()
        await store.installation()
        await store.close()
        safe = await opened(require().create_database())
        await safe.close()

    asyncio.run(main())
    assert [(row.levelno, "fsync = off" in row.message) for row in caplog.records] == [(logging.CRITICAL, True)]


def test_the_settings_are_in_force_on_the_connections_of_the_service() -> None:
    """Fails when a setting is misspelt, or the server takes it for another."""

    async def main() -> None:
        url = require().create_database()
        require().run_sql(f"ALTER DATABASE {url.rpartition('/')[2]} SET lock_timeout = '7min'")
        store = await opened(url)
        async with store.pool.acquire() as db:
            for name, value in postgres_link.settings().items():
                found = await db.fetchval(f"SHOW {name}")
                # As the server spells what we asked for, in its own units.
                assert found == await db.fetchval("SELECT set_config($1, $2, false)", name, value), name
        await store.close()

    asyncio.run(main())
    assert {"lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"} <= set(postgres_link.settings())
