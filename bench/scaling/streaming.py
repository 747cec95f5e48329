"""How much memory a batch takes that is larger than memory ought to be: ``POST /api/v1/passes:batch``, streamed.

On a database with nothing in it; lines go in and results come out at the same time.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

import httptools
from scaling.databases import MANY
from scaling.serving import Server, served

from livepass.config import Config

LINES_AT_ONCE = 500


def measure(config: Config, passes: int) -> dict[str, Any]:
    """Issue that many new passes in one call; answers passes a second and the server's memory in MiB."""
    with served(config) as server:
        idle = server.memory()
        started = time.monotonic()
        tenth = asyncio.run(_stream(server, config.admin_key, passes))
        seconds = time.monotonic() - started
        return {
            "passes": passes,
            "per_second": round(passes / seconds),
            "idle_mib": idle,
            "peak_mib_after_a_tenth": tenth,
            "peak_mib": server.memory(),
        }


class Results:
    """What the answer says, taken out of its chunks: a result may be cut in two by a chunk's head."""

    def __init__(self) -> None:
        self.changed = 0
        self.others: list[bytes] = []
        self.ended = False
        self._rest = b""
        self.parser = httptools.HttpResponseParser(self)

    def on_body(self, body: bytes) -> None:
        *lines, self._rest = (self._rest + body).split(b"\n")
        for line in lines:
            if b'"changed":true' in line:
                self.changed += 1
            elif len(self.others) < 3:
                self.others.append(line)

    def on_message_complete(self) -> None:
        self.ended = True


async def _stream(server: Server, key: str, passes: int) -> int:
    """Send the passes and read that each was issued; answers the peak memory (MiB) after a tenth of them."""
    parts = urlsplit(server.address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
    head = (
        f"POST /api/v1/passes:batch HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    writer.write(head.encode())

    async def send() -> None:
        for start in range(0, passes, LINES_AT_ONCE):
            lines = b"".join(
                b'{"pass_type":"%b","serial":"B%09d","template":"bench","data":{"points":%d}}\n' % (MANY.encode(), n, n)
                for n in range(start, min(passes, start + LINES_AT_ONCE))
            )
            writer.write(b"%x\r\n%b\r\n" % (len(lines), lines))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    sending = asyncio.create_task(send())
    results, tenth = Results(), 0
    try:
        while not results.ended and (data := await reader.read(1 << 16)):
            results.parser.feed_data(data)
            if not tenth and results.changed >= passes // 10:
                tenth = server.memory()
        if results.parser.get_status_code() != 200 or not results.ended or results.changed != passes:
            said = b" ".join(results.others).decode("utf-8", "replace")[:500]
            raise SystemExit(
                f"bench/scale: a batch was answered {results.parser.get_status_code()}, "
                f"{'to its end' if results.ended else 'and cut off'}, with {results.changed:,} of {passes:,} passes "
                f"issued{': ' + said if said else ''}"
            )
        await sending
    finally:
        sending.cancel()
        writer.close()
    return tenth
