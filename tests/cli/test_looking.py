"""``why`` of the database here looks past the service: it is there at once, writes nothing, and says the same."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from livepass.cli.client import address, connected
from livepass.cli.session import Session, run
from store.whole import made

TYPE = "pass.test.livepass"
NAME = f"{TYPE}/1001"
HEAVY = {"httpx2", "starlette", "uvicorn", "cryptography", "asyncpg", "rich"}
"""What takes long to load, and a look into a SQLite database does without."""
HEAVY_OF_OURS = {"wiring", "apns", "keys", "pkpass", "web.issuer", "web.operations", "service.issuing", "store.writing"}


@pytest.fixture
def issued(project):
    project("pass", "issue", NAME, "--template", "membership", 'member_no="1001"', "name=Ada", "points=120")
    return project


@pytest.fixture(params=["sqlite", "postgres"])
def on_each(request, issued, tmp_path, monkeypatch):
    """The same on a database of either engine."""
    if request.param == "postgres":
        issued("backup", "moved.zip")
        monkeypatch.setenv("LIVEPASS_DATABASE_URL", made("postgres", tmp_path))
        issued("restore", "moved.zip")
    return issued


def _of_the_api(name: str) -> object:
    async def work() -> object:
        async with connected(Session()) as client:
            return await client.get(address("passes", TYPE, name, "why"))

    return run(work())


def _loaded(*words: str) -> tuple[str, set[str]]:
    """What a command says on stdout, and the modules that it loads."""
    command = (sys.executable, "-X", "importtime", "-m", "livepass", *words)
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    lines = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    return ran.stdout, {line.rpartition("|")[2].strip() for line in lines}


def test_nothing_heavy_is_loaded(issued):
    said, loaded = _loaded("why", NAME, "--json")
    assert json.loads(said)["verdicts"][0]["code"] == "LP002"
    assert "livepass.service.explaining" in loaded, "this is a list of what was loaded"
    ours = {f"livepass.{name}" for name in HEAVY_OF_OURS}
    assert not {name for name in loaded if name.partition(".")[0] in HEAVY} | ours & loaded


def test_a_command_that_pushes_nothing_loads_no_apns(issued):
    said, loaded = _loaded("pass", "list", "--json")
    assert json.loads(said)["serial"] == "1001" and "livepass.wiring" in loaded
    assert not {"livepass.apns", "livepass.outside.journal_folder"} & loaded


def test_it_is_what_the_api_answers(on_each):
    on_each("pass", "set", NAME, "points=121")
    on_each("pass", "set", NAME, "points=121")
    found = on_each("why", NAME, "--json").json
    assert found["verdicts"][0]["proof"], "with times, numbers and details in it"
    assert found == _of_the_api("1001")


def test_a_pass_that_is_not_there_is_refused_in_the_same_words(on_each):
    named = f"{TYPE}/no such"
    assert on_each("why", named, "--json", exit_=1).problem == on_each("pass", "show", named, "--json", exit_=1).problem
    assert on_each("why", named, exit_=1).err == on_each("pass", "show", named, exit_=1).err


def _is_gone() -> None:
    Path("livepass.db").unlink()


def _is_older() -> None:
    with closing(sqlite3.connect("livepass.db")) as db, db:
        db.execute("UPDATE migration SET number = 0")


def _is_newer() -> None:
    with closing(sqlite3.connect("livepass.db")) as db, db:
        db.execute("UPDATE migration SET number = 99, oldest = 99")


def _is_none() -> None:
    for beside in Path().glob("livepass.db*"):
        beside.unlink()
    Path("livepass.db").write_bytes(b"not a database" * 400)


def _lacks_a_table() -> None:
    with closing(sqlite3.connect("livepass.db")) as db, db:
        db.execute("DROP TABLE event")
        db.execute("DROP TABLE pass")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [(_is_gone, "schema"), (_is_older, "schema"), (_is_newer, "schema"), (_is_none, "unchecked")],
)
def test_a_database_that_will_not_do_is_refused_in_the_same_words(issued, spoil, code):
    spoil()
    problem = issued("why", NAME, "--json", exit_=3).problem
    assert problem["code"] == code and problem["hint"]
    assert problem == issued("pass", "show", NAME, "--json", exit_=3).problem


def test_a_fault_while_reading_is_refused_in_the_same_words(issued):
    _lacks_a_table()
    problem = issued("why", NAME, "--json", exit_=3).problem
    assert "no such table: pass" in problem["title"]
    assert problem == issued("pass", "timeline", NAME, "--json", exit_=3).problem


def test_postgresql_that_is_away_is_refused_in_the_same_words(issued, monkeypatch):
    monkeypatch.setenv("LIVEPASS_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    problem = issued("why", NAME, "--json", exit_=3).problem
    assert "cannot be reached" in problem["title"] and "is PostgreSQL running" in problem["hint"]
    assert problem == issued("pass", "show", NAME, "--json", exit_=3).problem


def test_a_database_that_goes_away_meanwhile(issued, monkeypatch):
    from livepass.core.unavailable import Unavailable

    async def away(*_: object) -> None:
        raise Unavailable("it is gone")

    monkeypatch.setattr("livepass.store.reading.Reading.pass_", away)
    ran = issued("why", NAME, exit_=3)
    assert "it is gone" in ran.err and "the database cannot be reached or is too busy" in ran.err
    assert ran.err.splitlines()[1:] == issued("pass", "timeline", NAME, exit_=3).err.splitlines()[1:]


def _everything() -> dict[str, object]:
    with closing(sqlite3.connect("livepass.db")) as db:
        files = sorted(path.name for path in Path().iterdir())
        return {"rows": list(db.iterdump()), "files": files}


def test_nothing_is_written(issued):
    for beside in Path().glob("livepass.db.*"):
        beside.unlink()
    before = _everything()
    issued("why", NAME)
    assert _everything() == before
    issued("pass", "show", NAME)
    assert _everything() != before, "the whole service writes at its start, where there is no witness"
