"""A connection to PostgreSQL: how it is opened and watched, what it is promised, and what counts as lost."""

from __future__ import annotations

import contextlib
import logging
import socket
from typing import Any

import asyncpg

from livepass.core.unavailable import Unavailable

log = logging.getLogger(__name__)

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


class Watched(asyncpg.Connection):
    """Ends when the other end has been silent for ``LINK_SECONDS``, whether or not a statement is under way."""

    def __init__(self, protocol: Any, transport: Any, *more: Any) -> None:
        super().__init__(protocol, transport, *more)
        link = transport.get_extra_info("socket")
        if link is not None and link.family != getattr(socket, "AF_UNIX", None):
            link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _LINK_OPTIONS:
                link.setsockopt(socket.IPPROTO_TCP, option, value)


async def connect(url: str) -> Any:
    try:
        db = await asyncpg.connect(url, timeout=CONNECT_SECONDS, connection_class=Watched, **primary(url))
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


def settings() -> dict[str, str]:
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


def primary(url: str) -> dict[str, Any]:
    """Of several hosts in the address, the one that takes writes; unless the address says otherwise."""
    return {} if "target_session_attrs" in url else {"target_session_attrs": "read-write"}


def said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
