"""A project in an empty folder, and the command line in this process: the program without its start-up."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from livepass.cli.running import run
from livepass.emulators.authority import Authority, Issued

PASS_TYPE = "pass.test.livepass"


@dataclass(frozen=True)
class Ran:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        [line] = self.out.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The objects on stdout, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def problem(self) -> dict[str, Any]:
        """The problem on stderr, with nothing on stdout."""
        assert self.out == ""
        found: dict[str, Any] = json.loads(self.err)
        return found


Livepass = Callable[..., Ran]


@pytest.fixture
def livepass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Livepass:
    """Runs a command in an empty folder with an empty environment; ``exit_`` is the code it must leave with."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("LIVEPASS_"):
            monkeypatch.delenv(name)

    def call(*words: str, exit_: int = 0) -> Ran:
        capfd.readouterr()
        code = run(words)
        out, err = capfd.readouterr()
        assert code == exit_, f"livepass {' '.join(words)} left with {code}\n{out}\n{err}"
        return Ran(code, out, err)

    return call


@pytest.fixture
def files(tmp_path: Path, authority: Authority, pass_certificate: Issued) -> Path:
    """The files that Apple and an operator would have: a .p12 with its password, the root, the PEM parts."""
    (tmp_path / "pass.p12").write_bytes(pass_certificate.p12("correct horse"))
    (tmp_path / "password").write_text("correct horse\n")
    (tmp_path / "root.pem").write_bytes(authority.root_pem)
    (tmp_path / "cert.pem").write_bytes(pass_certificate.certificate_pem)
    (tmp_path / "key.pem").write_bytes(pass_certificate.key_pem)
    (tmp_path / "wwdr.pem").write_bytes(pass_certificate.intermediate_pem)
    return tmp_path


@pytest.fixture
def tls(files: Path, authority: Authority) -> Path:
    """The same, with a certificate for a service on loopback."""
    issued = authority.server_certificate("localhost", "127.0.0.1")
    (files / "tls.pem").write_bytes(issued.certificate_pem)
    (files / "tls.key").write_bytes(issued.key_pem)
    return files


@pytest.fixture
def project(livepass: Livepass, files: Path) -> Livepass:
    """A project with a database, a certificate and a template: ready to issue."""
    livepass("init", "--public-url", "https://wallet.example.com")
    livepass("db", "upgrade")
    livepass("cert", "import", "pass.p12", "--password-file", "password")
    livepass("template", "import", "templates/membership")
    return livepass
