"""The systemd units, judged by systemd itself: every key is known, and what runs may do little."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.proxies import DEPLOY, binary
from livepass.config import load

UNITS = ("livepass-web.service", "livepass-worker.service", "livepass-console.service", "livepass-backup.service")
MOST_EXPOSED = 2.0
"""Of 10, by ``systemd-analyze security``."""


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """As they ship, with a program that exists here."""
    shutil.copytree(DEPLOY / "systemd", tmp_path / "units")
    program = tmp_path / "livepass"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for file in (tmp_path / "units").glob("*.service"):
        text = file.read_text()
        assert "/opt/livepass/bin/livepass " in text
        file.write_text(text.replace("/opt/livepass/bin/livepass", str(program)))
    return tmp_path / "units"


def analyze(units: Path, *words: str) -> tuple[int, str]:
    environment = {
        **os.environ,
        "SYSTEMD_UNIT_PATH": f"{units}:",
        "SYSTEMD_COLORS": "0",
        "SYSTEMD_LOG_LEVEL": "warning",
    }
    command = [binary("systemd-analyze"), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def verified(units: Path) -> tuple[int, str]:
    return analyze(units, "verify", "--man=no", "--recursive-errors=no", *UNITS, "livepass-backup.timer")


def test_systemd_knows_every_key(units: Path) -> None:
    assert verified(units) == (0, "")
    common = units / "livepass-.service.d/common.conf"
    common.write_text(common.read_text().replace("NoNewPrivileges", "NoNewPrivilegs"))
    code, said = verified(units)
    assert code != 0 or "Unknown key" in said, "or it would not notice a misspelt one"


@pytest.mark.parametrize("unit", UNITS)
def test_what_runs_may_do_little(units: Path, unit: str) -> None:
    _, said = analyze(units, "security", "--offline=true", "--no-pager", unit)
    exposed = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert exposed is not None and float(exposed[1]) <= MOST_EXPOSED, said


def test_its_settings_are_settings(tmp_path: Path) -> None:
    lines = (DEPLOY / "systemd/livepass.env").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    config = load({**given, "LIVEPASS_SECRET_KEY": "x" * 43}, tmp_path)
    assert config.public_url == "https://passes.example.com" and not config.on_postgres
