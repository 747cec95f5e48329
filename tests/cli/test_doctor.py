"""``livepass doctor`` as it is typed: what it says, what it asks, exit codes, files; and our own installation."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from doctor.stage import SERIAL, Stage, staged
from doctor.test_service import BAD_TLS, instead, is_method, told
from journeys.world import PASS_TYPE, is_ask, pass_certificate
from livepass.cli.faults import Exit
from livepass.doctor import BY_ID, Installation, Options, Report, Status, examine_own
from livepass.doctor.own import OF_OWN, Process
from livepass.emulators.authority import Authority

DOCTOR = ("doctor", "acme.pkpass", "--ca-file", "root.pem")


@pytest.fixture(scope="module")
def _stage(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage"), authority) as made:
        yield made


@pytest.fixture
def stage(_stage: Stage, tmp_path: Path) -> Iterator[Stage]:
    """The service; the pass and the root of its certificates in the folder here."""
    (tmp_path / "acme.pkpass").write_bytes(_stage.data)
    (tmp_path / "root.pem").write_bytes(_stage.authority.root_pem)
    (tmp_path / "pass.p12").write_bytes(pass_certificate(_stage.authority, PASS_TYPE).p12("correct horse"))
    (tmp_path / "password").write_text("correct horse\n")
    yield _stage
    _stage.front.context, _stage.front.requests = _stage.good_tls, b""


def test_a_healthy_service(livepass, stage):
    ran = livepass(*DOCTOR, "--register", "--log", "--yes", "--p12", "pass.p12", "--password-file", "password")
    host = f"localhost:{stage.front.port}"
    assert ran.out.splitlines()[0] == f"Gym Membership · {PASS_TYPE}/{SERIAL} · https://{host}/wallet"
    lines = {line.split("  ")[0].strip(): line for line in ran.out.splitlines()}
    for group, count in (("Package", "6/6"), ("Signature", "8/8"), ("Certificate", "3/3"), ("pass.json", "9/9")):
        assert f"✓ {count}" in lines[group]
    assert "✓ 8/8" in lines["Network"] and "✓ 12/12" in lines["Web service"]
    assert "APN1, APN2, APN3 not tested: needs --apns-probe" in lines["Push"]
    assert "✓ fake device livepass-doctor-" in lines["Clean-up"] and "unregistered (200)" in lines["Clean-up"]
    assert "✓ no problems" in ran.out
    assert "updates        nothing seen that stops them" in ran.out
    assert "requests at most to" in ran.err
    assert stage.token not in ran.out + ran.err
    assert stage.registered() == []


def test_what_a_sick_service_looks_like(livepass, stage):
    """The picture of docs/how-to/check-any-service.md, with one difference: the port."""
    stage.front.context = BAD_TLS[0].context(stage)
    number, quiet = told(lambda d: d.update(lastUpdated=1763900582)), instead(200, 204, is_method("DELETE"))

    def both(scope, answer):
        number(scope, answer)
        quiet(scope, answer)

    with stage.world.spoiled(both):
        ran = livepass(*DOCTOR, "--register", "--yes", exit_=1)
    said = ran.out.replace(f"localhost:{stage.front.port}", "localhost")
    for expected in (
        " Network         6/8     ✗ NET2 the certificate of localhost expired 3 days ago",
        "✗ WS9 lastUpdated is a number (1763900582), and phones take a string only",
        "! WS11 unregistering is answered 204, and phones take 200 only",
        "– WS7 not tested: needs --log",
        "2 problems, 1 warning",
        "   adding a pass  cannot register    NET2",
        "   updates        never shown        NET2",
        "   pushes         not known",
        "Fix first: NET2   → put the full chain in place and renew it; then check the automatic renewal",
        " renewal livepass help NET2",
        "           WS9    → write lastUpdated as a JSON string, and list what is newer than the tag",
        "livepass help WS9",
    ):
        assert expected in said, said
    assert stage.registered() == []


def test_as_json(livepass, stage):
    with stage.world.spoiled(told(lambda d: d.update(lastUpdated=7))):
        ran = livepass(*DOCTOR, "--register", "--yes", "--json", exit_=1)
    document = ran.json
    assert ran.err == ""
    [wrong] = [each for each in document["results"] if each["status"] == "failed"]
    assert wrong == {
        "id": "WS9", "group": "Web service", "title": "A registered phone is told its passes and a tag",
        "severity": "failed", "status": "failed",
        "evidence": "lastUpdated is a number (7), and phones take a string only",
        "expected": BY_ID["WS9"].expected,
        "actual": "7", "remedy": "write lastUpdated as a JSON string, and list what is newer than the tag",
        "docs": "docs/reference/doctor-checks.md#ws9",
    }  # fmt: skip
    assert document["fix_first"] == ["WS9"] and document["cleanup"]["done"] is True
    assert document["phones"][1] == {
        "what": "updates", "state": "never shown", "check": "WS9",
        "why": "the phone asks after each push, rejects the answer, and does not fetch",
    }  # fmt: skip
    assert document["subject"]["url"].endswith("/wallet") and sum(document["summary"].values()) == 49


def test_as_junit(livepass, stage, tmp_path):
    with stage.world.spoiled(instead(200, 200, is_ask, b"\x00\x1b[31m<&")):
        livepass(*DOCTOR, "--register", "--yes", "--junit", "report.xml", exit_=1)
    [suite] = ET.parse(tmp_path / "report.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("49", "1")
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["WS9 A registered phone is told its passes and a tag"]
    skipped = {case.get("name").split()[0] for case in suite if case.find("skipped") is not None}
    assert skipped == {"CRT2", "CRT3", "WS7", "WS10", "APN1", "APN2", "APN3"}


def test_warnings_are_problems_only_when_asked(livepass, stage):
    with stage.world.spoiled(instead(200, 204, is_method("DELETE"))):
        livepass(*DOCTOR, "--register", "--yes")
        livepass(*DOCTOR, "--register", "--yes", "--strict", exit_=1)


# ── what is sent, and with whose word


@pytest.mark.parametrize("more", [(), ("--json",), ("--register",)])
def test_without_a_word_nothing_is_sent(livepass, stage, more):
    ran = livepass(*DOCTOR, *more, exit_=4)
    assert "requests at most to" in ran.err and "--yes" in ran.err and "--offline" in ran.err
    assert stage.front.requests == b""


def test_offline_needs_no_word(livepass, stage):
    ran = livepass(*DOCTOR, "--offline")
    assert "NET1, " in ran.out and "nothing is sent with --offline" in ran.out
    assert stage.front.requests == b""


@pytest.mark.parametrize(("answer", "code"), [("y\n", Exit.FINE), ("n\n", Exit.REFUSED), ("\n", Exit.REFUSED)])
def test_it_asks_on_a_terminal(livepass, stage, tmp_path, answer, code):
    parent, child = pty.openpty()
    os.write(parent, answer.encode())
    done = subprocess.run(
        [sys.executable, "-m", "livepass", *DOCTOR],
        stdin=child, capture_output=True, text=True, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    os.close(child)
    os.close(parent)
    assert done.returncode == code, done.stderr
    assert "Continue? [y/N]" in done.stderr
    assert (stage.front.requests != b"") == (code == Exit.FINE)


@pytest.mark.parametrize(
    "words",
    [
        ("acme.pkpass", "--apns-probe"),
        ("--register",),
        ("acme.pkpass", "--p12", "pass.p12", "--password-file", "root.pem"),
        ("acme.pkpass", "--ca-file", "acme.pkpass"),
    ],
)
def test_what_makes_no_sense(livepass, stage, words):
    assert "hint:" in livepass("doctor", *words, exit_=2).err


def test_a_file_that_is_not_there(livepass):
    assert "missing.pkpass" in livepass("doctor", "missing.pkpass", "--offline", exit_=3).err


def test_a_file_that_is_no_pass(livepass, tmp_path):
    (tmp_path / "x.pkpass").write_text("<html>")
    ran = livepass("doctor", "x.pkpass", exit_=1)
    assert "✗ PKG1 this is not a zip archive" in ran.out and "needs PKG1, which failed" in ran.out


# ── our own installation

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FINE = {
    "schema": "",
    "findings": [],
    "processes": [Process("serve worker", "a", timedelta(seconds=3))],
    "overdue": [-HOUR, timedelta(seconds=20)],
    "certificates": {PASS_TYPE: NOW + timedelta(days=200)},
    "outside": 1,
    "unwritable": [],
    "room": (50 << 30, 100 << 30),
    "backup": NOW - HOUR,
    "way": [],
}
WRONG = [
    ("SELF1", "failed", {"schema": "livepass.db has schema 1, this version needs 2"}, "schema 1"),
    ("SELF2", "failed", {"findings": ["numbers_missing (3)"]}, "numbers_missing (3)"),
    ("SELF3", "failed", {"processes": []}, "no serve and no worker"),
    ("SELF3", "failed", {"processes": [Process("serve worker", "a", HOUR)]}, "no serve and no worker"),
    ("SELF3", "failed", {"processes": [Process("serve", "a", timedelta(0))]}, "no worker"),
    ("SELF4", "failed", {"overdue": [HOUR, timedelta(0)]}, "the oldest by 60 minutes"),
    ("SELF5", "failed", {"certificates": {PASS_TYPE: NOW - HOUR}}, "expired today"),
    ("SELF5", "failed", {"certificates": {PASS_TYPE: None}}, "no live certificate"),
    ("SELF5", "warning", {"certificates": {PASS_TYPE: NOW + 9 * 24 * HOUR}}, "expires in 9 days"),
    ("SELF6", "failed", {"unwritable": ["/mnt/journal"]}, "/mnt/journal"),
    ("SELF7", "failed", {"room": (1 << 20, 100 << 30)}, "0.0 GiB of 100.0"),
    ("SELF11", "failed", {"way": ["a cache answers", "a page answers"]}, "a cache answers; a page answers"),
    ("SELF9", "warning", {"backup": NOW - 30 * HOUR}, "30 hours old"),
]


def own(**changed: object) -> Report:
    """Judged without a service: the public address is where nobody listens."""
    return examine_own(Installation("https://localhost:1/wallet", NOW, **FINE | changed), Options())  # type: ignore[arg-type]


def found(report: Report) -> dict[str, tuple[str, str]]:
    return {
        each.check.id: (each.status.value, each.outcome.evidence)
        for each in report.results
        if each.check.id in OF_OWN and each.status is not Status.PASSED
    }


def test_a_healthy_installation():
    assert found(own()) == {}


@pytest.mark.parametrize(("check", "status", "changed", "evidence"), WRONG)
def test_what_is_wrong_with_an_installation(check, status, changed, evidence):
    report = found(own(**changed))
    report = {name: said for name, said in report.items() if said[0] != "not tested"}
    assert list(report) == [check] and report[check][0] == status and evidence in report[check][1]


def test_what_is_not_known_is_not_tested():
    report = examine_own(Installation("https://localhost:1/wallet", NOW, unknown={"room": "no such disk"}), Options())
    said = found(report)
    assert {status for status, _ in said.values()} == {"not tested"}
    assert said["SELF7"] == ("not tested", "no such disk")
    assert [each.check.id for each in report.failed] == ["NET1", "SELF10"]


def test_every_check_of_an_installation_can_fail():
    assert {row[0] for row in WRONG} == set(OF_OWN)


def test_before_there_is_a_database(livepass):
    livepass("init", "--public-url", "https://localhost:1")
    ran = livepass("doctor", exit_=1)
    assert "✗ SELF1 there is no database" in ran.out and "✗ NET1 no connection to localhost port 1" in ran.out
    assert "SELF2, SELF3, SELF4, SELF5, SELF6, SELF11 not tested: needs SELF1, which failed" in ran.out
    assert not Path("livepass.db").exists()


def test_an_installation_with_nothing_running(livepass, project, stage):
    ran = project("doctor", "--json", exit_=1)
    said = {each["id"]: (each["status"], each["evidence"]) for each in ran.json["results"]}
    assert said["SELF1"][0] == said["SELF2"][0] == said["SELF4"][0] == said["SELF5"][0] == "passed", said
    assert said["SELF3"] == ("failed", "no serve and no worker has been heard of for a minute")
    assert said["SELF9"] == ("not tested", "name the newest one with --backup FILE")
    assert said["SELF10"][0] == "failed"


def test_an_installation_that_runs(stage, livepass, monkeypatch, tmp_path):
    """The service of the stage, seen from the command line beside it."""
    config = stage.world.config
    for name in ("database_url", "public_url", "admin_key", "apns_url", "apns_ca_file"):
        monkeypatch.setenv(f"LIVEPASS_{name.upper()}", str(getattr(config, name)))
    monkeypatch.setenv("LIVEPASS_SECRET_KEY", config.secret_key[0])
    backup = tmp_path / "backup"
    backup.write_bytes(b"x")
    os.utime(backup, (time.time() - 7200,) * 2)
    ran = livepass("doctor", "--ca-file", "root.pem", "--backup", "backup", "--json", exit_=1)
    said = {each["id"]: (each["status"], each["evidence"]) for each in ran.json["results"]}
    # The world works in one process and does not tell of itself, as serve and worker do.
    assert [name for name, (status, _) in said.items() if status == "failed"] == ["SELF3"], said
    assert said["SELF9"] == ("passed", "the backup is 2 hours old")
    assert said["SELF10"] == ("passed", "as phones need it") and said["SELF8"][0] == "passed"
    assert json.dumps(said).count(config.secret_key[0]) == 0
    monkeypatch.setenv("LIVEPASS_PUBLIC_CA_FILE", "root.pem")
    rows = livepass("doctor", "--json", exit_=1).json["results"]
    assert [row["id"] for row in rows if row["status"] == "failed"] == ["SELF3"], "phones trust what the settings name"
