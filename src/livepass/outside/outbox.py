"""Hosts' outboxes (``service.seams.Outbox``): the table that ``embed/outbox.py`` writes, over connections of ours."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from livepass.core.model import Posted
from livepass.core.unavailable import Unavailable

T = TypeVar("T")

BUSY_SECONDS = 10.0
"""How long to wait for a host that writes."""
CONNECT_SECONDS = 10.0
TURN = 0x6C697665706173
"""The advisory lock of whoever does what waits, for as long as its connection lives."""
_WAITING = "SELECT receipt, pass_type, serial, wish FROM livepass_outbox WHERE refused IS NULL ORDER BY id"


class SqliteOutbox:
    """On threads, because a host may hold its file for a while. Opened anew each time: the file is the host's."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def waiting(self, limit: int) -> Sequence[Posted]:
        def read(db: sqlite3.Connection) -> list[Posted]:
            return [Posted(*row) for row in db.execute(f"{_WAITING} LIMIT ?", (limit,))]

        return await self._run(read)

    async def done(self, receipts: Sequence[str]) -> None:
        def forget(db: sqlite3.Connection) -> None:
            with db:
                db.executemany("DELETE FROM livepass_outbox WHERE receipt = ?", [(receipt,) for receipt in receipts])

        await self._run(forget)

    async def refuse(self, receipt: str, why: str) -> None:
        def mark(db: sqlite3.Connection) -> None:
            with db:
                db.execute("UPDATE livepass_outbox SET refused = ? WHERE receipt = ?", (why, receipt))

        await self._run(mark)

    async def close(self) -> None:
        """Nothing stays open."""

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def here() -> T:
            # mode=rw: a file that is not there yet is the host's to make.
            address = f"{self._path.absolute().as_uri()}?mode=rw"
            with closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS)) as db:
                return work(db)

        try:
            return await asyncio.to_thread(here)
        except sqlite3.Error as error:
            raise Unavailable(f"{self._path}: {error}") from error


class PostgresOutbox:
    """Over one connection, which also holds the turn: a second process sees nothing waiting."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._db: Any = None
        self._ours = False
        self._lock = asyncio.Lock()

    async def waiting(self, limit: int) -> Sequence[Posted]:
        found: Sequence[Posted] = await self._run(lambda db: self._waiting(db, limit))
        return found

    async def done(self, receipts: Sequence[str]) -> None:
        await self._run(lambda db: db.execute("DELETE FROM livepass_outbox WHERE receipt = ANY($1)", list(receipts)))

    async def refuse(self, receipt: str, why: str) -> None:
        await self._run(
            lambda db: db.execute("UPDATE livepass_outbox SET refused = $1 WHERE receipt = $2", why, receipt)
        )

    async def close(self) -> None:
        db, self._db, self._ours = self._db, None, False
        if db is not None:
            await db.close()

    async def _waiting(self, db: Any, limit: int) -> Sequence[Posted]:
        if not self._ours:
            self._ours = await db.fetchval("SELECT pg_try_advisory_lock($1)", TURN)
        if not self._ours:
            return ()
        return [Posted(*row) for row in await db.fetch(f"{_WAITING} LIMIT $1", limit)]

    async def _run(self, work: Callable[[Any], Any]) -> Any:
        import asyncpg

        try:
            async with self._lock:
                if self._db is None or self._db.is_closed():
                    self._ours = False
                    self._db = await asyncpg.connect(self._url, timeout=CONNECT_SECONDS)
                return await work(self._db)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error
