"""A host's connection: from which library it comes, whether it awaits, which engine it leads to, and whether there is a
transaction of the host's to write into.

Nothing is imported for it: what a host does not use is not there.
"""

from __future__ import annotations

import inspect
from typing import Any, Literal

from livepass.service.refusals import Refusal

Engine = Literal["sqlite", "postgresql"]
ENGINES = ("sqlite", "postgresql")

FAMILIES = {
    "sqlalchemy": "execute",
    "django": "cursor",
    "psycopg": "execute",
    "psycopg2": "cursor",
    "asyncpg": "is_in_transaction",
    "aiosqlite": "execute",
    "sqlite3": "in_transaction",
}
"""Libraries, and what their connections have: pools, engines and cursors of theirs do not."""
IDLE = 0
"""Of libpq: connected, and in no transaction."""


def family(connection: Any) -> str:
    """The library that a connection, or what it was derived from, comes from. Raises ``TypeError``."""
    homes = [base.__module__.partition(".")[0] for base in type(connection).__mro__]
    found = next((home for home in homes if home in FAMILIES), None)
    name = type(connection).__name__
    if found is None:
        raise TypeError(f"{name} is no connection that livepass knows: give one of {', '.join(FAMILIES)}")
    if not hasattr(connection, FAMILIES[found]):
        raise TypeError(f"{name} is no connection: acquire or open one, begin a transaction on it, and give that")
    return found


def awaits(connection: Any, library: str) -> bool:
    """Whether its methods are awaited. A subclass of the host's may be called anything, so its name says nothing."""
    return library in ("asyncpg", "aiosqlite") or inspect.iscoroutinefunction(getattr(connection, "execute", None))


def engine(connection: Any, library: str) -> Engine:
    """Where the outbox lies. Raises ``TypeError``."""
    if library == "sqlalchemy":
        bound = connection if hasattr(connection, "dialect") else connection.get_bind()
        name = str(bound.dialect.name)
    elif library == "django":
        name = str(connection.vendor)
    else:
        name = "sqlite" if "sqlite" in library else "postgresql"
    if name not in ENGINES:
        raise TypeError(f"an outbox lies in SQLite or PostgreSQL, not in {name}")
    return "sqlite" if name == "sqlite" else "postgresql"


def require_transaction(connection: Any, library: str) -> None:
    """Raise ``Refusal`` where a statement would be committed by itself: then nothing of the host's decides over it.

    ``connection``: of SQLAlchemy a ``Connection``, not a session.
    """
    if _alone(connection, library):
        raise Refusal(
            "this connection has no transaction: the change would happen whatever becomes of yours",
            hint="begin a transaction on it first, or call lp.change(…) without a connection",
            code="no_transaction",
        )


def _alone(connection: Any, library: str) -> bool:
    match library:
        case "sqlalchemy":
            # The option of this connection or its engine; else what the engine was made with.
            usual = getattr(connection.dialect, "_on_connect_isolation_level", None)
            return bool(connection.get_execution_options().get("isolation_level", usual) == "AUTOCOMMIT")
        case "django":
            return bool(not connection.in_atomic_block and connection.get_autocommit())
        case "asyncpg":
            return not connection.is_in_transaction()
        case "psycopg":
            return bool(connection.autocommit and connection.info.transaction_status == IDLE)
        case "psycopg2":
            return bool(connection.autocommit and connection.get_transaction_status() == IDLE)
    if connection.in_transaction:
        return False
    # Python 3.12 and newer: True and False decide, and else (LEGACY) the isolation level does, as before.
    said = getattr(getattr(connection, "_conn", connection), "autocommit", None)
    return said is True or (said is not False and connection.isolation_level is None)
