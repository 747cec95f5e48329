"""The whole loop: one batch call changes every pass, and the clock runs until every phone holds the new one.

``livepass serve`` with its worker has one core; on the other are the null APNs, which writes down whom it was to wake,
and the phones: each is woken, asks with the tag it holds, and fetches what it is told of. Beside it, what the same
number of builds and of echoes would take on one core: signing everything, and answering as many requests with nothing.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvloop
from scaling.databases import MANY, Database, device_id, push_token, serial, single

from beside import children, load, null_apns
from beside.device import ask, free_port, learn, listed, served, under_load
from beside.rows import Row
from livepass import wiring
from livepass.core.model import DEFAULT_TENANT

if TYPE_CHECKING:
    from beside.measures import Bench

PATIENCE = 300.0
"""Seconds after which phones that hold nothing new are not waited for."""
POLL = 0.01
AGAIN = 1.0
"""Seconds until a phone whose ask was refused asks again."""
ROUNDS = 3


@dataclass(frozen=True)
class Phones:
    """Whom a push token wakes: the device id, and the serial and token of its pass."""

    by_token: Mapping[str, tuple[str, str, str]]
    tag: str

    def serials(self) -> Sequence[str]:
        return [one for _, one, _ in self.by_token.values()]


def loop(bench: Bench, name: str) -> Row:
    """Seconds for all phones."""
    database, row, busy = bench.database("sqlite", bench.plan.phones), Row(name, "s"), []
    for _ in range(min(ROUNDS, bench.plan.rounds)):
        bench.folder.make_due(database, 0)  # a run that was ended in the middle left some
        phones = _phones(database)
        count, serials = len(phones.by_token), phones.serials()
        builds = children.outcome(
            "builds", seconds=bench.plan.seconds, serials=list(serials[:2_000]), **bench.opened(database)
        )
        known = learn(database, 100)
        echo = under_load("echo", ask(known, known.newest), 200, bench.plan.seconds)
        with (
            null_apns.running(free_port()) as apns,
            served("serve", worker=True, **apns.known_to(), **bench.opened(database)) as (port, pid),
        ):
            before = children.cpu_seconds(pid)
            seconds = uvloop.run(_turn(port, database, phones, apns))
            busy.append(round((children.cpu_seconds(pid) - before) / seconds, 3))
        alone = count / builds["per_cpu_second"] + 2 * count / echo.per_cpu_second
        row.add(seconds, builds_and_echoes=alone)
    row.more = {"share_of_the_core": busy}
    row.note = (
        f"{count:,} phones, each with a pass of its own; {count / row.ours[-1]:,.0f} phones a second, with"
        f" {100 * busy[-1]:.0f} % of the core."
    )
    return row


def _phones(database: Database) -> Phones:
    """Every phone that follows one pass alone, and the tag that all of them hold."""

    async def found() -> dict[str, tuple[str, str, str]]:
        by_token = {}
        async with wiring.opened(database.config) as services:
            for number in filter(single, range(database.large)):
                row = await services.store.pass_(MANY, serial(number))
                assert row is not None
                token = services.keys.token(DEFAULT_TENANT, MANY, row.serial, row.token)
                by_token[push_token(number)] = (device_id(number), row.serial, token)
        return by_token

    return Phones(asyncio.run(found()), learn(database, 1).newest)


async def _turn(port: int, database: Database, phones: Phones, apns: null_apns.NullApns) -> float:
    began = time.perf_counter()
    changing = asyncio.create_task(_change(port, database, phones, str(time.time_ns())))
    crowd = _Crowd(phones)
    watching = asyncio.create_task(_watch(apns, crowd))
    for _ in range(load.CONNECTIONS):
        crowd.connect(port)
    try:
        await changing
        async with asyncio.timeout(PATIENCE):
            await crowd.over
        return time.perf_counter() - began
    except TimeoutError:
        left, count = len(crowd.left), len(phones.by_token)
        raise SystemExit(f"{left:,} of {count:,} phones hold nothing new after {PATIENCE} s") from None
    finally:
        for task in (changing, watching, *crowd.connecting):
            task.cancel()
        await asyncio.gather(changing, watching, *crowd.connecting, return_exceptions=True)


async def _change(port: int, database: Database, phones: Phones, value: str) -> None:
    """One call for all of them."""
    lines = b"".join(
        b'{"pass_type":"%b","serial":"%b","template":"bench","data":{"points":"%b"}}\n'
        % (MANY.encode(), one.encode(), value.encode())
        for one in phones.serials()
    )
    head = (
        f"POST /api/v1/passes:batch?push=now HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
        f"Authorization: Bearer {database.config.admin_key}\r\nContent-Length: {len(lines)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(head.encode())
    for start in range(0, len(lines), 1 << 16):
        writer.write(lines[start : start + (1 << 16)])
        await writer.drain()
    await reader.readuntil(b"\r\n\r\n")
    said = b""
    while size := int(await reader.readline(), 16):
        said += (await reader.readexactly(size + 2))[:-2]
    changed = said.count(b'"changed":true')
    writer.close()
    if changed != len(phones.by_token):
        raise SystemExit(f"{changed:,} of {len(phones.by_token):,} passes were changed: {said[-200:]!r}")


async def _watch(apns: null_apns.NullApns, crowd: _Crowd) -> None:
    """Whom the null APNs was to wake, as it writes it down."""
    rest = ""
    with apns.log.open() as file:
        while True:
            *lines, rest = (rest + file.read()).split("\n")
            for line in lines:
                crowd.wake(line.rpartition("/")[2])
            await asyncio.sleep(POLL)


class _Crowd:
    """Phones that are woken, and wait for a connection; ``over`` when all hold the change, or with what went wrong."""

    def __init__(self, phones: Phones) -> None:
        self.phones = phones
        self.left = set(phones.by_token)
        self.idle: list[_Phone] = []
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.connecting: set[asyncio.Task[None]] = set()
        self._woken: deque[str] = deque()

    def connect(self, port: int) -> None:
        """One connection more, which serves whoever is woken."""

        async def made() -> None:
            await asyncio.get_running_loop().create_connection(lambda: _Phone(self, port), "127.0.0.1", port)

        if not self.over.done():
            self.connecting.add(task := asyncio.create_task(made()))
            task.add_done_callback(self.connecting.discard)

    def wake(self, token: str) -> None:
        if token in self.left:
            self._woken.append(token)
            if self.idle:
                self.idle.pop().go_on()

    def next(self) -> str | None:
        while self._woken:
            if (token := self._woken.popleft()) in self.left:
                return token
        return None

    def holds(self, token: str) -> None:
        self.left.discard(token)
        if not self.left:
            self.end()

    def end(self, wrong: str = "") -> None:
        if not self.over.done():
            self.over.set_exception(SystemExit(wrong)) if wrong else self.over.set_result(None)


class _Phone(load.Connection):
    """One phone after the other over one connection."""

    def __init__(self, crowd: _Crowd, port: int) -> None:
        super().__init__()
        self._crowd = crowd
        self._port = port
        self._token = ""
        self._held = ""
        self._told = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.go_on()

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._crowd.idle:  # the server hangs up on who is silent for some seconds
            self._crowd.idle.remove(self)
            self._crowd.connect(self._port)
        else:
            self._crowd.end("a connection of phones was closed")

    def go_on(self) -> None:
        token = self._crowd.next()
        if token is None:
            self._crowd.idle.append(self)
            return
        device, self._held, _ = self._crowd.phones.by_token[token]
        self._token, self._told = token, False
        tag = self._crowd.phones.tag
        self.transport.write(load.request("GET", f"{listed(device)}?passesUpdatedSince={tag}"))

    def answered(self, status: int, body: bytes) -> None:
        if not self._told and status == 503:  # shed: it asks again by itself, which the clock runs for
            asyncio.get_running_loop().call_later(AGAIN, self._crowd.wake, self._token)
            self.go_on()
        elif not self._told and status == 200 and json.loads(body)["serialNumbers"] == [self._held]:
            self._told = True
            secret = self._crowd.phones.by_token[self._token][2]
            self.transport.write(load.request("GET", f"/wallet/v1/passes/{MANY}/{self._held}", authorization=secret))
        elif self._told and status == 200 and body.startswith(b"PK"):
            self._crowd.holds(self._token)
            self.go_on()
        else:
            asked = "told" if self._told else "woken"
            self._crowd.end(f"a phone that was {asked} was answered {status} {body[:200]!r}")
