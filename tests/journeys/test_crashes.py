"""kill -9 at any instant: what was acknowledged is there, and what was due is done by whoever comes next."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2

import engines
from journeys import hooks
from journeys.service_process import serve, worker
from journeys.world import PASS_TYPE, World, journey, points, shows, until
from livepass.emulators.iphone import PhoneRunner, PhoneSettings, Quirks, Wallet

ROUNDS = 10


@asynccontextmanager
async def issuer(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the issuer API."""
    trust = ssl.create_default_context(cafile=str(world.ca_file))
    headers = {"Authorization": f"Bearer {world.config.admin_key}"}
    address = f"{world.issuer_url}/api/v1"
    async with httpx2.AsyncClient(
        verify=trust, trust_env=False, timeout=20, base_url=address, headers=headers
    ) as client:
        yield client


async def change(client: httpx2.AsyncClient, serial: str, value: int, push: str = "auto") -> int:
    """Change a pass over the API; its number, which is in the tag."""
    answer = await client.patch(
        f"/passes/{PASS_TYPE}/{serial}", params={"push": push}, json={"data": {"points": value}}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["changed"] is True
    return int(answer.json()["tag"].split(".")[2])


async def patient_phone(world: World) -> PhoneRunner:
    """One that tries again within a second or two, and tolerates any number of pushes."""
    settings = PhoneSettings(disable_rate_limiting=True)
    quirks = Quirks({"backoff-schedule": "short"})
    return await world.phone(Wallet([world.authority.root], rng=world.rng(), settings=settings, quirks=quirks))


async def leases_run_out(world: World) -> None:
    """The minute is over for which a worker that died had claimed its pushes."""
    await world.alter("UPDATE push_target SET next_at = 1, lease_until = 1 WHERE lease IS NOT NULL")


@journey(elsewhere=True)
async def test_a_kill_between_the_change_and_the_push_loses_nothing(world: World) -> None:
    """Fails when a due push lives only in the memory of the process that took the change."""
    await world.issue("1", 1)
    service = serve(world, "--no-worker")
    async with service, issuer(world) as client:
        phone = await world.phone()
        await phone.install(await world.pkpass("1"))
        await until(lambda: phone.wallet["1"].registered)
        await phone.settle()
        number = await change(client, "1", 2)
        await service.kill()
        assert world.pushed() == []
        assert points(phone, "1") == 1
    async with serve(world):
        await shows(phone, "1", 2)
        await until(lambda: world.sql("SELECT served FROM registration") == [(number,)], "the fetch is written down")
        assert len(world.pushed()) == 1


def behind(world: World, number: int) -> int:
    """How many push tokens were not pushed for this number yet."""
    [(count,)] = world.sql("SELECT count(*) FROM push_target WHERE pushed < ?", number)
    return int(count)


@dataclass
class Acknowledged:
    """What the service said is done."""

    numbers: list[int] = field(default_factory=list)
    value: int = 1
    devices: set[str] = field(default_factory=set)


async def until_it_dies(world: World, client: httpx2.AsyncClient, done: Acknowledged) -> None:
    """Change and register as fast as the answers come."""
    headers = await world.authorization("1")
    try:
        while True:
            done.numbers.append(await change(client, "1", done.value + 1, random.choice(["auto", "now"])))
            done.value += 1
            device = f"device-{len(done.devices)}"
            url = f"{world.url}/v1/devices/{device}/registrations/{PASS_TYPE}/1"
            token = f"{len(done.devices) + 1:064x}"
            answer = await client.post(url, headers=headers, json={"pushToken": token})
            if world.proxied and answer.status_code == 502:  # so a proxy says that the process died under it
                return
            assert answer.status_code in (200, 201)
            done.devices.add(device)
    except httpx2.HTTPError:
        return


def check(world: World, done: Acknowledged) -> None:
    """Everything acknowledged is in the database that the dead process left."""
    engines.require_sound(world.config.database_url)
    numbers = {row[0] for row in world.sql("SELECT seq FROM event WHERE kind = 'changed'")}
    assert set(done.numbers) <= numbers
    [(data, seq)] = world.sql("SELECT data, seq FROM pass WHERE serial = '1'")
    value = json.loads(data)["points"]
    # The call that was under way may have been done, and its answer lost.
    assert value in (done.value, done.value + 1)
    assert seq == max(numbers) >= max(done.numbers)
    assert done.devices <= {row[0] for row in world.sql("SELECT device_id FROM registration")}
    [(wanted,)] = world.sql("SELECT min(wanted) FROM push_target")
    assert wanted > 0
    done.value = value


@journey(elsewhere=True, limit=180)
async def test_kills_at_any_instant_lose_nothing_that_was_acknowledged(world: World) -> None:
    """Fails when an answer is given before its work is durable, or a crash leaves work that nobody takes up: a push, or
    the news of a change.
    """
    await world.issue("1", 1)
    phone = await patient_phone(world)
    done = Acknowledged()
    rng = random.Random(10)
    to = await world.stack.enter_async_context(hooks.listening(world))
    for round_ in range(ROUNDS):
        async with serve(world) as service, issuer(world) as client:
            if round_ == 0:
                await hooks.add(client, to.url(), "pass.changed")
                await phone.install(await world.pkpass("1"))
                await until(lambda: phone.wallet["1"].registered)
            changing = asyncio.create_task(until_it_dies(world, client, done))
            before = len(done.numbers)
            await until(lambda before=before: len(done.numbers) > before, "a change is acknowledged")
            await asyncio.sleep(rng.uniform(0, 0.15))
            await service.kill()
            await changing
        check(world, done)
    async with serve(world), issuer(world) as client:
        await leases_run_out(world)
        await hooks.leases_run_out(world)
        done.numbers.append(await change(client, "1", 5000, "now"))
        await shows(phone, "1", 5000)
        await until(lambda: not hooks.waiting(world), "all is told")
    hooks.check(world, to, set(done.numbers), deaths=ROUNDS)
    check(world, Acknowledged(done.numbers, 5000, done.devices))
    assert len(done.numbers) >= ROUNDS


@journey(elsewhere=True)
async def test_a_worker_that_died_with_a_claim_is_replaced(world: World) -> None:
    """Fails when a push that was claimed, and perhaps sent, is never tried again. One push too many is allowed."""
    await world.issue("1", 1)
    async with serve(world, "--no-worker"), issuer(world) as client:
        phone = await world.phone()
        await phone.install(await world.pkpass("1"))
        await until(lambda: phone.wallet["1"].registered)
        await phone.settle()
        world.apns.chaos.set("stall", count=1)
        async with worker(world) as first:
            await change(client, "1", 2)
            await until(world.pushed, "the first worker has claimed the push and waits for APNs")
            await first.kill()
        assert world.sql("SELECT 1 FROM push_target WHERE lease IS NOT NULL") == [(1,)]
        assert points(phone, "1") == 1
        await leases_run_out(world)
        async with worker(world) as second:
            await shows(phone, "1", 2)
            await second.stop()
    assert len(world.pushed()) <= 2


@journey(elsewhere=True)
async def test_two_workers_share_the_pushes(world: World) -> None:
    """Fails when workers push the same phone twice for one change, or hear of a change only from their own process."""
    await world.issue("1", 1)
    tokens = [f"{number:064x}" for number in range(1, 21)]
    async with serve(world, "--no-worker") as service, worker(world) as a, worker(world) as b:
        async with issuer(world) as client, world.client() as phones:
            for number, token in enumerate(tokens):
                world.apns.register_device(token, [PASS_TYPE])
                assert await world.register(phones, f"device-{number}", "1", token) == 201
            for value in (2, 3, 4):
                mark = world.mark()
                number = await change(client, "1", value, "now")
                await until(lambda number=number: not behind(world, number), "all are pushed")
                assert sorted(push.token for push in world.pushed(mark)) == tokens
        for process in (a, b, service):
            await process.stop()
