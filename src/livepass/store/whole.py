"""The database as a whole, from outside the service: read in one snapshot, filled in one transaction.

Both engines offer the same ``Whole``, so an archive of one fills the other.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from livepass.core.model import PRESENT_MS
from livepass.store.named import Engine
from livepass.store.reading import Parameters, Reading
from livepass.store.rows import Row
from livepass.store.writing import Writing

ARCHIVED = (
    *("installation", "shared_key", "tenant", "api_key", "apns_key", "console_user", "audit"),
    *("pass_type", "certificate", "signing_request", "template", "template_revision", "circuit"),
    *("counter", "pass", "enrolment", "outbox_receipt", "device", "registration", "push_target", "fan_out", "event"),
    *("webhook_endpoint", "webhook_message", "webhook_attempt", "device_log_kind", "stale_pass"),
    *("import_job", "import_row", "import_error"),
)
"""The tables of an archive. Tests hold that there are no others but these:"""
NOT_ARCHIVED: Mapping[str, str] = {
    "process": "who works on this database now",
    "watched": "what looks at certificates found: they look again, from where the database is now",
    "console_session": "who is signed in: nobody, after a restore",
    "idempotency": "answers kept to be repeated: a restore may have brought back a time before what they answer for",
    "console_link": "what lets somebody in once: nothing, after a restore",
    "migration": "how this database came to its schema; the archive names the schema",
}
TABLES = (*ARCHIVED, *NOT_ARCHIVED)
EMPTIED = (*ARCHIVED, "console_session", "console_link", "idempotency")
"""The tables that hold nothing of what was there before, once an archive is the content of a database."""
MADE_BY_ITSELF = ("installation", "shared_key")
"""Tables that have rows as soon as a database was upgraded, or opened once: with those alone it counts as empty."""

Kind = Literal["text", "bytes", "integer", "real"]
KINDS: Mapping[str, Kind] = {
    "text": "text",
    "blob": "bytes",
    "bytea": "bytes",
    "integer": "integer",
    "bigint": "integer",
    "double precision": "real",
}
"""Column types of both engines, in lower case, and what they hold."""

Batches = AsyncIterator[Sequence[Row]]
Renew = Callable[[Writing], Awaitable[None]]
"""Begins a new history: called in the transaction that filled the database."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A table as it is in a database, and the statements that its names need: an engine's own."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[Kind, ...]
    read: str
    fill: str
    empty: str
    probe: str
    last_id: int | None
    """The last id given away, where ids are counted."""


def layouts(rows: Sequence[Row], loads: Callable[[str], list[list[str]]]) -> Mapping[str, Layout]:
    """From the rows of ``layout``."""
    found = {}
    for name, columns, read, fill, empty, probe, last_id in rows:
        if name in TABLES:
            named = loads(columns)
            kinds = tuple(KINDS[declared.lower()] for _, declared in named)
            names = tuple(column for column, _ in named)
            found[name] = Layout(name, names, kinds, read, fill, empty, probe, last_id)
    return found


class Snapshot(Protocol):
    """The database at one instant, however long it is looked at. Nobody waits for it."""

    engine: Engine
    schema: int
    reading: Reading

    async def layout(self) -> Mapping[str, Layout]:
        """The tables by name."""

    def dump(self, table: Layout) -> Batches:
        """All rows of a table, in the order of its key, some at a time."""

    def stream(self, statement: str, parameters: Parameters) -> Batches:
        """The rows of a named statement, some at a time."""

    async def damage(self, *, quick: bool) -> Sequence[str]:
        """What the engine itself finds wrong with its files, at most a page; nothing where it has no such check."""


class Filling(Protocol):
    """What fills a database: an archive that was verified."""

    def rows(self, table: str) -> Iterator[list[Row]]: ...

    def columns(self, table: str) -> Sequence[str]: ...

    def last_id(self, table: str) -> int | None: ...


class Whole(Protocol):
    """One database, from outside."""

    def snapshot(self, set_aside: str = "") -> AbstractAsyncContextManager[Snapshot]:
        """The database, or data that ``fill`` set aside.

        Raises ``SchemaMismatch``, ``Unavailable``, and ``NotSetAside`` when there is no such data.
        """

    async def fill(self, archive: Filling, *, replace: bool, now: int, renew: Renew) -> Filled:
        """Make the archive the content of the database; all of it or nothing, whenever the process dies.

        Raises ``StillWorking`` and ``NotEmpty`` before anything is touched.
        """


@dataclass(frozen=True, slots=True)
class Filled:
    """What became of the data that was there. ``set_aside`` is a file or a schema; empty: there was none."""

    set_aside: str = ""
    forget: str = ""
    """The command that gives it up."""
    replaced: int = 0
    """Characters that PostgreSQL cannot hold (NUL), and that became U+FFFD."""


def names(stem: str) -> Iterator[str]:
    """What to call something, if that is not taken: ``stem``, ``stem_2``, …"""
    yield stem
    for number in itertools.count(2):
        yield f"{stem}_{number}"


class StillWorking(Exception):
    """Processes work on the database that is to be replaced."""

    def __init__(self, processes: Sequence[Row]) -> None:
        self.hint = f"stop them; a process that was killed counts as running for {PRESENT_MS // 1000} seconds more"
        shown = ", ".join(f"{role} on {host} (pid {pid})" for host, pid, role in processes[:5])
        super().__init__(f"livepass works on it: {shown}{' …' if len(processes) > 5 else ''}")


class NotEmpty(Exception):
    """There is data where an archive is to go."""

    def __init__(self, tables: Sequence[str]) -> None:
        self.hint = "--replace sets it aside, without deleting it, and puts the archive in its place"
        super().__init__(f"it holds data already ({', '.join(tables)})")


class CannotSetAside(Exception):
    """There is no room, or no right, to keep the data that is there. The hint says what is missing."""

    def __init__(self, why: str, hint: str) -> None:
        self.hint = hint
        super().__init__(f"the data that is there cannot be set aside: {why}")


class NotSetAside(Exception):
    """There is no such data."""

    def __init__(self, set_aside: str) -> None:
        self.hint = "livepass restore said what it is called"
        super().__init__(f"nothing was set aside as {set_aside}")
