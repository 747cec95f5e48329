"""PostgreSQL: one database for any number of processes on any number of hosts.

Reads are single prepared statements on a pooled connection. A unit of work is one READ COMMITTED transaction; what must
not be decided twice is locked first, in the order that ``locking`` names, so no two units wait for each other in a
circle. A unit that loses a race, or its connection before it commits, is run again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self, TypeVar

import asyncpg

from livepass.core.timeline import Event
from livepass.core.unavailable import Unavailable
from livepass.core.webhooks import News
from livepass.store.locking import Conflict
from livepass.store.postgres_joined import FETCHES, HEADS, JOINTS, LINEAGES, LISTS, PASSES, Joined
from livepass.store.postgres_link import (
    CONNECT_SECONDS,
    LOST_CONNECTION,
    Watched,
    make_durable,
    physical,
    primary,
    said,
    settings,
)
from livepass.store.postgres_schema import check_schema
from livepass.store.postgres_statements import PostgresConnection, Statement, statements
from livepass.store.reading import Parameters, Reading
from livepass.store.rows import Row
from livepass.store.writing import Writing

T = TypeVar("T")
log = logging.getLogger(__name__)

CONNECTIONS = 10
"""The most connections of one process, one for listening not counted."""
WRITERS = 6
"""The most units of work at once: who waits for a counter waits here, and leaves connections to those who read."""
ATTEMPTS = 6
READ_ATTEMPTS = 3
HINT_SECONDS = 0.02
"""Commits that come closer together than this share one NOTIFY: it takes a lock that all committers share."""
RELISTEN_SECONDS = 1.0
CHANNEL = "livepass_due"
_NOTIFY = "NOTIFY livepass_due"

_LOST_RACE = (
    Conflict,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.UniqueViolationError,
)

Renew = Callable[[Writing, str], Awaitable[None]]
"""Begins a new history: called in a transaction, with what the database's storage is called now."""


def _keep_rows_out(error: BaseException) -> None:
    """PostgreSQL quotes the row that breaks a rule of its own, push token and all, and the error ends up in a log."""
    if isinstance(error, asyncpg.PostgresError):
        error.detail = None


class _Pooled(PostgresConnection):
    """Each statement on whichever connection is free; again on another where the first turns out to be dead."""

    def __init__(self, store: PostgresStore, known: Mapping[str, Statement]) -> None:
        super().__init__(None, known)
        self._store = store

    async def rows(self, name: str, parameters: Parameters) -> Sequence[Row]:
        statement = self._known[name]
        values = statement.values(parameters)
        for attempt in range(READ_ATTEMPTS):
            try:
                async with self._store.pool.acquire(timeout=CONNECT_SECONDS) as db:
                    return await db.fetch(statement.sql, *values)  # type: ignore[return-value]
            except (asyncpg.CharacterNotInRepertoireError, asyncpg.DataError) as error:
                if attempt or not any(isinstance(value, str | list) for value in values):
                    raise
                log.debug("%s: a name that no row can have: %s", name, type(error).__name__)
                values = [_storable(value) for value in values]
            except asyncpg.QueryCanceledError as error:
                raise Unavailable(f"the database takes too long: {said(error)}") from error
            except LOST_CONNECTION as error:
                if attempt == READ_ATTEMPTS - 1:
                    raise Unavailable(f"the database cannot be reached: {said(error)}") from error
                await asyncio.sleep(0.02 * 4**attempt)
        raise AssertionError("unreachable")


class PostgresStore(Reading):
    """``service.seams.Store`` on PostgreSQL. Open it on the loop that uses it; ``close`` it there."""

    pool: asyncpg.Pool[asyncpg.Record]

    def __init__(self, url: str, renew: Renew | None = None) -> None:
        self._url = url
        self._renew = renew
        self._known = statements()
        super().__init__(_Pooled(self, self._known))
        self._joined = {joint: Joined(self._db, joint) for joint in JOINTS}
        self._room = asyncio.Semaphore(WRITERS)
        self._units: set[asyncio.Task[Any]] = set()
        self._notices: list[Callable[[], None]] = []
        self._listeners: list[Callable[[Sequence[Event | News]], None]] = []
        self._listening: asyncio.Task[None] | None = None
        self._hints: set[asyncio.Task[None]] = set()
        self._hint_to_come = False
        self._closed = False
        self._said_unsafe = False

    @classmethod
    async def open(cls, url: str, *, renew: Renew | None = None, connections: int = CONNECTIONS) -> Self:
        """Connect. Raises ``SchemaMismatch``, and ``Unavailable`` when there is no such database.

        ``renew`` is called when the database turns out to be another copy than the one we knew (a restored backup, a
        promoted standby), at the start and on every new connection.
        """
        await check_schema(url)
        store = cls(url, renew)
        try:
            store.pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=connections,
                timeout=CONNECT_SECONDS,
                command_timeout=60,
                # Every statement stays prepared: there are more of them than the driver keeps by itself.
                statement_cache_size=512,
                max_cached_statement_lifetime=0,
                connection_class=Watched,
                init=store._prepare,
                reset=_nothing,
                server_settings=settings(),
                **primary(url),
            )
        except LOST_CONNECTION as error:
            raise Unavailable(f"the database cannot be reached: {said(error)}") from error
        return store

    async def _prepare(self, db: Any) -> None:
        """A new connection, before it is used."""
        if not await make_durable(db) and not self._said_unsafe:
            self._said_unsafe = True
            log.critical(
                "PostgreSQL runs with fsync = off: a power cut loses registrations that were acknowledged, which phones"
                " never repeat, or the whole database; set it to on"
            )
        await self._greet(db)

    async def _greet(self, db: Any) -> None:
        """Before a new connection is used: is this still the database we know? A failover looks like a hiccup.

        Whoever finds another copy first begins the new history; the others wait for it, and find it begun.
        """
        here = await physical(db)
        if self._renew is None or not here or here == await db.fetchval("SELECT physical FROM installation"):
            return
        try:
            async with db.transaction():
                known = await db.fetchval("SELECT physical FROM installation FOR UPDATE")
                if known == here:
                    return
                if known:
                    log.error("the database is another copy than before: %s, was %s", here, known)
                    await self._renew(Writing(PostgresConnection(db, self._known)), here)
                await db.execute("UPDATE installation SET physical = $1", here)
        except _LOST_RACE as error:
            raise ConnectionError(f"a new history is being begun: {said(error)}") from error

    async def recheck(self) -> None:
        """A connection that goes through a pooler stays open when the server behind it is replaced."""
        for attempt in range(READ_ATTEMPTS):
            try:
                async with self.pool.acquire(timeout=CONNECT_SECONDS) as db:
                    await self._greet(db)
                return
            except LOST_CONNECTION as error:
                if attempt == READ_ATTEMPTS - 1:
                    raise Unavailable(f"the database cannot be reached: {said(error)}") from error
                await asyncio.sleep(0.02 * 4**attempt)

    # ── read for all who ask at the same moment

    async def _ask_head(self, pass_type: str, device_id: str) -> Row | None:
        return next((row[1:] for row in await self._joined[HEADS].rows(pass_type, device_id)), None)

    async def _ask_list(self, pass_type: str, device_id: str) -> Sequence[Row]:
        return [row[1:] for row in await self._joined[LISTS].rows(pass_type, device_id)]

    async def _fetch_head(self, pass_type: str, serial: str) -> Row:
        [row] = await self._joined[FETCHES].rows(pass_type, serial)
        return row[1:]

    async def _pass_row(self, pass_type: str, serial: str) -> Row | None:
        return next(iter(await self._joined[PASSES].rows(pass_type, serial)), None)

    async def _lineage_rows(self, pass_type: str) -> Sequence[Row]:
        return await self._joined[LINEAGES].rows(pass_type)

    # ── units of work

    async def write(self, work: Callable[[Writing], Awaitable[T]]) -> T:
        if self._closed:
            raise RuntimeError("the store is closed")
        # A task of its own: a caller who gives up does not cut a transaction in half.
        task = asyncio.get_running_loop().create_task(self._unit(work), name="unit-of-work")
        self._units.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._units.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, also when the caller is gone

    async def _unit(self, work: Callable[[Writing], Awaitable[T]]) -> T:
        for attempt in range(ATTEMPTS):
            try:
                return await self._attempt(work)
            except _LOST_RACE as error:
                if attempt == ATTEMPTS - 1:
                    raise Unavailable(f"the database is too busy: {said(error)}") from error
                log.debug("a unit of work is run again: %s", said(error))
            except asyncpg.QueryCanceledError as error:
                # Not run again: it would take as long, and hold up as many.
                raise Unavailable(f"the database takes too long: {said(error)}") from error
            except LOST_CONNECTION as error:
                if attempt == ATTEMPTS - 1:
                    raise Unavailable(f"the database cannot be reached: {said(error)}") from error
                await asyncio.sleep(0.05 * 2**attempt)
            except asyncpg.InsufficientResourcesError as error:
                # Its disk or its memory is full: nobody's mistake, and not over in a moment.
                raise Unavailable(f"the database cannot be written: {said(error)}") from error
            await asyncio.sleep(random.random() * 0.01 * 2**attempt)  # noqa: S311 - spreads retries
        raise AssertionError("unreachable")

    async def _attempt(self, work: Callable[[Writing], Awaitable[T]]) -> T:
        async with self._room:
            db = await self.pool.acquire(timeout=CONNECT_SECONDS)
            try:
                writing = Writing(PostgresConnection(db, self._known))
                writing.heard = [] if self._listeners else None
                result = await self._transaction(db, writing, work)
            finally:
                await self._give_back(db)
        if writing.made_due:
            self._hint()
        if writing.heard:
            for listener in self._listeners:
                listener(writing.heard)
        return result

    async def _transaction(self, db: Any, writing: Writing, work: Callable[[Writing], Awaitable[T]]) -> T:
        await db.execute("BEGIN")
        try:
            result = await work(writing)
        except BaseException as error:
            _keep_rows_out(error)
            with contextlib.suppress(Exception):
                await db.execute("ROLLBACK")
            raise
        try:
            await db.execute("COMMIT")
        except LOST_CONNECTION as error:
            # Not run again: it may have been committed, and not every unit may be done twice.
            raise Unavailable(f"the database went away during a commit: {said(error)}") from error
        return result

    async def _give_back(self, db: Any) -> None:
        """What goes wrong here says nothing of the unit, which may be committed: it is not run again for it."""
        try:
            await self.pool.release(db)
        except Exception as error:
            log.warning("a connection could not be given back: %s", said(error))

    # ── hints to other processes

    def on_commit(self, notice: Callable[[], None]) -> None:
        self._notices.append(notice)
        if self._listening is None:
            self._listening = asyncio.get_running_loop().create_task(self._listen(), name="postgres-listen")

    def on_events(self, heard: Callable[[Sequence[Event | News]], None]) -> None:
        self._listeners.append(heard)

    def _hint(self) -> None:
        """Pushes are due. Told after the commit and not in it, where it would queue up all committers."""
        for notice in self._notices:
            notice()
        if not self._hint_to_come:
            self._hint_to_come = True
            task = asyncio.get_running_loop().create_task(self._notify(), name="postgres-hint")
            self._hints.add(task)
            task.add_done_callback(self._hints.discard)

    async def _notify(self) -> None:
        await asyncio.sleep(HINT_SECONDS)
        self._hint_to_come = False  # what commits from here on may be too late for this one, and gets its own
        with contextlib.suppress(*LOST_CONNECTION, asyncpg.PostgresError):
            async with self.pool.acquire(timeout=CONNECT_SECONDS) as db:
                await db.execute(_NOTIFY)

    async def _listen(self) -> None:
        """On a connection of its own. While it is down, workers find out by looking."""
        while not self._closed:
            db = None
            try:
                db = await asyncpg.connect(
                    self._url, timeout=CONNECT_SECONDS, connection_class=Watched, **primary(self._url)
                )
                lost = asyncio.Event()
                db.add_termination_listener(lambda _, lost=lost: lost.set())
                await db.add_listener(CHANNEL, lambda *_: self._heard())
                self._heard()  # whatever was said while nobody listened
                await lost.wait()
            except Exception as error:
                # Whatever it is: nobody would start this again.
                expected = isinstance(error, (*LOST_CONNECTION, asyncpg.PostgresError))
                log.warning("not told of new pushes for now: %s", said(error), exc_info=not expected)
            finally:
                if db is not None and not db.is_closed():
                    db.terminate()
            await asyncio.sleep(RELISTEN_SECONDS)

    def _heard(self) -> None:
        for notice in self._notices:
            notice()

    async def close(self) -> None:
        self._closed = True
        if self._units:
            await asyncio.gather(*self._units, return_exceptions=True)
        if self._hints:
            await asyncio.wait(self._hints, timeout=CONNECT_SECONDS)
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        try:
            await asyncio.wait_for(self.pool.close(), 5)
        except TimeoutError:
            self.pool.terminate()


async def _nothing(_: Any) -> None:
    """A connection comes back as it was: we set nothing on it, and the question would cost a round trip."""


def _storable(value: Any) -> Any:
    """PostgreSQL holds no NUL and no half characters."""
    if isinstance(value, list):
        return [_storable(one) for one in value]
    return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode() if isinstance(value, str) else value
