"""A batch over a real socket: whoever sends first and reads later is served like one who reads meanwhile, in the same
memory; and a connection that breaks leaves what was answered.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from livepass.cli import serving
from livepass.service.issuing import BATCH_LIMIT
from livepass.web import issuer_batch, spool
from web.asgi import ADMIN, NDJSON, Api, with_api
from web.test_issuer_batch import line

pytestmark = pytest.mark.alone

STATUS = Path("/proc/self/status")


class Connection:
    """One call of a client that sends its body in chunks, and reads when it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def begin(self, more: str = "") -> None:
        head = f"POST /api/v1/passes:batch HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n{more}"
        self.writer.write(f"{head}Content-Type: {NDJSON}\r\nAuthorization: Bearer {ADMIN}\r\n\r\n".encode())

    async def send(self, data: bytes) -> None:
        self.writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await self.writer.drain()

    async def send_all(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            await self.send(piece)
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def status(self) -> int:
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        return int(head.split()[1])

    async def results(self) -> AsyncIterator[bytes]:
        """Result lines as they come; ends with the answer."""
        held = b""
        while size := int(await self.reader.readline(), 16):
            *lines, held = (held + await self.reader.readexactly(size)).split(b"\n")
            assert await self.reader.readexactly(2) == b"\r\n"
            for each in lines:
                yield each
        assert held == b"" and await self.reader.readexactly(2) == b"\r\n"


@asynccontextmanager
async def served(api: Api) -> AsyncIterator[int]:
    """The service on a port of its own."""
    stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
    running = asyncio.create_task(
        serving.serve(api.services, host="127.0.0.1", port=0, worker=False, ready=address.set_result, stop=stop)
    )
    try:
        yield int((await address).rpartition(":")[2])
    finally:
        stop.set()
        await running


@asynccontextmanager
async def connected(api: Api, header: str = "") -> AsyncIterator[Connection]:
    async with served(api) as port:
        made = Connection(*await asyncio.open_connection("127.0.0.1", port))
        await made.begin(header)
        try:
            yield made
        finally:
            made.writer.close()


def bodies(count: int, real: int) -> Iterator[bytes]:
    """``count`` lines, some hundred at a time; every ``real``-th is a pass, the others are refused."""
    refused = b'{"pass_type": "pass.test.livepass", "serial": "' + b"x" * 130 + b"\n"
    for start in range(0, count, 500):
        yield b"".join(line(str(n)) if n % real == 0 else refused for n in range(start, start + 500))


def memory() -> int:
    """The bytes of this process that belong to no file."""
    [found] = [each for each in STATUS.read_text().splitlines() if each.startswith("RssAnon")]
    return int(found.split()[1]) * 1024


@with_api
async def test_one_who_reads_meanwhile_gets_results_before_everything_is_sent(api: Api, engine: str) -> None:
    async with connected(api) as call:
        await call.send(b"".join(line(str(n)) for n in range(BATCH_LIMIT)))
        results = call.results()
        assert await call.status() == 200
        first = [json.loads(await anext(results)) for _ in range(BATCH_LIMIT)]
        assert all(each["ok"] for each in first), "durable, and said so, in the middle of the call"
        assert len(await api.services.store.passes_named("pass.test.livepass", ["0", "999"])) == 2
        await call.send_all([line("last")])
        assert [json.loads(each)["line"] async for each in results] == [BATCH_LIMIT + 1]


@with_api
async def test_a_few_lines_are_answered_while_the_sender_waits_for_that(api: Api) -> None:
    async with connected(api) as call:
        await call.send(line("1") + line("2")[:20])
        assert await call.status() == 200
        results = call.results()
        assert json.loads(await anext(results))["line"] == 1
        await call.send(line("2")[20:])
        assert json.loads(await anext(results))["line"] == 2


@with_api
async def test_one_who_sends_everything_first_is_not_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """More results than any buffer between us holds: if our answer blocked our reading, this would never end."""
    monkeypatch.setattr(spool, "IN_MEMORY", 4096)
    async with connected(api) as call:
        await asyncio.wait_for(call.send_all(bodies(60_000, 200)), 120)
        assert await call.status() == 200
        results = [json.loads(each) async for each in call.results()]
    assert [each["line"] for each in results] == list(range(1, 60_001))
    assert sum(each["ok"] for each in results) == 300


@pytest.mark.skipif(not STATUS.exists(), reason="there is no /proc here to read the memory from")
@pytest.mark.parametrize(
    ("reads", "count", "real", "most"),
    # A kilobyte that is kept of each pass is 12 MiB; without it, a fraction of one. Of refused lines it is 20, of their
    # results 40; without, up to 15, because pieces of other sizes leave holes in what was given back.
    [("meanwhile", 16_000, 1, 6 << 20), ("afterwards", 80_000, 100, 17 << 20)],
    ids=["passes, read meanwhile", "refused lines, read afterwards"],
)
@with_api
async def test_memory_does_not_grow_with_the_batch(
    api: Api, monkeypatch: pytest.MonkeyPatch, reads: str, count: int, real: int, most: int
) -> None:
    seen = answered = settled = 0
    answer = issuer_batch._answer

    def watched(*arguments: Any) -> bytes:
        """Measured where lines are carried out: sockets hold some thousand of them on the way."""
        nonlocal answered, settled
        answered += 1
        if answered == count // 4:
            settled = memory()
        return answer(*arguments)

    async def read() -> None:
        nonlocal seen
        async for _ in call.results():
            seen += 1

    monkeypatch.setattr(issuer_batch, "_answer", watched)
    async with connected(api) as call:
        sending = asyncio.create_task(call.send_all(bodies(count, real)))
        if reads == "afterwards":
            await sending
        assert await call.status() == 200
        await read()
        await sending
        grown = memory() - settled
    assert seen == count
    assert grown < most, f"{grown / (1 << 20):.1f} MiB more than after a quarter"


@with_api
async def test_a_connection_that_breaks_leaves_what_was_answered(
    api: Api, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_batch, "BATCH_LIMIT", 10)
    monkeypatch.setattr(issuer_batch, "LINGER_SECONDS", 3600.0)
    async with served(api) as port:
        call = Connection(*await asyncio.open_connection("127.0.0.1", port))
        await call.begin()
        await call.send(b"".join(line(str(n)) for n in range(15)))
        assert await call.status() == 200
        results = call.results()
        answered = [json.loads(await anext(results)) for _ in range(10)]
        call.writer.transport.abort()
        # The next call is answered after the broken one is over: both are turns of one loop.
        again = Connection(*await asyncio.open_connection("127.0.0.1", port))
        await again.begin()
        await again.send_all([b"\n"])
        assert await again.status() == 200
        again.writer.close()
    assert all(each["ok"] for each in answered)
    there = await api.services.store.passes_named("pass.test.livepass", [str(n) for n in range(15)])
    assert sorted(map(int, there)) == list(range(10)), "five had arrived and were not answered"


@pytest.mark.parametrize("header", ["", "Connection: close\r\n"], ids=["keeps", "closes"])
@with_api
async def test_too_much_is_said_also_to_one_who_sends_everything_first(
    api: Api, monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    monkeypatch.setattr(issuer_batch, "MOST_LINES", 100)
    async with connected(api, header) as call:
        await call.send_all(bodies(200_000, 10))
        assert await call.status() == 200
        *done, end = [json.loads(each) async for each in call.results()]
    assert len(done) == 100 and (end["line"], end["ended"]) == (101, True)


@with_api
async def test_a_service_that_stops_says_where_it_stopped(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_batch, "BATCH_LIMIT", 10)
    async with served(api) as port:
        call = Connection(*await asyncio.open_connection("127.0.0.1", port))
        await call.begin()
        await call.send(b"".join(line(str(n)) for n in range(10)))
        assert await call.status() == 200
        results = call.results()
        assert json.loads(await anext(results))["ok"]
        api.services.answering.load.leaving = True
        await call.send_all([b"".join(line(str(n)) for n in range(10, 20))])
        *_, end = [json.loads(each) async for each in results]
        call.writer.close()
    assert (end["line"], end["problem"]["code"]) == (11, "stopping")
