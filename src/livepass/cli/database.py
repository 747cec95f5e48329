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


@contextmanager
def explained(config: Config) -> Iterator[None]:
    """Faults of the database and of its key, in our words."""
    from livepass import wiring
    from livepass.config import ConfigError
    from livepass.core.unavailable import Unavailable
    from livepass.keys.sealing import BadSecretKey, CannotUnseal

    database = config.database
    try:
        yield
    except wiring.SchemaMismatch as error:
        missing = not config.on_postgres and not config.sqlite_path.exists()
        title = f"there is no database {database}" if missing else f"{database}: {error}"
        raise Fault(title, Exit.UNCHECKED, hint=error.hint, code="schema") from error
    except wiring.StillRunning as error:
        raise Fault(f"{database}: {error}", Exit.REFUSED, hint=error.hint, code="still_running") from error
    except ConfigError as error:
        raise usage(str(error), error.hint) from error
    except BadSecretKey as error:
        raise usage(f"LIVEPASS_SECRET_KEY: {error}", error.hint) from error
    except (CannotUnseal, wiring.NoSharedKey) as error:
        raise unchecked(str(error), error.hint) from error
    except BrokenPipeError:
        raise  # of standard output, not of the database
    except Unavailable as error:
        hint = "is PostgreSQL running, and does LIVEPASS_DATABASE_URL name it and a user who may enter?"
        raise unchecked(f"{database}: {error}", hint) from error
    except (sqlite3.Error, OSError) as error:
        hint = "livepass db verify looks into it; LIVEPASS_DATABASE_URL names it"
        raise unchecked(f"{database} cannot be used: {error}", hint) from error


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
