"""A proxy in front of a service: HTTPS in, HTTPS out, and whatever spoils what passes through.

It adds nothing and hides nothing while nothing is spoiled: each client's connection has one to the service, and headers
and bodies pass as they come.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final, Self

import httpx2

from livepass.emulators.authority import Issued
from livepass.emulators.between.message import Answer, Call, Headers, Request

MOST_HEAD: Final = 32_768
MOST_BODY: Final = 1_048_576
UPSTREAM_SECONDS: Final = 60.0
_FRAMING: Final = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
"""Headers of one connection, which each side writes itself."""

Forward = Callable[[Request], Awaitable[Answer]]
Spoil = Callable[[Request, Forward], Awaitable[Answer]]
"""Stands in the way of each request: passes it on, changed or not, or answers itself. May raise ``Cut``."""


class Cut(Exception):
    """The connection ends without an answer."""


class Proxy:
    """One proxy, as an async context manager. ``service`` is where it sends everything: ``https://host:port``.

    ``certificate`` is what clients see, ``ca_pem`` whom the proxy trusts. ``earlier`` keeps the last file that was
    served under each path while nothing was spoiled, as a cache would.
    """

    def __init__(self, service: str, certificate: Issued, ca_pem: bytes, host: str = "127.0.0.1") -> None:
        self._service = httpx2.URL(service)
        self._trust = ssl.create_default_context(cadata=ca_pem.decode("ascii"))
        self._certificate = certificate
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # A resumed session would show the certificate from before.
        self._tls.num_tickets = 0
        self._tls.options |= ssl.OP_NO_TICKET
        self._host, self._port = host, 0
        self._listener: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._spoils: list[Spoil] = []
        self.earlier: dict[str, Answer] = {}
        self.show(None)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen on any free port."""
        self._listener = await asyncio.start_server(self._accept, self._host, 0, ssl=self._tls, limit=MOST_HEAD)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        await self.hang_up()

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"https://localhost:{self._port}"

    # ── spoiling

    def spoil(self, spoil: Spoil) -> None:
        """From now on; what was set first sees a request first."""
        self._spoils.append(spoil)

    async def heal(self, spoil: Spoil) -> None:
        """No more; what hangs in it is cut off."""
        self._spoils.remove(spoil)
        await self.hang_up()

    def show(self, certificate: Issued | None) -> None:
        """Show new connections another certificate; ``None``: the right one. Standing connections are left alone."""
        shown = certificate or self._certificate
        with tempfile.TemporaryDirectory(prefix="between-") as folder:
            chain = Path(folder, "proxy.pem")  # the ssl module loads keys from files only; the folder is private (0700)
            chain.write_bytes(shown.key_pem + shown.certificate_pem)
            self._tls.load_cert_chain(chain)

    async def hang_up(self) -> None:
        """Close every connection."""
        talks = list(self._talks)
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    # ── passing on

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.get_running_loop().create_task(self._talk(reader, writer))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        limits = httpx2.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=None)
        try:
            async with httpx2.AsyncHTTPTransport(verify=self._trust, trust_env=False, limits=limits) as upstream:
                while (request := await _read(reader)) is not None:
                    answer = await self._answered(request, upstream)
                    writer.write(_head(answer, request) + answer.body[: answer.cut_after])
                    await writer.drain()
                    if answer.cut_after is not None:
                        break
        except (Cut, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            # Without a farewell: a connection that is cut looks like this from the other side, too.
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answered(self, request: Request, upstream: httpx2.AsyncHTTPTransport) -> Answer:
        async def forward(passed: Request) -> Answer:
            try:
                return await self._forwarded(passed, upstream)
            except httpx2.HTTPError:
                return Answer(502)

        spoils = tuple(self._spoils)
        answer = await _through(spoils, request, forward)
        if not spoils and request.call is Call.FETCH and answer.status == 200:
            self.earlier[request.path] = answer
        return answer

    async def _forwarded(self, request: Request, upstream: httpx2.AsyncHTTPTransport) -> Answer:
        url = self._service.copy_with(raw_path=request.target.encode("ascii"))
        headers = [header for header in request.headers if header[0].lower() not in _FRAMING]
        more = {"timeout": httpx2.Timeout(UPSTREAM_SECONDS).as_dict()}
        sent = httpx2.Request(request.method, url, headers=headers, content=request.body, extensions=more)
        got = await upstream.handle_async_request(sent)
        try:
            body = b"".join([piece async for piece in got.aiter_raw()])
        finally:
            await got.aclose()
        raw = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in got.headers.raw]
        return Answer(got.status_code, tuple(header for header in raw if header[0].lower() not in _FRAMING), body)


async def _through(spoils: Sequence[Spoil], request: Request, forward: Forward) -> Answer:
    if not spoils:
        return await forward(request)
    return await spoils[0](request, lambda passed: _through(spoils[1:], passed, forward))


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """The next request; ``None`` at the end of the connection. Raises ``Cut`` for what no phone sends."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[1].startswith("/") or not parts[1].isascii():
        raise Cut
    headers: Headers = tuple(
        (name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)
    )
    lengths = [value for name, value in headers if name.lower() == "content-length"]
    length = lengths[0] if lengths else "0"
    if not length.isdecimal() or len(length) > 7 or int(length) > MOST_BODY:
        raise Cut
    return Request(parts[0], parts[1], headers, await reader.readexactly(int(length)))


def _head(answer: Answer, request: Request) -> bytes:
    """The answer's head: 204 and 304 carry no length."""
    framing: Headers = ()
    if answer.status not in (204, 304) and request.method != "HEAD":
        framing = (("Content-Length", str(len(answer.body))),)
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in (*answer.headers, *framing))]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
