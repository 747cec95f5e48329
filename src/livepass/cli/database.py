"""Opens the database of the environment, and says what is wrong when it cannot be opened."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from livepass.cli.faults import Exit, Fault, unchecked, usage

if TYPE_CHECKING:
    from livepass.config import Config
    from livepass.wiring import Services

NOT_ALLOWED = "42501"


@contextmanager
def explained(config: Config) -> Iterator[None]:
    """Faults of the database and of its key, in our words."""
    try:
        yield
    except (Fault, BrokenPipeError):
        raise  # in our words already; of standard output, not of the database
    except Exception as error:
        fault = _fault(config, error)
        if fault is None:
            raise
        raise fault from error


def _fault(config: Config, error: Exception) -> Fault | None:
    # Imported once something is wrong: to name these errors costs all that raises them.
    from livepass import wiring
    from livepass.config import ConfigError
    from livepass.core.unavailable import Unavailable
    from livepass.keys.sealing import BadSecretKey, CannotUnseal

    database = config.database
    match error:
        case wiring.SchemaMismatch():
            missing = not config.on_postgres and not config.sqlite_path.exists()
            title = f"there is no database {database}" if missing else f"{database}: {error}"
            return Fault(title, Exit.UNCHECKED, hint=error.hint, code="schema")
        case wiring.StillRunning():
            return Fault(f"{database}: {error}", Exit.REFUSED, hint=error.hint, code="still_running")
        case wiring.WrongEncoding():
            return unchecked(f"{database}: {error}", error.hint)
        case ConfigError():
            return usage(str(error), error.hint)
        case BadSecretKey():
            return usage(f"LIVEPASS_SECRET_KEY: {error}", error.hint)
        case CannotUnseal() | wiring.NoSharedKey():
            return unchecked(str(error), error.hint)
        case Unavailable():
            hint = "is PostgreSQL running, and does LIVEPASS_DATABASE_URL name it and a user who may enter?"
            return unchecked(f"{database}: {error}", hint)
        case sqlite3.Error() | OSError():
            return unchecked(f"{database} cannot be used: {error}", _hint(error))
    if getattr(error, "sqlstate", "") == NOT_ALLOWED:  # PostgreSQL's, whose driver need not be there
        return unchecked(f"{database}: {error}", "make its role the owner: ALTER DATABASE … OWNER TO …")
    return None


def _hint(error: Exception) -> str:
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # the rest says more than anybody asks here
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return "keep a copy of it, and bring a backup back: livepass help restore-from-a-backup"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "another process holds it: try again, and see what runs: livepass status"
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_IOERR | sqlite3.SQLITE_FULL:
            return (
                "is there room, and may this user write to the file and to its folder? LIVEPASS_DATABASE_URL names it"
            )
    return "livepass db verify looks into it; LIVEPASS_DATABASE_URL names it"


@asynccontextmanager
async def services(config: Config) -> AsyncIterator[Services]:
    """The services of this process over the database of the environment. Creates and upgrades nothing."""
    from livepass import wiring

    with explained(config):
        opened = await wiring.Services.open(config)
    try:
        yield opened
    finally:
        await opened.close()
