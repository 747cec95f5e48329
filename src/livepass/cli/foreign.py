"""The database of another service, to be read page by page: a SQLite file, or PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from livepass.cli.faults import unchecked, usage

PAGE = 1000


class Foreign:
    """``select`` runs one statement. ``errors``: what it raises for a table that is not there."""

    def __init__(self, select: Callable[[str], Sequence[Sequence[Any]]], errors: tuple[type[Exception], ...]) -> None:
        self._select = select
        self.errors = errors

    def pages(self, statement: str) -> Iterator[Sequence[Any]]:
        """The rows of a statement that orders by an integer ``id``, its first column, and takes ``{after}`` and
        ``{limit}``.
        """
        after = -1
        while page := self._select(statement.format(after=int(after), limit=PAGE)):
            yield from page
            after = page[-1][0]


@contextmanager
def foreign(url: str) -> Iterator[Foreign]:
    """Opened for reading only. Raises ``Fault``."""
    if url.startswith("sqlite:///"):
        with _sqlite(Path(url.removeprefix("sqlite:///"))) as opened:
            yield opened
    elif url.startswith(("postgresql://", "postgres://")):
        with _postgres(url) as opened:
            yield opened
    else:
        raise usage("this names no database", "write sqlite:///FILE or postgresql://user:password@host/database")


@contextmanager
def _sqlite(path: Path) -> Iterator[Foreign]:
    if not path.is_file():
        raise unchecked(f"{path} is no file", "name the file that the Django project's settings name")
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    try:
        yield Foreign(lambda statement: connection.execute(statement).fetchall(), (sqlite3.Error,))
    finally:
        connection.close()


@contextmanager
def _postgres(url: str) -> Iterator[Foreign]:
    """On a loop of its own: rows are wanted while ours waits for them."""
    try:
        import asyncpg
    except ImportError as error:
        raise usage("reading PostgreSQL needs an extra", "pip install 'livepass[postgres]'") from error
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def wait(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    async def connect() -> Any:
        return await asyncpg.connect(url, server_settings={"default_transaction_read_only": "on"})

    try:
        try:
            connection = wait(connect())
        except (OSError, asyncpg.PostgresError) as error:
            raise unchecked(f"that database cannot be reached: {error}", "check its address and password") from error
        try:
            yield Foreign(lambda statement: wait(connection.fetch(statement)), (asyncpg.PostgresError,))
        finally:
            wait(connection.close())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
