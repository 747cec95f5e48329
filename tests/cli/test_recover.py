"""``livepass db recover`` and ``livepass db lost``: what an operator types after a restore, and what it says."""

from __future__ import annotations

import asyncio
import json
import shutil

import pytest

import engines
from livepass import config, wiring

TYPE = "pass.test.livepass"


@pytest.fixture
def issued(project):
    project("pass", "issue", f"{TYPE}/1001", "--template", "membership", 'member_no="1001"', "name=Ada", "points=1")
    return project


def register(device: str, serial: str = "1001", token: str = "ab") -> str:
    """As a phone does; the tag that it then gets."""

    async def work() -> str:
        async with wiring.opened(config.load()) as services:
            row = await services.store.pass_(TYPE, serial)
            allowed = f"ApplePass {services.keys.token('default', TYPE, serial, row.token)}"
            body = json.dumps({"pushToken": token}).encode()
            assert (await services.answering.register(TYPE, serial, device, allowed, body)).status == 201
            return json.loads((await services.answering.ask(TYPE, device, None, None)).body)["lastUpdated"]

    return asyncio.run(work())


def ask(device: str, tag: str) -> int:
    async def work() -> int:
        async with wiring.opened(config.load()) as services:
            return (await services.answering.ask(TYPE, device, tag, None)).status

    return asyncio.run(work())


def test_recover_without_a_journal(issued):
    done = issued("db", "recover", "--json").json
    [begun] = done["pass_types"]
    assert (begun["pass_type"], begun["number"]) == (TYPE, begun["before"] + 1)
    assert (done["reason"], done["journal"], done["trouble"]) == ("asked_for", None, "")
    again = issued("db", "recover")
    assert "phones are told everything again" in again.out
    assert "no registration journal" in again.out
    kinds = [row["kind"] for row in issued("pass", "timeline", f"{TYPE}/1001", "--json").rows]
    assert kinds.count("new_epoch") == 2, "safe to repeat"


def test_recover_brings_back_what_the_journal_has(issued, tmp_path, monkeypatch):
    (tmp_path / "journal").mkdir()
    monkeypatch.setenv("LIVEPASS_REGISTRATION_JOURNAL", str(tmp_path / "journal"))
    shutil.copy("livepass.db", "backup.db")
    register("phone")
    issued("pass", "issue", f"{TYPE}/1002", "--template", "membership", 'member_no="1002"', "name=Bo", "points=1")
    register("phone", "1002")
    shutil.copy("backup.db", "livepass.db")
    done = issued("db", "recover", "--json", exit_=1).json["journal"]
    assert (done["entries"], done["replayed"], done["already_there"], done["overtaken"]) == (2, 1, 0, 0)
    assert [(one["serial"], one["device_id"]) for one in done["lost"]] == [("1002", "phone")]
    said = issued("db", "recover", exit_=1).out
    assert "registrations that cannot be brought back: 1" in said
    assert "its pass is not in the database" in said
    assert issued("db", "recover", "--since", "2100-01-01", "--json").json["journal"]["entries"] == 0
    assert issued("db", "lost").out.strip() == "no phone asks that we do not know"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made = tmp_path / "journal"
    made.mkdir()
    monkeypatch.setenv("LIVEPASS_REGISTRATION_JOURNAL", str(made))
    return made


def replay_as_serve_does() -> int:
    """How many entries the next process that answers replays by itself."""

    async def work() -> int:
        async with wiring.opened(config.load()) as services:
            done = await services.recovering.replay_if_due()
            return -1 if done is None else done.entries

    return asyncio.run(work())


def test_a_restore_replays_what_came_since_the_backup_and_leaves_the_rest_to_serve(issued, folder, monkeypatch):
    """The backup may have been made before an earlier replay had finished: only all of the journal is enough."""
    monkeypatch.setattr("livepass.cli.restore.EARLIER_MS", 0)
    register("early")
    assert replay_as_serve_does() == 1
    engines.run("sqlite:///livepass.db", "DELETE FROM registration")
    issued("backup", "a.zip")
    register("late", token="cd")
    done = issued("restore", "a.zip", "--replace", "--json").json["history"]["journal"]
    assert (done["entries"], done["replayed"]) == (1, 1)
    assert replay_as_serve_does() == 2
    rows = engines.look("sqlite:///livepass.db", "SELECT device_id FROM registration ORDER BY device_id")
    assert [row["device_id"] for row in rows] == ["early", "late"]
    assert replay_as_serve_does() == -1


def test_an_operator_who_says_since_when_is_believed(issued, folder):
    register("phone")
    assert issued("db", "recover", "--since", "2100-01-01", "--json").json["journal"]["entries"] == 0
    assert replay_as_serve_does() == -1


def test_a_restore_tells_of_entries_that_could_not_be_read(issued, folder):
    issued("backup", "a.zip")
    register("phone")
    [path] = folder.glob("*.journal")
    path.write_bytes(path.read_bytes().replace(b"1 ", b"2 ", 1))
    done = issued("restore", "a.zip", "--replace", "--json", exit_=1).json
    [unreadable] = done["history"]["journal"]["unreadable"]
    assert (unreadable["file"], unreadable["count"]) == (path.name, 1)
    assert "damaged" in issued("restore", "a.zip", "--replace", exit_=1).out
    path.unlink()
    issued("restore", "a.zip", "--replace")


def test_registrations_that_a_restore_lost_with_their_pass_are_no_fault(issued, folder):
    issued("backup", "a.zip")
    issued("pass", "issue", f"{TYPE}/1002", "--template", "membership", 'member_no="1002"', "name=Bo", "points=1")
    register("phone", "1002")
    done = issued("restore", "a.zip", "--replace", "--json").json
    assert [one["device_id"] for one in done["history"]["journal"]["lost"]] == ["phone"]


def test_lost_names_the_phones_that_still_ask(issued):
    shutil.copy("livepass.db", "backup.db")
    tag = register("phone")
    shutil.copy("backup.db", "livepass.db")
    assert issued("db", "lost", "--json").rows == []
    assert ask("phone", tag) == 204
    assert ask("stranger", "v1.e.1.AAAAAAAA") == 204
    [found] = issued("db", "lost", "--json", exit_=1).rows
    assert (found["pass_type"], found["device_id"], found["times"]) == (TYPE, "phone", 1)
    assert "phone" in issued("db", "lost", exit_=1).out
    register("phone")
    assert issued("db", "lost", "--json").rows == []


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", ""])
def test_an_instant_that_is_none_is_refused(issued, text):
    assert "is not a time" in issued("db", "recover", "--since", text, exit_=2).err


def test_a_restored_copy_is_noticed_by_any_command(issued):
    """The witness lies beside the database and is not part of the backup."""
    shutil.copy("livepass.db", "backup.db")
    register("phone")
    shutil.copy("backup.db", "livepass.db")
    issued("pass", "list")
    rows = issued("pass", "timeline", f"{TYPE}/1001", "--json").rows
    assert [row["detail"]["reason"] for row in rows if row["kind"] == "new_epoch"] == ["witness_ahead"]
