"""The fixture ``apns``: an emulated APNs, over HTTP/2 and TLS, with client certificates."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from livepass.emulators.apns import ApnsServer, Entry
from livepass.emulators.apns.chaos import Fault, fault_from_json
from livepass.testing.stage import Stage


class Apns:
    """Where pushes go in a test. A service of your own pushes to ``url``, trusts ``ca_file``, and shows what ``p12``
    exports.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        server, authority = stage.server, stage.authority
        accepted = authority.root_pem + authority.intermediate.public_bytes(Encoding.PEM)
        self.server = ApnsServer(server.certificate_pem, server.key_pem, accepted)
        self.ca_file: Path = stage.ca_file

    def start(self) -> None:
        self._stage.run(self.server.start())

    def stop(self) -> None:
        self._stage.run(self.server.stop())

    @property
    def url(self) -> str:
        """``https://host:port``."""
        return self.server.url

    def p12(self, pass_type: str, password: str = "") -> bytes:
        """A certificate that may sign passes of that type and push to them here, with its key."""
        return self._stage.certificate(pass_type).p12(password)

    @property
    def pushes(self) -> list[Entry]:
        """What was asked of this APNs, oldest first: each with ``token``, ``topic``, ``status`` and ``reason``."""
        return self.server.history()

    def forget(self) -> None:
        """Forget what was asked so far."""
        self.server.clear_history()

    def answer(self, status: int, reason: str = "", *, times: int | None = 1) -> None:
        """Answer the next pushes like that, instead of what would be true; ``times`` ``None``: until ``answer_truly``.
        As in ``answer(410)`` or ``answer(429)``. Raises ``ValueError`` for what APNs never answers.
        """
        spec = f"status:{status}:{reason}" if reason else f"status:{status}"
        self._stage.run(self._set([fault_from_json({"fault": spec, "count": times})]))

    def answer_truly(self) -> None:
        """No more made-up answers."""
        self._stage.run(self._set([]))

    async def _set(self, faults: list[Fault]) -> None:
        self.server.chaos.replace(faults)
