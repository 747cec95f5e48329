"""The demo as a newcomer runs it: the tour, and the one that stays up with a second terminal."""

from __future__ import annotations

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cli.conftest import Livepass
from livepass.cli.demo_link import left_word
from livepass.cli.faults import Fault

LIVEPASS = (sys.executable, "-m", "livepass")


def environment(tmp_path: Path) -> dict[str, str]:
    """A temporary directory of its own: the demo leaves word there of how to reach it."""
    return {key: value for key, value in os.environ.items() if not key.startswith("LIVEPASS_")} | {
        "TMPDIR": str(tmp_path)
    }


def run(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LIVEPASS, "demo", *words], capture_output=True, text=True, timeout=100, env=environment(tmp_path), check=False
    )


def test_the_tour_shows_every_scene_and_leaves_nothing_behind(tmp_path: Path) -> None:
    ran = run(tmp_path, "--once", "--json")
    *scenes, last = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 0, ran.stderr
    assert last == {"every_phone_current": True}
    assert len(scenes) == 6
    assert all(scene["well"] and scene["lines"] for scene in scenes)
    assert list(tmp_path.iterdir()) == []


def test_a_second_terminal_changes_a_pass_and_sees_it_arrive(tmp_path: Path) -> None:
    staying = subprocess.Popen(
        [*LIVEPASS, "demo", "--json"], stdout=subprocess.PIPE, text=True, env=environment(tmp_path)
    )
    try:
        assert staying.stdout is not None
        facts: dict[str, Any] = json.loads(staying.stdout.readline())
        assert facts["url"].startswith("https://localhost:")
        changed = run(tmp_path, "change", "--json")
        assert changed.returncode == 0, changed.stderr
        answer = json.loads(changed.stdout)
        assert (answer["before"], answer["after"], answer["changed"]) == (120, 130, True)
        assert [event["kind"] for event in answer["events"]] == ["changed", "push_accepted", "asked", "fetched"]
        again = run(tmp_path, "change", "130")
        assert again.returncode == 0
        assert "nothing changed" in again.stdout
        passes = json.loads(run(tmp_path, "status", "--json").stdout)["passes"]
        assert [phone["stands_on"] for one in passes for phone in one["phones"]] == ["current"] * 3
        assert "served" in run(tmp_path, "status").stdout
    finally:
        staying.send_signal(signal.SIGINT)
        assert staying.wait(30) == 0
    assert list(tmp_path.iterdir()) == []


def test_what_is_broken_is_named_by_why_and_mended(
    tmp_path: Path, livepass: Livepass, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    staying = subprocess.Popen(
        [*LIVEPASS, "demo", "--json"], stdout=subprocess.PIPE, text=True, env=environment(tmp_path)
    )
    try:
        assert staying.stdout is not None
        facts: dict[str, Any] = json.loads(staying.stdout.readline())
        [left] = tmp_path.glob("livepass-demo-*.json")
        assert stat.S_IMODE(left.stat().st_mode) == 0o600
        assert httpx2.post(f"{facts['control']}/mend", trust_env=False).status_code == 401, "not without the secret"

        broken = json.loads(run(tmp_path, "break", "login-on-ask", "--json").stdout)
        assert [one["name"] for one in broken["broken"]] == ["login-on-ask"]
        program, *why = shlex.split(broken["why"])
        assert program == "livepass"
        livepass("pass", "set", why[1], "points=200", *why[2:])
        until_named(livepass, why, "LP303")
        said = subprocess.run([*LIVEPASS, *why], capture_output=True, text=True, timeout=100, check=False)
        assert (said.returncode, "LP303" in said.stdout, "Unexpected response code 401" in said.stdout) == (
            1,
            True,
            True,
        )
        mended = run(tmp_path, "fix")
        assert mended.returncode == 0, mended.stderr
        assert "fixed: login-on-ask" in mended.stdout
        until_current(livepass, why)

        assert "broken: register-401" in livepass("demo", "break", "register-401").out
        until_named(livepass, why, "LP108")
        assert livepass("demo", "fix", "--json").json["current"] is True
        until_current(livepass, why)
        assert "nothing was broken" in livepass("demo", "fix").out
        assert facts["control_secret"] not in run(tmp_path, "status", "--json").stdout
    finally:
        staying.send_signal(signal.SIGINT)
        assert staying.wait(30) == 0
    assert list(tmp_path.iterdir()) == []


def until_named(livepass: Livepass, why: list[str], code: str) -> None:
    """Ask until the first verdict is this one, and a problem: what a phone says of it comes a moment later."""
    end, first = time.monotonic() + 30, ""
    while first != code:
        assert time.monotonic() < end, f"never {code}, but {first}"
        time.sleep(0.05)
        ran = subprocess.run([*LIVEPASS, *why, "--json"], capture_output=True, text=True, timeout=100, check=False)
        first = json.loads(ran.stdout)["verdicts"][0]["code"]
    livepass(*why, "--json", exit_=1)


def until_current(livepass: Livepass, why: list[str]) -> None:
    """A phone that registered anew while it was mended has the pass within moments."""
    end = time.monotonic() + 30
    while livepass(*why, "--json").json["verdicts"][0]["code"] != "LP000":
        assert time.monotonic() < end, "never current"
        time.sleep(0.05)


def test_breaks_are_listed_without_a_demo_and_names_are_checked(
    tmp_path: Path, livepass: Livepass, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    listed = livepass("demo", "break", "--list", "--json").rows
    assert {"name": "login-on-ask", "spoils": "ask", "sentence": "A login proxy demands a token on the ask."} in listed
    assert len(listed) >= 30
    assert "did you mean login-on-ask?" in livepass("demo", "break", "login-on-asks", exit_=2).err
    assert "--list" in livepass("demo", "break", exit_=2).err
    for words in (("break", "login-on-ask"), ("fix",)):
        assert "no demo is running" in livepass("demo", *words, exit_=3).err


def test_a_file_that_somebody_else_left_in_its_place_is_not_written_to(tmp_path: Path, monkeypatch: Any) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.touch(0o644)
    link.symlink_to(target)
    monkeypatch.setattr("livepass.cli.demo_world.state_file", lambda: link)
    with left_word({"key": "secret"}):
        assert (target.read_text(), link.is_symlink()) == ("", False)
        assert stat.S_IMODE(link.stat().st_mode) == 0o600
    assert not link.exists()
    monkeypatch.setattr("livepass.cli.demo_world.state_file", lambda: tmp_path / "none" / "x")
    with pytest.raises(Fault, match="cannot write"):
        left_word({}).__enter__()


def test_without_a_demo_the_second_terminal_says_what_to_start(tmp_path: Path) -> None:
    for verb in ("change", "status"):
        ran = run(tmp_path, verb)
        assert ran.returncode == 3
        assert "livepass demo" in ran.stderr
