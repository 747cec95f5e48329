"""The service as an operator starts it: a process on plain HTTP, with passes that exist, for callers of all kinds.

    with running(directory, certificate) as service:
        http.client.HTTPConnection("127.0.0.1", service.port)

Everything goes through the public ways in: the database is new, the rest is published and issued over the issuer API.
"""

from __future__ import annotations

import base64
import io
import json
import os
import secrets
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import engines
from livepass.emulators.authority import Issued
from web.asgi import folder_zip

PASS_TYPE = "pass.test.livepass"
TEMPLATE = "membership"
SERIALS = ("1", "2")
PASSWORD = "sesame"
DEVICE = "4f" * 16
"""A phone that follows the pass ``SERIALS[0]``."""


@dataclass(frozen=True)
class Answer:
    """What came back of one call."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class LivepassProcess:
    """One ``livepass serve``. ``log`` is the file that its stderr goes to."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        port: int,
        environment: Mapping[str, str],
        log: Path,
        certificate: Issued,
    ) -> None:
        self.process = process
        self.port = port
        self.environment = environment
        self.admin_key = environment["LIVEPASS_ADMIN_KEY"]
        self.log = log
        self.certificate = {"p12": base64.b64encode(certificate.p12(PASSWORD)).decode(), "password": PASSWORD}
        """The body that imports the certificate of ``PASS_TYPE``."""
        self.token = ""
        """The token of ``SERIALS[0]``, as its phone has it."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request over a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def api(self, method: str, path: str, body: Any = None, media: str = "application/json") -> Answer:
        """One call of the issuer API by the administrator."""
        headers = {"Authorization": f"Bearer {self.admin_key}"}
        if body is not None:
            headers["Content-Type"] = media
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return self.call(method, f"/api/v1{path}", data, headers)

    def issue(self, serial: str, points: int) -> None:
        wanted = {"template": TEMPLATE, "data": {"points": points}}
        answer = self.api("PUT", f"/passes/{PASS_TYPE}/{serial}", wanted)
        assert answer.status in (200, 201), answer.body

    def token_of(self, serial: str) -> str:
        """What the signed file says."""
        answer = self.api("GET", f"/passes/{PASS_TYPE}/{serial}/pkpass")
        assert answer.status == 200, answer.body
        with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
            return str(json.loads(archive.read("pass.json"))["authenticationToken"])

    def register(self, device: str = DEVICE, serial: str = SERIALS[0]) -> Answer:
        """A phone begins to follow a pass."""
        return self.call(
            "POST",
            f"/wallet/v1/devices/{device}/registrations/{PASS_TYPE}/{serial}",
            json.dumps({"pushToken": "ab" * 32}).encode(),
            {"Authorization": f"ApplePass {self.token_of(serial)}", "Content-Type": "application/json"},
        )

    def _furnish(self) -> None:
        imported = self.api("POST", "/certificates", self.certificate)
        assert imported.status == 201, imported.body
        published = self.api("POST", f"/templates?name={TEMPLATE}", folder_zip(), "application/zip")
        assert published.status == 201, published.body
        for serial in SERIALS:
            self.issue(serial, 1)
        self.token = self.token_of(SERIALS[0])
        assert self.register().status == 201


@contextmanager
def running(
    directory: Path,
    certificate: Issued,
    *more: str,
    settings: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Iterator[LivepassProcess]:
    """The service on a new database of the chosen engine (``engines.choose``), furnished. Leaving ends it.

    ``more``: options of ``livepass serve``; ``before`` runs in the child before it becomes livepass.
    """
    log = directory / "service.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LIVEPASS_")}
    environment |= {
        "LIVEPASS_DATABASE_URL": engines.new_database(directory / "livepass.db"),
        "LIVEPASS_PUBLIC_URL": "https://passes.example.com",
        "LIVEPASS_APNS_URL": "https://127.0.0.1:1",  # nobody is there: pushes are none of these tests' business
        "LIVEPASS_SECRET_KEY": secrets.token_urlsafe(32),
        "LIVEPASS_ADMIN_KEY": secrets.token_hex(16),
        **(settings or {}),
    }
    words: Sequence[str] = ("-m", "livepass", "serve", "--host", "127.0.0.1", "--port", "0", "--json", *more)
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, *words],
            env=environment,
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=stderr,
            preexec_fn=before,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        port = int(str(json.loads(line)["address"]).rpartition(":")[2])
        service = LivepassProcess(process, port, environment, log, certificate)
        service._furnish()
        yield service
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
