"""Every kind of connection that a host may have: opened as its own pages say, with its commit and its rollback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import aiosqlite
import psycopg2
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import scoped_session, sessionmaker

from journeys.world import PASS_TYPE
from livepass import Livepass


@dataclass(frozen=True)
class Host:
    """``change``: the pass's points, in the transaction of the connection. ``commit`` and ``rollback`` end that."""

    change: Callable[[int], Awaitable[object]]
    commit: Callable[[], Awaitable[object]]
    rollback: Callable[[], Awaitable[object]]


Driver = Callable[[Livepass, str], Any]


def awaiting(lp: Livepass, db: Any) -> Host:
    return Host(lambda n: lp.change(PASS_TYPE, "1", data={"points": n}, connection=db), db.commit, db.rollback)


def blocking(lp: Livepass, db: Any) -> Host:
    async def change(points: int) -> None:
        lp.change_in(db, PASS_TYPE, "1", data={"points": points})

    async def commit() -> None:
        db.commit()

    async def rollback() -> None:
        db.rollback()

    return Host(change, commit, rollback)


def alchemy_url(url: str, driver: str) -> str:
    return url.replace("postgresql:", f"postgresql+{driver}:").replace("sqlite:", f"sqlite+{driver}:")


# ── on SQLite


@asynccontextmanager
async def by_aiosqlite(lp: Livepass, url: str) -> AsyncIterator[Host]:
    async with aiosqlite.connect(url.removeprefix("sqlite:///")) as db:
        yield awaiting(lp, db)


# ── on PostgreSQL


@asynccontextmanager
async def by_psycopg2(lp: Livepass, url: str) -> AsyncIterator[Host]:
    db = psycopg2.connect(url)
    yield blocking(lp, db)
    db.close()


@asynccontextmanager
async def by_alchemy_on_psycopg2(lp: Livepass, url: str) -> AsyncIterator[Host]:
    engine = sqlalchemy.create_engine(alchemy_url(url, "psycopg2"))
    with engine.connect() as db:
        yield blocking(lp, db)
    engine.dispose()


# ── on either


def alchemy(driver: str, kind: str) -> Driver:
    """SQLAlchemy over a driver that awaits."""

    @asynccontextmanager
    async def opened(lp: Livepass, url: str) -> AsyncIterator[Host]:
        engine = create_async_engine(alchemy_url(url, driver))
        if kind == "connection":
            async with engine.connect() as connection:
                yield awaiting(lp, connection)
        elif kind == "scoped":
            scoped = async_scoped_session(async_sessionmaker(engine), scopefunc=lambda: 1)
            yield awaiting(lp, scoped)
            await scoped.remove()
        elif kind == "run_sync":
            async with AsyncSession(engine) as session:

                def within(points: int) -> Awaitable[object]:
                    return session.run_sync(lambda db: lp.change_in(db, PASS_TYPE, "1", data={"points": points}))

                yield Host(within, session.commit, session.rollback)
        else:
            own: type[AsyncSession] = type("ClubSession", (AsyncSession,), {}) if kind == "subclass" else AsyncSession
            async with own(engine) as session:
                yield awaiting(lp, session)
        await engine.dispose()

    return opened


@asynccontextmanager
async def by_scoped_session(lp: Livepass, url: str) -> AsyncIterator[Host]:
    engine = sqlalchemy.create_engine(alchemy_url(url, "psycopg") if url.startswith("postgresql:") else url)
    session = scoped_session(sessionmaker(engine))
    yield blocking(lp, session)
    session.remove()
    engine.dispose()


def django_settings(url: str, **more: Any) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": parts.path[1:] if parts.path[:2] == "//" else parts.path,
        }
    host = parse_qs(parts.query).get("host", [parts.hostname or ""])[0]
    named = {"NAME": parts.path[1:], "USER": unquote(parts.username or ""), "PASSWORD": unquote(parts.password or "")}
    return {"ENGINE": "django.db.backends.postgresql", **named, "HOST": host, "PORT": str(parts.port or ""), **more}


NUMBERS = count()


def django_alias(url: str, **more: Any) -> str:
    """A name under which ``django.db.connections`` has this database; each thread of Django's gets one of its own."""
    from django import setup
    from django.conf import settings
    from django.db import connections

    if not settings.configured:
        settings.configure(DATABASES={})
        setup()
    alias = f"club{next(NUMBERS)}"
    connections.settings = connections.configure_settings({"default": {}, alias: django_settings(url, **more)})
    return alias


def django_connection(url: str, **more: Any) -> Any:
    """As ``django.db.connection`` of a project."""
    from django.db import connections

    alias = django_alias(url, **more)
    return connections[alias]


class RolledBack(Exception):
    pass


def django(**more: Any) -> Driver:
    """``transaction.atomic``, left well or by an exception."""

    @asynccontextmanager
    async def opened(lp: Livepass, url: str) -> AsyncIterator[Host]:
        from asgiref.sync import sync_to_async
        from django.db import connections, transaction

        alias = django_alias(url, **more)
        wanted: list[int] = []

        async def change(points: int) -> None:
            wanted.append(points)

        def ended(*, well: bool) -> None:
            try:
                with transaction.atomic(using=alias):
                    for points in wanted:
                        lp.change_in(connections[alias], PASS_TYPE, "1", data={"points": points})
                    if not well:
                        raise RolledBack
            except RolledBack:
                pass
            finally:
                wanted.clear()

        # On Django's thread, which has a connection of its own.
        yield Host(change, sync_to_async(lambda: ended(well=True)), sync_to_async(lambda: ended(well=False)))
        await sync_to_async(lambda: connections[alias].close())()

    return opened
