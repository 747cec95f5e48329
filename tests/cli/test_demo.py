"""The demo as a newcomer runs it: the tour, and the one that stays up with a second terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def test_without_a_demo_the_second_terminal_says_what_to_start(tmp_path: Path) -> None:
    for verb in ("change", "status"):
        ran = run(tmp_path, verb)
        assert ran.returncode == 3
        assert "livepass demo" in ran.stderr
