"""A SQLite database as a whole: read in one read transaction, filled in place in one write transaction.

In place and not by putting another file there: a process that opens the database at that moment holds a file by its
number but its log by its name, and two databases would share one log. So what is set aside is a copy, made while
nobody can write.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import orjson

from livepass.core.model import PRESENT_MS
from livepass.store import sqlite
from livepass.store.named import Engine, load
from livepass.store.reading import Parameters, Reading
from livepass.store.rows import Row
from livepass.store.whole import (
    ARCHIVED,
    EMPTIED,
    MADE_BY_ITSELF,
    Batches,
    CannotSetAside,
    Filled,
    Filling,
    Layout,
    NotEmpty,
    NotSetAside,
    Renew,
    StillWorking,
    layouts,
    names,
)
from livepass.store.writing import Writing

AT_ONCE = 16
"""Rows held at a time: few, because one may hold a template's pictures."""
DAMAGES = 20


def statements() -> dict[str, str]:
    """Those of the service, and those about the whole."""
    return {name: text for file in ("queries", "archive", "verify") for name, text in load("sqlite", file).items()}


class SqliteSnapshot:
    """``store.whole.Snapshot``: a connection inside a read transaction."""

    engine: Engine = "sqlite"

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._statements = statements()
        self.schema = sqlite.schema(db).number
        self.reading = Reading(sqlite.SqliteConnection(db, self._statements))

    async def layout(self) -> Mapping[str, Layout]:
        return _layout(self._db, self._statements)

    def dump(self, table: Layout) -> Batches:
        return _batches(self._db, table.read, {})

    def stream(self, statement: str, parameters: Parameters) -> Batches:
        return _batches(self._db, self._statements[statement], parameters)

    async def damage(self, *, quick: bool) -> Sequence[str]:
        check = "PRAGMA quick_check(20)" if quick else "PRAGMA integrity_check(20)"
        return [text for (text,) in self._db.execute(check) if text != "ok"]


async def _batches(db: sqlite3.Connection, statement: str, parameters: Parameters) -> Batches:
    cursor = db.execute(statement, parameters)
    while rows := cursor.fetchmany(AT_ONCE):
        yield rows


def _layout(db: sqlite3.Connection, known: Mapping[str, str]) -> Mapping[str, Layout]:
    return layouts(db.execute(known["layout"]).fetchall(), orjson.loads)


class WholeSqlite:
    """``store.whole.Whole`` of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @asynccontextmanager
    async def snapshot(self, set_aside: str = "") -> AsyncIterator[SqliteSnapshot]:
        if not set_aside:
            sqlite.check_schema(self._path)
        with closing(_set_aside_as(set_aside) if set_aside else sqlite.connect(self._path)) as db:
            db.execute("PRAGMA query_only = ON")
            db.execute("BEGIN")
            # The first read decides which instant it is.
            db.execute("SELECT count(*) FROM installation").fetchone()
            yield SqliteSnapshot(db)

    async def fill(self, archive: Filling, *, replace: bool, now: int, renew: Renew) -> Filled:
        sqlite.check_schema(self._path)
        with closing(sqlite.connect(self._path)) as db:
            db.execute("PRAGMA cache_size = -65536")
            db.execute("BEGIN IMMEDIATE")
            set_aside = ""
            try:
                set_aside = self._make_room(db, replace, now)
                _fill(db, archive)
                sqlite.drive(renew(Writing(sqlite.SqliteConnection(db, statements()))))
            except BaseException:
                db.execute("ROLLBACK")
                # Everything is where it was: the copy of it is one too many.
                _drop(set_aside)
                raise
            db.execute("COMMIT")
            # The log has grown as large as the database.
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return Filled(set_aside, f"rm {set_aside}" if set_aside else "")

    def _make_room(self, db: sqlite3.Connection, replace: bool, now: int) -> str:
        """Nobody can write from here on. Where the data that is there was set aside; ``""`` when there is none."""
        known = statements()
        working = db.execute(known["present"], {"after": now - PRESENT_MS}).fetchall()
        if working:
            raise StillWorking(working)
        there = [
            table.name
            for table in _layout(db, known).values()
            if table.name in ARCHIVED and table.name not in MADE_BY_ITSELF and db.execute(table.probe).fetchone()
        ]
        if there and not replace:
            raise NotEmpty(there)
        return str(_set_aside(self._path, now)) if there else ""


def _fill(db: sqlite3.Connection, archive: Filling) -> None:
    known = statements()
    layout = _layout(db, known)
    with _without_indexes(db, known):
        for name in EMPTIED:
            db.execute(layout[name].empty)
        for name in ARCHIVED:
            table = layout[name]
            db.executemany(table.fill, _ordered(archive, table))
            last_id = archive.last_id(name)
            if last_id is not None:
                db.execute(known["begin_ids"], {"table": name, "id": last_id})
                db.execute(known["raise_last_id"], {"table": name, "id": last_id})
    db.execute(known["end_leases"])
    db.execute(known["end_import_leases"])
    db.execute(known["is_here"], {"physical": ""})


def _ordered(archive: Filling, table: Layout) -> Iterator[Row]:
    """The rows, with their columns in the order that the table has here."""
    there = list(archive.columns(table.name))
    order = [there.index(column) for column in table.columns]
    same = order == list(range(len(there)))
    for rows in archive.rows(table.name):
        yield from rows if same else ([row[place] for place in order] for row in rows)


@contextmanager
def _without_indexes(db: sqlite3.Connection, known: Mapping[str, str]) -> Iterator[None]:
    """Indexes are made after the rows are there: one sort each instead of a search per row."""
    assumed = db.execute(known["assumed"]).fetchall()
    indexes = db.execute(known["indexes"]).fetchall()
    for drop, _ in indexes:
        db.execute(drop)
    yield
    for _, make in indexes:
        db.execute(make)
    db.execute(known["forget_assumed"])
    db.executemany(known["assume"], assumed)


def _set_aside(path: Path, now: int) -> Path:
    """Copy the database beside itself. The copy has its name only when it is complete and on disk."""
    at = datetime.fromtimestamp(now / 1000, UTC)
    called = names(f"{path.name}.set-aside-{at:%Y%m%dT%H%M%SZ}")
    target = next(free for name in called if not (free := path.with_name(name)).exists())
    part = path.with_name(f"{target.name}.part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(_read_only(path)) as source, closing(sqlite3.connect(part, isolation_level=None)) as copy:
            source.backup(copy)
            # One file: nothing beside it that could get lost.
            copy.execute("PRAGMA journal_mode = DELETE")
        _like(path, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.rename(target)
        _sync_folder(path.parent)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise CannotSetAside(str(error), f"the copy needs as much room as {path} has now") from error
    return target


def _drop(set_aside: str) -> None:
    if set_aside:
        Path(set_aside).unlink()


def _set_aside_as(name: str) -> sqlite3.Connection:
    if not Path(name).is_file():
        raise NotSetAside(name)
    return _read_only(Path(name))


def _like(path: Path, copy: Path) -> None:
    """The same people may read it."""
    there = path.stat()
    with suppress(PermissionError):
        os.chown(copy, there.st_uid, there.st_gid)
    copy.chmod(stat.S_IMODE(there.st_mode))


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=10)
