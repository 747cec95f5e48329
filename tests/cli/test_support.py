"""``livepass support``: a bundle for strangers, of an installation in which every secret and every id is a marker."""

from __future__ import annotations

import json
import os
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest

from journeys.leaks import Evidence
from livepass.cli.support_parts import PARTS
from livepass.cli.support_scrape import ours, without_user

TYPE = "pass.test.livepass"
SERIAL, DEVICE, TOKEN = "serial-marker-1001", "device-marker-4711", "pushtoken-marker-" + "ab" * 20
MARKERS = {
    "serial": SERIAL,
    "device id": DEVICE,
    "push token": TOKEN,
    "name on a pass": "Ada-marker von Musterfrau",
    "holder": "crm-marker-of-ada",
    "host": "host-marker.internal",
    "line of a log": "Frau Musterfrau's marker line",
    "reason": "ReasonMarkerOfAStranger",
    "tenant's title": "Marker & Sons, bakers",
    "user": "user-marker-of-console",
    "name of a key": "key-name-marker-of-ada",
    "stranger's pass type": "pass.marker.of.a.stranger",
    "admin key": "admin-key-marker-123456",
    "outbox password": "outbox-password-marker",
    "folder": "folder-marker-of-ada",
    "epoch": "epoch-marker-abcdef",
}


def seeded(project: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> sqlite3.Connection:
    """Markers wherever the database and the settings have room for one."""
    given = ("--template", "membership", 'member_no="1"', f"name={MARKERS['name on a pass']}")
    project("pass", "issue", f"{TYPE}/{SERIAL}", *given, "--holder", MARKERS["holder"])
    project("key", "create", MARKERS["name of a key"], "--scope", "passes:read")
    journal = folder / MARKERS["folder"]
    journal.mkdir()
    monkeypatch.setenv("LIVEPASS_ADMIN_KEY", MARKERS["admin key"])
    monkeypatch.setenv("LIVEPASS_OUTBOX_URL", f"postgresql://ada:{MARKERS['outbox password']}@db.example/x")
    monkeypatch.setenv("LIVEPASS_REGISTRATION_JOURNAL", str(journal))
    monkeypatch.setenv("LIVEPASS_PORT", "1")
    db = sqlite3.connect(folder / "livepass.db", isolation_level=None)
    db.execute("UPDATE counter SET epoch = ?", (MARKERS["epoch"],))
    db.execute("INSERT INTO tenant VALUES ('second', ?, 1)", (MARKERS["tenant's title"],))
    db.execute("INSERT INTO console_user VALUES ('default', ?, 'admin', NULL, NULL, NULL, 1, NULL)", (MARKERS["user"],))
    db.execute("INSERT INTO device VALUES (?, ?, ?, 1, 0, 0, NULL)", (TYPE, DEVICE, TOKEN))
    db.execute(
        "INSERT INTO registration VALUES (?, ?, ?, 1, 1, 1, NULL, NULL, 0, NULL, 0, 0, NULL)", (TYPE, DEVICE, SERIAL)
    )
    db.execute(
        "INSERT INTO push_target VALUES (?, ?, 1, 1, 0, 0, 0, 0, 0, 1, 0, NULL, NULL, 0, NULL, NULL, NULL)",
        (TYPE, TOKEN),
    )
    db.execute("INSERT INTO circuit VALUES (?, 9e12, ?, 1, NULL)", (TYPE, MARKERS["reason"]))
    db.execute("INSERT INTO fan_out VALUES (?, 'changed', ?, 1, 1, 0, 1, ?, ?, '')", (TYPE, SERIAL, DEVICE, DEVICE))
    db.execute("INSERT INTO process VALUES ('p', ?, 42, 'serve', 1, 1, 1, NULL, 0, NULL)", (MARKERS["host"],))
    refused = {"status": 400, "reason": MARKERS["reason"], "said": TOKEN}
    said = {"code": "?", "shape": MARKERS["line of a log"], "line": MARKERS["line of a log"], "about": SERIAL}
    for kind, pass_type, detail in (
        ("push_rejected", TYPE, refused),
        ("testified", TYPE, said),
        ("testified", MARKERS["stranger's pass type"], said),
    ):
        row = (kind, pass_type, SERIAL, DEVICE, TOKEN, json.dumps(detail))
        db.execute(
            "INSERT INTO event (at, kind, pass_type, serial, device_id, target, seq, detail)"
            " VALUES (9, ?, ?, ?, ?, ?, 1, ?)",
            row,
        )
    return db


def test_a_bundle_tells_a_stranger_everything_but_who(project, files, monkeypatch):
    """Fails when a part copies a row instead of naming what it tells, or a fact is added with an id in it."""
    db = seeded(project, files, monkeypatch)
    before = cells(db)
    assert [name for name, text in MARKERS.items() if text not in before + "".join(os.environ.values())] == []
    made = project("support", "bundle", "-o", "b.zip", "--yes", "--json").json
    assert made["missing"] == {} and set(made["parts"]) == {"README.txt", *(part.file for part in PARTS)}
    assert cells(db) == before
    assert Path("b.zip").stat().st_mode & 0o077 == 0

    evidence = Evidence()
    for name, text in MARKERS.items():
        evidence.secret(name, text)
    for name, text in (
        line.split("=", 1) for line in Path("livepass.toml").read_text().splitlines() if "secret" in line
    ):
        evidence.secret(name, text.strip(' "'))
    for row in db.execute("SELECT secret_hash FROM api_key UNION ALL SELECT id FROM certificate"):
        evidence.secret("stored", row[0])
    evidence.add_file("bundle", Path("b.zip"))
    assert evidence.hits() == []

    told = {name: content for name, content in opened("b.zip").items() if name.endswith(".json")}
    mark = {row["id"]: row["fingerprint"] for row in project("support", "fingerprint", SERIAL, DEVICE, "--json").rows}
    [refusal] = [one for one in told["events.json"] if one["kind"] == "push_rejected"]
    assert (refusal["status"], refusal["reason"], refusal["pass"]) == (400, "other", mark[SERIAL])
    assert refusal["phone"] == mark[DEVICE] != mark[SERIAL]
    assert told["settings.json"]["ADMIN_KEY"] == {"from": "the environment"}
    assert told["settings.json"]["PUBLIC_URL"] == {"from": "livepass.toml", "value": "https://wallet.example.com"}
    assert told["settings.json"]["KEY_RATE"] == {"from": None, "value": 60000}
    assert told["tables.json"]["tables"]["registration"]["rows"] == 1
    assert told["queues.json"]["pushes"][TYPE]["due"] == 1 and told["queues.json"]["fan_outs"][0]["what"] == "changed"
    assert told["status.json"]["all"]["registrations"] == 1
    assert [one["code"] for one in told["phones-say.json"]] == ["?"]
    assert told["findings.json"]["findings"], "a phone that was never pushed is a finding"
    assert told["certificates.json"]["certificates"][0]["stage"] == "live"
    assert f'livepass_pushes_halted{{pass_type="{TYPE}"}} 1' in opened("b.zip")["metrics.txt"]


def test_it_says_what_it_holds_and_asks(project, monkeypatch):
    refused = project("support", "bundle", "-o", "b.zip", exit_=4)
    assert "events.json" in refused.out and "--yes" in refused.err and not Path("b.zip").exists()
    project("support", "bundle", "-o", "b.zip", "--json", exit_=4)
    assert not Path("b.zip").exists()
    assert "look into it" in project("support", "bundle", "-o", "b.zip", "--yes").out
    assert "there already" in project("support", "bundle", "-o", "b.zip", "--yes", exit_=4).err
    project("support", "bundle", "-o", "b.zip", "--yes", "--force")
    assert (
        "where the database is"
        in project("support", "bundle", "--yes", "--url", "https://x.example", "--key", "k" * 20, exit_=2).err
    )


@pytest.mark.parametrize("broken", ["no database", "no events", "garbage"])
def test_an_installation_that_is_broken_gets_a_bundle_all_the_same(project, broken):
    """Fails when one part that cannot be had takes the others with it."""
    path = Path("livepass.db")
    if broken == "no events":
        with sqlite3.connect(path) as db:
            db.execute("ALTER TABLE event RENAME TO event_gone")
        db.close()
    else:
        path.unlink()
        if broken == "garbage":
            path.write_bytes(b"this is no database at all" * 100)
    made = project("support", "bundle", "-o", "b.zip", "--yes", "--json").json
    held = opened("b.zip")
    assert held["missing.json"] == made["missing"] and "events.json" in made["missing"]
    assert held["versions.json"]["engine"] == "sqlite" and "settings.json" in held
    assert ("certificates.json" in held) == (broken == "no events")


def test_what_answers_on_that_port_may_be_anybody():
    assert ours('livepass_pushes_halted{pass_type="pass.a"} 1', {"pass.a"})
    assert ours('livepass_staleness_seconds_bucket{pass_type="pass.a",le="0.5"} 3', {"pass.a"})
    assert ours("process_cpu_seconds_total 1.5e-05", set())
    for line in (
        'livepass_pushes_halted{pass_type="pass.b"} 1',
        'livepass_pushes_halted{serial="1001"} 1',
        "somebody_elses_total 1",
        "<html>",
        "# HELP livepass_pushes_halted serial 1001",
    ):
        assert not ours(line, {"pass.a"}), line


def test_the_page_lists_what_a_bundle_holds():
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "get-help.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [part.file for part in PARTS]


def test_an_address_is_told_without_its_user():
    assert without_user("https://ada:secret@example.com/x") == "https://…@example.com/x"
    assert without_user(("https://a@b/", 7)) == ["https://…@b/", 7]


def cells(db: sqlite3.Connection) -> str:
    """All that the database holds, as text."""
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    found = (cell for table in tables for row in db.execute(f'SELECT * FROM "{table}"') for cell in row)
    return "\n".join(cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell) for cell in found)


def opened(path: str) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        return {
            name: json.loads(archive.read(name)) if name.endswith(".json") else archive.read(name).decode()
            for name in archive.namelist()
        }
