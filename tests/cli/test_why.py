"""``livepass why``: what a person reads, what a program reads, and the exit codes."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

TYPE = "pass.test.livepass"
NAME = f"{TYPE}/1001"


@pytest.fixture
def issued(project):
    project("pass", "issue", NAME, "--template", "membership", 'member_no="1001"', "name=Ada", "points=120")
    return project


def test_a_pass_that_nobody_has_is_no_problem(issued):
    ran = issued("why", NAME, "--json").json
    assert (ran["pass_type"], ran["serial"], ran["problem"], ran["phones"], ran["more"]) == (
        TYPE,
        "1001",
        False,
        0,
        False,
    )
    [verdict] = ran["verdicts"]
    assert (verdict["code"], verdict["trip"], verdict["device_id"], verdict["proof"]) == ("LP002", "register", None, [])
    said = issued("why", NAME).out
    assert "LP002 nobody has it" in said and f"livepass pass build {NAME} -o FILE.pkpass" in said


def test_a_phone_that_left_is_not_counted_as_one_that_waits(issued):
    """Fails when it says "1 of 2 phones", of which the second stopped listening and is owed nothing."""
    with closing(sqlite3.connect("livepass.db")) as db, db:
        for device, left in (("here", None), ("gone", 3)):
            db.execute("INSERT INTO device VALUES (?, ?, ?, 1, 1, 1, 1)", (TYPE, device, device))
            row = (TYPE, device, "1001", left)
            db.execute("INSERT INTO registration VALUES (?, ?, ?, 1, 1, 1, ?, NULL, 1, 1, 1, 0, NULL)", row)
    assert issued("why", NAME, "--json").json["phones"] == 1
    assert f"{NAME}: 1 of 1 phones were served the newest version" in issued("why", NAME).out


def test_a_problem_leaves_with_exit_1(issued):
    with closing(sqlite3.connect("livepass.db")) as db, db:
        db.execute("UPDATE certificate SET promoted_at = NULL")
    ran = issued("why", NAME, "--json", exit_=1).json
    assert ran["problem"] and [one["code"] for one in ran["verdicts"]] == ["LP501", "LP002"]
    said = issued("why", NAME, exit_=1).out
    assert "LP501 no certificate" in said and "livepass help LP501" in said
    assert "livepass help my-pass-stopped-updating" in said
    assert [one["docs"] for one in ran["verdicts"]] == ["/docs/findings/LP501", "/docs/findings/LP002"]


def test_a_pass_that_is_not_there(issued):
    assert "no pass" in issued("why", f"{TYPE}/nobody", exit_=1).err
    issued("why", "nobody", exit_=2)


def test_all_passes_at_once(issued):
    ran = issued("why", "--all", "--group", "--json").json
    assert ran == {"registrations": 0, "current": 0, "looked_at": 0, "problem": False, "groups": []}
    for words in ((), ("--group",)):
        assert "no phone follows a pass: livepass pass list" in issued("why", "--all", *words).out
    with closing(sqlite3.connect("livepass.db")) as db, db:
        db.execute("UPDATE certificate SET promoted_at = NULL")
    [group] = issued("why", "--all", "--group", "--type", TYPE, "--json", exit_=1).json["groups"]
    assert (group["code"], group["exact"], group["pass_types"]) == ("LP501", True, [TYPE])
    assert group["docs"] == "/docs/findings/LP501"
    assert group["examples"] == [{"pass_type": TYPE, "serial": "1001", "device_id": None}]
    said = issued("why", "--all", "--group", exit_=1).out
    assert "LP501 no certificate" in said and f"livepass why {NAME}" in said and "livepass help LP501" in said
    assert "livepass help everything-stopped-updating" in said
    [row] = issued("why", "--all", "--json", exit_=1).rows
    assert (row["serial"], row["code"], row["problem"]) == ("1001", "LP501", True)
    assert NAME in issued("why", "--all", exit_=1).out


@pytest.mark.parametrize("words", [(), (NAME, "--all"), (NAME, "--group"), (NAME, "--type", TYPE)])
def test_a_pass_or_all_of_them(issued, words):
    assert "livepass why" in issued("why", *words, exit_=2).err


def test_what_was_seen_is_shown_as_proof(issued):
    issued("pass", "set", NAME, "points=120")
    [unchanged, _] = issued("why", NAME, "--json").json["verdicts"]
    [seen] = unchanged["proof"]
    assert (unchanged["code"], seen["kind"], seen["serial"]) == ("LP401", "unchanged", "1001")
    timeline = issued("pass", "timeline", NAME, "--json").rows
    assert seen in timeline, "as it stands there"
    said = issued("why", NAME).out
    assert "proof" in said and "unchanged" in said
