"""One address in front of a primary and its standby, as a load balancer or a moved name: what a failover looks like."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress

import asyncpg
import pytest

from livepass.core.unavailable import Unavailable
from livepass.store import postgres_schema
from livepass.store.postgres import PostgresStore
from livepass.store.writing import Writing
from servers.postgres import NoPostgres, Server, without
from service.rig import until
from store.hand import T0, TYPE, put


@pytest.fixture
def primary() -> Iterator[Server]:
    """One of our own: it is killed."""
    try:
        started = Server.start()
    except NoPostgres as error:
        without(str(error))
    yield started
    started.close()


class Address:
    """A port that leads to one server or another."""

    def __init__(self, server: Server) -> None:
        self.leads_to = server
        self.port = 0

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            there = await asyncio.open_connection("127.0.0.1", self.leads_to.port)
            await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
        writer.close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        door = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = door.sockets[0].getsockname()[1]
        yield
        door.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    writer.close()


def test_an_address_that_leads_to_a_standby_for_a_while(primary: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Fails when the refusal of a standby counts as a mistake: 500 instead of 503, and nobody listens ever again."""

    async def main() -> None:
        name = primary.create_database().rpartition("/")[2]
        await postgres_schema.upgrade(primary.url(name), uuid="u", now=1)
        address = Address(primary)
        with closing(primary.standby()) as standby:
            async with address.open():
                url = f"postgresql://postgres@127.0.0.1:{address.port}/{name}"
                store = await PostgresStore.open(url)
                woken = asyncio.Event()
                store.on_commit(woken.set)
                await store.write(lambda tx: tx.ensure_pass_type(TYPE, "default", "T", "e1", T0))
                primary.wait_caught_up(standby)
                primary.kill()
                address.leads_to = standby
                for _ in range(3):
                    with pytest.raises(Unavailable):
                        await store.counter(TYPE)
                    with pytest.raises(Unavailable):
                        await store.write(lambda tx: put(tx, "a"))
                with pytest.raises(Unavailable, match="TargetServerAttributeNotMatched"):
                    await PostgresStore.open(url)
                await until(lambda: "now: TargetServerAttributeNotMatched" in caplog.text, "it tried to listen", 30)
                standby.promote()
                assert (await store.write(lambda tx: put(tx, "a")))[0] == 1
                await until(lambda: standby.rows("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN %'"), "", 30)
                woken.clear()
                standby.run_sql("NOTIFY livepass_due", name)
                await asyncio.wait_for(woken.wait(), 30)
                await store.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())


def test_a_listener_lives_on_whatever_happens(
    primary: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        url = primary.create_database()
        await postgres_schema.upgrade(url, uuid="u", now=1)
        store = await PostgresStore.open(url)
        connect = asyncpg.connect

        async def fails(*_: object, **__: object) -> None:
            monkeypatch.setattr(asyncpg, "connect", connect)
            raise ZeroDivisionError("nobody thought of this")

        monkeypatch.setattr(asyncpg, "connect", fails)
        woken = asyncio.Event()
        store.on_commit(woken.set)
        await asyncio.wait_for(woken.wait(), 30)
        assert "nobody thought of this" in caplog.text
        await store.close()

    asyncio.run(main())


def test_a_statement_that_takes_too_long_is_no_mistake_of_ours(primary: Server) -> None:
    """Nor is it run again: it would take as long, and hold up as many."""

    async def main() -> None:
        url = primary.create_database()
        await postgres_schema.upgrade(url, uuid="u", now=1)
        store = await PostgresStore.open(url)
        store.pool._connect_kwargs["server_settings"]["statement_timeout"] = "50ms"
        await store.pool.expire_connections()
        store._known["installation"].sql = "SELECT pg_sleep(60)::text"
        runs = 0

        async def work(tx: Writing) -> None:
            nonlocal runs
            runs += 1
            await tx.installation()

        with pytest.raises(Unavailable, match="too long"):
            await store.write(work)
        assert runs == 1
        with pytest.raises(Unavailable, match="too long"):
            await store.installation()
        await store.close()

    asyncio.run(main())
