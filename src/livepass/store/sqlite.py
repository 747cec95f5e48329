"""SQLite: one file, write-ahead log, every acknowledged write on disk.

Reads run inline on the caller's thread: a device call's statement takes tens of microseconds, a hop to another thread
several times that. Writes go to one thread, which runs whatever is waiting in one transaction, and answers all of them
after one ``fsync``. Figures: docs/adr/0007.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from livepass.core.model import PRESENT_MS
from livepass.core.unavailable import Unavailable
from livepass.store.named import PARAMETER, Migration, load, migrations
from livepass.store.reading import Parameters, Reading
from livepass.store.rows import Row
from livepass.store.schema import MIGRATION_TABLE, Schema, StillRunning, due, require

if TYPE_CHECKING:
    from livepass.core.timeline import Event
    from livepass.core.webhooks import News
    from livepass.store.writing import Writing

T = TypeVar("T")
log = logging.getLogger(__name__)

_UNAVAILABLE = {
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL),
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY),
}

BUSY_SECONDS = 10.0
"""How long a writer waits for another process's transaction."""

WATCH_SECONDS = 0.25
"""How often to look whether another process committed: microseconds of work each time."""

CHECKPOINT_PAGES = 4000
"""How much is written to the log before it is carried into the file: a page that changed often is carried over once.
More than 4,062 would be two tables to find a page in the log by, for everybody who reads.
"""

GROUP = 256
"""The most units of work that share one commit: more would only make the first one wait."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection with the promises we make: durable commits, and no transaction that we did not open."""
    db = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    _write_ahead(db)
    # NORMAL would lose acknowledged registrations on power loss, and a phone does not register again by itself.
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
    return db


def _write_ahead(db: sqlite3.Connection) -> None:
    """Switching a new file over does not wait its turn as other statements do: SQLite fails it at once."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def schema(db: sqlite3.Connection) -> Schema:
    """What the database says of its schema; 0 for a new one."""
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'migration'").fetchone() is None:
        return Schema(0, 0)
    row = db.execute("SELECT coalesce(max(number), 0), coalesce(max(oldest), 0) FROM migration").fetchone()
    return Schema(row[0], row[1])


def upgrade(path: Path, *, uuid: str, now: int) -> list[str]:
    """Bring a database to the newest schema; answers the migrations that ran. Safe to run at every start.

    Raises ``StillRunning`` when a migration would break processes that work on the database right now.
    """
    db = connect(path)
    ran = []
    try:
        for migration in due(migrations("sqlite"), schema(db)):
            db.execute("BEGIN IMMEDIATE")
            try:
                db.execute(MIGRATION_TABLE)
                # Again, now that it is our turn: another process may have run it meanwhile.
                if schema(db).number < migration.number:
                    _refuse_to_break(db, migration, now)
                    for statement in _statements(migration.script):
                        db.execute(statement)
                    db.execute(
                        "INSERT INTO migration (number, name, oldest, applied_at) VALUES (?, ?, ?, ?)",
                        (migration.number, migration.name, migration.oldest, now),
                    )
                    ran.append(migration.label)
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise
        db.execute(
            "INSERT OR IGNORE INTO installation (id, uuid, physical, created_at) VALUES (1, ?, '', ?)", (uuid, now)
        )
    finally:
        db.close()
    return ran


def _refuse_to_break(db: sqlite3.Connection, migration: Migration, now: int) -> None:
    if migration.oldest < 2:
        return
    present = db.execute(
        "SELECT host, pid FROM process WHERE schema < ? AND heard_at > ? ORDER BY host, pid",
        (migration.oldest, now - PRESENT_MS),
    ).fetchall()
    if present:
        raise StillRunning(migration, [f"{host} pid {pid}" for host, pid in present])


def check_schema(path: Path) -> None:
    """Raise ``SchemaMismatch`` unless this livepass can work on the database."""
    found = Schema(0, 0)
    if path.exists():
        db = connect(path)
        try:
            found = schema(db)
        finally:
            db.close()
    require(found, migrations("sqlite")[-1].number)


def _statements(script: str) -> list[str]:
    """Single statements: ``executescript`` would commit before it starts, and so leave half a migration behind."""
    found, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found


class SqliteConnection:
    """Runs named statements synchronously behind the async face that every engine has."""

    one_writer = True

    def __init__(self, db: sqlite3.Connection, statements: dict[str, str]) -> None:
        self._db = db
        self._statements = statements
        self.replaced = ""

    def array(self, values: Sequence[Any]) -> Any:
        return orjson.dumps(list(values)).decode()

    async def rows(self, name: str, parameters: Parameters) -> Sequence[Row]:
        if self.replaced:
            raise Unavailable(self.replaced)
        return self._db.execute(self._statements[name], parameters).fetchall()

    async def run(self, name: str, parameters: Parameters) -> int:
        return self._db.execute(self._statements[name], parameters).rowcount

    async def run_many(self, name: str, parameters: Sequence[Parameters]) -> None:
        text, names = _numbered(self._statements[name])
        self._db.executemany(text, map(itemgetter(*names), parameters))

    async def run_rows(self, name: str, columns: Sequence[str], rows: Sequence[Row], same: Parameters) -> Sequence[Row]:
        text, _ = _numbered(self._statements[name], (*same, *columns))
        shared = tuple(same.values())
        self._db.executemany(text, [(*shared, *row) for row in rows] if shared else rows)
        return ()


@cache
def _numbered(statement: str, names: Sequence[str] = ()) -> tuple[str, Sequence[str]]:
    """A statement with values by number, each once, which the driver takes in half the time; and the names in order,
    as they come in the statement unless they are given. Two at least: no statement that is run many times has fewer.
    """
    order = names or tuple(dict.fromkeys(PARAMETER.findall(statement)))
    return PARAMETER.sub(lambda found: f"?{order.index(found[1]) + 1}", statement), order


class Place:
    """Where a database that is open lies: whether its file is still the one under that name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _identity(path)
        self._beside: dict[Path, tuple[int, int] | None] = dict.fromkeys(_companions(path))

    def lost(self) -> bool:
        """Whether there is another file, or none. Two microseconds."""
        if _identity(self.path) != self._file:
            return True
        for name, known in self._beside.items():
            if known is None:  # made by the first statement
                self._beside[name] = _identity(name)
        return False

    def leave(self) -> None:
        """Take our log out of the way: SQLite would play it into the file that is there now, and so undo or damage it.

        What it held stays beside, under another name.
        """
        for name, ours in self._beside.items():
            if ours is not None and _identity(name) == ours:
                with contextlib.suppress(OSError):
                    os.replace(name, name.with_name(f"{name.name}.replaced"))


def _companions(path: Path) -> tuple[Path, Path]:
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@dataclass(slots=True)
class _Unit:
    work: Callable[[Writing], Awaitable[Any]]
    done: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    result: Any = None
    error: BaseException | None = None
    heard: Sequence[Event | News] = ()

    def answer(self) -> None:
        """On the caller's loop. The caller may have gone away meanwhile; the work is done all the same."""
        if self.done.done():
            return
        if self.error is not None:
            self.done.set_exception(self.error)
        else:
            self.done.set_result(self.result)


class SqliteReader(Reading):
    """``service.seams.Reader`` on one SQLite file, for whoever only looks: without a writer and its thread."""

    def __init__(self, path: Path) -> None:
        check_schema(path)
        self._reader = connect(path)
        super().__init__(SqliteConnection(self._reader, dict(load("sqlite"))))

    def close(self) -> None:
        self._reader.close()


class SqliteStore(Reading):
    """``service.seams.Store`` on one SQLite file. Make it on the loop that uses it; ``close`` it there."""

    def __init__(self, path: Path) -> None:
        from livepass.store.writing import Writing  # here, because who only looks does without

        check_schema(path)
        statements = dict(load("sqlite"))
        self._reader = connect(path)
        self._reading = SqliteConnection(self._reader, statements)
        super().__init__(self._reading)
        self._writer_db = connect(path)
        self._writer_db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        self._place = Place(path)
        self._writing = Writing(SqliteConnection(self._writer_db, statements))
        self._watchers: list[Callable[[], None]] = []
        self._listeners: list[Callable[[Sequence[Event | News]], None]] = []
        self._watching: asyncio.Task[None] | None = None
        self._closed = False
        self._gathered: deque[_Unit] = deque()
        self._handing_over: asyncio.AbstractEventLoop | None = None
        self._queue: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_forever, name="livepass-writer", daemon=True)
        self._thread.start()

    async def write(self, work: Callable[[Writing], Awaitable[T]]) -> T:
        if self._closed:
            raise RuntimeError("the store is closed")
        loop = asyncio.get_running_loop()
        unit = _Unit(work, loop.create_future(), loop)
        # Whoever comes in one turn of the loop shares a commit, and the writer is woken once.
        self._gathered.append(unit)
        if self._handing_over is not loop:
            self._handing_over = loop
            loop.call_soon(self._hand_over)
        result: T = await unit.done
        return result

    def _hand_over(self) -> None:
        self._handing_over = None
        with contextlib.suppress(IndexError):
            while True:
                self._queue.put(self._gathered.popleft())

    def on_commit(self, notice: Callable[[], None]) -> None:
        self._watchers.append(notice)
        if self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._watch(), name="sqlite-watch")

    def on_events(self, heard: Callable[[Sequence[Event | News]], None]) -> None:
        self._listeners.append(heard)

    async def _watch(self) -> None:
        """SQLite tells nobody of a commit, but counts those of other connections."""
        seen = None
        while True:
            version = self._reader.execute("PRAGMA data_version").fetchone()[0]
            if version != seen:
                seen = version
                for notice in self._watchers:
                    notice()
            await asyncio.sleep(WATCH_SECONDS)

    async def recheck(self) -> None:
        self._require_same_file()

    def _require_same_file(self) -> None:
        """A file that was put in the place of ours is not what we write to: nobody would ever see that again. So
        nothing is read or acknowledged any more, until this process starts again and looks at the new one.
        """
        if not self._reading.replaced and self._place.lost():
            self._reading.replaced = f"another file was put in the place of {self._place.path}: restart livepass"
            log.critical("%s; nothing is answered from here until then", self._reading.replaced)
            self._place.leave()
        if self._reading.replaced:
            raise Unavailable(self._reading.replaced)

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        self._closed = True
        self._hand_over()
        self._queue.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
        self._reader.close()
        self._writer_db.close()

    # ── the writer thread

    def _write_forever(self) -> None:
        stopping = False
        while not stopping:
            units, stopping = self._waiting()
            if units:
                self._commit(units)
                for loop, group in _by_loop(units):
                    loop.call_soon_threadsafe(self._answer_all, group)

    def _waiting(self) -> tuple[list[_Unit], bool]:
        """What is waiting, at least one; and whether to stop after it."""
        units: list[_Unit] = []
        item = self._queue.get()
        while item is not None:
            units.append(item)
            if len(units) == GROUP:
                return units, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return units, False
        return units, True

    def _commit(self, units: list[_Unit]) -> None:
        """One transaction for all. Where one of them fails, they are run again, each in a savepoint of its own: a
        savepoint costs a copy of each page that is changed after it, and nearly none fails.
        """
        try:
            self._require_same_file()
            self._begin()
            if not all(self._run(unit) for unit in units):
                self._undo()
                if len(units) == 1:
                    return
                self._begin()
                for unit in units:
                    self._run_apart(unit)
            self._writer_db.execute("COMMIT")
            # Again: what is acknowledged was in the right file after it was written.
            self._require_same_file()
        except BaseException as error:
            self._undo()
            for unit in units:
                unit.error = unit.error or _explained(error)

    def _answer_all(self, units: list[_Unit]) -> None:
        for unit in units:
            unit.answer()
            if unit.heard and unit.error is None:
                for listener in self._listeners:
                    listener(unit.heard)

    def _begin(self) -> None:
        """IMMEDIATE, because a transaction that starts by reading cannot wait its turn to write: SQLite fails it at
        once.
        """
        self._writer_db.execute("BEGIN IMMEDIATE")
        self._writing.forget_looks()

    def _undo(self) -> None:
        """Of some errors, as of a full disk, SQLite has undone the transaction itself."""
        if self._writer_db.in_transaction:
            self._writer_db.execute("ROLLBACK")

    def _run(self, unit: _Unit) -> bool:
        """Whether it came to its end."""
        self._writing.heard = [] if self._listeners else None
        unit.error = None
        try:
            unit.result = drive(unit.work(self._writing))
            unit.heard = self._writing.heard or ()
        except Exception as error:
            unit.error = error
        return unit.error is None

    def _run_apart(self, unit: _Unit) -> None:
        self._writer_db.execute("SAVEPOINT unit")
        if not self._run(unit):
            self._writer_db.execute("ROLLBACK TO unit")
        self._writer_db.execute("RELEASE unit")


def _explained(error: BaseException) -> BaseException:
    """A database that is locked, full or out of reach is nobody's mistake: the other side may come again."""
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(code, int) and code & 0xFF in _UNAVAILABLE:
        unavailable = Unavailable(f"the database cannot be written: {error}")
        unavailable.__cause__ = error
        return unavailable
    return error


def _by_loop(units: list[_Unit]) -> list[tuple[asyncio.AbstractEventLoop, list[_Unit]]]:
    groups: dict[int, tuple[asyncio.AbstractEventLoop, list[_Unit]]] = {}
    for unit in units:
        groups.setdefault(id(unit.loop), (unit.loop, []))[1].append(unit)
    return [group for group in groups.values() if not group[0].is_closed()]


def drive(work: Awaitable[T]) -> T:
    """Run a unit of work to its end here and now: on SQLite no statement ever suspends."""
    assert isinstance(work, Coroutine)
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    work.close()
    raise RuntimeError("a unit of work waited for something else than its transaction")
