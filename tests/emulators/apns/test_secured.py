"""TLS of our own, with a real client: bytes in both directions, both ways to end, and neither side overrun."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from emulators.apns.h2client import client_context, eventually
from livepass.emulators.apns.secured import READ_BYTES, Secured
from livepass.emulators.apns.tls import Doors
from livepass.emulators.authority import Authority, Issued

pytestmark = pytest.mark.anyio

MEGABYTE = bytes(range(256)) * 4096


class Inner(asyncio.Protocol):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard, self.full, self.ended, self.lost = bytearray(), 0, False, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def pause_writing(self) -> None:
        self.full += 1

    def resume_writing(self) -> None:
        self.full -= 1

    def eof_received(self) -> bool:
        self.ended = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


@pytest.fixture
def listen(authority: Authority, server_certificate: Issued) -> Callable:
    doors = Doors(server_certificate.certificate_pem, server_certificate.key_pem, authority.root_pem)

    @asynccontextmanager
    async def listening(inner: Inner) -> AsyncIterator[int]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Secured(doors.open, lambda: inner), "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    return listening


@asynccontextmanager
async def calling(authority: Authority, port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    context = client_context(authority, None, alpn=False)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def test_bytes_go_both_ways_whole(authority: Authority, listen: Callable) -> None:
    inner = Inner()
    async with listen(inner) as port, calling(authority, port) as (reader, writer):
        writer.write(MEGABYTE)
        await eventually(lambda: len(inner.heard) == len(MEGABYTE))
        inner.transport.write(MEGABYTE)
        assert await asyncio.wait_for(reader.readexactly(len(MEGABYTE)), 10) == MEGABYTE == bytes(inner.heard)


class Sipping(Inner):
    """Wants a little at a time."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.pause_reading()


async def test_who_is_not_read_waits(authority: Authority, listen: Callable) -> None:
    inner = Sipping()
    async with listen(inner) as port, calling(authority, port) as (_, writer):
        writer.write(MEGABYTE)
        await eventually(lambda: inner.heard)
        sips = 1
        while len(inner.heard) < len(MEGABYTE):
            before = len(inner.heard)
            await asyncio.sleep(0.005)
            assert len(inner.heard) == before, "nothing comes unasked"
            inner.transport.resume_reading()
            await eventually(lambda before=before: len(inner.heard) > before)
            sips += 1
        assert inner.heard == MEGABYTE and sips >= len(MEGABYTE) // READ_BYTES


async def test_who_does_not_read_is_noticed(authority: Authority, listen: Callable) -> None:
    inner = Inner()
    async with listen(inner) as port, calling(authority, port) as (reader, writer):
        writer.transport.pause_reading()
        await eventually(lambda: hasattr(inner, "transport"))
        inner.transport.write(MEGABYTE * 16)
        await eventually(lambda: inner.full == 1)
        writer.transport.resume_reading()
        await asyncio.wait_for(reader.readexactly(len(MEGABYTE) * 16), 10)
        await eventually(lambda: inner.full == 0)


async def test_closing_sends_what_was_written_and_says_goodbye(authority: Authority, listen: Callable) -> None:
    inner, context = Inner(), client_context(authority, None, alpn=False)

    def all_that_comes(port: int) -> bytes:
        """``SSLEOFError`` when the connection ends without close_notify."""
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as caller:
            return b"".join(iter(lambda: caller.recv(65_536), b""))

    async with listen(inner) as port:
        heard = asyncio.create_task(asyncio.to_thread(all_that_comes, port))
        await eventually(lambda: hasattr(inner, "transport"))
        inner.transport.write(MEGABYTE)
        inner.transport.close()
        assert inner.transport.is_closing()
        inner.transport.write(b"too late")
        assert await heard == MEGABYTE
        await eventually(lambda: inner.lost)


async def test_a_goodbye_is_heard(authority: Authority, listen: Callable) -> None:
    inner = Inner()
    async with listen(inner) as port, calling(authority, port) as (_, writer):
        writer.write(b"bye")
        writer.close()
        await eventually(lambda: inner.lost)
        assert (bytes(inner.heard), inner.ended) == (b"bye", True)


async def test_who_never_shakes_hands_is_cut(
    authority: Authority, listen: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livepass.emulators.apns.secured.HANDSHAKE_SECONDS", 0.1)
    async with listen(Inner()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


async def test_a_broken_hello_gets_an_alert(listen: Callable) -> None:
    inner = Inner()
    async with listen(inner) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01\x00\x05hello")
        said = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert said[:1] == bytes([21]), "the content type of an alert"
    assert not inner.lost, "nothing began inside"
