"""A healthy service of ours that runs beside the test, with a TLS front that can be spoiled, and passes to judge.

The doctor is synchronous and runs in the test's own thread, as on a command line; the world has a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from journeys.world import PASS_TYPE, Spoil, World, pass_certificate
from livepass.doctor import BY_ID, Credential, Examination, Group, Options, Report, Status
from livepass.emulators.authority import Authority, Issued
from livepass.pkpass import Signer, StaticFiles, build, read

T = TypeVar("T")
SERIAL = "1001"

HIT = frozenset({Status.FAILED, Status.WARNING})


class Front:
    """Ends TLS with a certificate of the test's choice and hands the bytes on to the service."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.behind = 0
        self.context: ssl.SSLContext
        self.says: bytes = b""
        """What answers the first request, whatever it asks; empty: the service speaks."""
        self.requests = b""
        """Everything that clients said."""
        self.edits: Callable[[bytes], bytes] = bytes
        """What becomes of everything that the service says."""
        self.trickles: threading.Event | None = None
        """A byte every now and then follows what is said, until this is set."""
        self._trust = ssl.create_default_context()
        self._trust.check_hostname = False
        self._trust.verify_mode = ssl.CERT_NONE
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def speak(self, protocol: str) -> None:
        """To the service, over TLS."""
        self._trust.set_alpn_protocols([protocol])

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain:
            plain.settimeout(20)
            with self.context.wrap_socket(plain, server_side=True) as client:
                if self.says:
                    # Closed with a request unread, the connection would be reset and what was said be lost with it:
                    # here, and until the other side has closed.
                    client.recv(65536)
                    client.sendall(self.says)
                    while self.trickles is not None and not self.trickles.wait(0.05):
                        client.sendall(b".")
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):
                        pass
                    return
                inner = socket.create_connection(("127.0.0.1", self.behind), 20)
                with self._trust.wrap_socket(inner, server_hostname="localhost") as service:
                    self._pump(client, service)

    def _pump(self, client: ssl.SSLSocket, service: ssl.SSLSocket) -> None:
        other = {client: service, service: client}
        while True:
            waiting = [each for each in other if each.pending()]
            for each in waiting or select.select(list(other), [], [], 20)[0]:
                # A record may hold no data (a session ticket): reading it must not keep the other side waiting.
                each.setblocking(False)
                try:
                    data = each.recv(65536)
                except ssl.SSLWantReadError:
                    continue
                finally:
                    each.settimeout(20)
                if not data:
                    return
                if each is client:
                    self.requests += data
                else:
                    data = self.edits(data)
                other[each].sendall(data)


def server_context(chain_pem: bytes, key_pem: bytes) -> ssl.SSLContext:
    """A TLS server with that chain."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        chain, key = Path(folder) / "chain.pem", Path(folder) / "leaf.pem"
        chain.write_bytes(chain_pem)
        key.write_bytes(key_pem)
        context.load_cert_chain(chain, key)
    context.set_alpn_protocols(["http/1.1"])
    return context


class Stage:
    """The world in its thread. Made by ``staged``."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        self.authority = authority
        self.front = Front()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.world = self.do(self._made(directory))
        self.data = self.do(self._issued())
        """A good package of the pass that the service holds."""

    async def _made(self, directory: Path) -> World:
        world = World(directory, self.authority)
        self.front.behind, world.port = world.port, self.front.port
        certificate, key = world.tls_files()
        self.good_tls = self.front.context = server_context(certificate.read_bytes(), key.read_bytes())
        await world.start()
        return world

    async def _issued(self) -> bytes:
        await self.world.issue(SERIAL, 120)
        return await self.world.pkpass(SERIAL)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def close(self) -> None:
        self.do(self.world.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(20)
        self.front.close()

    @property
    def token(self) -> str:
        """What stands in the pass and must stand nowhere else."""
        return str(read(self.data).document["authenticationToken"])

    def registered(self) -> list[str]:
        """The devices that are registered for the pass now."""
        held = self.do(self.world.held(SERIAL))
        return [each.registration.device_id for each in held if each.registration.left_at is None]

    # ── judging

    def options(self, **more: Any) -> Options:
        return Options(roots_pem=self.authority.root_pem.decode(), **more)

    def full(self) -> Options:
        """All that may be asked for, but for APNs."""
        credential = Credential.from_p12(pass_certificate(self.authority, PASS_TYPE).p12("x"), "x")
        return self.options(register=True, log=True, credential=credential)

    def judge(self, data: bytes | None = None, options: Options | None = None, now: datetime | None = None) -> Report:
        return Examination(data or self.data, options or self.full(), now or datetime.now(UTC)).run()

    def judge_spoiled(self, spoil: Spoil) -> Report:
        with self.world.spoiled(spoil):
            return self.judge()

    def judge_file(self, data: bytes, **more: Any) -> Report:
        """Without a network."""
        return self.judge(data, replace(self.full(), offline=True), **more)

    # ── spoiled packages, made by the product's own code as far as it goes

    def made(
        self,
        change: Callable[[dict[str, Any]], object] = lambda document: None,
        files: Mapping[str, bytes | None] | None = None,
        signed_by: Issued | None = None,
        at: datetime | None = None,
    ) -> bytes:
        """The good pass with its pass.json changed, files put in or (``None``) left out, and signed again."""
        good = read(self.data)
        document = json.loads(good.document_bytes)
        change(document)
        static = {name: data for name, data in {**good.static_files(), **(files or {})}.items() if data is not None}
        issued = signed_by or pass_certificate(self.authority, PASS_TYPE)
        signer = Signer.from_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
        return build(StaticFiles.prepare(static), json.dumps(document).encode(), signer, at or datetime.now(UTC))


def hits(report: Report) -> dict[str, str]:
    """What failed or warned: id → status."""
    return {each.check.id: each.status.value for each in report.results if each.status in HIT}


def untested(report: Report) -> set[str]:
    return {each.check.id for each in report.results if each.status is Status.NOT_TESTED}


def of(report: Report, check: str) -> str:
    """The evidence of one check."""
    return next(each.outcome.evidence for each in report.results if each.check.id == check)


def below(check: str) -> set[str]:
    """Every check of a pass that needs ``check``, over as many steps as it takes."""
    found = {each.id for each in BY_ID.values() if check in each.needs and each.group is not Group.SELF}
    return found.union(*map(below, found))


OF_PUSH = {each.id for each in BY_ID.values() if each.group is Group.PUSH}


@contextlib.contextmanager
def staged(directory: Path, authority: Authority) -> Iterator[Stage]:
    stage = Stage(directory, authority)
    try:
        yield stage
    finally:
        stage.close()
