"""The SQL file: every statement parses, every statement is used, and the hot ones never walk a table."""

from __future__ import annotations

import ast
import asyncio
import re
import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import asyncpg
import pytest

import engines
from livepass.store import (
    console,
    figures,
    idempotency,
    imports,
    locking,
    owing,
    postgres_joined,
    postgres_statements,
    reading,
    twins,
    webhooks,
    writing,
)
from livepass.store.named import load, parse
from livepass.store.sqlite import connect, upgrade

STATEMENTS = load("sqlite")


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("named") / "named.db"
    upgrade(path, uuid="u", now=1)
    connection = connect(path)
    yield connection
    connection.close()


def parameters(statement: str) -> dict[str, None]:
    return dict.fromkeys(re.findall(r":(\w+)", statement))


def named_in_code() -> set[str]:
    """The first argument of every call that runs a statement by name, and what a table names."""
    found = {*writing._PRUNE.values(), *(joint.statement for joint in postgres_joined.JOINTS)}
    for module in (
        console,
        figures,
        idempotency,
        imports,
        reading,
        locking,
        owing,
        twins,
        webhooks,
        writing,
    ):
        for node in ast.walk(ast.parse(Path(module.__file__).read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                if node.func.attr in {"rows", "run", "run_many", "run_rows", "_one", "_more", "_query"} and isinstance(
                    first, ast.Constant
                ):
                    found.add(first.value)
    return found


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_every_statement_parses_against_the_schema(db: sqlite3.Connection, name: str) -> None:
    db.execute(f"EXPLAIN {STATEMENTS[name]}", parameters(STATEMENTS[name]))


LOCKS = {name for name in load("postgres") if name.startswith("lock_")}
"""Where one writer at a time is the rule, there is nothing to lock."""


SHARED = {"ask_heads", "ask_snapshots", "fetch_snapshots"}
"""Where a statement is no trip to a server, there is nothing to share."""


def test_no_statement_is_missing_and_none_is_dead() -> None:
    assert named_in_code() == set(STATEMENTS) | LOCKS | SHARED
    assert set(load("postgres")) == set(STATEMENTS) | LOCKS | SHARED


def test_postgres_differs_only_where_it_says_why() -> None:
    own = resources.files("livepass.store").joinpath("queries.postgres.sql").read_text("utf-8")
    common = resources.files("livepass.store").joinpath("queries.sql").read_text("utf-8")
    for name, statement in parse(own).items():
        assert parse(common).get(name) != statement, f"{name} is the same for both"


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_postgres_understands_every_statement(tmp_path: Path) -> None:
    """Prepared, so names and types are checked as well."""

    async def prepare() -> dict[str, str]:
        faults = {}
        db = await asyncpg.connect(engines.new_database(tmp_path))
        for name, statement in postgres_statements.statements().items():
            try:
                await db.prepare(statement.sql)
            except asyncpg.PostgresError as error:
                faults[name] = str(error)
        await db.close()
        return faults

    assert asyncio.run(prepare()) == {}


@pytest.mark.parametrize(
    "name",
    [
        *("register_snapshot", "ask_snapshot", "fetch_snapshot", "candidates", "held", "timeline", "timeline_devices"),
        "versions_of_pass",
        *("claim_targets", "record_outcome", "raise_asked", "acknowledge", "want_pushes", "to_retell", "name_serial"),
    ],
)
def test_what_runs_for_every_phone_uses_an_index(db: sqlite3.Connection, name: str) -> None:
    plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {STATEMENTS[name]}", parameters(STATEMENTS[name]))]
    # Named here is what a statement makes itself: one row, or as many as a limit lets through.
    walks = [step for step in plan if re.match(r"SCAN (?!json_each|\(|(?:q|one|heard)\b|CONSTANT)", step)]
    assert not [step for step in walks if "json_each" not in step], plan


def test_when_the_next_push_is_due_is_read_from_the_end_of_an_index(db: sqlite3.Connection) -> None:
    plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {STATEMENTS['due']}")]
    [step] = [step for step in plan if re.search(r"\bg\b", step)]
    assert "USING INDEX push_target_due" in step or "USING COVERING INDEX push_target_due" in step


def test_a_name_may_stand_only_once() -> None:
    with pytest.raises(ValueError, match="'twice'"):
        parse("-- name: twice\nSELECT 1;\n\n-- name: twice\nSELECT 2;\n")


def test_comments_and_section_lines_are_no_part_of_a_statement() -> None:
    text = "-- top\n\n-- name: a\n-- Why.\nSELECT 1\n  -- more\n  WHERE 1;\n\n-- ─── next\n\n-- name: b\nSELECT 2;\n"
    assert parse(text) == {"a": "SELECT 1\n  WHERE 1", "b": "SELECT 2"}


def test_watermarks_are_only_ever_raised() -> None:
    """Numbers only rise: whatever sets a watermark takes the greater of the old and the new one."""
    for name, statement in STATEMENTS.items():
        for mark in ("pushed", "asked", "told"):
            for value in re.findall(rf"\b{mark} = ([^,\n]+)", statement.partition("WHERE")[0]):
                assert value.startswith("max("), f"{name} sets {mark} to {value}"
