"""Against a running ``livepass serve`` with TLS on loopback: the same commands, a phone, an APNs, a clean end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from livepass.emulators.authority import Issued

TYPE = "pass.test.livepass"
NAME = f"{TYPE}/1001"


@contextlib.contextmanager
def running(folder: Path, *words: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A long-running command and its first line; ended by SIGTERM, and well."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("LIVEPASS_")} | environment
    program = subprocess.Popen(
        [sys.executable, "-m", "livepass", *words, "--json"],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=(folder / f"{words[0]}.err").open("w"),
        text=True,
    )
    assert program.stdout is not None
    try:
        line = program.stdout.readline()
        assert line, (folder / f"{words[0]}.err").read_text()
        yield program, json.loads(line)
    finally:
        program.send_signal(signal.SIGTERM)
        try:
            code = program.wait(25)
        finally:
            program.kill()
            program.stdout.close()
    assert code == 0, (folder / f"{words[0]}.err").read_text()


@dataclass
class Service:
    """A service that runs, and what it takes to talk to it."""

    url: str
    key: str
    folder: Path

    @property
    def words(self) -> tuple[str, ...]:
        return ("--url", self.url, "--key", self.key, "--ca", "root.pem")


@pytest.fixture
def service(livepass, tls: Path) -> Iterator[Service]:
    """Set up from afar: the service starts with an empty database."""
    livepass("init", "--public-url", "https://wallet.example.com")
    livepass("db", "upgrade")
    words = ("serve", "--port", "0", "--no-worker", "--tls-cert", "tls.pem", "--tls-key", "tls.key")
    with running(tls, *words) as (_, ready):
        yield Service(ready["address"], Path("secrets/admin.key").read_text().strip(), tls)
    for line in (tls / "serve.err").read_text().splitlines():
        assert json.loads(line)["level"] not in ("warning", "error", "critical"), line


def test_everything_from_afar(livepass, service):
    # A local command would fail here: whatever works, works through the service.
    Path("livepass.toml").unlink()
    far = service.words
    assert livepass(*far, "cert", "import", "pass.p12", "--password-file", "password", "--json").json["state"] == "live"
    assert livepass("template", "import", "templates/membership", *far, "--json").json["new"] is True
    livepass("pass", "issue", NAME, "--template", "membership", 'member_no="1"', "name=Ada", *far)
    assert "You have 5 points" in livepass("pass", "set", NAME, "points=5", *far).out
    shown = livepass("pass", "show", NAME, *far, "--json").json
    assert shown["data"]["points"] == 5
    tag = shown["etag"].strip('"')
    assert tag in livepass("pass", "show", NAME, *far).out
    livepass("pass", "set", NAME, "points=6", "--if-match", tag, *far)
    raced = livepass("pass", "set", NAME, "points=7", "--if-match", tag, *far, exit_=1)
    assert "it was changed since" in raced.err
    livepass("pass", "build", NAME, "-o", "x.pkpass", *far)
    livepass("pass", "verify", "x.pkpass", "--ca", "root.pem")
    happened = [row["kind"] for row in livepass("pass", "timeline", NAME, *far, "--json").rows]
    assert happened == ["issued", "changed", "changed"]
    assert "1 passes done" in livepass("pass", "batch", _line(), *far).out
    assert livepass("status", *far, "--json").json["stats"]["passes"] == 2
    livepass("pass", "bundle", "x.pkpass", f"{TYPE}/2", "-o", "all.pkpasses", *far)
    assert len(livepass("pass", "verify", "all.pkpasses", "--ca", "root.pem", "--json").rows) == 2
    livepass("pass", "void", NAME, *far)
    livepass("pass", "erase", NAME, "--yes", *far)
    livepass("pass", "show", NAME, *far, exit_=1)
    for words in (("device", "list"), ("push", "list"), ("log", "list"), ("key", "list"), ("cert", "list")):
        livepass(*words, *far)


def _line() -> str:
    line = {"pass_type": TYPE, "serial": "2", "template": "membership", "data": {"member_no": "2", "name": "B"}}
    Path("b.ndjson").write_text(json.dumps(line))
    return "b.ndjson"


def test_who_may_not_is_told_so(livepass, service, monkeypatch):
    ran = livepass("pass", "list", "--url", service.url, "--key", "lp_wrong_key", "--ca", "root.pem", exit_=3)
    assert "hint:" in ran.err
    narrow = livepass("key", "create", "narrow", "--scope", "logs:read", *service.words, "--json").json["key"]
    ran = livepass("pass", "list", "--url", service.url, "--key", narrow, "--ca", "root.pem", exit_=3)
    assert "passes:read" in ran.err
    monkeypatch.setenv("LIVEPASS_URL", service.url)
    assert "needs an API key" in livepass("pass", "list", exit_=2).err
    monkeypatch.setenv("LIVEPASS_KEY", service.key)
    livepass("pass", "list", "--ca", "root.pem")


def test_addresses_that_do_not_do(livepass, service):
    key = ("--key", service.key)
    ran = livepass("pass", "list", "--url", service.url, *key, exit_=3)
    assert "not trusted" in ran.err and "--ca" in ran.err
    ran = livepass("pass", "list", "--url", "https://127.0.0.1:1", *key, exit_=3)
    assert "cannot be reached" in ran.err
    assert service.key not in ran.err
    assert "unencrypted" in livepass("pass", "list", "--url", "http://wallet.example.com", *key, exit_=4).err
    livepass("pass", "list", "--url", "wallet.example.com", *key, exit_=2)
    livepass("pass", "list", "--url", service.url, *key, "--ca", "password", exit_=2)
    ran = livepass("pass", "list", "--url", f"{service.url}/elsewhere", *key, "--ca", "root.pem", exit_=1)
    assert "does --url name a livepass service?" in ran.err
    assert livepass("pass", "list", "--url", f"{service.url}/api/v1/", *key, "--ca", "root.pem").code == 0


def test_serve_says_what_is_in_its_way(livepass, service):
    port = service.url.rpartition(":")[2]
    ran = livepass("serve", "--port", port, exit_=3)
    assert "cannot listen" in ran.err and "another port" in ran.err
    livepass("serve", "--port", "0", "--tls-cert", "password", "--tls-key", "password", exit_=2)


def _polling(livepass, far):
    """A wallet that polls, beside the phone: served, and shown apart."""
    poll = ("phone", "poll", "x.pkpass", "--ca", "root.pem", "-o", "polled.pkpass")
    polled = livepass(*poll, "--times", "2", "--every", "1", "--as", "walletunion", "--json").json
    assert [each["became"] for each in polled["fetches"]] == ["changed", "unchanged"]
    assert "unchanged" in livepass("phone", "poll", "polled.pkpass", "--ca", "root.pem").out
    for _ in range(100):
        found = livepass("pass", "show", NAME, *far, "--json").json["other_wallets"]
        if found:
            break
        time.sleep(0.05)
    assert {each["wallet"] for each in found} == {"android"}
    assert "fetched by a wallet that polls: android" in livepass("pass", "show", NAME, *far).out


def test_the_whole_loop(livepass, tls: Path, pass_certificate: Issued):
    """Change here, while a service runs over the same file: APNs, the phone's ask, its fetch, the lock screen."""
    livepass("init", "--public-url", "https://wallet.example.com")
    livepass("db", "upgrade")
    (tls / "client-ca.pem").write_bytes((tls / "root.pem").read_bytes() + (tls / "wwdr.pem").read_bytes())
    given = ("--cert", "tls.pem", "--key", "tls.key", "--client-ca", "client-ca.pem")
    with contextlib.ExitStack() as stack:
        ports = ("--port", "0", "--control-port", "0")
        _, apns = stack.enter_context(running(tls, "apns", "emulate", *given, *ports))
        pushing = {"LIVEPASS_APNS_URL": apns["apns_url"], "LIVEPASS_APNS_CA_FILE": "root.pem"}
        words = ("serve", "--port", "0", "--tls-cert", "tls.pem", "--tls-key", "tls.key")
        # Only a running service knows its free port, and passes carry it: serve once to learn one.
        with running(tls, *words) as (_, ready):
            address = ready["address"]
        pushing["LIVEPASS_PUBLIC_URL"] = address
        words = ("serve", "--port", address.rpartition(":")[2], *words[3:])
        _, ready = stack.enter_context(running(tls, *words, **pushing))
        assert ready["worker"] is True

        far = ("--url", address, "--key", Path("secrets/admin.key").read_text().strip(), "--ca", "root.pem")
        livepass(*far, "cert", "import", "pass.p12", "--password-file", "password")
        livepass("template", "import", "templates/membership", *far)
        livepass("pass", "issue", NAME, "--template", "membership", 'member_no="1"', "name=Ada", *far)
        livepass("pass", "build", NAME, "-o", "x.pkpass", *far)

        control = ("--apns-control", apns["control_url"])
        livepass("phone", "add", "x.pkpass", exit_=2)
        added = livepass("phone", "add", "x.pkpass", "--ca", "root.pem", *control, "--json").json
        assert added["registered"] is True
        assert "push_token" not in json.dumps(added) and "authenticationToken" not in json.dumps(added)
        [registration] = livepass("device", "list", *far, "--json").rows
        assert registration["serial"] == "1001"

        phone = subprocess.Popen(
            [sys.executable, "-m", "livepass", "phone", "run", *control, "--json"],
            cwd=tls,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert phone.stdout is not None
        time.sleep(1.0)
        assert livepass("phone", "list", exit_=4).err.startswith("livepass: another command is using the phone")
        assert livepass("pass", "set", NAME, "points=5", *far, "--json").json["pushes_due"] == 1
        heard = []
        for line in phone.stdout:
            heard.append(json.loads(line))
            if heard[-1]["what"] == "banner":
                break
        phone.send_signal(signal.SIGTERM)
        assert phone.wait(10) == 0
        phone.stdout.close()
        assert [event["what"] for event in heard][:2] == ["push", "request"]
        assert heard[-1]["text"] == "You have 5 points"

        _polling(livepass, far)
        shown = livepass("phone", "show", NAME, "--json").json
        assert shown["fields"]["points"] == "5" and shown["banners"] == ["You have 5 points"]
        for _ in range(100):  # what was seen on the wire is written down a moment later
            [row] = livepass("pass", "show", NAME, *far, "--json").json["registrations"]
            if row["stands_on"] == "current":
                break
            time.sleep(0.05)
        assert row["stands_on"] == "current"
        assert "current" in livepass("pass", "show", NAME, *far).out
        [push] = livepass("push", "list", *far, "--json").rows
        assert push["due"] is False
        [sent] = livepass("apns", "history", "--control", apns["control_url"], "--json").rows
        assert sent["status"] == 200 and sent["delivery"] == "delivered"
        _every_other_thing_a_phone_does(livepass, far)
        _chaos(livepass, apns["control_url"])


def _every_other_thing_a_phone_does(livepass, far: tuple[str, ...]) -> None:
    assert livepass("phone", "updates", "off", NAME, "--json").json["automatic_updates"] is False
    assert livepass("phone", "updates", "on", NAME, "--json").json["registered"] is True
    assert "a new push token" in livepass("phone", "token").out
    assert "304" in livepass("phone", "pull", NAME).out
    assert "handed over" in livepass("phone", "push", TYPE).out
    livepass("phone", "push", "pass.other", exit_=1)
    livepass("phone", "pull", f"{TYPE}/9", exit_=1)
    assert livepass("phone", "log", "--json").rows == []
    assert livepass("phone", "log", "--console", "--json").rows
    restored = livepass("phone", "restore", "--to", "other.json", "--json").json
    assert restored["passes"][0]["registered"] is True
    livepass("phone", "restore", "--to", "other.json", exit_=4)
    livepass("phone", "quirks", "--set", "restore-keeps-tag=no")
    [switched] = [row for row in livepass("phone", "quirks", "--json").rows if row["choice"] != row["default"]]
    assert switched["name"] == "restore-keeps-tag"
    assert "did you mean" in livepass("phone", "quirks", "--set", "restore-keep-tag=no", exit_=2).err
    assert len([row for row in livepass("device", "list", *far, "--json").rows if not row["left_at"]]) == 2
    livepass("phone", "delete", NAME)
    assert livepass("phone", "list", "--json").rows == []
    assert os.stat("phone.json").st_mode & 0o077 == 0


def _chaos(livepass, control: str) -> None:
    where = ("--control", control)
    assert livepass("apns", "chaos", *where, "--json").json["faults"] == []
    assert livepass("apns", "chaos", "hostile", *where, "--json").json["faults"]
    one = livepass("apns", "chaos", "--fault", "status:500", "--count", "2", *where, "--json").json["faults"]
    assert [(fault["fault"], fault["count"]) for fault in one] == [("status:500", 2)]
    assert "status:500" in livepass("apns", "chaos", *where).out
    assert "no fault is called" in livepass("apns", "chaos", "--fault", "nonsense", *where, exit_=2).err
    livepass("apns", "chaos", "hostile", "--clear", *where, exit_=2)
    assert livepass("apns", "chaos", "--clear", *where, "--json").json["faults"] == []


def test_worker_runs_until_it_is_told_to_stop(livepass, tmp_path):
    livepass("init")
    livepass("db", "upgrade")
    with running(tmp_path, "worker") as (program, ready):
        assert ready["ready"] is True and ready["pid"] == program.pid


def test_a_phone_whose_service_is_away(livepass, project):
    project("pass", "issue", NAME, "--template", "membership", 'member_no="1"', "name=Ada")
    project("pass", "build", NAME, "-o", "x.pkpass")
    added = project("phone", "add", "x.pkpass", "--ca", "root.pem", "--json", exit_=3).json
    assert added["registered"] is False and any(event["what"] == "failure" for event in added["events"])
    assert project("phone", "list", "--json").rows[0]["registered"] is False
    project("phone", "add", "password", exit_=1)
    project("phone", "add", "https://127.0.0.1:1/x.pkpass", exit_=3)


def test_apns_emulate_mints_what_it_needs_and_keeps_it(livepass, tmp_path):
    ports = ("--port", "0", "--control-port", "0")
    with running(tmp_path, "apns", "emulate", "--topic", TYPE, *ports) as (_, first):
        pass
    files = {path.name: path.stat() for path in (tmp_path / "apns-emulator").iterdir()}
    assert set(files) == {"ca.pem", "client-ca.pem", "server.pem", "server.key", "password", f"{TYPE}.p12"}
    assert all(files[name].st_mode & 0o077 == 0 for name in ("server.key", "password", f"{TYPE}.p12"))
    with running(tmp_path, "apns", "emulate", *ports) as (_, second):
        assert second["files"] == first["files"]
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "apns-emulator").iterdir()} == {
        name: stat.st_mtime_ns for name, stat in files.items()
    }
    assert "cannot issue more" in livepass("apns", "emulate", "--topic", "pass.other", *ports, exit_=2).err
    livepass("apns", "emulate", "--cert", "apns-emulator/server.pem", *ports, exit_=2)
    livepass("init")
    livepass("db", "upgrade")
    p12 = f"apns-emulator/{TYPE}.p12"
    livepass("cert", "import", p12, "--password-file", "apns-emulator/password")
