"""kill -9 of the process that sends webhooks, at each step: nothing is lost, and what comes again has the same id."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest

from journeys import hooks
from journeys.service_process import serve, worker
from journeys.test_crashes import change, issuer
from journeys.world import World, journey, until
from service.receiver import Receiver, answer


@asynccontextmanager
async def nobody_records(world: World) -> AsyncIterator[None]:
    """No process can write to the table of messages meanwhile."""
    url = world.config.database_url
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            yield
            db.execute("ROLLBACK")
        return
    import asyncpg

    db = await asyncpg.connect(url)
    try:
        async with db.transaction():
            await db.execute("LOCK TABLE webhook_message IN SHARE MODE")
            yield
    finally:
        await db.close()


@asynccontextmanager
async def deaf() -> AsyncIterator[tuple[socket.socket, Receiver]]:
    """An address where connections are not made, until somebody accepts there: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        listener.setblocking(False)
        to, filling = Receiver(listener.getsockname()[1]), list[socket.socket]()
        try:
            for _ in range(4):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", to.port))
                filling.append(one)
            await asyncio.sleep(0.1)
            yield listener, to
        finally:
            for one in filling:
                one.close()


def under_way(world: World) -> list[str]:
    return [id_ for (id_,) in world.sql("SELECT id FROM webhook_message WHERE lease IS NOT NULL")]


def new(world: World, before: set[str]) -> str:
    """The message that was written since."""
    [id_] = {id_ for (id_,) in world.sql("SELECT id FROM webhook_message")} - before
    return id_


def times(to: Receiver, id_: str) -> int:
    return sum(each.headers["webhook-id"] == id_ for each in to.received)


CUT_SHORT = "cut short"


@pytest.mark.parametrize("lease", [CUT_SHORT, pytest.param("to its end", marks=pytest.mark.nightly)])
@journey(elsewhere=True, limit=240)
async def test_whoever_dies_with_a_message_is_replaced_after_its_lease(world: World, lease: str) -> None:
    """Fails when a message that was claimed, sent or answered is never sent again, goes out under another id, or comes
    again while its lease runs.
    """
    hooks.allow(world)
    await world.issue("1", 1)
    async with deaf() as (listener, to), serve(world, "--no-worker") as service, issuer(world) as client:
        await hooks.add(client, to.url(), "pass.changed")
        numbers = {await change(client, "1", 2)}
        async with worker(world) as first:
            await until(lambda: under_way(world), "it is claimed, and its receiver cannot be reached")
            await first.kill()
        [unsent] = under_way(world)
        server = await asyncio.start_server(to.serve, sock=listener)
        async with server:
            to.answers["/hooks"] = answer("500 No")
            async with worker(world) as second:
                numbers.add(await change(client, "1", 3))
                unanswered = new(world, {unsent})
                await until(lambda: world.sql("SELECT 1 FROM webhook_attempt"), "the first attempt is written down")
                to.hold.add("/hooks")
                await world.alter("UPDATE webhook_message SET next_at = 1 WHERE id = ?", unanswered)
                numbers.add(await change(client, "1", 4))
                unrecorded = new(world, {unsent, unanswered})
                await until(lambda: times(to, unanswered) == 2 and times(to, unrecorded) == 1, "both are sent")
                del to.answers["/hooks"]
                async with nobody_records(world):
                    to.release.set()
                    await until(lambda: len(to.taken) == 3, "both are answered")
                    await second.kill()
            assert sorted(under_way(world)) == sorted([unsent, unanswered, unrecorded])
            assert world.sql("SELECT status FROM webhook_attempt") == [(500,)]
            to.hold.clear()
            async with worker(world) as third:
                numbers.add(await change(client, "1", 5))
                later = new(world, {unsent, unanswered, unrecorded})
                await until(lambda: times(to, later), "the next is sent")
                assert len(to.received) == 4, "the others are under a lease"
                if lease == CUT_SHORT:
                    await hooks.leases_run_out(world)
                numbers.add(await change(client, "1", 6))
                await until(lambda: not hooks.waiting(world), "all is told", seconds=100)
                await third.stop()
        sent = {id_: times(to, id_) for id_ in (unsent, unanswered, unrecorded, later)}
        assert sent == {unsent: 1, unanswered: 3, unrecorded: 2, later: 1}
        attempts = world.sql("SELECT number, status FROM webhook_attempt WHERE message = ? ORDER BY number", unanswered)
        assert attempts == [(1, 500), (2, 204)], "the one that nobody wrote down has no number"
        hooks.check(world, to, numbers, deaths=1)
        await service.stop()


@journey(elsewhere=True)
async def test_a_change_that_was_acknowledged_is_told_whoever_dies(world: World) -> None:
    """Fails when the news of a change lives in the process that took it."""
    await world.issue("1", 1)
    to = await world.stack.enter_async_context(hooks.listening(world))
    async with serve(world, "--no-worker") as service, issuer(world) as client:
        await hooks.add(client, to.url(), "pass.changed")
        number = await change(client, "1", 2)
        await service.kill()
    assert to.received == []
    async with worker(world) as next_one:
        await until(lambda: not hooks.waiting(world), "it is told")
        await next_one.stop()
    hooks.check(world, to, {number}, deaths=0)
