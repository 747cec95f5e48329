"""Whether anybody listens is learned in the transaction that writes events (ADR 38), and never from memory."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from livepass.core.timeline import Event, Kind
from livepass.emulators.authority import Issued
from livepass.outside.webhooks import WebhookPoster
from livepass.service.webhooks import Webhooks
from livepass.store import postgres_statements, sqlite
from service.rig import TYPE, Rig, rig

TENANT = "default"
URL = "https://example.com/hooks"


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch, engine: str) -> list[str]:
    """The names of those that are run, in order."""
    ran: list[str] = []
    connection: Any = sqlite.SqliteConnection if engine == "sqlite" else postgres_statements.PostgresConnection

    def counting(really: Any) -> Any:
        def counted(self: Any, name: str, *parameters: Any) -> Any:
            ran.append(name)
            return really(self, name, *parameters)

        return counted

    for how in ("rows", "run", "run_many", "run_rows"):
        monkeypatch.setattr(connection, how, counting(getattr(connection, how)))
    return ran


def registered(serial: str) -> Event:
    return Event(Kind.REGISTERED, 1, TYPE, serial, "phone")


def hooks_of(service: Rig) -> Webhooks:
    return Webhooks(service.store, service.keys, WebhookPoster(loopback=False), service.clock, service.chance)


def test_without_endpoints_events_cost_little_beside_their_own_statement(
    tmp_path: Path, pass_certificate: Issued, statements: list[str], engine: str
) -> None:
    """On PostgreSQL nothing; on SQLite a look, once for all that shares a transaction."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            hooks = hooks_of(service)

            async def write(tx: Any) -> None:
                await tx.add_events([registered(str(n)) for n in range(3)])
                await tx.add_events([registered("another")])

            async def cost() -> list[str]:
                statements.clear()
                await service.store.write(write)
                return [name for name in statements if name != "add_event"]

            look = ["webhook_listening"]
            alone = [] if engine == "postgres" else look
            assert await cost() == alone
            made, _ = await hooks.add(TENANT, URL, None, None)
            assert await cost() == [*look, "add_webhook_message"] * 2
            await hooks.enable(TENANT, made.id, enabled=False)
            assert await cost() == (look if engine == "sqlite" else look * 2)
            await hooks.enable(TENANT, made.id, enabled=True)
            assert await cost() == [*look, "add_webhook_message"] * 2
            await hooks.remove(TENANT, made.id)
            assert await cost() == alone
            assert len(await service.timeline("2")) == 5, "all are written, whoever listens"

    asyncio.run(main())


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_an_endpoint_hears_of_events_of_a_transaction_that_had_begun_before(
    tmp_path: Path, pass_certificate: Issued, engine: str
) -> None:
    """Fails when a transaction, or its process, remembers that there was none. On SQLite nobody can come in between."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            hooks = hooks_of(service)

            async def work(tx: Any) -> str:
                await tx.add_events([registered("before")])
                made, _ = await hooks.add(TENANT, URL, None, None)
                await tx.add_events([registered("after")])
                return made.id

            id_ = await service.store.write(work)
            bodies = [each.body for each in await hooks.messages(TENANT, id_, before=None, limit=9)]
            assert len(bodies) == 1 and b'"after"' in bodies[0]

    asyncio.run(main())
