"""Installs web services that others wrote, outside our environment, and runs each with one pass that we made.

Installed once into ``.third-party/`` of the repository, by name and version; which index answers is the machine's
affair. Where they cannot be installed (no npm, no network) the tests say so and are skipped; under ``CI=true`` they
fail.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from journeys.world import PASS_TYPE, TEAM, pass_certificate, png, server_certificate
from livepass.emulators.authority import Authority
from livepass.pkpass import Signer, StaticFiles, build, canonical

HERE = Path(__file__).parent
INSTALLED = HERE.parents[2] / ".third-party"
SECONDS = 400
SERIAL = "T-1001"
TOKEN = "b7f3a0c14e9d4f6a9c0d5e2b1a7f8c3d"


@dataclass(frozen=True)
class Running:
    """A service that runs: its address, and the package that it holds."""

    url: str
    package: bytes
    port: int = 0
    stop: Callable[[], None] = lambda: None


def django() -> list[str]:
    """What starts django-walletpass, installed if it is not yet."""
    return [django_python(), str(HERE / "django_service.py")]


def django_python() -> str:
    """The Python that has django-walletpass."""
    pins = HERE / "requirements.txt"
    folder = INSTALLED / f"django-{_digest(pins)}"
    python = str(folder / "bin" / "python")
    _install(
        folder,
        [sys.executable, "-m", "venv", str(folder)],
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(pins)],
    )
    return python


def node() -> list[str]:
    """What starts express-passkit-webservice, installed if it is not yet."""
    return node_program(HERE / "package.json", HERE / "node_service.mjs")


def node_program(pins: Path, script: Path) -> list[str]:
    """What starts ``script`` beside the packages of ``pins`` (a package.json), installed if they are not yet."""
    folder = npm_folder(pins)
    shutil.copy(script, folder / script.name)
    return [str(shutil.which("node")), str(folder / script.name)]


def npm_folder(pins: Path) -> Path:
    """Where the packages of a package.json are, installed if they are not yet."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        _not_here("node and npm are not on this machine")
    folder = INSTALLED / f"node-{_digest(pins)}"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(pins, folder / pins.name)
    npm = [
        "npm",
        "install",
        "--prefix",
        str(folder),
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-package-lock",
    ]
    _install(folder, npm)
    return folder


def _digest(pins: Path) -> str:
    return hashlib.sha256(pins.read_bytes()).hexdigest()[:12]


def _install(folder: Path, *commands: list[str]) -> None:
    done = folder / ".installed"
    if done.exists():
        return
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
            _not_here(f"{' '.join(command[:3])} … failed: {said[-1] if said else error}")
    done.touch()


def _not_here(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(f"what others wrote cannot run here: {why}")


@contextmanager
def running(
    command: list[str],
    directory: Path,
    authority: Authority,
    *,
    path: str = "wallet",
    more: Callable[[str], Mapping[str, tuple[str, bytes]]] = lambda _: {},
) -> Iterator[Running]:
    """The service on loopback, over TLS, holding one pass; ended at the end. ``more``: serial → (token, package) of
    others, for its address.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"https://localhost:{port}/{path}"
    package = made_package(authority, url)
    server, signer = server_certificate(authority), pass_certificate(authority, PASS_TYPE)
    files = {
        "package": package, "certificate": server.certificate_pem, "key": server.key_pem,
        "pass_certificate": signer.certificate_pem, "pass_key": signer.key_pem,
    }  # fmt: skip
    for name, content in files.items():
        (directory / name).write_bytes(content)
    given: dict[str, Any] = {name: str(directory / name) for name in files} | {
        "folder": str(directory), "port": port, "url": url, "pass_type": PASS_TYPE, "team": TEAM, "serial": SERIAL,
        "token": TOKEN, "path": f"{path}/", "more": [],
    }  # fmt: skip
    for serial, (token, content) in more(url).items():
        (directory / f"package-{serial}").write_bytes(content)
        held = {"serial": serial, "token": token, "package": str(directory / f"package-{serial}")}
        given["more"].append(held)
    (directory / "given.json").write_text(json.dumps(given))
    with (directory / "service.log").open("w") as log:
        program = subprocess.Popen(
            [*command, str(directory / "given.json")], stdout=subprocess.PIPE, stderr=log, text=True, cwd=directory
        )
        try:
            assert program.stdout is not None
            line = program.stdout.readline()
            assert line == "ready\n", (line, (directory / "service.log").read_text())

            def stop() -> None:
                program.kill()
                program.wait(20)

            yield Running(url, package, port, stop)
        finally:
            program.kill()
            program.wait(20)
            if program.stdout is not None:
                program.stdout.close()


def made_package(
    authority: Authority, url: str, serial: str = SERIAL, token: str = TOKEN, points: int = 120, **more: Any
) -> bytes:
    """A pass as such a service made it."""
    document = {
        "formatVersion": 1, "passTypeIdentifier": PASS_TYPE, "serialNumber": serial, "teamIdentifier": TEAM,
        "organizationName": "Theirs", "description": "Membership", "webServiceURL": url, "authenticationToken": token,
        "storeCard": {"primaryFields": [{"key": "points", "label": "POINTS", "value": points}]}, **more,
    }  # fmt: skip
    issued = pass_certificate(authority, PASS_TYPE)
    signer = Signer.from_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
    static = StaticFiles.prepare({"icon.png": png(38), "icon@2x.png": png(76)})
    return build(static, canonical(document), signer, datetime.now(UTC))
