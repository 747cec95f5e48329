"""The outbox over what hosts really have: the host's transaction decides, or it is said why it cannot."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiosqlite
import asyncpg
import psycopg
import psycopg2
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

import engines
from embed import drivers
from embed.drivers import Driver, alchemy, alchemy_url, django, django_connection
from embed.test_outbox import host_database, placed
from journeys.world import PASS_TYPE
from livepass import Livepass, Refusal
from livepass.emulators.authority import Authority

BY_NAME: dict[str, tuple[str, Driver]] = {
    "aiosqlite": ("sqlite", drivers.by_aiosqlite),
    "psycopg2": ("postgres", drivers.by_psycopg2),
    "sqlalchemy-psycopg2": ("postgres", drivers.by_alchemy_on_psycopg2),
    "sqlalchemy-scoped-sqlite": ("sqlite", drivers.by_scoped_session),
    "sqlalchemy-scoped-psycopg": ("postgres", drivers.by_scoped_session),
    "django-sqlite": ("sqlite", django()),
    "django-psycopg": ("postgres", django()),
    "django-psycopg-server-side": ("postgres", django(OPTIONS={"server_side_binding": True})),
    **{
        f"sqlalchemy-{driver}-{kind}": (engine, alchemy(driver, kind))
        for engine, driver in (("sqlite", "aiosqlite"), ("postgres", "asyncpg"), ("postgres", "psycopg"))
        for kind in ("connection", "session", "subclass", "scoped", "run_sync")
    },
}


@pytest.fixture
def chosen() -> Iterator[Any]:
    yield engines.choose
    engines.choose("sqlite")


@pytest.mark.parametrize("name", BY_NAME)
def test_the_hosts_transaction_decides(tmp_path: Path, authority: Authority, chosen: Any, name: str) -> None:
    engine, driver = BY_NAME[name]
    chosen(engine)

    async def run() -> None:
        async with placed(tmp_path, authority) as place:
            async with driver(place.lp, place.url) as host:
                await host.change(1)
                await host.rollback()
                assert place.waiting() == 0
                for points in (2, 3):
                    await host.change(points)
                assert place.waiting() == 0, "nobody else sees it before the commit"
                await host.commit()
            assert place.waiting() == 2
            await place.drain()
            assert await place.points() == [2, 3]
            assert place.waiting() == 0

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # of what was never awaited
        asyncio.run(run())


# ── what has no transaction would be committed by itself, whatever becomes of the rest


@pytest.fixture
def lp() -> Livepass:
    return Livepass(public_url="https://club.example", secret_key="x")


def kept(url: str) -> int:
    return len(engines.look(url, "SELECT id FROM livepass_outbox"))


def refused(lp: Livepass, connection: Any) -> None:
    with pytest.raises(Refusal, match="no transaction") as refusal:
        lp.change_in(connection, PASS_TYPE, "1", data={"points": 1})
    assert "lp.change" in refusal.value.hint


async def refused_async(lp: Livepass, connection: Any) -> None:
    with pytest.raises(Refusal, match="no transaction"):
        await lp.change(PASS_TYPE, "1", data={"points": 1}, connection=connection)


def test_what_commits_by_itself_is_refused_on_sqlite(lp: Livepass, tmp_path: Path) -> None:
    url = host_database(tmp_path / "host.db")
    path = url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        refused(lp, db)
        db.execute("BEGIN")
        lp.change_in(db, PASS_TYPE, "1", data={"points": 1})
        db.execute("ROLLBACK")
    if sys.version_info >= (3, 12):
        with closing(sqlite3.connect(path, autocommit=True)) as db:
            refused(lp, db)
    for options in ({"isolation_level": "AUTOCOMMIT"}, {"execution_options": {"isolation_level": "AUTOCOMMIT"}}):
        engine = sqlalchemy.create_engine(url, **options)  # type: ignore[call-overload]
        with engine.connect() as db:
            refused(lp, db)
        with Session(engine) as session:
            refused(lp, session)
        engine.dispose()
    django_db = django_connection(url)
    refused(lp, django_db)
    django_db.close()

    async def run() -> None:
        async with aiosqlite.connect(path, isolation_level=None) as db:
            await refused_async(lp, db)
            await db.execute("BEGIN")
            await lp.change(PASS_TYPE, "1", data={"points": 1}, connection=db)
            await db.rollback()
        engine = create_async_engine(alchemy_url(url, "aiosqlite"), isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection, AsyncSession(engine) as session:
            await refused_async(lp, connection)
            await refused_async(lp, session)
        await engine.dispose()

    asyncio.run(run())
    assert kept(url) == 0


def test_what_commits_by_itself_is_refused_on_postgresql(lp: Livepass, tmp_path: Path, chosen: Any) -> None:
    chosen("postgres")
    url = host_database(tmp_path / "host.db")
    with psycopg.connect(url, autocommit=True) as db:
        refused(lp, db)
        with db.transaction(force_rollback=True):
            lp.change_in(db, PASS_TYPE, "1", data={"points": 1})
    old = psycopg2.connect(url)
    old.autocommit = True
    refused(lp, old)
    with closing(old), old.cursor() as cursor:
        cursor.execute("BEGIN")
        lp.change_in(old, PASS_TYPE, "1", data={"points": 1})
        cursor.execute("ROLLBACK")
    django_db = django_connection(url)
    refused(lp, django_db)
    django_db.close()

    async def run() -> None:
        db = await asyncpg.connect(url)
        await refused_async(lp, db)
        await db.close()
        async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool, pool.acquire() as borrowed:
            await refused_async(lp, borrowed)
            with pytest.raises(TypeError, match="acquire"):
                await lp.change(PASS_TYPE, "1", data={"points": 1}, connection=pool)
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as other:
            await refused_async(lp, other)

    asyncio.run(run())
    assert kept(url) == 0


# ── what is no connection, or none of that kind


def test_who_awaits_is_not_taken_where_nobody_does(lp: Livepass, tmp_path: Path, chosen: Any) -> None:
    """Before, SQLAlchemy's answered with a coroutine that nobody awaited: the change was lost."""
    chosen("postgres")
    url = host_database(tmp_path / "host.db")

    async def run() -> None:
        engine = create_async_engine(alchemy_url(url, "asyncpg"))
        async with (
            engine.connect() as connection,
            AsyncSession(engine) as session,
            await psycopg.AsyncConnection.connect(url) as other,
            aiosqlite.connect(":memory:") as lite,
        ):
            for each in (connection, session, other, lite):
                with pytest.raises(TypeError, match=r"await lp\.change"):
                    lp.change_in(each, PASS_TYPE, "1", data={"points": 1})
        await engine.dispose()

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        asyncio.run(run())


def test_what_only_makes_connections_is_named(lp: Livepass, tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    with pytest.raises(TypeError, match="Engine is no connection"):
        lp.change_in(engine, PASS_TYPE, "1", data={})
    with pytest.raises(TypeError, match="AsyncEngine is no connection"):
        asyncio.run(lp.change(PASS_TYPE, "1", data={}, connection=create_async_engine("sqlite+aiosqlite://")))
    with closing(sqlite3.connect(":memory:")) as db, pytest.raises(TypeError, match="Cursor is no connection"):
        lp.change_in(db.cursor(), PASS_TYPE, "1", data={})


def test_an_outbox_lies_in_two_engines_only(lp: Livepass) -> None:
    class Wrapper:
        vendor = "mysql"
        in_atomic_block = True

        def cursor(self) -> None:
            raise AssertionError("nothing is sent there")

    Wrapper.__module__ = "django.db.backends.mysql.base"
    with pytest.raises(TypeError, match="not in mysql"):
        lp.change_in(Wrapper(), PASS_TYPE, "1", data={})
