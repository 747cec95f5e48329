"""deploy/compose.yaml as it is used: its secrets are made, its settings are settings, its commands are commands."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from deploy.proxies import DEPLOY
from livepass.cli.root import root
from livepass.config import load

PARTS = ("web", "worker", "console")


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    text = (DEPLOY / "compose.yaml").read_text()
    found: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{LIVEPASS_SITE(:\?[^}]*)?\}", "passes.example.com", text))
    return found


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As ``make-secrets`` makes them, twice: the second time changes nothing."""
    folder = tmp_path_factory.mktemp("deploy")
    shutil.copy(DEPLOY / "make-secrets", folder)
    made: list[dict[str, bytes]] = []
    for _ in range(2):
        subprocess.run(["sh", folder / "make-secrets"], check=True, capture_output=True)
        made.append({file.name: file.read_bytes() for file in (folder / "secrets").iterdir()})
    assert made[0] == made[1] and len(set(made[0].values())) == 4
    assert (folder / "secrets").stat().st_mode & 0o777 == 0o700
    return folder / "secrets"


def test_every_secret_is_made(composed: dict[str, Any], secrets: Path) -> None:
    named = {Path(one["file"]).name for one in composed["secrets"].values()}
    assert named == {file.name for file in secrets.iterdir()}
    password = (secrets / "database_password").read_text()
    assert (secrets / "database_url").read_text() == f"postgresql://livepass:{password}@database/livepass"
    assert set(composed["services"]) >= {"database"}


@pytest.mark.parametrize("part", PARTS)
def test_its_settings_are_settings(composed: dict[str, Any], secrets: Path, tmp_path: Path, part: str) -> None:
    service = composed["services"][part]
    there = {"/run/secrets": str(secrets), "/data": str(tmp_path)}
    given = {
        name: re.sub("^(/run/secrets|/data)", lambda found: there[found[1]], value)
        for name, value in service["environment"].items()
    }
    config = load(given, tmp_path)
    assert config.public_url == "https://passes.example.com" and config.on_postgres
    assert config.connection_header == "x-connection-id" and len(config.secret_key[0]) == 43
    # What it reads is given to it.
    read = {Path(value).name for name, value in service["environment"].items() if value.startswith("/run/secrets")}
    assert read == set(service["secrets"])


@pytest.mark.parametrize("part", PARTS)
def test_its_commands_are_commands(composed: dict[str, Any], part: str) -> None:
    rest = list(composed["services"][part]["command"])
    command: click.Command = root
    context = click.Context(root)
    while isinstance(command, click.Group):
        found = command.get_command(context, rest.pop(0))
        assert found is not None
        command = found
    command.make_context(part, rest, parent=context)


@pytest.mark.parametrize("part", PARTS)
def test_it_may_do_nothing_more_than_it_needs(composed: dict[str, Any], part: str) -> None:
    service = composed["services"][part]
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["tmpfs"] == ["/tmp"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), "Caddy alone is public"
    assert int(service["stop_grace_period"].removesuffix("s")) > 20


def test_nobody_but_caddy_is_public(composed: dict[str, Any]) -> None:
    public = {
        name: one["ports"]
        for name, one in composed["services"].items()
        if any(not port.startswith("127.0.0.1:") for port in one.get("ports", ()))
    }
    assert public == {"caddy": ["80:80", "443:443"]}
    assert composed["networks"]["inside"] == {"internal": True}
    assert composed["services"]["database"]["networks"] == ["inside"]
