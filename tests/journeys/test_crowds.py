"""Crowds: a mass change goes no faster than phones are served, and what is too much is refused where that costs
nothing.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from journeys.world import PASS_TYPE, World, journey, points, until
from livepass import wiring
from livepass.core.budget import Pace
from livepass.core.shedding import RUNGS, Level, Rung
from livepass.emulators.iphone import PhoneRunner, Wallet
from livepass.emulators.iphone.quirks import Quirks
from livepass.service.drafting import Wish
from livepass.service.presence import Presence
from livepass.service.pressure import ENOUGH, Watch

pytestmark = pytest.mark.alone

CROWD = 60
PATIENCE = 100.0
"""Seconds until something counts as stuck: phones, service and worker share two cores with whoever else is there."""


async def crowd(world: World, first: int, count: int) -> list[PhoneRunner]:
    """Phones with a pass of their own, registered."""
    serials = [f"s{n}" for n in range(first, first + count)]
    await world.services.issuing.put_many(
        [Wish(PASS_TYPE, serial, template="membership", data={"points": 0}) for serial in serials]
    )
    phones: dict[str, PhoneRunner] = {}

    async def one(serial: str) -> None:
        wallet = Wallet([world.authority.root], rng=world.rng(), quirks=Quirks({"backoff-schedule": "short"}))
        phones[serial] = await world.phone(wallet)
        await phones[serial].install(await world.pkpass(serial))
        await phones[serial].settle(60)

    for start in range(0, count, 20):
        await asyncio.gather(*(one(serial) for serial in serials[start : start + 20]))
    return [phones[serial] for serial in serials]


async def change(world: World, first: int, phones: list[PhoneRunner], value: int, **more: Any) -> None:
    serials = [f"s{n}" for n in range(first, first + len(phones))]
    await world.services.issuing.put_many(
        [Wish(PASS_TYPE, serial, data={"points": value}, patch=True) for serial in serials], "now"
    )


def current(phones: list[PhoneRunner], value: int) -> int:
    """How many show that value."""
    return sum(1 for phone in phones for _, serial in phone.wallet.passes if points(phone, serial) == value)


def answers(world: World, what: str) -> Counter[int]:
    """Answers by status to asks (``/registrations/``) or fetches (``/v1/passes/``)."""
    return Counter(status for method, path, status in world.answers if method == "GET" and what in path)


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[None]:
    """The process that answers: it writes down how long fetches take, and gives up what it must. Not for being late:
    all the phones run in its loop; nor for slow fetches: they are slow on purpose.
    """
    services = world.services
    parts = (services.store, services.clock, services.chance, services.scheduler, services.answering.load)
    presence = Presence(*parts, host="a", pid=1, role="serve", schema=1)
    rungs = [replace(rung, lag=math.inf, fetch_p95=math.inf) for rung in RUNGS]
    watch = Watch(services.answering.load, services.clock, services.scheduler, presence.changed, rungs)
    tasks = [asyncio.create_task(presence.run()), asyncio.create_task(watch.run())]
    try:
        yield
    finally:
        watch.stop()
        await presence.stop()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def worker(world: World, pace: Pace) -> AsyncIterator[wiring.Services]:
    """A worker as another process has it: it sees no phone, and knows of the others by the database alone."""
    assert world.services.dispatcher is not None
    await world.services.dispatcher.stop()
    async with wiring.opened(world.config) as other, other.present("worker"), other.working():
        assert other.dispatcher is not None
        other.dispatcher._pace = pace
        yield other


@pytest.mark.timeout(2 * PATIENCE)
@journey(content=False, limit=1.5 * PATIENCE)
async def test_a_mass_change_slows_down_to_what_the_service_can_do(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Building stands still. The worker elsewhere begins with 6 pushes a second, hears of it and goes down to 3, so
    that some phones are not woken to wait; at 6 a second and more, all of them soon would be. A slow machine pushes
    fewer in the time that this takes, not more.
    """
    phones = await crowd(world, 0, CROWD)
    builder, gate = world.services.builder, asyncio.Event()
    real = builder.signed_by

    async def stands_still(*arguments: Any) -> bytes:
        await gate.wait()
        return await real(*arguments)

    with caplog.at_level(logging.INFO, "livepass.service.pushing"):
        async with serving(world), worker(world, Pace(rate=6.0, floor=3.0)) as other:
            dispatcher = other.dispatcher
            assert dispatcher is not None
            builder.signed_by = stands_still  # type: ignore[method-assign]
            world.answers.clear()
            before = world.mark()
            await change(world, 0, phones, 7)
            await until(lambda: dispatcher._pace.rate == 3.0, "the worker hears that phones wait", PATIENCE)
            assert 0 < len(world.pushed(after=before)) < CROWD
            assert "phones are served slowly" in caplog.text
            assert other.answering.load.fetch_p95() is None, "it saw no fetch itself"
            gate.set()
            await until(lambda: current(phones, 7) == CROWD, lambda: f"{current(phones, 7)} are current", PATIENCE)
            await asyncio.gather(*(phone.settle(30) for phone in phones))
    assert answers(world, "/v1/passes/")[200] == CROWD
    assert {status for _, _, status in world.answers} <= {200, 204, 304}, "nobody was refused"


@pytest.mark.timeout(2 * PATIENCE)
@journey(content=False, limit=1.5 * PATIENCE)
async def test_asks_are_refused_and_fetches_never_and_everybody_ends_current(world: World) -> None:
    """Building stands still. Who has asked already waits for the fetch; who comes later is sent away and comes back."""
    first, later = await crowd(world, 0, ENOUGH + 5), await crowd(world, 100, 5)
    [held] = await world.held("s100")
    load, gate = world.services.answering.load, asyncio.Event()
    builder, real = world.services.builder, world.services.builder.signed_by
    statements: list[str] = []

    async def stands_still(*arguments: Any) -> bytes:
        await gate.wait()
        return await real(*arguments)

    rungs = (Rung(Level.ASK, 10_000, 60.0, 0.5), Rung(Level.REGISTER, 100_000, 600.0, 600.0))
    watch = Watch(load, world.services.clock, world.services.scheduler, rungs=rungs)
    watching = asyncio.create_task(watch.run())
    builder.signed_by = stands_still  # type: ignore[method-assign]
    world.answers.clear()
    await change(world, 0, first, 7)
    await until(lambda: load.level == Level.ASK, "that many fetches under way for so long are pressure")

    snapshot = world.services.store.ask_snapshot

    async def asked(*arguments: Any) -> Any:
        statements.append("ask")
        return await snapshot(*arguments)

    world.services.store.ask_snapshot = asked  # type: ignore[method-assign]
    await change(world, 100, later, 8)
    await until(lambda: answers(world, "/registrations/")[503] >= 5, "phones that ask now are sent away")
    assert statements == [], "without a look into the database"
    assert load.shed[Level.ASK] >= 5
    async with world.client() as client:
        refused = await client.get(f"/v1/devices/anybody/registrations/{PASS_TYPE}")
        assert refused.status_code == 503 and int(refused.headers["retry-after"]) > 0
        assert "no-store" in refused.headers["cache-control"] and refused.content == b""
        # Registrations are taken for as long as anything is: phones give up on them too, and nobody can ask for them.
        assert await world.register(client, held.registration.device_id, "s100", held.device.push_token) == 200
        logged = await client.post("/v1/log", json={"logs": ["anything"]})
        assert logged.status_code == 200 and load.shed[Level.LOG] > 0
        # A phone that comes unasked goes straight to the fetch, and that is answered, if late.
        unasked = asyncio.create_task(
            client.get(f"/v1/passes/{PASS_TYPE}/s104", headers=await world.authorization("s104"))
        )
        await asyncio.sleep(0.2)
        assert not unasked.done()
        gate.set()
        assert (await unasked).status_code == 200

    await until(lambda: current(first, 7) + current(later, 8) == len(first) + 5, "everybody is current", PATIENCE)
    await until(lambda: load.level == Level.NONE, "the pressure is over")
    watch.stop()
    await watching
    fetches = answers(world, "/v1/passes/")
    assert set(fetches) <= {200, 304} and fetches[200] >= len(first) + 5, fetches
