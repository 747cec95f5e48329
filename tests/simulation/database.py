"""The database of a seed: SQLite in memory, with the product's migrations, statements, ``Reading`` and ``Writing``.

One writer at a time, as SQLite has it. A write transaction runs without a break once it is its turn: on one writer and
snapshots, what others could see between its statements is what was there before it, so reads that come "between" are
reads that came before. What does differ is where its process may die: before every statement, before the commit, and
between the commit and the answer.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import cache
from typing import Any, Protocol, TypeVar

from livepass.core.unavailable import Unavailable
from livepass.store.named import load, migrations
from livepass.store.reading import Parameters, Reading
from livepass.store.rows import Row
from livepass.store.schema import MIGRATION_TABLE
from livepass.store.sqlite import SqliteConnection, _statements, drive
from livepass.store.writing import Writing
from simulation.loop import Killed, Loop, Owner, Park

T = TypeVar("T")

Statement = tuple[str, Any, Sequence[Row]]
"""Its name, its parameters, and the rows that it answered."""


UNSEEN = -1


class Watcher(Protocol):
    """Who is told of what happens to the database, beside the product."""

    def before(self, statement: str, parameters: Any, look: Look) -> None: ...

    def after(self, statement: str, parameters: Any, look: Look, found: Sequence[Row]) -> None: ...

    def committed(self, done: Sequence[Statement], look: Look) -> None: ...

    def put_back(self, look: Look) -> None: ...


Look = Callable[..., list[Row]]
"""Runs a statement of the watcher's own."""


@cache
def blank() -> bytes:
    """A database as ``livepass db upgrade`` leaves it."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute(MIGRATION_TABLE)
    for migration in migrations("sqlite"):
        for statement in _statements(migration.script):
            db.execute(statement)
        db.execute("INSERT INTO migration VALUES (?, ?, ?, 0)", (migration.number, migration.name, migration.oldest))
    db.execute("INSERT INTO installation (id, uuid, physical, created_at) VALUES (1, 'simulated', '', 0)")
    return db.serialize()


class Server:
    """The database as a whole: what all processes share, and operators put back."""

    def __init__(self, loop: Loop, rng: random.Random, watcher: Watcher) -> None:
        self.loop = loop
        self.rng = rng
        self.watcher = watcher
        self.statements = dict(load("sqlite"))
        self.copy = 0
        """Which copy of the data this is: whoever opened another one notices."""
        self.writing = False
        self.waiting: list[Park] = []
        self.listeners: dict[Store, Callable[[], None]] = {}
        self.hiccups = 0.0
        """How often a transaction fails, before its commit or after it."""
        self.conflicts = 0.0
        """How often a unit of work is rolled back and run again."""
        self.unrecorded = 0
        """How many answers of APNs nobody wrote down, because the transaction failed: each may cost a push more."""
        self.promoted = False
        """Whether this copy came by a failover: connections break and come again, instead of a file being another."""
        self.physical = "0"
        self.db = self._opened(blank())

    def _opened(self, content: bytes) -> sqlite3.Connection:
        db = sqlite3.connect(":memory:", isolation_level=None, cached_statements=256)
        db.deserialize(content)
        db.execute("PRAGMA foreign_keys = ON")
        return db

    def look(self, statement: str, *parameters: Any) -> list[Row]:
        return self.db.execute(statement, parameters).fetchall()

    def snapshot(self) -> bytes:
        assert not self.db.in_transaction
        return self.db.serialize()

    def restore(self, content: bytes, *, promoted: bool) -> None:
        """Other data in the place of these: a backup that was put back, or a standby that was promoted."""
        assert not self.db.in_transaction
        self.db.close()
        self.db = self._opened(content)
        self.copy += 1
        self.promoted = promoted
        if promoted:
            self.physical = str(self.copy)
        self.watcher.put_back(self.look)

    def close(self) -> None:
        self.db.close()

    # ── one writer

    @contextlib.asynccontextmanager
    async def _turn(self) -> Any:
        while self.writing:
            park = Park()
            self.waiting.append(park)
            await park
        self.writing = True
        try:
            yield
        finally:
            self.writing = False
            waiting, self.waiting = self.waiting, []
            for park in waiting:
                self.loop.wake(park)

    async def write(self, store: Store, work: Callable[[Writing], Awaitable[T]]) -> T:
        """One unit of work in a transaction of its own, by a process that may die at any statement."""
        await store.arrive()
        copy = store.copy
        await self.loop.pause()
        async with self._turn():
            await self.loop.pause()
            store.require(copy)
            if self.conflicts and self.rng.random() < self.conflicts:
                self._run(store, work, commit=False)
                await self.loop.pause()
                store.require(copy)
            fails = self.rng.random() if self.hiccups else 1.0
            if fails < self.hiccups / 2:
                self._run(store, work, commit=False)
                raise Unavailable("the database broke the connection before the commit")
            result = self._run(store, work, commit=True)
            if fails < self.hiccups:
                raise Unavailable("the database broke the connection during the commit")
        await self.loop.pause()
        return result

    def _run(self, store: Store, work: Callable[[Writing], Awaitable[T]], *, commit: bool) -> T:
        """Exceptions of the work roll back, and so does the death of its process."""
        connection = Connection(self, store, transaction=True)
        before = self.db.total_changes
        self.db.execute("BEGIN IMMEDIATE")
        try:
            result = drive(work(Writing(connection)))
            connection.point()
            self.db.execute("COMMIT" if commit else "ROLLBACK")
            if not commit:
                self.unrecorded += len([name for name, *_ in connection.done if name == "record_outcome"])
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        if commit and self.db.total_changes != before:
            self.watcher.committed(connection.done, self.look)
            for listener in list(self.listeners.values()):
                listener()
        return result


class Connection(SqliteConnection):
    """The product's connection, with a point where others come between before each statement."""

    def __init__(self, server: Server, store: Store, *, transaction: bool) -> None:
        super().__init__(server.db, server.statements)
        self._server = server
        self._store = store
        self._transaction = transaction
        self.done: list[Statement] = []

    def point(self) -> None:
        """Where the process may die inside its transaction."""
        self._store.owner.came_by()
        if self._store.owner.dead:
            raise Killed

    async def rows(self, name: str, parameters: Parameters) -> Sequence[Row]:
        if self._transaction:
            self._inside(name, parameters)
        else:
            await self._outside()
        found = self._db.execute(self._statements[name], parameters).fetchall()
        self._after(name, parameters, found)
        return found

    async def run(self, name: str, parameters: Parameters) -> int:
        self._inside(name, parameters)
        count = self._db.execute(self._statements[name], parameters).rowcount
        self._after(name, parameters, ())
        return count

    async def run_many(self, name: str, parameters: Sequence[Parameters]) -> None:
        for one in parameters:
            self._inside(name, one)
            self._db.execute(self._statements[name], one)
            self._after(name, one, ())

    async def run_rows(self, name: str, columns: Sequence[str], rows: Sequence[Row], same: Parameters) -> Sequence[Row]:
        await self.run_many(name, [{**same, **dict(zip(columns, row, strict=True))} for row in rows])
        return ()

    def _inside(self, name: str, parameters: Parameters) -> None:
        self.point()
        self._server.watcher.before(name, parameters, self._server.look)

    async def _outside(self) -> None:
        """A read of its own: others come between before it."""
        store, server = self._store, self._server
        if store.copy != server.copy or store.owner.dead:
            await store.arrive()
        copy = store.copy
        await server.loop.pause()
        store.require(copy)
        self._db = server.db

    def _after(self, name: str, parameters: Parameters, found: Sequence[Row]) -> None:
        if self._transaction:
            self.done.append((name, parameters, found))
        self._server.watcher.after(name, parameters, self._server.look, found)


class Store(Reading):
    """``service.seams.Store`` of one process."""

    def __init__(self, server: Server, owner: Owner, renew: Callable[[Any], Awaitable[None]]) -> None:
        super().__init__(Connection(server, self, transaction=False))
        self.server = server
        self.owner = owner
        self.copy = UNSEEN if server.promoted else server.copy
        """Which copy it was connected to last. ``PostgresStore`` greets each server, the first one as well: a process
        that starts after a failover is who notices it where none was alive to.
        """
        self.renew = renew

    def require(self, copy: int) -> None:
        if self.owner.dead:
            raise Killed
        if copy != self.server.copy:
            raise Unavailable("the connection broke")

    async def arrive(self) -> None:
        """Be connected. A file that was put in the place of ours is not answered from until a restart; a promoted
        standby is another copy, which begins a new history before anything is read (as ``PostgresStore`` does it).
        """
        if self.owner.dead:
            raise Killed
        if self.copy == self.server.copy:
            return
        if not self.server.promoted:
            raise Unavailable("another database was put in the place of ours")
        copy = self.server.copy
        async with self.server._turn():
            self.require(copy)
            if self.server.look("SELECT physical FROM installation") != [(self.server.physical,)]:
                self.server._run(self, self._renewed, commit=True)
            self.copy = copy

    async def _renewed(self, tx: Writing) -> None:
        await self.renew(tx)
        self.server.db.execute("UPDATE installation SET physical = ?", (self.server.physical,))

    async def write(self, work: Callable[[Writing], Awaitable[T]]) -> T:
        if self.owner.dead:
            raise Killed
        return await self.server.write(self, work)

    async def recheck(self) -> None:
        await self.arrive()

    def on_commit(self, notice: Callable[[], None]) -> None:
        """Commits shortly after one another share a notice."""
        loop, pending = self.server.loop, False

        def tell() -> None:
            nonlocal pending
            pending = False
            if not self.owner.dead:
                notice()

        def committed() -> None:
            nonlocal pending
            if not pending and not self.owner.dead:
                pending = True
                loop.later(0.25, tell)

        self.server.listeners[self] = committed

    async def close(self) -> None:
        self.server.listeners.pop(self, None)


def parameters_of(done: Sequence[Statement], *names: str) -> Iterator[Any]:
    """The parameters of these statements of a transaction."""
    return (parameters for name, parameters, _ in done if name in names)
