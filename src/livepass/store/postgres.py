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
import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self, TypeVar

import asyncpg

from livepass.core.unavailable import Unavailable
from livepass.store.locking import Conflict
from livepass.store.named import load, migrations
from livepass.store.reading import Parameters, Reading
from livepass.store.rows import Row
from livepass.store.schema import MIGRATION_TABLE, PRESENT_MS, Schema, StillRunning, due, require
from livepass.store.writing import Writing

T = TypeVar("T")
log = logging.getLogger(__name__)

CONNECTIONS = 10
"""The most connections of one process, one for listening not counted."""
WRITERS = 6
"""The most units of work at once: who waits for a counter waits here, and leaves connections to those who read."""
ATTEMPTS = 6
READ_ATTEMPTS = 3
LOCK_TIMEOUT = "2s"
STATEMENT_TIMEOUT = "30s"
IDLE_IN_TRANSACTION = "30s"
CONNECT_SECONDS = 5.0
LINK_SECONDS = 10
"""How long the other end may be silent before the connection counts as dead, seen from either side. Without it, a link
that is cut without a word holds up whatever waits for its answer, and at the server the locks it held.
"""
PROBE_AFTER_SECONDS = 5
PROBE_EVERY_SECONDS = 2
HINT_SECONDS = 0.02
"""Commits that come closer together than this share one NOTIFY: it takes a lock that all committers share."""
RELISTEN_SECONDS = 1.0
CHANNEL = "livepass_due"
_NOTIFY = "NOTIFY livepass_due"
UPGRADE_LOCK = 0x6C697665

_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
_BYTES = (
    *("document", "data", "content", "token_salt", "token_sealed", "files", "chain_pem", "key_sealed"),
    *("sealed", "was", "secret"),
)
_NUMBERS = (
    *("after", "before", "limit", "due_only", "urgent", "wanted", "confirmed", "pinned", "voided", "nfc"),
    *("seq", "edit", "asked", "told", "pushed", "attempts", "modified_floor", "last_modified"),
    *("now", "at", "until", "push_at", "next_at", "retell_at", "hold_until", "lease_until", "tombstones_after"),
    *("created_at", "changed_at", "proven_at", "retired_at", "last_push_at", "token_registered_at"),
    *("not_before", "not_after", "intermediate_not_after"),
    *("pid", "schema", "started_at", "heard_at", "fetch_ms", "shedding"),
    *("most_phones", "siblings_since", "retold", "tomorrow"),
)
_LISTS = (
    *("within", "serials", "kinds", "devices", "targets", "device_ids", "push_tokens", "tables"),
    *("event_kind", "event_pass_type", "event_serial", "event_device_id", "event_target", "event_detail"),
)
TYPES: Mapping[str, str] = {
    **dict.fromkeys(_BYTES, "bytea"),
    **dict.fromkeys(_NUMBERS, "bigint"),
    **dict.fromkeys(_LISTS, "text[]"),
    "score": "double precision",
    "event_at": "bigint[]",
    "event_seq": "bigint[]",
}
"""What each parameter is; ``text`` where nothing is said. Named, because PostgreSQL cannot tell from ``:x IS NULL``."""

_LOST_RACE = (
    Conflict,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.UniqueViolationError,
)
LOST_CONNECTION = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    # Only standbys answer, as until the end of a failover. Of no class that is above.
    asyncpg.TargetServerAttributeNotMatched,
    OSError,
    TimeoutError,
)

_NOT_SAID = (asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedFunctionError, asyncpg.FeatureNotSupportedError)

Renew = Callable[[Writing, str], Awaitable[None]]
"""Begins a new history: called in a transaction, with what the database's storage is called now."""


class Statement:
    """A named statement with numbered parameters, and their names in that order."""

    __slots__ = ("names", "sql")

    def __init__(self, text: str) -> None:
        self.names: list[str] = []

        def numbered(match: re.Match[str]) -> str:
            name = match[1]
            if name not in self.names:
                self.names.append(name)
            return f"${self.names.index(name) + 1}::{TYPES.get(name, 'text')}"

        self.sql = _PARAMETER.sub(numbered, text)

    def values(self, parameters: Parameters) -> list[Any]:
        return [parameters[name] for name in self.names]


def statements() -> dict[str, Statement]:
    """Every statement as PostgreSQL takes it."""
    return {name: Statement(text) for name, text in load("postgres").items()}


class PostgresConnection:
    """Runs named statements on one connection, inside its transaction."""

    one_writer = False

    def __init__(self, db: Any, known: Mapping[str, Statement]) -> None:
        self._db = db
        self._known = known

    def array(self, values: Sequence[Any]) -> Any:
        return list(values)

    def events(self, columns: Sequence[Sequence[Any]]) -> Parameters:
        at, kind, pass_type, serial, device_id, target, seq, detail = zip(*columns, strict=True)
        return {
            "event_at": at,
            "event_kind": kind,
            "event_pass_type": pass_type,
            "event_serial": serial,
            "event_device_id": device_id,
            "event_target": target,
            "event_seq": seq,
            "event_detail": detail,
        }

    async def rows(self, name: str, parameters: Parameters) -> Sequence[Row]:
        statement = self._known[name]
        found: Sequence[Row] = await self._db.fetch(statement.sql, *statement.values(parameters))
        return found

    async def run(self, name: str, parameters: Parameters) -> int:
        statement = self._known[name]
        status: str = await self._db.execute(statement.sql, *statement.values(parameters))
        return int(status.rpartition(" ")[2]) if status[-1:].isdigit() else 0

    async def run_many(self, name: str, parameters: Sequence[Parameters]) -> None:
        statement = self._known[name]
        if len(parameters) == 1:
            await self._db.execute(statement.sql, *statement.values(parameters[0]))
        elif parameters:
            await self._db.executemany(statement.sql, [statement.values(one) for one in parameters])


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
                if attempt or not any(isinstance(value, str) for value in values):
                    raise
                log.debug("%s: a name that no row can have: %s", name, error)
                values = [_storable(value) if isinstance(value, str) else value for value in values]
            except asyncpg.QueryCanceledError as error:
                raise Unavailable(f"the database takes too long: {said(error)}") from error
            except LOST_CONNECTION as error:
                if attempt == READ_ATTEMPTS - 1:
                    raise Unavailable(f"the database cannot be reached: {said(error)}") from error
                await asyncio.sleep(0.02 * 4**attempt)
        raise AssertionError("unreachable")


_LINK_OPTIONS = [
    (getattr(socket, name), value)
    for name, value in (
        ("TCP_KEEPIDLE", PROBE_AFTER_SECONDS),
        ("TCP_KEEPINTVL", PROBE_EVERY_SECONDS),
        ("TCP_KEEPCNT", (LINK_SECONDS - PROBE_AFTER_SECONDS) // PROBE_EVERY_SECONDS + 1),
        # What was sent and never acknowledged: Linux alone has it.
        ("TCP_USER_TIMEOUT", LINK_SECONDS * 1000),
    )
    if hasattr(socket, name)
]


class _Watched(asyncpg.Connection):
    """Ends when the other end has been silent for ``LINK_SECONDS``, whether or not a statement is under way."""

    def __init__(self, protocol: Any, transport: Any, *more: Any) -> None:
        super().__init__(protocol, transport, *more)
        link = transport.get_extra_info("socket")
        if link is not None and link.family != getattr(socket, "AF_UNIX", None):
            link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _LINK_OPTIONS:
                link.setsockopt(socket.IPPROTO_TCP, option, value)


class PostgresStore(Reading):
    """``service.seams.Store`` on PostgreSQL. Open it on the loop that uses it; ``close`` it there."""

    pool: asyncpg.Pool[asyncpg.Record]

    def __init__(self, url: str, renew: Renew | None = None) -> None:
        self._url = url
        self._renew = renew
        self._known = statements()
        super().__init__(_Pooled(self, self._known))
        self._room = asyncio.Semaphore(WRITERS)
        self._units: set[asyncio.Task[Any]] = set()
        self._notices: list[Callable[[], None]] = []
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
                connection_class=_Watched,
                init=store._prepare,
                reset=_nothing,
                server_settings=_settings(),
                **_primary(url),
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
            await asyncio.sleep(random.random() * 0.01 * 2**attempt)  # noqa: S311 - spreads retries
        raise AssertionError("unreachable")

    async def _attempt(self, work: Callable[[Writing], Awaitable[T]]) -> T:
        async with self._room:
            db = await self.pool.acquire(timeout=CONNECT_SECONDS)
            try:
                writing = Writing(PostgresConnection(db, self._known))
                result = await self._transaction(db, writing, work)
            finally:
                await self._give_back(db)
        if writing.made_due:
            self._hint()
        return result

    async def _transaction(self, db: Any, writing: Writing, work: Callable[[Writing], Awaitable[T]]) -> T:
        await db.execute("BEGIN")
        try:
            result = await work(writing)
        except BaseException:
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
                    self._url, timeout=CONNECT_SECONDS, connection_class=_Watched, **_primary(self._url)
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


# ── schema


async def upgrade(url: str, *, uuid: str, now: int) -> list[str]:
    """Bring a database to the newest schema; answers the migrations that ran. Safe to run at every start, by several.

    Raises ``StillRunning`` when a migration would break processes that work on the database right now.
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
    await db.execute(MIGRATION_TABLE)
    for migration in due(migrations("postgres"), await schema(db)):
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


async def connect(url: str) -> Any:
    try:
        db = await asyncpg.connect(url, timeout=CONNECT_SECONDS, connection_class=_Watched, **_primary(url))
        await make_durable(db)
        return db
    except (*LOST_CONNECTION, asyncpg.PostgresError, ValueError) as error:
        raise Unavailable(f"the database cannot be reached: {said(error)}") from error


async def make_durable(db: Any) -> bool:
    """What is acknowledged must survive a crash of the server, whatever is usual there: a phone does not register again
    by itself. Only ``off`` does not wait for the disk; who wants more than that (``remote_apply``) knows why. Answers
    whether the server waits for its disk at all.
    """
    row = await db.fetchrow("SELECT current_setting('synchronous_commit'), current_setting('fsync')")
    if row[0] == "off":
        await db.execute("SET synchronous_commit = on")
    return bool(row[1] != "off")


async def physical(db: Any) -> str:
    """What a physical copy of the database is called: its cluster, the timeline that a promotion changes, the database
    and the table, which are other ones after a dump was read back.

    The timeline is read from the name of the file being written: the control file lags behind a promotion. ``""`` where
    the server does not say (some hosted ones): then the witness must tell. Raises ``ReadOnlySQLTransactionError`` on a
    standby: what it says is not what will be when it is promoted, and the connection would survive that.
    """
    if await db.fetchval("SELECT pg_is_in_recovery()"):
        raise asyncpg.ReadOnlySQLTransactionError("this server is a standby")
    try:
        # What fails must not take a transaction around it along.
        async with db.transaction() if db.is_in_transaction() else contextlib.nullcontext():
            row = await db.fetchrow(
                "SELECT (pg_control_system()).system_identifier, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8),"
                " (SELECT oid FROM pg_database WHERE datname = current_database()), 'counter'::regclass::oid"
            )
    except _NOT_SAID as error:
        log.debug("the server does not say which copy it is: %s", said(error))
        return ""
    return "/".join(str(value) for value in row)


def _settings() -> dict[str, str]:
    return {
        "application_name": "livepass",
        "lock_timeout": LOCK_TIMEOUT,
        "statement_timeout": STATEMENT_TIMEOUT,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION,
        "tcp_keepalives_idle": str(PROBE_AFTER_SECONDS),
        "tcp_keepalives_interval": str(PROBE_EVERY_SECONDS),
        "tcp_user_timeout": str(LINK_SECONDS * 1000),
        "timezone": "UTC",
        "jit": "off",
    }


def _primary(url: str) -> dict[str, Any]:
    """Of several hosts in the address, the one that takes writes; unless the address says otherwise."""
    return {} if "target_session_attrs" in url else {"target_session_attrs": "read-write"}


async def _nothing(_: Any) -> None:
    """A connection comes back as it was: we set nothing on it, and the question would cost a round trip."""


def _storable(text: str) -> str:
    """PostgreSQL holds no NUL and no half characters."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
