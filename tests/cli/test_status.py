"""``livepass status``: what it says of all registrations, and where it has that from."""

from __future__ import annotations

import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from cli.test_remote import running
from livepass.cli.scrape import samples
from livepass.cli.standing import findings, of_samples
from livepass.cli.status import _percent
from livepass.core.model import Process
from livepass.core.staleness import TARGET_SHARE
from livepass.service.figuring import Figures
from livepass.web.metrics import exposition, of_figures, of_process

TYPE = "pass.test.livepass"
STARTED = 1_800_000_000_000
NOW = STARTED + 60_000
MADE = Figures(
    {(TYPE, "current"): 90, (TYPE, "push"): 10, ("pass.b", "ask"): 3}, {TYPE: 4}, {TYPE: 0.75}, {TYPE: 2}, {"LP201": 7}
)


def told(started: int = STARTED) -> str:
    return exposition(of_process("1", started), of_figures(MADE, NOW - 30_000, 2_000))


def process(role: str = "serve+worker", started: int = STARTED + 900, heard: int = NOW) -> Process:
    return Process("p", "host", 7, role, 1, started, heard, None, 0)


def test_what_a_process_told_is_read_as_it_was_counted():
    assert of_samples(list(samples(told())), [process()], NOW) == (MADE, NOW - 30_000)


@pytest.mark.parametrize(
    ("text", "there"),
    [
        (told(), []),
        (told(), [process(role="worker")]),
        (told(), [process(heard=NOW - 60_000)]),
        (told(started=STARTED - 86_400_000), [process()]),
        (exposition(of_process("1", STARTED)), [process()]),
        ("<html>it works</html>", [process()]),
        ("livepass_registrations{} nonsense", [process()]),
    ],
)
def test_another_installation_on_that_port_is_not_believed(text, there):
    """Fails when whatever answers there is taken for ours, or a service without figures for one with none to count."""
    assert of_samples(list(samples(text)), there, NOW) is None


def test_findings_that_somebody_must_act_on_come_first():
    shown = findings({"LP000": 900, "LP002": 50, "LP201": 7, "LP302": 9, "LP402": 0, "unheard of": 1})
    assert [(row["code"], row["registrations"]) for row in shown][:2] == [("LP302", 9), ("LP201", 7)]
    assert {row["code"] for row in shown} == {"LP002", "LP201", "LP302"}


def test_a_share_is_never_rounded_up():
    assert [_percent(share) for share in (0.98999, 0.99, 1.0, 0.5, TARGET_SHARE)] == [
        "98.9 %",
        "99 %",
        "100 %",
        "50 %",
        "99 %",
    ]


def joined(*devices: str, served: int = 0) -> None:
    """Phones that registered long ago."""
    with closing(sqlite3.connect("livepass.db")) as db:
        for device in devices:
            db.execute("INSERT INTO device VALUES (?, ?, ?, 1, 0, 0, NULL)", (TYPE, device, device))
            row = (TYPE, device, "1", served, served)
            db.execute("INSERT INTO registration VALUES (?, ?, ?, 1, 1, 1, NULL, NULL, ?, 1, ?, 0, NULL)", row)
        db.execute("UPDATE pass SET changed_at = 1, last_modified = 1")
        db.commit()


@pytest.fixture
def issued(project):
    project("pass", "issue", f"{TYPE}/1", "--template", "membership", 'member_no="1"', "name=Ada")
    return project


def test_phones_that_wait_for_a_worker_need_somebody_who_starts_one(issued, monkeypatch):
    """Fails when all is called well because the last process was stopped well, and stands in no list any more."""
    monkeypatch.setenv("LIVEPASS_PORT", "1")
    joined("on-1", served=1)
    with closing(sqlite3.connect("livepass.db")) as db:
        db.execute("UPDATE pass SET seq = 2")
        db.execute(
            "INSERT INTO push_target SELECT pass_type, push_token, 1, 2, 1, 1, 0, 0, 0, 1, 0, NULL, NULL, 0, 1,"
            " NULL, NULL FROM device"
        )
        db.commit()
    said = issued("status", exit_=1).out
    assert "LP201 no worker" in said and "start livepass worker" in said and "nothing needs a person" not in said


def test_it_says_whether_the_target_is_met(issued, monkeypatch):
    """Fails when a missed target, or pushes that stand still, need nobody."""
    monkeypatch.setenv("LIVEPASS_PORT", "1")
    assert "no phone was seen to fetch yet" in issued("status").out
    joined(*(f"on-{number}" for number in range(99)), served=1)
    ran = issued("status")
    assert "100 % (99 % aimed at: reached)" in ran.out and "counted" in ran.out
    with closing(sqlite3.connect("livepass.db")) as db:
        db.execute("UPDATE pass SET seq = 2")
        db.execute("UPDATE registration SET served = 2 WHERE device_id <> 'on-1' AND device_id <> 'on-2'")
        db.execute("INSERT INTO circuit VALUES (?, 9e12, 'BadCertificate', 1, NULL)", (TYPE,))
        db.commit()
    ran = issued("status", exit_=1)
    assert "97.9 % (99 % aimed at: missed)" in ran.out and f"nothing is pushed for {TYPE}" in ran.out
    assert "livepass help LP" in ran.out
    found = issued("status", "--json", exit_=1).json
    assert found["coherence"]["met"] is False and found["stats"]["stands_on"]["current"] == 97
    assert found["findings"][0]["registrations"] and found["age_seconds"] == 0
    assert len(found["attention"]) == 3, "and nobody pushes"


def test_a_service_that_counted_lately_is_asked_and_nothing_is_walked(issued, files, monkeypatch):
    """Fails when status counts all registrations itself while a service has figures."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = str(free.getsockname()[1])
    with running(files, "serve", "--port", port) as (_, ready):
        until = time.monotonic() + 30
        while "livepass_figures_timestamp" not in httpx2.get(f"{ready['address']}/metrics").text:
            assert time.monotonic() < until
            time.sleep(0.1)
        joined("later", served=1)
        monkeypatch.setenv("LIVEPASS_PORT", "1")
        assert issued("status", "--json").json["stats"]["registrations"] == 1
        monkeypatch.setenv("LIVEPASS_PORT", port)
        assert issued("status", "--json").json["stats"]["registrations"] == 0, "as the service has it"
    assert issued("status", "--json").json["stats"]["registrations"] == 1
    assert Path("livepass.db").exists()


def test_a_webhook_that_was_disabled_needs_a_person(project, monkeypatch):
    """Fails when nobody hears that events are noted for an endpoint no more, here or for one tenant."""
    monkeypatch.setenv("LIVEPASS_PORT", "1")
    id_ = project("webhook", "add", "https://hooks.example.com/T0-key", "--json").json["id"]
    assert project("status", "--json").json["webhooks"] == []
    with closing(sqlite3.connect("livepass.db")) as db:
        db.execute("UPDATE webhook_endpoint SET failing_since = 1, disabled_at = 2, disabled_why = 'failing'")
        db.commit()
    for tenant in ((), ("--tenant", "default")):
        [one] = project("status", "--json", *tenant, exit_=1).json["webhooks"]
        assert (one["endpoint"], one["url"], one["worse"]) == (id_, "https://hooks.example.com/…", True)
        assert (one["failing_since"], one["disabled_at"]) == (1, 2)
        ran = project("status", *tenant, exit_=1)
        assert f"livepass webhook enable {id_}" in ran.out and "nothing needs a person" not in ran.out
    project("webhook", "enable", id_)
    assert "nothing needs a person" in project("status").out


def test_a_key_that_may_not_see_webhooks_is_told_of_none(project, files):
    """Fails when status with --url works no more for a key that reads passes."""
    project("webhook", "add", "https://hooks.example.com/T0-key")
    key = project("key", "create", "reads", "--scope", "passes:read", "--scope", "certs:admin", "--json").json["key"]
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = str(free.getsockname()[1])
    with running(files, "serve", "--port", port) as (_, ready):
        found = project("status", "--json", "--url", ready["address"], "--key", key).json
    assert "webhooks" not in found and found["attention"] == []
