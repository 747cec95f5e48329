"""Backups and restores as an operator types them: what is written, what is refused, what is said to be lost."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import engines
from cli.conftest import Livepass
from store.whole import made

TYPE = "pass.test.livepass"
NAME = f"{TYPE}/1001"


@pytest.fixture
def issued(project: Livepass) -> Livepass:
    project("pass", "issue", NAME, "--template", "membership", 'member_no="1001"', "name=Ada", "points=120")
    return project


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """The same project on another database."""
    return lambda url: monkeypatch.setenv("LIVEPASS_DATABASE_URL", url)


def sql(statement: str, *parameters: object) -> None:
    """On the project's own database."""
    with closing(sqlite3.connect("livepass.db")) as db:
        db.execute(statement, parameters)
        db.commit()


def phone(number: int, serial: str = "1001") -> None:
    """A phone that follows a pass, behind the service's back."""
    device, token = f"phone{number:03}", f"{number:064x}"
    sql("INSERT INTO device VALUES (?, ?, ?, 1, 0, 0, NULL)", TYPE, device, token)
    columns = "pass_type, device_id, serial, joined, seq, registered_at, served, confirmed, retold"
    sql(f"INSERT INTO registration ({columns}) VALUES (?, ?, ?, 1, 1, 1, 0, 0, 0)", TYPE, device, serial)
    columns = "pass_type, push_token, token_registered_at, wanted, acked, pushed, urgent, sending, attempts, next_at"
    sql(
        f"INSERT INTO push_target ({columns}, hold_until, score) VALUES (?, ?, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0)",
        TYPE,
        token,
    )


# ── backup


def test_backup_writes_one_file_for_its_owner_alone(issued: Livepass) -> None:
    ran = issued("backup", "a.zip")
    assert ran.out.startswith("✓ a.zip\n") and "passes 1, registrations 0" in ran.out and "push tokens" in ran.out
    assert stat.S_IMODE(os.stat("a.zip").st_mode) == 0o600
    said = issued("backup", "b.zip", "--json").json
    assert (said["file"], said["engine"], said["rows"]["pass"]) == ("b.zip", "sqlite", 1)
    assert said["pass_types"][TYPE]["number"] == 1 and said["bytes"] == os.stat("b.zip").st_size
    assert sorted(path.name for path in Path().glob("*.zip*")) == ["a.zip", "b.zip"]


def test_backup_names_its_file_by_the_time(issued: Livepass) -> None:
    name = issued("backup", "--json").json["file"]
    assert name.startswith("livepass-2") and name.endswith("Z.zip") and Path(name).exists()


def test_backup_overwrites_nothing_unasked(issued: Livepass) -> None:
    Path("a.zip").write_text("precious")
    assert "a.zip is there already" in issued("backup", "a.zip", exit_=4).err
    assert Path("a.zip").read_text() == "precious"
    issued("backup", "a.zip", "--force")
    issued("backup", "--verify", "a.zip")


def test_backup_that_cannot_be_written(issued: Livepass) -> None:
    assert "cannot be written" in issued("backup", "nowhere/a.zip", exit_=3).err
    assert not list(Path().glob(".*part"))


def test_backup_without_a_database(livepass: Livepass) -> None:
    livepass("init")
    assert "there is no database" in livepass("backup", "a.zip", exit_=3).err
    assert not Path("a.zip").exists() and not Path("livepass.db").exists()


def test_backup_goes_through_a_pipe(issued: Livepass) -> None:
    livepass = [sys.executable, "-m", "livepass"]
    with Path("piped.zip").open("wb") as file:
        writing = subprocess.Popen([*livepass, "backup", "-"], stdout=subprocess.PIPE)
        assert writing.stdout is not None
        file.write(writing.stdout.read())
        assert writing.wait() == 0
    assert issued("backup", "--verify", "piped.zip", "--json").json["rows"]["pass"] == 1
    environment = os.environ | {"LIVEPASS_DATABASE_URL": "sqlite:///other.db"}
    with subprocess.Popen(["cat", "piped.zip"], stdout=subprocess.PIPE) as reading:
        subprocess.run(
            [*livepass, "restore", "-"], stdin=reading.stdout, env=environment, check=True, capture_output=True
        )
    with closing(sqlite3.connect("other.db")) as db:
        assert db.execute("SELECT count(*) FROM pass").fetchone() == (1,)


def test_a_reader_that_stops_early_has_no_backup(issued: Livepass) -> None:
    for number in range(2000):
        sql("INSERT INTO event (at, kind, pass_type, seq, detail) VALUES (1, 'x', 'y', 0, ?)", os.urandom(200).hex())
        assert number >= 0
    command = f"'{sys.executable}' -m livepass backup - 2>said; echo $? >code"
    subprocess.run(["sh", "-c", f"({command}) | head -c 1 >/dev/null"], check=True)
    assert Path("code").read_text() == "3\n"
    assert "standard output cannot be written" in Path("said").read_text()


def test_verify_finds_a_damaged_file(issued: Livepass) -> None:
    issued("backup", "a.zip")
    assert "a.zip is whole" in issued("backup", "--verify", "a.zip").out
    Path("half.zip").write_bytes(Path("a.zip").read_bytes()[:-100])
    ran = issued("backup", "--verify", "half.zip", exit_=1)
    assert ran.err.startswith("livepass: half.zip: it cannot be read") and "hint: use another backup" in ran.err
    assert issued("backup", "--verify", "nowhere.zip", exit_=3).err
    assert issued("backup", "--verify", exit_=2).err


# ── restore


def test_restore_makes_a_database(issued: Livepass, elsewhere: Callable[[str], None]) -> None:
    issued("backup", "a.zip")
    elsewhere("sqlite:///other.db")
    ran = issued("restore", "a.zip")
    assert "is what it was at" in ran.out and "set aside" not in ran.out
    assert issued("pass", "show", NAME, "--json").json["serial"] == "1001"
    issued("pass", "build", NAME, "-o", "x.pkpass")
    assert issued("db", "verify", "--json").json["findings"] == []
    issued("pass", "issue", f"{TYPE}/1002", "--template", "membership", 'member_no="1002"', "name=Bo", "points=1")


def test_restore_moves_to_postgresql_and_back(
    issued: Livepass, elsewhere: Callable[[str], None], tmp_path: Path
) -> None:
    issued("backup", "a.zip")
    elsewhere(made("postgres", tmp_path))
    assert issued("restore", "a.zip", "--json").json["set_aside"] is None
    issued("pass", "set", NAME, "points=7")
    assert issued("db", "verify", "--json").json["findings"] == []
    assert issued("backup", "b.zip", "--json").json["engine"] == "postgres"
    elsewhere("sqlite:///back.db")
    issued("restore", "b.zip")
    assert issued("pass", "show", NAME, "--json").json["data"]["points"] == 7
    assert issued("db", "verify", "--json").json["findings"] == []


def test_restore_leaves_data_alone_unless_told(issued: Livepass) -> None:
    issued("backup", "a.zip")
    ran = issued("restore", "a.zip", exit_=4)
    assert "holds data already" in ran.err and "hint: --replace" in ran.err
    sql("INSERT INTO process VALUES ('p', 'here', 42, 'serve', 1, 1, ?, NULL, 0, NULL)", int(time.time() * 1000))
    ran = issued("restore", "a.zip", "--replace", exit_=4)
    assert "serve on here (pid 42)" in ran.err and "stop them" in ran.err
    assert not list(Path().glob("*set-aside*"))


def test_restore_names_what_is_gone(issued: Livepass) -> None:
    phone(1)
    issued("backup", "a.zip")
    for number in range(2, 27):
        phone(number)
    issued("pass", "set", NAME, "points=7")
    issued("pass", "issue", f"{TYPE}/1002", "--template", "membership", 'member_no="1002"', "name=Bo", "points=1")
    ran = issued("restore", "a.zip", "--replace", "--lost", "lost.ndjson")
    assert "registrations gone: 25 (" in ran.out
    assert [f"{NAME} phone{n:03}" in ran.out for n in (1, 2, 21, 22)] == [False, True, True, False]
    assert "and 5 more: livepass db compare" in ran.out
    assert "passes gone: 1 (" in ran.out and "versions gone: 1 (" in ran.out
    assert "a new history begins" in ran.out and "no registration journal" not in ran.out, "they are named"
    assert stat.S_IMODE(os.stat("lost.ndjson").st_mode) == 0o600
    kept = [json.loads(line) for line in Path("lost.ndjson").read_text().splitlines()]
    assert {one["device_id"] for one in kept if one["lost"] == "registration"} == {f"phone{n:03}" for n in range(2, 27)}
    [set_aside] = Path().glob("livepass.db.set-aside-*")
    again = issued("db", "compare", str(set_aside), "--json", exit_=1).json["lost"]
    assert len(again["registrations"]) == 25
    assert again["passes"] == [{"pass_type": TYPE, "serial": "1002"}]
    assert again["versions"] == [{"pass_type": TYPE, "serial": "1001"}]
    assert issued("db", "verify", "--json").json["findings"] == []
    assert "nothing was set aside as nowhere" in issued("db", "compare", "nowhere", exit_=3).err


def test_a_list_of_what_is_gone_is_not_written_over(issued: Livepass) -> None:
    issued("backup", "a.zip")
    Path("lost.ndjson").write_text("precious")
    assert "is there already" in issued("restore", "a.zip", "--replace", "--lost", "lost.ndjson", exit_=4).err
    assert Path("lost.ndjson").read_text() == "precious"
    issued("restore", "a.zip", "--lost", "other.ndjson", exit_=4)
    assert not Path("other.ndjson").exists(), "nothing was done, so nothing is named"


def test_restore_of_the_newest_backup_loses_nothing(issued: Livepass) -> None:
    phone(1)
    issued("backup", "a.zip")
    said = issued("restore", "a.zip", "--replace", "--json").json
    assert said["lost"] == {"registrations": [], "passes": [], "versions": [], "enrolments": []}
    assert said["trouble"] == ""
    [begun] = said["history"]["pass_types"]
    assert begun["pass_type"] == TYPE and begun["number"] > 1
    issued("backup", "b.zip")
    assert "nothing is lost" in issued("restore", "b.zip", "--replace").out


def test_restore_after_a_lost_disk_says_how_far_the_database_had_come(issued: Livepass) -> None:
    issued("backup", "a.zip")
    for points in (5, 6, 7):
        issued("pass", "set", NAME, f"points={points}")
    for path in Path().glob("livepass.db*"):
        if not path.name.startswith("livepass.db.witness"):
            path.unlink()
    ran = issued("restore", "a.zip")
    assert f"{TYPE} had come 3 numbers further" in ran.out and "livepass db lost" in ran.out


def test_restore_of_a_damaged_file_touches_nothing(issued: Livepass, elsewhere: Callable[[str], None]) -> None:
    issued("backup", "a.zip")
    Path("half.zip").write_bytes(Path("a.zip").read_bytes()[:-100])
    before = engines.look("sqlite:///livepass.db", "SELECT * FROM counter")
    issued("restore", "half.zip", "--replace", exit_=1)
    assert engines.look("sqlite:///livepass.db", "SELECT * FROM counter") == before
    elsewhere("sqlite:///other.db")
    issued("restore", "half.zip", exit_=1)
    assert not Path("other.db").exists()


def test_restore_needs_the_secret_key_of_the_backup(issued: Livepass, elsewhere: Callable[[str], None]) -> None:
    issued("backup", "a.zip")
    Path("secrets/secret.key").write_text("A" * 43)
    elsewhere("sqlite:///other.db")
    ran = issued("restore", "a.zip", exit_=1)
    assert "its keys do not open" in ran.err and "LIVEPASS_SECRET_KEY" in ran.err
    assert not Path("other.db").exists()


def test_restore_says_what_could_not_be_done_after_it(issued: Livepass, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise OSError("no journal there")

    issued("backup", "a.zip")
    issued("pass", "set", NAME, "points=7")
    monkeypatch.setattr("livepass.service.recovering.Recovering.recover", broken)
    ran = issued("restore", "a.zip", "--replace", exit_=1)
    assert "is what it was at" in ran.out and "no journal there" in ran.out and "livepass db recover" in ran.out
    assert issued("pass", "show", NAME, "--json").json["data"]["points"] == 120
    epochs = engines.look("sqlite:///livepass.db", "SELECT began FROM counter")
    assert epochs == [{"began": 2}], "the new history began with the restore all the same"


# ── verify


def test_verify_says_what_is_wrong_and_what_to_do(issued: Livepass) -> None:
    phone(1)
    assert "all hold" in issued("db", "verify").out
    assert "all hold" in issued("db", "verify", "--quick", "--sample", "0").out
    sql("DELETE FROM push_target")
    ran = issued("db", "verify", exit_=1)
    assert "✗ device_without_target (1)" in ran.out and f"{TYPE}/phone001" in ran.out and "remedy" in ran.out
    [finding] = issued("db", "verify", "--json", exit_=1).json["findings"]
    assert (finding["name"], finding["count"], finding["first"]) == ("device_without_target", 1, [f"{TYPE}/phone001"])
