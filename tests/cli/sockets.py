"""An application behind the server of ``livepass serve``, and what it says byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

from livepass.cli import serving
from livepass.runtime import WallClock
from livepass.service.pressure import Load

_DATE = re.compile(rb"date: [^\r]+")


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[int]:
    """Its port."""
    ending, listener, ready = asyncio.Event(), serving._listener("127.0.0.1", 0), asyncio.Event()
    server = serving._server(app, None, None, ready.set)
    running = asyncio.create_task(serving._run(server, listener, ending, Load(WallClock())))
    await ready.wait()
    try:
        yield listener.getsockname()[1]
    finally:
        ending.set()
        await running


async def said(port: int, *sent: bytes) -> bytes:
    """All answers until the server hangs up, but for the date. Each piece is sent when the one before was answered."""
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        read = b""
        for number, piece in enumerate(sent):
            writer.write(piece)
            if number < len(sent) - 1:
                read += await reader.readuntil(b"\r\n\r\n")
        read += await reader.read()
        writer.close()
        return _DATE.sub(b"date: D", read)
