"""Small things that every listener of the emulator needs."""

from __future__ import annotations

import asyncio
import contextlib

CLOSE_SECONDS = 1.0


def place(host: str, port: int) -> str:
    """``host:port`` as it stands in a URL; IPv6 addresses get their brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def port_of(listener: asyncio.Server) -> int:
    """The port that was really taken."""
    port: int = listener.sockets[0].getsockname()[1]
    return port


async def closed(listener: asyncio.Server) -> None:
    """Wait until ``listener`` is closed, but not for peers that never finish: newer Pythons would wait for those."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await listener.wait_closed()
