"""``livepass canary status`` and ``livepass status``: what is said of canaries, by runs and by who has them."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing

import pytest

from livepass.core.canary import SERIAL, Leg, Run, Step
from livepass.core.canary_standing import SILENT_MS

TYPE = "pass.test.livepass"
MINUTE = 60_000


def now() -> int:
    return time.time_ns() // 1_000_000


def ran(ago: int, wrong: str = "") -> None:
    run = Run(TYPE, now() - ago, [Step(Leg.REGISTER, 4, wrong)], None if wrong else 40, 60_000)
    event = run.event()
    with closing(sqlite3.connect("livepass.db")) as db:
        row = (event.at, event.kind.value, TYPE, json.dumps(event.detail))
        db.execute("INSERT INTO event (at, kind, pass_type, seq, detail) VALUES (?, ?, ?, 0, ?)", row)
        db.commit()


def runs(pid: int, canaries: str | None) -> None:
    with closing(sqlite3.connect("livepass.db")) as db:
        row = (str(pid), "host", pid, "serve+worker", 1, now(), now(), None, 0, canaries)
        db.execute(f"INSERT INTO process VALUES ({', '.join('?' * len(row))})", row)
        db.commit()


@pytest.fixture
def issued(project, monkeypatch):
    monkeypatch.setenv("LIVEPASS_PORT", "1")
    project("pass", "issue", f"{TYPE}/1", "--template", "membership", 'member_no="1"', "name=Ada")
    return project


def test_one_that_fails_says_since_when_and_who_runs_it(issued):
    runs(1, TYPE)
    for ago in (20, 10, 5):
        ran(ago * MINUTE, "no answer" if ago < 20 else "")
    said = issued("canary", "status", exit_=1).out
    assert "33.3 %" in said and "1 of 1" in said and "register: no answer, since 20" in said and "doctor" in said
    found = issued("canary", "status", "--json", exit_=1).json
    assert (found["state"], found["runs"], found["disputed"]) == ("fails", 3, "")
    assert found["newest"]["at"] - found["since"] == pytest.approx(5 * MINUTE, abs=MINUTE)
    assert any("register: no answer" in said for said in issued("status", "--json", exit_=1).json["attention"])


def test_one_that_nothing_runs_is_silent(issued, monkeypatch):
    """Also one that only the settings name."""
    ran(SILENT_MS + MINUTE)
    monkeypatch.setenv("LIVEPASS_CANARY", TYPE)
    assert "nothing has run it for 31 min" in issued("canary", "status", exit_=1).out
    runs(1, "")
    said = issued("canary", "status", exit_=1).out
    assert "0 of 1" in said and "no running process has it" in said
    assert any("no running process has it" in said for said in issued("status", "--json", exit_=1).json["attention"])


def test_processes_that_disagree_are_named_and_what_is_turned_off_is_said_to_be(issued):
    assert "no pass type has a canary" in issued("canary", "status").out
    for pid, canaries in ((1, TYPE), (2, ""), (3, None)):
        runs(pid, canaries)
    ran(MINUTE)
    said = issued("canary", "status", exit_=1).out
    assert "1 of 2" in said and "seen in time" in said
    assert f"names {TYPE} for serve+worker on host (pid 1), and not for serve+worker on host (pid 2)" in said
    assert any("names" in said for said in issued("status", "--json", exit_=1).json["attention"])
    with closing(sqlite3.connect("livepass.db")) as db:
        db.execute("DELETE FROM process WHERE id = '1'")
        db.execute("UPDATE pass SET serial = ?", (SERIAL,))
        db.commit()
    assert "turned off: its pass is forgotten within minutes" in issued("canary", "status").out
    assert not any("canary" in said for said in issued("status", "--json").json["attention"])
