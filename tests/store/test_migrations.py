"""Migrations: from nothing, again, by several at once, and cut off in the middle."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from livepass.store import sqlite
from livepass.store.named import Migration, migrations
from livepass.store.schema import SchemaMismatch
from livepass.store.sqlite import SqliteStore, check_schema, connect, schema, upgrade

KNOWN = migrations("sqlite")
NEWEST = KNOWN[-1].number


def tables(path: Path) -> set[str]:
    db = sqlite3.connect(path)
    try:
        return {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    finally:
        db.close()


def pretend(path: Path, version: int) -> None:
    db = connect(path)
    db.execute("DELETE FROM migration WHERE number > ?", (version,))
    if version > NEWEST:
        db.execute("INSERT INTO migration VALUES (?, 'newer', ?, 0)", (version, version))
    db.close()


def test_numbers_are_contiguous_so_that_none_is_forgotten() -> None:
    assert [migration.number for migration in KNOWN] == list(range(1, NEWEST + 1))


def test_from_nothing_to_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    ran = upgrade(path, uuid="u", now=1)
    assert ran == [migration.label for migration in KNOWN]
    check_schema(path)
    assert {"pass", "device", "registration", "push_target", "event", "counter"} <= tables(path)


def test_again_does_nothing_and_keeps_the_installation(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    upgrade(path, uuid="first", now=1)
    assert upgrade(path, uuid="second", now=2) == []
    db = sqlite3.connect(path)
    assert db.execute("SELECT uuid, created_at FROM installation").fetchall() == [("first", 1)]
    db.close()


def test_every_process_of_a_start_may_upgrade_at_once(tmp_path: Path) -> None:
    path, faults, ran = tmp_path / "a.db", [], []
    together = threading.Barrier(6)

    def one() -> None:
        together.wait()
        try:
            ran.extend(upgrade(path, uuid="u", now=1))
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert len(ran) == len(KNOWN), "each migration ran once"
    check_schema(path)


def test_a_migration_that_is_cut_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    upgrade(path, uuid="u", now=1)
    before = tables(path)
    half = "CREATE TABLE half (x INTEGER);\nINSERT INTO half VALUES (1);\nINSERT INTO nowhere VALUES (1);\n"
    monkeypatch.setattr(sqlite, "migrations", lambda _: [*KNOWN, Migration(NEWEST + 1, "half", 1, half)])
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        upgrade(path, uuid="u", now=2)
    assert tables(path) == before
    db = connect(path)
    assert schema(db).number == NEWEST
    db.close()
    mended = Migration(NEWEST + 1, "half", 1, half.replace("nowhere", "half"))
    monkeypatch.setattr(sqlite, "migrations", lambda _: [*KNOWN, mended])
    assert upgrade(path, uuid="u", now=3) == [f"{NEWEST + 1:04}_half"], "and it can be run again once mended"


def test_an_older_database_says_what_to_run(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    upgrade(path, uuid="u", now=1)
    pretend(path, NEWEST - 1)
    with pytest.raises(SchemaMismatch, match=f"schema {NEWEST - 1}.*needs {NEWEST}") as refused:
        SqliteStore(path)
    assert refused.value.hint.endswith("livepass db upgrade")


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    upgrade(path, uuid="u", now=1)
    pretend(path, NEWEST + 1)
    assert upgrade(path, uuid="u", now=2) == []
    with pytest.raises(SchemaMismatch) as refused:
        check_schema(path)
    assert "newer livepass" in refused.value.hint
    assert "upgrade" not in refused.value.hint.split(";")[1]


def test_no_database_is_an_old_one_and_is_not_made_by_looking(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    with pytest.raises(SchemaMismatch) as refused:
        check_schema(path)
    assert refused.value.hint.endswith("livepass db upgrade")
    assert not path.exists()
