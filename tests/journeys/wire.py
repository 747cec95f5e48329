"""Calls on the wire byte by byte, for what an HTTP client would tidy up before sending, or after receiving."""

from __future__ import annotations

import asyncio
import re
import ssl

from journeys.world import World

_DATE = re.compile(rb"(?mi)^date: [^\r\n]*")


async def exchange(world: World, request: bytes, patience: float = 15.0) -> bytes:
    """Send these bytes, and read until the service closes the connection; nothing when it never does."""
    trust = ssl.create_default_context(cafile=str(world.ca_file))
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", world.front or world.port, ssl=trust, server_hostname="localhost"
    )
    try:
        writer.write(request)
        await writer.drain()
        async with asyncio.timeout(patience):
            return await reader.read()
    except (ConnectionError, TimeoutError):
        return b""
    finally:
        writer.close()


async def call(
    world: World, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> bytes:
    """The whole answer to one request below ``webServiceURL``, but for the time of day."""
    lines = [f"{method} /wallet{path} HTTP/1.1", "Host: localhost", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines) + "\r\n\r\n"
    return _DATE.sub(b"date: -", await exchange(world, head.encode("latin-1") + (body or b"")))


def status(answer: bytes) -> int:
    """0: no answer at all."""
    return int(answer.split(b" ", 2)[1]) if answer else 0
