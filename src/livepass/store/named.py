"""Reads the SQL files: statements by name, migrations by number, and the few words in which the engines differ.

The files are written once. What SQLite and PostgreSQL merely spell differently is spelled for each here, by rule; a
statement that must *be* different stands in ``queries.postgres.sql``, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Engine = Literal["sqlite", "postgres"]

_FOLDER = Path(__file__).parent

PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*\n", re.MULTILINE)
_OLDEST = re.compile(r"^-- oldest: (\d+)$", re.MULTILINE)

_SPELLING: Mapping[Engine, Sequence[tuple[str, str]]] = {
    # The greatest of its arguments is an aggregate's namesake in SQLite.
    "sqlite": [(r"\bgreatest\(", "max("), (r"\bleast\(", "min(")],
    # A list of texts is one parameter: JSON in SQLite, an array in PostgreSQL.
    # As ANY it is a condition on an index, whatever the planner knows of the tables; as a join it is a guess.
    "postgres": [(r"\bIN \(SELECT value FROM json_each\((:\w+)\)\)", r"= ANY (\1)")],
}
_TYPES: Mapping[Engine, Sequence[tuple[str, str]]] = {
    "sqlite": [],
    "postgres": [
        (r"\bINTEGER PRIMARY KEY AUTOINCREMENT\b", "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
        (r"\bBLOB\b", "bytea"),
        # By bytes, as in SQLite: lists are paged and revisions compared by it, whatever the database's locale.
        (r"\bTEXT\b", 'text COLLATE "C"'),
        (r"\) WITHOUT ROWID;", ");"),
    ],
}


def load(engine: Engine, file: str = "queries") -> Mapping[str, str]:
    """The statements of an engine, by name: those of ``FILE.sql``, under those of ``FILE.<engine>.sql``."""
    statements: dict[str, str] = {}
    for path in (_FOLDER / f"{file}.sql", _FOLDER / f"{file}.{engine}.sql"):
        if path.is_file():
            statements |= parse(path.read_text("utf-8"))
    return {name: _spelled(statement, _SPELLING[engine]) for name, statement in statements.items()}


def parse(text: str) -> Mapping[str, str]:
    """Statements by name, without their comments. Two of one name are a mistake."""
    pieces = _NAME.split(text)
    statements: dict[str, str] = {}
    for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
        if name in statements:
            raise ValueError(f"two statements are named {name!r}")
        statements[name] = _COMMENT.sub("", body.split("\n-- ──")[0] + "\n").strip().rstrip(";")
    return statements


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. ``oldest`` is the oldest schema whose livepass still works on a database after it:
    a step that only adds leaves it where it was, a step that takes away raises it.
    """

    number: int
    name: str
    oldest: int
    script: str

    @property
    def label(self) -> str:
        return f"{self.number:04}_{self.name}"


def migrations(engine: Engine) -> list[Migration]:
    """Every migration in order: ``NNNN_name.sql`` for both engines, then ``NNNN_name.<engine>.sql`` for one."""
    found = []
    folder = _FOLDER / "migrations"
    for file in folder.iterdir():
        match = re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name)
        if match is None:
            continue
        common = file.read_text("utf-8")
        oldest = _OLDEST.search(common)
        if oldest is None:
            raise ValueError(f'{file.name} does not say "-- oldest: N"')
        own = folder / f"{match[1]}_{match[2]}.{engine}.sql"
        script = _spelled(common, _TYPES[engine]) + (own.read_text("utf-8") if own.is_file() else "")
        found.append(Migration(int(match[1]), match[2], int(oldest[1]), script))
    return sorted(found, key=lambda migration: migration.number)


def _spelled(text: str, spelling: Sequence[tuple[str, str]]) -> str:
    for pattern, replacement in spelling:
        text = re.sub(pattern, replacement, text)
    return text
