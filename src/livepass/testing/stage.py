"""What all tests of a session share, because keys are slow to make: a thread, an authority and its certificates."""

from __future__ import annotations

import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from livepass.embed.blocking import LoopThread
from livepass.emulators.authority import Authority, Issued

T = TypeVar("T")

PATIENCE_SECONDS = 30.0
"""What a test waits for takes milliseconds; what takes longer than this does not come."""


class Stage:
    """One per session (and worker of xdist). ``folder`` is its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.thread = LoopThread("livepass-testing")
        self.authority = Authority(name="Livepass Testing")
        self.server = self.authority.server_certificate("localhost", "127.0.0.1")
        self.ca_file = _written(folder / "root.pem", self.authority.root_pem)
        self.tls_files = (
            _written(folder / "tls.pem", self.server.certificate_pem),
            _written(folder / "tls.secret", self.server.key_pem),
        )
        self._certificates: dict[str, Issued] = {}

    def certificate(self, pass_type: str) -> Issued:
        """A Pass Type ID certificate of that type."""
        if pass_type not in self._certificates:
            self._certificates[pass_type] = self.authority.pass_certificate(pass_type, "TESTTEAM00")
        return self._certificates[pass_type]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it on the stage's thread, to its end."""
        return self.thread.run(work, PATIENCE_SECONDS)

    def close(self) -> None:
        self.thread.close()


class Door:
    """A port that is bound before anybody listens: what stands in passes is known before the service is made."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.socket.bind(("127.0.0.1", 0))
        self.url = f"https://localhost:{self.socket.getsockname()[1]}"

    def close(self) -> None:
        self.socket.close()


def _written(path: Path, data: bytes) -> Path:
    path.touch(0o600)
    path.write_bytes(data)
    return path
