"""Whoever keeps us waiting is hung up on; whoever is only slow, or waits for us, is not. With a short patience."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from livepass.cli import patience, serving
from livepass.emulators.authority import Authority
from livepass.runtime import WallClock
from livepass.service.pressure import Load

PATIENCE = 1.0
LONGER = 3.0
"""For those who are not to be hung up on: a busy machine may stand still for a second."""
HANGS = 60.0
"""What a test waits for at most."""
BIG = b"x" * 8_000_000
"""More than the kernel holds for a reader that does not come."""

HEAD = b"POST / HTTP/1.1\r\nHost: here\r\n"
GET = b"GET /%s HTTP/1.1\r\nHost: here\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Reads its body and answers; ``/slow`` thinks for long first, ``/big`` answers much, ``/pieces`` in two."""
    if scope["path"] == "/slow":
        await asyncio.sleep(1.5 * LONGER)
    size = 0
    while (message := await receive())["type"] != "http.disconnect":
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = BIG if scope["path"] in ("/big", "/pieces") else b"%d read" % size
    pieces = [body[:-1], body[-1:]] if scope["path"] == "/pieces" else [body]
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", str(len(body)).encode())],
        }
    )
    for number, piece in enumerate(pieces, 1):
        await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})


Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, Any]]


@asynccontextmanager
async def served(certificate: Path | None = None, key: Path | None = None) -> AsyncIterator[tuple[int, Any]]:
    """The port of a server as ``livepass serve`` makes it, and its connections."""
    ending, listener = asyncio.Event(), serving._listener("127.0.0.1", 0)
    ready = asyncio.Event()
    server = serving._server(app, certificate, key, ready.set)  # type: ignore[arg-type]
    running = asyncio.create_task(serving._run(server, listener, ending, Load(WallClock())))
    try:
        await ready.wait()
        yield listener.getsockname()[1], server.server_state.connections
    finally:
        ending.set()
        await asyncio.wait_for(running, HANGS)


@pytest.fixture
def with_client(monkeypatch: pytest.MonkeyPatch) -> Callable[[Client], Any]:
    """Runs a client against a server that has little patience; at the end no connection may be left."""
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", PATIENCE)
    monkeypatch.setattr(patience, "LOOK_SECONDS", PATIENCE / 10)

    async def main(client: Client) -> Any:
        async with served() as (port, connections):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2 * len(BIG))
            try:
                return await asyncio.wait_for(client(reader, writer), HANGS)
            finally:
                writer.close()
                async with asyncio.timeout(HANGS):
                    while connections:  # noqa: ASYNC110, they are uvicorn's and tell nobody
                        await asyncio.sleep(0.02)

    def run(client: Client) -> Any:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main(client))

    return run


@pytest.fixture
def with_slow_client(with_client: Callable[[Client], Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[Client], Any]:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", LONGER)
    return with_client


async def until_hung_up(reader: asyncio.StreamReader) -> bytes:
    """What came until then."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def drip(writer: asyncio.StreamWriter, data: bytes, gap: float = PATIENCE / 10) -> None:
    """A byte at a time, until the other side has enough of it."""
    try:
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(gap)
    except ConnectionError:
        return


# ── hung up on

STALLED = {
    "nothing at all": b"",
    "half a first line": b"GET / HT",
    "half a head": HEAD + b"X: y",
    "no body": HEAD + b"Content-Length: 5\r\n\r\n",
    "half a body": HEAD + b"Content-Length: 5\r\n\r\n12",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12",
    "no last chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n12\r\n",
    "half the trailers": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n12\r\n0\r\nX: ",
    "a second head that does not end": GET % b"" + b"GET / HTTP/1.1\r\nX: ",
    "a continue that nobody takes up": HEAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
}


@pytest.mark.parametrize("sent", STALLED.values(), ids=STALLED)
def test_who_sends_no_more_is_hung_up_on(sent: bytes, with_client: Callable[[Client], Any]) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await until_hung_up(reader)

    with_client(client)


DRIPPED = {
    "a head": (b"", HEAD + b"X: " + b"y" * 2000),
    "a second head": (GET % b"", HEAD + b"X: " + b"y" * 2000),
    "trailers": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n12\r\n0\r\n", b"X: " + b"y" * 2000),
    "an extension of a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;x=", b"y" * 2000),
}


@pytest.mark.parametrize(("before", "dripped"), DRIPPED.values(), ids=DRIPPED)
def test_what_brings_a_request_no_further_does_not_count(
    before: bytes, dripped: bytes, with_client: Callable[[Client], Any]
) -> None:
    """A byte now and then would hold a connection for ever."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(before)
        dripping = asyncio.create_task(drip(writer, dripped))
        await until_hung_up(reader)
        dripping.cancel()

    with_client(client)


@pytest.mark.parametrize("requests", [1, 20], ids=["one", "pipelined"])
def test_who_does_not_read_is_hung_up_on(requests: int, with_client: Callable[[Client], Any]) -> None:
    """Also where the answer is complete for the application, and only the kernel of the other side takes no more."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport: Any = writer.transport
        transport.pause_reading()
        writer.write(GET % b"big" * requests)
        while not transport.is_closing():
            await asyncio.sleep(0.05)
            writer.write(b"\r\n")  # the only way to notice, for one that does not read

    with_client(client)


OVER_TLS = {"half a head": HEAD, "no body": HEAD + b"Content-Length: 5\r\n\r\n", "not reading": GET % b"big"}


@pytest.mark.parametrize("sent", OVER_TLS.values(), ids=OVER_TLS)
def test_over_tls_too(sent: bytes, with_client: Callable[[Client], Any], authority: Authority, tmp_path: Path) -> None:
    """``with_client`` only for its short patience."""
    issued = authority.server_certificate("localhost")
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    certificate.write_bytes(issued.certificate_pem)
    key.write_bytes(issued.key_pem)
    trust = ssl.create_default_context(cadata=authority.root_pem.decode())

    async def main() -> None:
        async with served(certificate, key) as (port, connections):
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="localhost")
            transport: Any = writer.transport
            transport.pause_reading()
            writer.write(sent)
            async with asyncio.timeout(HANGS):
                while not connections:  # noqa: ASYNC110, not there before both have shaken hands
                    await asyncio.sleep(0.01)
                while connections:  # noqa: ASYNC110, as above
                    await asyncio.sleep(0.05)
            transport.abort()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


# ── not hung up on


def test_who_sends_slowly_is_waited_for(with_slow_client: Callable[[Client], Any]) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(HEAD + b"Content-Length: 50\r\n\r\n")
        await drip(writer, b"x" * 50)
        return await reader.readuntil(b"read")

    assert with_slow_client(client).endswith(b"50 read")


def test_who_reads_slowly_is_waited_for(with_slow_client: Callable[[Client], Any]) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        port, loop, got = writer.get_extra_info("peername")[1], asyncio.get_running_loop(), 0
        with socket.socket() as slow:  # a stream would read ahead
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            slow.setblocking(False)
            await loop.sock_connect(slow, ("127.0.0.1", port))
            await loop.sock_sendall(slow, GET % b"big")
            while got < len(BIG):
                piece = await loop.sock_recv(slow, 1 << 16)
                assert piece, f"hung up on after {got} bytes"
                got += len(piece)
                await asyncio.sleep(LONGER / 75)
        return got

    assert with_slow_client(client) >= len(BIG)


def test_who_waits_for_us_is_not_hung_up_on(with_slow_client: Callable[[Client], Any]) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(GET % b"slow")
        return await reader.readuntil(b"read")

    assert with_slow_client(client).startswith(b"HTTP/1.1 200")


def test_a_body_that_we_do_not_take_is_our_delay(with_slow_client: Callable[[Client], Any]) -> None:
    """More than is read ahead, for a handler that thinks first."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        size = 3_000_000
        writer.write(b"POST /slow HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        return await reader.readuntil(b"read")

    assert with_slow_client(client).endswith(b"3000000 read")


def test_who_asks_twice_at_once_and_leaves_is_no_fault_of_ours(
    with_slow_client: Callable[[Client], Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport: Any = writer.transport
        transport.pause_reading()
        writer.write(GET % b"pieces" * 3)
        await asyncio.sleep(PATIENCE / 2)
        transport.abort()
        await asyncio.sleep(PATIENCE)

    with_slow_client(client)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


# ── how much is held

ENDLESS = {
    "a first line": (b"GET /", b"a"),
    "a header": (b"GET / HTTP/1.1\r\nX: ", b"a"),
    "headers": (b"GET / HTTP/1.1\r\n", b"X: a\r\n"),
    "empty lines": (b"", b"\r\n"),
    "trailers": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: a\r\n"),
    "an extension of a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;", b"a"),
}


@pytest.mark.parametrize(("begun", "more"), ENDLESS.values(), ids=ENDLESS)
def test_what_does_not_end_is_not_held(
    begun: bytes, more: bytes, with_client: Callable[[Client], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", HANGS)  # it is for the size that it ends, not for the time

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        piece, sent = more * (32_768 // len(more)), 0
        writer.write(begun)
        try:
            while sent < 50_000_000 and not reader.at_eof():
                writer.write(piece)
                sent += len(piece)
                await writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            pass
        assert set(re.findall(rb"HTTP/1.1 (\d+)", await until_hung_up(reader))) <= {b"400"}
        return sent

    # What waits in the kernel's buffers counts too; of what is endless, that is little.
    assert with_client(client) < 25_000_000
