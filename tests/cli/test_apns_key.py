"""``livepass apns-key``, and docs/how-to/push-with-a-key.md typed line by line against a process that emulates APNs."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from cli.test_remote import running
from livepass.cli.running import run
from provider_keys import Minted

TYPE = "pass.test.livepass"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "push-with-a-key.md"
KEY = Minted()
FILE = f"AuthKey_{KEY.id}.p8"


@pytest.fixture
def typed() -> list[list[str]]:
    """What stands behind a prompt on the page, word by word, for the pass type of these tests."""
    text = PAGE.read_text("utf-8").replace("pass.com.example.gym", TYPE)
    spans = re.findall(r"`(livepass [^`]*--no-probe)`", text)
    return [shlex.split(line) for line in [*re.findall(r"^ *\$ (.+)$", text, re.MULTILINE), *spans]]


def test_the_page_works_as_it_stands(project, tmp_path, monkeypatch, typed) -> None:
    done: list[list[str]] = []

    def find(*begin: str) -> list[str]:
        [found] = [line for line in typed if line[: len(begin)] == list(begin) and "--no-probe" not in line]
        done.append(found)
        return found

    subprocess.run(find("openssl"), cwd=tmp_path, check=True, capture_output=True, timeout=30)
    emulate = find("livepass", "apns", "emulate")
    ports = ("--port", "0", "--control-port", "0")
    with running(tmp_path, *emulate[1:], *ports) as (_, ready):
        monkeypatch.setenv("LIVEPASS_APNS_URL", ready["apns_url"])
        monkeypatch.setenv("LIVEPASS_APNS_CA_FILE", str(tmp_path / ready["files"]["authority"]))
        made = project(*find("livepass", "apns-key", "import")[1:])
        assert KEY.id in made.out and "nothing is pushed with it yet" in made.out
        assert KEY.id in project(*find("livepass", "apns-key", "list")[1:]).out
        use = [line for line in typed if line[:3] == ["livepass", "apns-key", "use"]]
        done += use
        chosen, back, unasked = use
        assert "APNs said 400 BadDeviceToken" in project(*chosen[1:]).out
        listed = project("apns-key", "list", "--json").rows
        assert [(row["id"], row["pass_types"]) for row in listed] == [(KEY.id, [TYPE])]
        [entry] = project("apns", "history", "--control", ready["control_url"], "--json").rows
        assert (entry["topic"], entry["headers"]["authorization"]) == (TYPE, "(present)")
        for begin in (("livepass", "why"), ("livepass", "push")):
            assert run(find(*begin)[1:]) in (0, 1)
        refused = project(*find("livepass", "apns-key", "retire")[1:], exit_=1)
        assert f"livepass apns-key use {TYPE} --certificate" in refused.err
        assert "is pushed with its certificate" in project(*back[1:]).out
        assert "revoke it at Apple as well" in project(*done[-1][1:]).out
        assert project("apns-key", "list", "--json").rows[0]["retired_at"]
        project("apns-key", "import", FILE, "--id", KEY.id, "--team", KEY.team)
        assert "APNs was not asked" in project(*unasked[1:]).out
    assert sorted(done) == sorted(typed), "each line of the page was typed"


def test_what_apns_refuses_is_not_chosen(project, tmp_path, monkeypatch) -> None:
    """The emulated APNs knows another key under that id."""
    (tmp_path / "theirs.p8").write_bytes(Minted().p8)
    (tmp_path / FILE).write_bytes(KEY.p8)
    words = ("--topic", TYPE, "--apns-key", f"{KEY.id}:{KEY.team}:theirs.p8", "--port", "0", "--control-port", "0")
    project("apns-key", "import", FILE, "--id", KEY.id, "--team", KEY.team)
    with running(tmp_path, "apns", "emulate", *words) as (_, ready):
        monkeypatch.setenv("LIVEPASS_APNS_URL", ready["apns_url"])
        monkeypatch.setenv("LIVEPASS_APNS_CA_FILE", str(tmp_path / ready["files"]["authority"]))
        said = project("apns-key", "use", TYPE, KEY.id, exit_=1)
        for word in (KEY.id, TYPE, "403 InvalidProviderToken", "developer.apple.com", "Nothing was changed"):
            assert word in said.err
        assert project("apns-key", "list", "--json").rows[0]["pass_types"] == []


def test_what_is_typed_wrong_is_said(project, files, tmp_path) -> None:
    ids = ("--id", KEY.id, "--team", KEY.team)
    (tmp_path / "junk.p8").write_bytes(b"\xff\xfe")
    (tmp_path / "key.p8").write_bytes(KEY.p8)
    assert "is not PEM" in project("apns-key", "import", "junk.p8", *ids, exit_=2).err
    assert "livepass cert import" in project("apns-key", "import", "cert.pem", *ids, exit_=1).err
    assert "RSA" in project("apns-key", "import", "key.pem", *ids, exit_=1).err
    assert "no key id" in project("apns-key", "import", "key.p8", "--id", "x", "--team", KEY.team, exit_=1).err
    project("apns-key", "import", "missing.p8", *ids, exit_=3)
    assert "certificates push" in project("apns-key", "list").out
    assert "--certificate" in project("apns-key", "use", TYPE, exit_=2).err
    project("apns-key", "use", TYPE, KEY.id, "--certificate", exit_=2)
    assert "apns-key list" in project("apns-key", "use", TYPE, KEY.id, exit_=1).err
    assert "no pass type" in project("apns-key", "use", "pass.no.such", "--certificate", exit_=1).err
    project("apns-key", "retire", KEY.id, exit_=1)
    for text in ("KEY", "KEY:TEAM:", "KEY:TEAM:junk.p8", "KEY:TEAM:key.pem"):
        project("apns", "emulate", "--apns-key", text, "--port", "0", exit_=2)


def test_help_says_what_is_known_of_keys_and_passes(livepass) -> None:
    said = " ".join(livepass("apns-key", "--help").out.split())
    assert "reported to work for pass types of the key's own team; Apple documents it nowhere" in said
    assert "So the certificate pushes unless a key is chosen" in said
