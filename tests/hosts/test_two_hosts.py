"""Two hosts lose sight of each other, and find each other again: nothing acknowledged is lost, nobody is restarted."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import asyncpg
import httpx2
import pytest

from hosts.hosts import Hosts, on_two_hosts, until
from hosts.network import Cut
from journeys.world import NUMBERED, PASS_TYPE, points
from livepass.core.unavailable import Unavailable
from livepass.emulators.authority import Authority
from livepass.service.seams import Tx
from livepass.store.postgres import PostgresStore
from livepass.store.postgres_link import IDLE_IN_TRANSACTION

SERIALS = ("both", "a", "b", "quiet")
"""Which host changes the pass meanwhile."""

pytestmark = pytest.mark.timeout(400)
"""A failure waits out what it waits for: more than the usual limit."""


@dataclass
class Acknowledged:
    """What one host's service said is done, and how often it said that it could not."""

    changes: dict[int, tuple[str, int]] = field(default_factory=dict)
    """By number: the pass, and its points."""
    devices: set[str] = field(default_factory=set)
    refused: int = 0


async def change(client: httpx2.AsyncClient, serial: str, value: int, seen: Acknowledged) -> bool:
    """Change a pass over the API; whether it was acknowledged."""
    answer = await client.patch(
        f"/api/v1/passes/{PASS_TYPE}/{serial}", params={"push": "now"}, json={"data": {"points": value}}
    )
    assert answer.status_code in (200, 409, 503), answer.text
    seen.refused += answer.status_code == 503
    if answer.status_code == 200:
        seen.changes[int(answer.json()["tag"].split(".")[2])] = serial, value
    return answer.status_code == 200


async def register(
    client: httpx2.AsyncClient, authorization: dict[str, str], device: str, serial: str, seen: Acknowledged
) -> None:
    """Register as a phone would."""
    url = f"/wallet/v1/devices/{device}/registrations/{PASS_TYPE}/{serial}"
    answer = await client.post(url, headers=authorization, json={"pushToken": device.encode().hex().rjust(64, "0")})
    assert answer.status_code in (200, 201, 429, 503), answer.text
    seen.refused += answer.status_code == 503
    if answer.status_code < 300:
        seen.devices.add(device)


async def traffic(hosts: Hosts, role: str, seen: Acknowledged, values: count[int]) -> None:
    """Change passes and register phones at one host, for ever and as fast as it answers."""
    authorizations = {serial: await hosts.authorization(serial) for serial in SERIALS}
    async with hosts.client(role) as client:
        for turn in count():
            serial = ("both", role)[turn % 2]
            with contextlib.suppress(httpx2.HTTPError):
                await change(client, serial, next(values), seen)
                await register(client, authorizations[serial], f"{role}-{turn}", serial, seen)
            await asyncio.sleep(0.05)


@asynccontextmanager
async def under_way(hosts: Hosts, values: count[int]) -> AsyncIterator[tuple[Acknowledged, Acknowledged]]:
    """Traffic at both hosts for the length of a block."""
    both = Acknowledged(), Acknowledged()
    tasks = [asyncio.create_task(traffic(hosts, *one, values)) for one in zip("ab", both, strict=True)]
    try:
        yield both
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended


def check(hosts: Hosts, *all_seen: Acknowledged) -> None:
    """Everything acknowledged is there, and no number is missing."""
    changed = set(hosts.sql("SELECT seq, serial FROM event WHERE kind = 'changed'"))
    devices = {device for (device,) in hosts.sql("SELECT device_id FROM registration")}
    for seen in all_seen:
        assert {(number, serial) for number, (serial, _) in seen.changes.items()} <= changed
        assert seen.devices <= devices
    taken = {
        number
        for (number,) in hosts.sql("SELECT seq FROM event WHERE kind = ANY($1)", [str(k.value) for k in NUMBERED])
    }
    assert taken == set(range(1, max(taken) + 1))
    assert hosts.sql("SELECT seq FROM counter") == [(max(taken),)]


@pytest.mark.parametrize("how", ["silent", "unplugged"])
def test_a_cut_costs_nothing_that_was_acknowledged(tmp_path: Path, authority: Authority, how: Cut) -> None:
    """Fails when a connection that died without a word holds a process up for good, or when a host that cannot reach
    the database acknowledges anything.
    """

    async def steps(hosts: Hosts) -> None:
        for serial in SERIALS:
            await hosts.issue(serial, 0)
        await hosts.serve("a")
        await hosts.serve("b")
        await hosts.worker("a")
        phones = {serial: await hosts.phone(serial) for serial in SERIALS}
        values = count(1)
        async with under_way(hosts, values) as (a, b):
            await until(lambda: min(len(a.devices), len(b.devices)) > 20, "both hosts acknowledge")
            hosts.network.cut(how)
            alone = len(b.devices)
            await until(lambda: len(b.devices) > alone + 20, "b goes on alone")
            await until(lambda: a.refused > 0, "a says that it cannot")
            hosts.network.heal(how)
            healed = len(a.devices), len(b.devices)
            await until(lambda: len(a.devices) > healed[0] + 20, "a is back")
            await until(lambda: len(b.devices) > healed[1] + 20, "b is still there")
        hosts.leases_run_out()
        newest = {serial: next(values) for serial in SERIALS}
        for role, seen, serials in (("a", a, SERIALS[::2]), ("b", b, SERIALS[1::2])):
            async with hosts.client(role) as client:
                for serial in serials:
                    assert await change(client, serial, newest[serial], seen)
        await until(
            lambda: {serial: points(phones[serial], serial) for serial in SERIALS} == newest,
            lambda: f"the phones show {newest}; they show {[points(phones[s], s) for s in SERIALS]}",
        )
        check(hosts, a, b)
        await hosts.all_end_well()

    on_two_hosts(tmp_path, authority, steps)


def test_the_claims_of_a_worker_that_is_cut_off_are_taken_over(tmp_path: Path, authority: Authority) -> None:
    """Fails when pushes that were claimed by a worker out of sight are never sent, when it overwrites what another has
    recorded meanwhile, or when it needs a restart to go on.
    """

    async def steps(hosts: Hosts) -> None:
        await hosts.issue("1", 0)
        await hosts.serve("b")
        await hosts.worker("a")
        seen = Acknowledged()
        authorization = await hosts.authorization("1")
        async with hosts.client("b") as client:
            for number in range(20):
                await register(client, authorization, f"phone-{number}", "1", seen)
            tokens = sorted(token for (token,) in hosts.sql("SELECT push_token FROM push_target"))
            for token in tokens:
                hosts.apns.register_device(token, [PASS_TYPE])

            hosts.apns.chaos.set("stall", count=1)
            assert await change(client, "1", 1, seen)
            await until(hosts.apns.history, "the worker on a has claimed the pushes, and waits for APNs")
            hosts.network.cut("silent")
            stand_in = await hosts.worker("b")
            hosts.leases_run_out()
            await until(lambda: behind(hosts) == 0, "the worker on b has sent them all")
            hosts.network.heal("silent")
            assert {push.token for push in hosts.apns.history()} == set(tokens)

            await stand_in.stop()
            mark = hosts.apns.history()[-1].number
            assert await change(client, "1", 2, seen)
            await until(lambda: behind(hosts) == 0, "the worker on a goes on")
            assert {push.token for push in hosts.apns.history(after=mark)} == set(tokens)
        check(hosts, seen)
        await hosts.all_end_well()

    on_two_hosts(tmp_path, authority, steps)


def behind(hosts: Hosts) -> int:
    """How many push targets have not been pushed what they want."""
    [(targets,)] = hosts.sql("SELECT count(*) FROM push_target WHERE pushed < wanted")
    return int(targets)


def test_a_dead_link_is_noticed_from_either_side(tmp_path: Path, authority: Authority) -> None:
    """Fails when a statement waits for an answer, or a transaction keeps its locks, until some other time limit ends
    it: beside each there is one that has these limits too, and only these.
    """

    async def steps(hosts: Hosts) -> None:
        ready, cut = threading.Event(), threading.Event()
        there = hosts.network.start("a", lambda: asyncio.run(cut_off(hosts.config.database_url, ready, cut)))
        try:
            await until(lambda: ready.is_set() or there.done(), "both transactions are open")
            hosts.network.cut("silent")
            cut.set()
            await until(lambda: transactions(hosts, "livepass") == 0, "the server ends the transaction")
            assert transactions(hosts, "unwatched") == 1
        finally:
            cut.set()
            await asyncio.wrap_future(there)

    on_two_hosts(tmp_path, authority, steps)


async def cut_off(url: str, ready: threading.Event, cut: threading.Event) -> None:
    """A transaction and a statement of the store on host a, each beside one that does not watch its link."""
    limits = {"idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION, "application_name": "unwatched"}
    idle, asking = [await asyncpg.connect(url, command_timeout=60, server_settings=limits) for _ in range(2)]
    store = await PostgresStore.open(url)
    begun, done = asyncio.Event(), asyncio.Event()

    async def work(tx: Tx) -> None:
        await tx.pass_types()
        begun.set()
        await done.wait()

    await idle.execute("BEGIN")
    tasks: list[asyncio.Task[object]] = [asyncio.create_task(store.write(work))]
    try:
        await begun.wait()
        await store.pass_types()  # on a connection of its own, which is there when the link is cut
        ready.set()
        await asyncio.to_thread(cut.wait)
        waiting = asyncio.create_task(asking.fetchval("SELECT 1"))
        tasks.append(waiting)
        with pytest.raises(Unavailable):
            await store.pass_types()
        assert not waiting.done()
    finally:
        done.set()
        for connection in (idle, asking):
            connection.terminate()
        store.pool.terminate()
        await asyncio.gather(*tasks, return_exceptions=True)


def transactions(hosts: Hosts, name: str) -> int:
    """How many sessions of that name are idle in a transaction."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND state = 'idle in transaction'"
    [(sessions,)] = hosts.sql(query, name)
    return int(sessions)
