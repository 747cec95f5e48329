"""A scripted HTTP/2 + TLS server for everything that APNs does on a bad day.

A script is called with each complete request and decides: ``answer``, ``goaway``, ``reset``, ``cut``, or nothing.
The protocol is ``h2``'s; farewells are hand-made frames, since ``h2`` stops talking after its own.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
from hyperframe.frame import GoAwayFrame

from free_ports import free_port
from livepass.emulators.authority import Authority

Script = Callable[["Session", int, str], None]
"""``(session, stream, apns-id)``"""


def accept(session: Session, stream: int, apns_id: str) -> None:
    session.answer(stream)


class Session(asyncio.Protocol):
    """One connection, as the server sees it. ``heard`` are the apns-ids of its requests, in order."""

    def __init__(self, server: Hostile) -> None:
        self.server = server
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.heard: list[str] = []
        self.waiting: list[int] = []
        self.pings = 0
        self.notes: dict[str, Any] = {}
        self.farewell: h2.events.ConnectionTerminated | None = None
        self._ids: dict[int, str] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.server.sessions.append(self)
        self.server.live.add(self)
        if self.server.greeting is not None:
            self.transport.write(self.server.greeting)
            return
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.server.streams})
        self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self.server.live.discard(self)

    def data_received(self, data: bytes) -> None:
        if self.server.deaf or self.server.greeting is not None:
            return
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            self.server.complaints.append(str(error))
            self.flush()
            self.transport.close()
            return
        for event in events:
            match event:
                case h2.events.RequestReceived(stream_id=stream, headers=headers):
                    self._ids[stream] = dict(headers)["apns-id"]
                case h2.events.DataReceived(stream_id=stream, flow_controlled_length=length):
                    self.h2.acknowledge_received_data(length, stream)
                case h2.events.PingReceived():
                    self.pings += 1
                case h2.events.ConnectionTerminated():
                    self.farewell = event
                case h2.events.StreamEnded(stream_id=stream):
                    apns_id = self._ids.pop(stream)
                    self.heard.append(apns_id)
                    self.server.script(self, stream, apns_id)
        self.flush()

    def flush(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.h2.data_to_send())

    def answer(self, stream: int, status: int = 200, body: bytes = b"") -> None:
        if stream in self.waiting:
            self.waiting.remove(stream)
        try:
            self.h2.send_headers(stream, [(":status", str(status)), ("apns-id", "ECHO")], end_stream=not body)
            if body:
                self.h2.send_data(stream, body, end_stream=True)
        except h2.exceptions.ProtocolError:
            return  # the client gave up on it
        self.server.answered[status] += 1

    def goaway(self, last: int, reason: str = "", code: int = 0) -> None:
        self.flush()
        debug = f'{{"reason":"{reason}"}}'.encode() if reason else b""
        self.transport.write(GoAwayFrame(0, last_stream_id=last, error_code=code, additional_data=debug).serialize())

    def limit(self, streams: int) -> None:
        self.h2.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: streams})

    def cut(self) -> None:
        self.transport.abort()


def server_context(authority: Authority) -> ssl.SSLContext:
    """Asks for a client certificate under ``authority``."""
    certificate = authority.server_certificate("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(certificate.certificate_pem + certificate.key_pem)
        file.flush()
        context.load_cert_chain(file.name)
    context.load_verify_locations(cadata=authority.root_pem.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextmanager
def doorkeeper(authority: Authority, version: ssl.TLSVersion) -> Iterator[Doorkeeper]:
    """A TLS server on a thread that only shakes hands.

    Blocking sockets, because asyncio's servers (uvloop's too) close without sending the alert that says why.
    """
    context = server_context(authority)
    context.maximum_version = version
    keeper = Doorkeeper(context)
    thread = threading.Thread(target=keeper.run, daemon=True)
    thread.start()
    yield keeper
    keeper.socket.shutdown(socket.SHUT_RDWR)
    keeper.socket.close()
    thread.join(5)


class Doorkeeper:
    """``callers`` counts connections. Whoever gets past the handshake is sent away without a word."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.callers = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.socket.getsockname()[1]}"

    def run(self) -> None:
        while True:
            try:
                caller, _ = self.socket.accept()
            except OSError:
                return
            self.callers += 1
            with caller, suppress(OSError):
                self._context.wrap_socket(caller, server_side=True).close()


class Hostile:
    """The server. ``complaints`` are protocol errors that ``h2`` found in what we sent: there must be none."""

    def __init__(self, authority: Authority, script: Script = accept) -> None:
        self.authority = authority
        self.script = script
        self.streams = 500
        self.deaf = False
        self.greeting: bytes | None = None
        self.alpn = True
        self.port = free_port()
        self.sessions: list[Session] = []
        self.live: set[Session] = set()
        self.answered: Counter[int] = Counter()
        self.complaints: list[str] = []
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    async def up(self) -> Hostile:
        context = server_context(self.authority)
        if self.alpn:
            context.set_alpn_protocols(["h2"])
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Session(self), "127.0.0.1", self.port, ssl=context, ssl_shutdown_timeout=0.2
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def down(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for session in list(self.live):
            session.cut()
        await asyncio.sleep(0.05)
