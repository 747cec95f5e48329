"""A change of a pass as part of a transaction of the host's: a row in a table beside the host's own.

    with connection:  # whatever the host does, and
        lp.change_in(connection, "pass.com.example.gym", "1001", data={"visits_left": 8})

Rolled back, it never was; committed, it happens once, soon after (``service/draining.py``). The table lies in the
host's database, because no transaction spans two; livepass reads it from ``OUTBOX_URL``. ``connections.py`` says which
connections are taken. Why it is as it is: docs/adr/0033.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from livepass.embed import connections
from livepass.embed.connections import Engine
from livepass.service.drafting import PASS_TYPE, SERIAL, Wish
from livepass.service.issuing import Push
from livepass.service.refusals import Refusal

TABLES: Mapping[Engine, str] = {
    # AUTOINCREMENT: an id that was given is not given again, so the order of ids is that of commits.
    "sqlite": """\
CREATE TABLE IF NOT EXISTS livepass_outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    receipt TEXT NOT NULL UNIQUE,
    pass_type TEXT NOT NULL,
    serial TEXT NOT NULL,
    wish TEXT NOT NULL,
    refused TEXT
)""",
    "postgresql": """\
CREATE TABLE IF NOT EXISTS livepass_outbox (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    receipt TEXT NOT NULL UNIQUE,
    pass_type TEXT NOT NULL,
    serial TEXT NOT NULL,
    wish TEXT NOT NULL,
    refused TEXT
)""",
}
"""The table, for migrations of the host's. ``refused`` says why a wish was not done; ``NULL``: it waits."""

# Ids come in the order in which transactions begin to write, not in which they commit. Held until the commit, this lock
# makes both the same for one pass. SQLite has one writer, and needs none.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended({0}, 0))"
_INSERT = "INSERT INTO livepass_outbox (receipt, pass_type, serial, wish) VALUES ({0}, {1}, {2}, {3})"
_PERCENT, _QUESTION = ("%s",) * 4, ("?",) * 4
MARKS: Mapping[str, Sequence[str]] = {
    "sqlalchemy": (":a", ":b", ":c", ":d"),
    "django": _PERCENT,
    "psycopg": _PERCENT,
    "psycopg2": _PERCENT,
    "asyncpg": ("$1", "$2", "$3", "$4"),
    "aiosqlite": _QUESTION,
    "sqlite3": _QUESTION,
}
"""How each library writes what is bound."""
Statements = list[tuple[str, tuple[str, ...]]]


def wish(
    pass_type: str,
    serial: str,
    template: str | None,
    data: Mapping[str, Any] | None,
    content: Mapping[str, Any] | None,
    revision: str | None,
    *,
    patch: bool,
) -> Wish:
    """What is wanted of a pass."""
    return Wish(pass_type, serial, template, data, content, revision, patch)


def write(connection: Any, wanted: Wish, push: Push) -> None:
    """Add a wish to the connection's transaction. Raises ``Refusal`` for one that can never be done and where there is
    no transaction, ``TypeError`` for a connection that is not known, and whatever the driver raises.
    """
    family = connections.family(connection)
    if connections.awaits(connection, family):
        raise TypeError(f"{type(connection).__name__} of {family} awaits: use `await lp.change(…, connection=…)`")
    engine = connections.engine(connection, family)
    statements = _statements(wanted, push, engine, MARKS[family])
    if family == "sqlalchemy":
        bound = connection if hasattr(connection, "dialect") else connection.connection()
        connections.require_transaction(bound, family)
        for text, values in statements:
            connection.execute(*_sqlalchemy(text, values))
        return
    connections.require_transaction(connection, family)
    if family == "sqlite3":
        for text, values in statements:
            connection.execute(text, values)
    else:
        with connection.cursor() as cursor:
            for text, values in statements:
                cursor.execute(text, values)


async def write_async(connection: Any, wanted: Wish, push: Push) -> None:
    """As ``write``, for a connection that awaits. One that does not is taken as well."""
    family = connections.family(connection)
    if not connections.awaits(connection, family):
        write(connection, wanted, push)
        return
    engine = connections.engine(connection, family)
    statements = _statements(wanted, push, engine, MARKS[family])
    if family == "sqlalchemy":
        bound = connection if hasattr(connection, "dialect") else await connection.connection()
        connections.require_transaction(bound.sync_connection, family)
        for text, values in statements:
            await connection.execute(*_sqlalchemy(text, values))
        return
    connections.require_transaction(connection, family)
    for text, values in statements:
        await (connection.execute(text, *values) if family == "asyncpg" else connection.execute(text, values))


def _sqlalchemy(text: str, values: Sequence[str]) -> tuple[Any, dict[str, str]]:
    import sqlalchemy  # type: ignore[import-not-found, unused-ignore]  # the host's

    return sqlalchemy.text(text), dict(zip("abcd", values, strict=False))


def _statements(wanted: Wish, push: Push, engine: Engine, marks: Sequence[str]) -> Statements:
    """The statements in the words of a driver; what is bound is bound."""
    row = (secrets.token_hex(16), wanted.pass_type, wanted.serial, _written(wanted, push))
    insert = (_INSERT.format(*marks), row)
    if engine == "sqlite":
        return [insert]
    return [(_LOCK.format(*marks), (f"livepass:{wanted.pass_type}/{wanted.serial}",)), insert]


def _written(wanted: Wish, push: Push) -> str:
    """The wish as JSON: what cannot be said so is refused while somebody can still hear it."""
    if not PASS_TYPE.fullmatch(wanted.pass_type) or not SERIAL.fullmatch(wanted.serial):
        raise Refusal(
            f"{wanted.pass_type}/{wanted.serial} cannot name a pass",
            hint="as in pass.com.example.gym and 1001: letters, digits, dots, underscores and hyphens",
        )
    if push not in ("auto", "now", "none"):
        raise Refusal(f"push is {push!r}", hint="say auto, now or none")
    said = {"template": wanted.template, "data": wanted.data, "content": wanted.content, "push": push}
    try:
        return orjson.dumps({key: value for key, value in said.items() if value is not None}).decode()
    except TypeError as error:
        raise Refusal(f"the wish is not JSON: {error}", hint="give texts, numbers, true, false, lists") from error
