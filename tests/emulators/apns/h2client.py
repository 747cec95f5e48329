"""A small sender for these tests: raw h2 over TLS, no retries, no opinions. It shares nothing with livepass.apns."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from livepass.emulators.authority import Authority, Issued

PATIENCE = 10.0


def client_context(
    authority: Authority, issued: Issued | None, *, chain: bool = True, alpn: bool = True
) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.root_pem.decode())
    if alpn:
        context.set_alpn_protocols(["h2"])
    if issued is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "client.pem")
            path.write_bytes(issued.key_pem + issued.certificate_pem + (issued.intermediate_pem if chain else b""))
            context.load_cert_chain(path)
    return context


@dataclass
class Reply:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    reset: int | None = None
    lost: bool = False

    @property
    def reason(self) -> str | None:
        return json.loads(self.body)["reason"] if self.body else None


class Sender(asyncio.Protocol):
    def __init__(self, window: int | None = None) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        if window is not None:
            self.h2.local_settings.initial_window_size = window
            self.h2.local_settings.acknowledge()
        self.replies: dict[int, tuple[Reply, asyncio.Future[Reply]]] = {}
        self.limits: list[int] = []
        self.remote: dict[int, int] = {}
        self.goaway: ConnectionTerminated | None = None
        self.gone: asyncio.Event = asyncio.Event()
        self.why: Exception | None = None
        self.settled: asyncio.Event = asyncio.Event()
        self.changed: asyncio.Event = asyncio.Event()
        self.hold_back = False
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        data = self.h2.data_to_send()
        if data and not self.transport.is_closing():
            self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.why = exc
        self.gone.set()
        self.settled.set()
        self.changed.set()
        for reply, future in self.replies.values():
            if not future.done():
                reply.lost = True
                future.set_result(reply)

    def data_received(self, data: bytes) -> None:
        # Frame by frame: h2 refuses what follows a GOAWAY in one go, and the answers in flight follow it.
        self.buffer += data
        while len(self.buffer) >= 9 and len(self.buffer) >= 9 + int.from_bytes(self.buffer[:3], "big"):
            end = 9 + int.from_bytes(self.buffer[:3], "big")
            frame, self.buffer = self.buffer[:end], self.buffer[end:]
            self.frame_received(frame)
        with contextlib.suppress(ProtocolError):
            self.flush()

    def frame_received(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            match event:
                case RemoteSettingsChanged():
                    new = {code: change.new_value for code, change in event.changed_settings.items()}
                    self.remote |= new
                    if SettingCodes.MAX_CONCURRENT_STREAMS in new:
                        self.limits.append(new[SettingCodes.MAX_CONCURRENT_STREAMS])
                    self.settled.set()
                case ResponseReceived():
                    reply = self.replies[event.stream_id][0]
                    reply.headers = dict(event.headers)
                    reply.status = int(reply.headers[":status"])
                case DataReceived():
                    self.replies[event.stream_id][0].body += event.data
                    if not self.hold_back:
                        self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case StreamEnded():
                    reply, future = self.replies[event.stream_id]
                    if not future.done():
                        future.set_result(reply)
                case StreamReset():
                    reply, future = self.replies[event.stream_id]
                    reply.reset = int(event.error_code)
                    if not future.done():
                        future.set_result(reply)
                case ConnectionTerminated():
                    self.goaway = event
                    self.h2.state_machine.state = ConnectionState.CLIENT_OPEN
            self.changed.set()

    def send(
        self,
        token: str,
        topic: str | None = "pass.test.livepass",
        payload: bytes = b"{}",
        path: str | None = None,
        method: str = "POST",
        flush: bool = True,
        **headers: str,
    ) -> asyncio.Future[Reply]:
        """Send one push; header names with ``_`` for ``-``."""
        stream = self.h2.get_next_available_stream_id()
        block = [
            (":method", method),
            (":scheme", "https"),
            (":authority", "apns"),
            (":path", f"/3/device/{token}" if path is None else path),
        ]
        block += [("apns-topic", topic)] if topic is not None else []
        block += [(name.replace("_", "-"), value) for name, value in headers.items()]
        self.h2.send_headers(stream, block, end_stream=not payload)
        if payload:
            self.h2.send_data(stream, payload, end_stream=True)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.replies[stream] = (Reply(), future)
        if flush:
            self.flush()
        return future

    async def push(self, token: str, *args, **kwargs) -> Reply:
        return await asyncio.wait_for(self.send(token, *args, **kwargs), PATIENCE)

    async def until(self, condition) -> None:
        """Wait until ``condition()`` holds; every event of the connection looks again."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def close(self) -> None:
        self.transport.abort()


async def connect(url: str, context: ssl.SSLContext, **options) -> Sender:
    host, port = url.removeprefix("https://").split(":")
    loop = asyncio.get_running_loop()
    _, sender = await loop.create_connection(lambda: Sender(**options), host, int(port), ssl=context)
    await asyncio.wait_for(sender.settled.wait(), PATIENCE)
    return sender


async def alert(url: str, context: ssl.SSLContext) -> str | None:
    """The TLS alert by which the server refuses, as OpenSSL names it; ``None`` when it does not.

    With TLS 1.3 the sender believes in the handshake until it reads the alert.
    """
    try:
        sender = await connect(url, context)
        if not sender.gone.is_set():
            sender.close()
            return None
        why = sender.why
    except (ssl.SSLError, ConnectionError) as error:
        why = error
    assert isinstance(why, ssl.SSLError), f"refused without an alert: {why!r}"
    return why.reason


async def refuses(url: str, context: ssl.SSLContext) -> bool:
    """Whether TLS is refused, with or without an alert."""
    try:
        sender = await connect(url, context)
    except (ssl.SSLError, ConnectionError):
        return True
    await sender.until(sender.gone.is_set)
    return sender.goaway is None


async def call(url: str, method: str, path: str, body: object = None, raw: bytes | None = None) -> tuple[int, dict]:
    """One call to the control port: status and JSON."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        if raw is None:
            content = b"" if body is None else json.dumps(body).encode()
            head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            raw = f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content
        writer.write(raw)
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
    finally:
        writer.close()
        await writer.wait_closed()
    head, _, rest = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(rest)


async def eventually(condition) -> None:
    """Look again and again until ``condition()`` holds; for what no event of ours announces."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
