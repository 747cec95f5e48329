"""A change of a pass as part of a transaction of the host's: a row in a table beside the host's own.

    with connection:  # whatever the host does, and
        lp.change_in(connection, "pass.com.example.gym", "1001", data={"visits_left": 8})

Rolled back, it never was; committed, it happens once, soon after (``service/draining.py``). The table lies in the
host's database, because no transaction spans two; livepass reads it from ``OUTBOX_URL``. Nothing of a driver is needed
but that it executes a statement. Why it is as it is: docs/adr/0033.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import orjson

from livepass.service.drafting import PASS_TYPE, SERIAL, Wish
from livepass.service.issuing import Push
from livepass.service.refusals import Refusal

Engine = Literal["sqlite", "postgresql"]

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
_MARKS: Mapping[str, Sequence[str]] = {
    "$": ("$1", "$2", "$3", "$4"),
    "%": ("%s",) * 4,
    "?": ("?",) * 4,
    ":": (":a", ":b", ":c", ":d"),
}
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
    """Add a wish to the connection's transaction. Raises ``Refusal`` for one that can never be done, ``TypeError`` for
    a connection that is not known, and whatever the driver raises.
    """
    family = _family(connection)
    if family == "sqlalchemy":
        for text, values in _statements(wanted, push, _dialect(connection), ":"):
            connection.execute(*_sqlalchemy(text, values))
    elif family == "sqlite3":
        for text, values in _statements(wanted, push, "sqlite", "?"):
            connection.execute(text, values)
    elif family in ("django", "psycopg", "psycopg2"):
        engine: Engine = "sqlite" if getattr(connection, "vendor", "postgresql") == "sqlite" else "postgresql"
        with connection.cursor() as cursor:
            for text, values in _statements(wanted, push, engine, "%"):
                cursor.execute(text, values)
    else:
        raise TypeError(f"{family} connections await: use `await lp.change(…, connection=…)`")


async def write_async(connection: Any, wanted: Wish, push: Push) -> None:
    """As ``write``, for a connection that awaits. One that does not is taken as well."""
    family = _family(connection)
    if family == "asyncpg":
        for text, values in _statements(wanted, push, "postgresql", "$"):
            await connection.execute(text, *values)
    elif family == "aiosqlite":
        for text, values in _statements(wanted, push, "sqlite", "?"):
            await connection.execute(text, values)
    elif family == "psycopg" and type(connection).__name__.startswith("Async"):
        for text, values in _statements(wanted, push, "postgresql", "%"):
            await connection.execute(text, values)
    elif family == "sqlalchemy" and type(connection).__name__.startswith("Async"):
        for text, values in _statements(wanted, push, _dialect(connection), ":"):
            await connection.execute(*_sqlalchemy(text, values))
    else:
        write(connection, wanted, push)


_FAMILIES = ("sqlalchemy", "django", "psycopg", "psycopg2", "asyncpg", "aiosqlite", "sqlite3")


def _family(connection: Any) -> str:
    """The library that a connection, or what it was derived from, comes from."""
    homes = [base.__module__.partition(".")[0] for base in type(connection).__mro__]
    for home in homes:
        if home in _FAMILIES:
            return home
    raise TypeError(
        f"{type(connection).__name__} is no connection that livepass knows: give one of {', '.join(_FAMILIES)}"
    )


def _dialect(connection: Any) -> Engine:
    """Of a connection or session of SQLAlchemy."""
    bound = connection if hasattr(connection, "dialect") else connection.get_bind()
    name = str(bound.dialect.name)
    if name not in TABLES:
        raise TypeError(f"an outbox lies in SQLite or PostgreSQL, not in {name}")
    return "sqlite" if name == "sqlite" else "postgresql"


def _sqlalchemy(text: str, values: Sequence[str]) -> tuple[Any, dict[str, str]]:
    import sqlalchemy  # type: ignore[import-not-found, unused-ignore]  # the host's

    return sqlalchemy.text(text), dict(zip("abcd", values, strict=False))


def _statements(wanted: Wish, push: Push, engine: Engine, mark: str) -> Statements:
    """The statements in the words of a driver; what is bound is bound."""
    marks = _MARKS[mark]
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
