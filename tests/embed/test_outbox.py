"""A change in a transaction of the host's: rolled back it never was, committed it happens once and in order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest
import sqlalchemy
from sqlalchemy.orm import Session

import engines
from embed.hosts import embedded, furnish, settings
from journeys.world import PASS_TYPE
from livepass import Livepass, Refusal
from livepass.core.model import Posted
from livepass.emulators.authority import Authority
from livepass.outside.outbox import PostgresOutbox, SqliteOutbox
from livepass.service.draining import Draining, _read, _waves
from livepass.service.seams import Outbox
from servers.postgres import require


def host_database(path: Path) -> str:
    """A database of a host's, on the chosen engine, with the outbox."""
    if engines.chosen() == "sqlite":
        with closing(sqlite3.connect(path)) as db:
            db.execute(Livepass.outbox_table("sqlite"))
        return f"sqlite:///{path}"
    url = require().create_database()
    engines.run(url, Livepass.outbox_table("postgresql"))
    return url


def outbox_of(url: str) -> Outbox:
    return SqliteOutbox(Path(url.removeprefix("sqlite:///"))) if url.startswith("sqlite:") else PostgresOutbox(url)


class Place:
    """A Livepass, its host's database, and whoever does what waits."""

    def __init__(self, lp: Livepass, url: str) -> None:
        self.lp = lp
        self.url = url

    async def drain(self) -> None:
        opened = await self.lp.services()
        draining = Draining(outbox_of(self.url), opened.issuing, opened.scheduler)
        while await draining.once():
            pass
        await draining._outbox.close()

    def waiting(self) -> int:
        return len(engines.look(self.url, "SELECT id FROM livepass_outbox"))

    async def points(self, serial: str = "1") -> list[Any]:
        """What the pass's points were changed to, in order."""
        changed = [each for each in await self.lp.timeline(PASS_TYPE, serial) if each.kind == "changed"]
        return [field["after"] for each in changed for field in each.detail["fields"]]  # type: ignore[union-attr,attr-defined]


@asynccontextmanager
async def placed(tmp_path: Path, authority: Authority) -> AsyncIterator[Place]:
    url = host_database(tmp_path / "host.db")
    async with embedded(tmp_path, authority, outbox_url=url) as lp:
        yield Place(lp, url)


# ── every kind of connection

Opened = Iterator[tuple[Any, Callable[[], None], Callable[[], None]]]
"""A connection, its commit and its rollback."""


@contextlib.contextmanager
def dbapi(url: str) -> Opened:
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as db:
            yield db, db.commit, db.rollback
    else:
        with psycopg.connect(url) as pg:
            yield pg, pg.commit, pg.rollback


def _alchemy(url: str) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))


@contextlib.contextmanager
def alchemy_connection(url: str) -> Opened:
    with _alchemy(url).connect() as db:
        yield db, db.commit, db.rollback


@contextlib.contextmanager
def alchemy_session(url: str) -> Opened:
    with Session(_alchemy(url)) as session:
        yield session, session.commit, session.rollback


@pytest.mark.parametrize("opened", [dbapi, alchemy_connection, alchemy_session])
def test_a_transaction_decides(tmp_path: Path, authority: Authority, engine: str, opened: Any) -> None:
    async def run() -> None:
        async with placed(tmp_path, authority) as place:
            with opened(place.url) as (connection, commit, rollback):
                place.lp.change_in(connection, PASS_TYPE, "1", data={"points": 1})
                rollback()
                await place.drain()
                assert await place.points() == []
                for points in (2, 3, 4):
                    await place.lp.change(PASS_TYPE, "1", data={"points": points}, connection=connection)
                commit()
            assert place.waiting() == 3
            await place.drain()
            assert await place.points() == [2, 3, 4]
            assert place.waiting() == 0

    asyncio.run(run())


def test_connections_that_await(tmp_path: Path, authority: Authority) -> None:
    async def run() -> None:
        engines.choose("postgres")
        async with placed(tmp_path, authority) as place:
            db = await asyncpg.connect(place.url)
            with contextlib.suppress(ZeroDivisionError):
                async with db.transaction():
                    await place.lp.change(PASS_TYPE, "1", data={"points": 1}, connection=db)
                    raise ZeroDivisionError
            async with db.transaction():
                await place.lp.change(PASS_TYPE, "1", data={"points": 2}, connection=db)
            with pytest.raises(TypeError, match="await"):
                place.lp.change_in(db, PASS_TYPE, "1", data={"points": 3})
            await db.close()
            async with await psycopg.AsyncConnection.connect(place.url) as other:
                await place.lp.change(PASS_TYPE, "1", data={"points": 3}, connection=other)
            await place.drain()
            assert await place.points() == [2, 3]

    try:
        asyncio.run(run())
    finally:
        engines.choose("sqlite")


def test_changes_of_one_pass_keep_the_order_of_commits(tmp_path: Path, authority: Authority) -> None:
    """Whoever writes second waits until the first is committed: ids alone would come in the order of beginning."""

    async def run() -> None:
        engines.choose("postgres")
        async with placed(tmp_path, authority) as place:
            first, second = [await asyncpg.connect(place.url) for _ in range(2)]
            begun = first.transaction()
            await begun.start()
            await place.lp.change(PASS_TYPE, "1", data={"points": 1}, connection=first)

            async def later() -> None:
                async with second.transaction():
                    await place.lp.change(PASS_TYPE, "1", data={"points": 2}, connection=second)

            task = asyncio.create_task(later())
            # Another pass waits for nobody.
            async with (await asyncpg.connect(place.url)).transaction():
                pass
            await asyncio.sleep(0.1)
            assert not task.done()
            await place.drain()
            assert await place.points() == []
            await begun.commit()
            await task
            await place.drain()
            assert await place.points() == [1, 2]
            for db in (first, second):
                await db.close()

    try:
        asyncio.run(run())
    finally:
        engines.choose("sqlite")


# ── exactly once


def test_what_outlived_a_crash_is_not_done_again(tmp_path: Path, authority: Authority, engine: str) -> None:
    """Dead between doing and forgetting; meanwhile somebody else changed the pass."""

    class Dies(Exception):
        pass

    async def run() -> None:
        async with placed(tmp_path, authority) as place:
            with dbapi(place.url) as (connection, commit, _):
                place.lp.change_in(connection, PASS_TYPE, "1", data={"points": 1})
                commit()
            opened = await place.lp.services()
            outbox = outbox_of(place.url)

            async def dies(receipts: object) -> None:
                raise Dies

            outbox.done = dies  # type: ignore[method-assign]
            with pytest.raises(Dies):
                await Draining(outbox, opened.issuing, opened.scheduler).once()
            await outbox.close()
            assert place.waiting() == 1
            await place.lp.change(PASS_TYPE, "1", data={"points": 2})
            await place.drain()
            assert await place.points() == [1, 2]
            assert place.waiting() == 0

    asyncio.run(run())


def test_two_who_do_it_at_once_do_it_once(tmp_path: Path, authority: Authority, engine: str) -> None:
    async def run() -> None:
        async with placed(tmp_path, authority) as place:
            with dbapi(place.url) as (connection, commit, _):
                for points in range(1, 13):
                    place.lp.change_in(connection, PASS_TYPE, "1", data={"points": points})
                commit()
            other = Livepass(config=place.lp.config)
            await asyncio.gather(place.drain(), Place(other, place.url).drain(), place.drain())
            await place.drain()
            assert await place.points() == list(range(1, 13))
            assert place.waiting() == 0
            await other.close()

    asyncio.run(run())


def test_what_cannot_be_done_is_kept_with_the_reason(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with placed(tmp_path, authority) as place:
            with dbapi(place.url) as (connection, commit, _):
                place.lp.change_in(connection, PASS_TYPE, "nobody", data={"points": 1})
                place.lp.change_in(connection, PASS_TYPE, "1", data={"points": 5})
                commit()
            await place.drain()
            await place.drain()
            assert await place.points() == [5]
            [kept] = engines.look(place.url, "SELECT serial, refused FROM livepass_outbox")
            assert kept["serial"] == "nobody"
            assert "nobody" in kept["refused"]

    asyncio.run(run())
    assert caplog.text.count("a wish in the outbox cannot be done") == 1


@pytest.mark.parametrize("wish", ["", "[]", "no JSON", '{"push": "later"}', '{"data": 7}', '{"template": 7}'])
def test_what_somebody_wrote_by_hand_holds_up_nobody(tmp_path: Path, authority: Authority, wish: str) -> None:
    async def run() -> None:
        async with placed(tmp_path, authority) as place:
            values = f"'r1', '{PASS_TYPE}', '1', '{wish}'"
            engines.run(place.url, f"INSERT INTO livepass_outbox (receipt, pass_type, serial, wish) VALUES ({values})")
            with dbapi(place.url) as (connection, commit, _):
                place.lp.change_in(connection, PASS_TYPE, "1", data={"points": 5})
                commit()
            await place.drain()
            assert await place.points() == [5]
            [kept] = engines.look(place.url, "SELECT refused FROM livepass_outbox")
            assert kept["refused"]

    asyncio.run(run())


def test_what_can_never_be_done_is_refused_at_once(tmp_path: Path) -> None:
    lp = Livepass(public_url="https://club.example", secret_key="x")
    with closing(sqlite3.connect(":memory:")) as db:
        with pytest.raises(Refusal, match="cannot name a pass"):
            lp.change_in(db, "gym", "1", data={})
        with pytest.raises(Refusal, match="not JSON"):
            lp.change_in(db, PASS_TYPE, "1", data={"points": object()})
        with pytest.raises(Refusal, match="push"):
            lp.change_in(db, PASS_TYPE, "1", data={}, push="later")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no connection that livepass knows"):
        lp.change_in(object(), PASS_TYPE, "1", data={})


def test_a_database_that_is_away_is_said_once(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("livepass.service.draining.AWAY_SECONDS", 0.01)

    async def run() -> None:
        async with embedded(tmp_path, authority) as lp:
            opened = await lp.services()
            draining = Draining(SqliteOutbox(tmp_path / "none.db"), opened.issuing, opened.scheduler)
            working = asyncio.create_task(draining.run())
            await asyncio.sleep(0.2)
            assert not (tmp_path / "none.db").exists()
            await draining.stop()
            await working

    asyncio.run(run())
    assert caplog.text.count("the outbox waits") == 1


def test_each_pass_stands_once_in_a_wave() -> None:
    posted = [Posted(str(number), PASS_TYPE, serial, "{}") for number, serial in enumerate("aabacb")]
    waves = _waves([(one, *_read(one)) for one in posted])
    assert [[one.receipt for one, _, _ in wave] for wave in waves] == [["0", "2", "4"], ["1", "5"], ["3"]]


# ── a process that is killed between doing a wish and forgetting it

CHILD = """
import asyncio, json, os, signal, sys
from livepass import Livepass
from livepass.outside.outbox import SqliteOutbox

async def done(self, receipts):
    os.kill(os.getpid(), signal.SIGKILL)

SqliteOutbox.done = done

async def main():
    async with Livepass(**json.loads(sys.argv[1])).running():
        await asyncio.sleep(60)

asyncio.run(main())
"""


def test_killed_between_doing_and_forgetting(tmp_path: Path, authority: Authority) -> None:
    """Every change once and in order, also after somebody else changed the pass meanwhile."""
    host = host_database(tmp_path / "host.db")
    given = settings(tmp_path, outbox_url=host)
    place = Place(Livepass(**given), host)

    async def begun() -> None:
        await furnish(place.lp, authority)
        await place.lp.close()

    asyncio.run(begun())
    with dbapi(host) as (connection, commit, _):
        for points in (1, 2, 3):
            place.lp.change_in(connection, PASS_TYPE, "1", data={"points": points})
        commit()
    child = subprocess.run([sys.executable, "-c", CHILD, json.dumps(given)], timeout=60)
    assert child.returncode == -signal.SIGKILL
    assert place.waiting() == 3

    async def ended() -> None:
        await place.lp.change(PASS_TYPE, "1", data={"points": 50})
        await place.drain()
        assert await place.points() == [1, 50, 2, 3]
        await place.lp.close()

    asyncio.run(ended())
    assert place.waiting() == 0
