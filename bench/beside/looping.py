"""The whole loop: one batch call changes every pass, and the clock runs until every phone holds the new one.

``livepass serve`` with its worker has one core; on the other are the null APNs, which writes down whom it was to wake,
and the phones: each is woken, asks with the tag it holds, and fetches what it is told of. Beside it, what the same
number of builds and of echoes would take on one core: signing everything, and answering as many requests with nothing.
"""

from __future__ import annotations

import asyncio
import json
import time
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
    for turn in range(min(ROUNDS, bench.plan.rounds)):
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
            seconds = uvloop.run(_turn(port, database, phones, apns, turn))
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


async def _turn(port: int, database: Database, phones: Phones, apns: null_apns.NullApns, turn: int) -> float:
    began = time.perf_counter()
    changing = asyncio.create_task(_change(port, database, phones, f"{turn}-{time.time_ns()}"))
    woken: asyncio.Queue[str] = asyncio.Queue()
    watching = asyncio.create_task(_watch(apns, woken))
    left = set(phones.by_token)
    workers = [asyncio.create_task(_serve(port, phones, woken, left)) for _ in range(load.CONNECTIONS)]
    try:
        await changing
        until = time.perf_counter() + PATIENCE
        while left:
            for worker in workers:
                if worker.done():
                    worker.result()
            if time.perf_counter() > until:
                raise SystemExit(
                    f"{len(left):,} of {len(phones.by_token):,} phones hold nothing new after {PATIENCE} s"
                )
            await asyncio.sleep(POLL)
        return time.perf_counter() - began
    finally:
        for task in (changing, watching, *workers):
            task.cancel()
        await asyncio.gather(changing, watching, *workers, return_exceptions=True)


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


async def _watch(apns: null_apns.NullApns, woken: asyncio.Queue[str]) -> None:
    """Whom the null APNs was to wake, as it writes it down."""
    rest = ""
    with apns.log.open() as file:
        while True:
            *lines, rest = (rest + file.read()).split("\n")
            for line in lines:
                woken.put_nowait(line.rpartition("/")[2])
            await asyncio.sleep(POLL)


async def _serve(port: int, phones: Phones, woken: asyncio.Queue[str], left: set[str]) -> None:
    """One phone after the other over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    while True:
        token = await woken.get()
        device, held, secret = phones.by_token.get(token, ("", "", ""))
        if not device or token not in left:
            continue
        writer.write(load.request("GET", f"{listed(device)}?passesUpdatedSince={phones.tag}"))
        status, body = await _answer(reader)
        if status == 503:  # shed: it asks again by itself, which the clock runs for
            asyncio.get_running_loop().call_later(AGAIN, woken.put_nowait, token)
            continue
        if status != 200 or json.loads(body)["serialNumbers"] != [held]:
            raise SystemExit(f"a phone that was woken was answered {status} {body[:200]!r}")
        writer.write(load.request("GET", f"/wallet/v1/passes/{MANY}/{held}", authorization=secret))
        status, body = await _answer(reader)
        if status != 200 or not body.startswith(b"PK"):
            raise SystemExit(f"a phone that was told was answered {status}")
        left.discard(token)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    return int(head[9:12]), await reader.readexactly(int(length or 0))
