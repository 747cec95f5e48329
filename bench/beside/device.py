"""Wallet's endpoints on one worker over SQLite, ``synchronous=FULL``, beside a bare ASGI echo on the same server.

The database holds as many registrations as the plan says; whose phones ask is drawn from all of them.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, cycle, islice
from typing import TYPE_CHECKING

import uvloop
from scaling.databases import MANY, Database, device_id, serial, single

from beside import children, load
from beside.rows import Row
from livepass import wiring
from livepass.core.change import http_date
from livepass.core.model import DEFAULT_TENANT, Tag
from livepass.core.trip3_ask import write_tag

if TYPE_CHECKING:
    from beside.measures import Bench

SAMPLE = 5_000
"""So many phones ask in turn: more than any cache of ours would be asked about so soon."""


@dataclass(frozen=True)
class Known:
    """What the load must know of a database: tokens and dates of some passes, and two tags."""

    passes: Sequence[tuple[str, str, str]]  # serial, token, Last-Modified
    numbers: Sequence[int]
    newest: str
    oldest: str


def learn(database: Database, passes: int, *, anew: bool = False) -> Known:
    """Drawn at random, always the same of the same database; ``anew`` for rows that leave phones behind, which would
    pile up on the passes of the others.
    """

    async def ask() -> Known:
        chance = random.Random(None if anew else database.size)
        numbers = list(
            dict.fromkeys(n for n in (chance.randrange(database.large) for _ in range(2 * passes)) if single(n))
        )
        async with wiring.opened(database.config) as services:
            found = []
            for number in numbers[:passes]:
                row = await services.store.pass_(MANY, serial(number))
                assert row is not None
                token = services.keys.token(DEFAULT_TENANT, MANY, row.serial, row.token)
                found.append((row.serial, token, http_date(row.last_modified)))
            counter = await services.store.counter(MANY)
            assert counter is not None
            tag = lambda seq: write_tag(Tag(counter.epoch, seq), MANY, services.keys.tag_key)  # noqa: E731
            return Known(found, numbers[:passes], tag(counter.seq), tag(0))

    return asyncio.run(ask())


# ── each row's stream of requests


def listed(device: str) -> str:
    return f"/wallet/v1/devices/{device}/registrations/{MANY}"


def register(known: Known) -> Iterator[bytes]:
    """First registrations: of phones that nobody has seen, on passes drawn from all."""
    fresh = secrets.token_hex(8)
    for n in count():
        one, token, _ = known.passes[n % len(known.passes)]
        body = b'{"pushToken":"%064x"}' % secrets.randbits(256)
        yield load.request("POST", f"{listed(f'{fresh}{n:016x}')}/{one}", authorization=token, body=body)


def ask(known: Known, tag: str) -> Iterator[bytes]:
    return cycle([load.request("GET", f"{listed(device_id(n))}?passesUpdatedSince={tag}") for n in known.numbers])


def settled(known: Known) -> list[bytes]:
    """What the phones of ``ask-204`` ask once before: that one has come with its newest tag is written down once."""
    return list(islice(ask(known, known.newest), len(known.numbers)))


def fetches(known: Known, *, conditional: bool = False) -> Iterator[bytes]:
    for one, token, date in known.passes:
        path = f"/wallet/v1/passes/{MANY}/{one}"
        yield load.request("GET", path, authorization=token, since=date * conditional)


STREAMS: dict[str, tuple[Callable[[Known], Iterator[bytes]], int]] = {
    "register": (register, 201),
    "ask-204": (lambda known: ask(known, known.newest), 204),
    "ask-changed": (lambda known: ask(known, known.oldest), 200),
    "fetch-304": (lambda known: cycle(fetches(known, conditional=True)), 304),
    "fetch-200": (lambda known: cycle(fetches(known)), 200),
}


# ── the rows


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def served(role: str, **given: object) -> Iterator[tuple[int, int]]:
    """A server in a process of its own; its port and process id."""
    port = free_port()
    with children.child(role, port=port, **given) as process:
        yield port, process.pid


def under_load(
    role: str, requests: Iterator[bytes], expected: int, seconds: float, *, first: Sequence[bytes] = (), **given: object
) -> load.Rate:
    """``first``: what is sent before it counts."""
    with served(role, **given) as (port, pid):
        if first:
            uvloop.run(load.all_of(port, iter(first), expected))
        return uvloop.run(load.measure(port, pid, requests, seconds, expected))


def beside_echo(bench: Bench, name: str) -> Row:
    database, seconds = bench.database("sqlite"), bench.plan.seconds
    known, (stream, expected) = learn(database, SAMPLE, anew=name == "register"), STREAMS[name]
    row, walls, first = Row(name, "requests/CPU-s"), [], settled(known) if name == "ask-204" else ()
    for _ in range(bench.plan.rounds):
        bare = under_load("echo", ask(known, known.newest), 200, seconds)
        ours = under_load("serve", stream(known), expected, seconds, first=first, **bench.opened(database))
        row.add(ours.per_cpu_second, echo=bare.per_cpu_second)
        walls.append([round(ours.per_second), round(bare.per_second)])
    row.more = {"per_second_ours_and_echo": walls}
    row.note = (
        f"{database.size:,} registrations; {walls[-1][0]:,} a second on one core, {load.CONNECTIONS} connections."
    )
    return row


def fetch_200(bench: Bench, name: str) -> Row:
    """Each pass is fetched once, so that none was built before."""
    database, plan = bench.database("sqlite"), bench.plan
    known = learn(database, int(plan.rounds * (plan.seconds + 1) * 5_000))
    stream, expected = STREAMS[name]
    requests, row, walls = stream(known), Row(name, "fetches/CPU-s"), []
    serials = [one for one, _, _ in known.passes[:2_000]]
    for _ in range(plan.rounds):
        alone = children.outcome("builds", seconds=plan.seconds, serials=serials, **bench.opened(database))
        ours = under_load("serve", requests, expected, plan.seconds, **bench.opened(database))
        row.add(ours.per_cpu_second, builds=alone["per_cpu_second"])
        walls.append(round(ours.per_second))
    row.more = {"per_second": walls}
    row.note = f"{walls[-1]:,} a second on one core; the same passes in both."
    return row


def ask_pg(bench: Bench, name: str) -> Row:
    """Asks over PostgreSQL, beside the query alone; the server of both is the same, and has the other core."""
    database, plan, row = bench.database("postgres"), bench.plan, Row(name, "asks/CPU-s")
    known, walls = learn(database, SAMPLE), []
    devices = [device_id(number) for number in known.numbers]
    for _ in range(plan.rounds):
        bare = children.outcome("asks", devices=devices, seconds=plan.seconds, **bench.opened(database))
        asks = ask(known, known.newest)
        ours = under_load("serve", asks, 204, plan.seconds, first=settled(known), **bench.opened(database))
        row.add(ours.per_cpu_second, driver=bare["per_cpu_second"])
        walls.append([round(ours.per_second), round(bare["per_second"])])
    row.more = {"per_second_ours_and_driver": walls}
    row.note = f"{database.size:,} registrations; {walls[-1][0]:,} a second, the driver {walls[-1][1]:,}."
    return row


def memory(bench: Bench, name: str) -> Row:
    """MiB resident of one worker after as many phones asked as there are registrations."""
    database, row = bench.database("sqlite"), Row(name, "MiB", divisor="")
    tag = learn(database, 1).newest
    with served("serve", **bench.opened(database)) as (port, pid):
        idle = children.resident_mib(pid)
        asked = uvloop.run(load.all_of(port, _everybody(database, tag), 204))
        row.add(children.resident_mib(pid))
    row.note = f"{asked:,} phones asked; {idle:.0f} MiB before."
    return row


def _everybody(database: Database, tag: str) -> Iterator[bytes]:
    for number in range(database.large):
        yield load.request("GET", f"{listed(device_id(number))}?passesUpdatedSince={tag}")
