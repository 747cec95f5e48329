"""Requests over kept-alive connections of HTTP/1.1: the next goes out when the answer is whole."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from beside.children import cpu_seconds

CONNECTIONS = 32
WARM_SECONDS = 0.3


@dataclass(frozen=True)
class Rate:
    """What a server did: requests a second, and a second of its own CPU."""

    per_second: float
    per_cpu_second: float


def request(method: str, path: str, *, authorization: str = "", since: str = "", body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"Authorization: ApplePass {authorization}"] if authorization else []
    lines += [f"If-Modified-Since: {since}"] if since else []
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection(asyncio.Protocol):
    """One connection, and what is done with each whole answer that comes over it."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        status, length = int(head[9:12]), 0
        if status not in (204, 304):
            names = head.lower()
            at = names.find(b"content-length:")
            if at >= 0:
                length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            elif b"chunked" in names and not rest.endswith(b"0\r\n\r\n"):
                return
        if len(rest) < length:
            return
        self._buffer = b""
        self.answered(status, rest)

    def answered(self, status: int, body: bytes) -> None:
        raise NotImplementedError


class _Counted(Connection):
    """The next of ``requests`` after each answer."""

    def __init__(self, requests: Iterator[bytes], tally: Counter[int]) -> None:
        super().__init__()
        self._requests = requests
        self._tally = tally
        self.stopped = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        transport.write(next(self._requests))

    def answered(self, status: int, body: bytes) -> None:
        self._tally[status] += 1
        if not self.stopped:
            self.transport.write(next(self._requests))


Requests = Iterator[bytes] | Callable[[int], Iterator[bytes]]
"""One stream for all connections, or what makes one for each."""


async def measure(port: int, pid: int, requests: Requests, seconds: float, expected: int | Collection[int]) -> Rate:
    """How a server at ``port`` copes. Raises ``SystemExit`` where it answers something else than ``expected``."""
    statuses = {expected} if isinstance(expected, int) else set(expected)
    loop = asyncio.get_running_loop()
    tally: Counter[int] = Counter()
    made = [
        await loop.create_connection(lambda stream=stream: _Counted(stream, tally), "127.0.0.1", port)
        for stream in (requests(number) if callable(requests) else requests for number in range(CONNECTIONS))
    ]
    await asyncio.sleep(WARM_SECONDS)
    before, cpu, began = sum(tally.values()), cpu_seconds(pid), time.perf_counter()
    await asyncio.sleep(seconds)
    done, cpu, wall = sum(tally.values()) - before, cpu_seconds(pid) - cpu, time.perf_counter() - began
    for transport, connection in made:
        connection.stopped = True
        transport.close()
    await asyncio.sleep(0.1)
    if set(tally) != statuses:
        raise SystemExit(f"answered {dict(tally)} instead of {expected}")
    return Rate(done / wall, done / cpu)


async def all_of(port: int, requests: Iterator[bytes], expected: int) -> int:
    """Send each request once; answers how many there were."""
    loop, tally, ended = asyncio.get_running_loop(), Counter[int](), asyncio.Event()

    class Once(_Counted):
        def data_received(self, data: bytes) -> None:
            try:
                super().data_received(data)
            except StopIteration:
                self.transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            left.discard(self)
            if not left:
                ended.set()

    left: set[Once] = set()
    for _ in range(CONNECTIONS):
        _, connection = await loop.create_connection(lambda: Once(requests, tally), "127.0.0.1", port)
        left.add(connection)
    await ended.wait()
    if set(tally) != {expected}:
        raise SystemExit(f"answered {dict(tally)} instead of {expected}")
    return sum(tally.values())
