"""Which schema a database has, and whether this livepass can work with it; the same question for every engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from livepass.store.named import Migration

MIGRATION_TABLE = """
CREATE TABLE IF NOT EXISTS migration (
  number     BIGINT NOT NULL PRIMARY KEY,
  name       TEXT   NOT NULL,
  oldest     BIGINT NOT NULL,
  applied_at BIGINT NOT NULL
)"""
"""Made before the first migration, so it is none of them."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What a database says of itself: its newest migration, and the oldest livepass that it still suits."""

    number: int
    oldest: int


class SchemaMismatch(Exception):
    """The database is older or newer than this livepass. The hint says what to run."""

    def __init__(self, found: Schema, known: int) -> None:
        self.found = found
        self.hint = (
            "livepass db upgrade"
            if found.number < known
            else "this database was upgraded by a newer livepass; run that version, or restore a backup"
        )
        super().__init__(f"the database has schema {found.number}, this livepass needs {known}")


class StillRunning(Exception):
    """A migration takes away what a livepass that runs right now still uses."""

    def __init__(self, migration: Migration, processes: Sequence[str]) -> None:
        self.hint = "bring them to this version first, or stop them; each is forgotten a minute after its last sign"
        shown = ", ".join(processes[:5]) + (" …" if len(processes) > 5 else "")
        super().__init__(f"{migration.label} would break older livepass processes that still run: {shown}")


class WrongEncoding(Exception):
    """A database that cannot hold every character, or does not know what one is."""

    def __init__(self, encoding: str) -> None:
        self.hint = "make another one: CREATE DATABASE livepass OWNER livepass ENCODING 'UTF8' TEMPLATE template0"
        super().__init__(f"the database is {encoding}, and names are of any language: livepass needs UTF8")


def require(found: Schema, known: int) -> None:
    """Raise ``SchemaMismatch`` unless this livepass can work on the database.

    A newer schema is fine while it only added: so old and new processes share the database during an upgrade.
    """
    if found.number < known or found.oldest > known:
        raise SchemaMismatch(found, known)


def due(migrations: Sequence[Migration], found: Schema) -> list[Migration]:
    """The migrations that the database has not had."""
    return [migration for migration in migrations if migration.number > found.number]
