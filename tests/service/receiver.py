"""A receiver of webhooks: a real HTTP server on this machine, which answers as the test wants."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


async def read_request(reader: asyncio.StreamReader) -> Received:
    first = (await reader.readline()).decode()
    headers = {}
    while line := (await reader.readline()).decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    if not first:
        raise asyncio.IncompleteReadError(b"", None)
    return Received(first.split(" ")[1], headers, body)


@dataclass
class Receiver:
    """``answers``: what is answered to a path, ``(status line, extra headers, body)``; 204 to others. ``hold``: paths
    that are not answered before ``release``. ``taken``: paths whose answer was read, and the connection then closed.
    """

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answers: dict[str, bytes] = field(default_factory=dict)
    hold: set[str] = field(default_factory=set)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    taken: list[str] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0

    def url(self, path: str = "/hooks") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Received]:
        return [each for each in self.received if each.path == path]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            request = await read_request(reader)
            path = request.path
            self.received.append(request)
            if path in self.hold:
                await self.release.wait()
            writer.write(self.answers.get(path, b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"))
            await writer.drain()
            await reader.read()
            self.taken.append(path)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._at_once -= 1
            writer.close()


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def receiver(
    tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Receiver]:
    made = Receiver()
    server = await asyncio.start_server(made.serve, host, port, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.release.set()
        server.close()
