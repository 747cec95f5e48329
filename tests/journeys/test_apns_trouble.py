"""APNs refuses, stumbles, is away, or says 200 and delivers nothing. No phone is lost, none is pushed in vain."""

from __future__ import annotations

import asyncio

import pytest

from journeys.world import PASS_TYPE, World, journey, points, shows, until
from livepass.core.timeline import Event, Kind
from livepass.core.trip2_push import RACE_MARGIN_MS
from livepass.service.seams import Tx

MINUTE = 60_000


async def pushes(world: World, *kinds: Kind) -> list[Event]:
    """The answers of APNs that are in the diary."""
    wanted = [kind.value for kind in kinds]
    return list(await world.services.store.events(kinds=wanted, pass_type=PASS_TYPE, after=0, limit=10_000))


async def crowd(world: World, serial: str, size: int) -> list[str]:
    """So many phones with that pass, known to APNs; their tokens."""
    tokens = [f"{number:064x}" for number in range(1, size + 1)]
    at_once = asyncio.Semaphore(10)
    async with world.client() as client:

        async def join(number: int, token: str) -> int:
            world.apns.register_device(token, [PASS_TYPE])
            async with at_once:
                return await world.register(client, f"device-{number}", serial, token)

        statuses = await asyncio.gather(*(join(number, token) for number, token in enumerate(tokens)))
    assert statuses == [201] * size
    return tokens


@journey
async def test_a_dead_token_among_a_hundred(world: World) -> None:
    """Fails when a 410 is repeated, stops the others, loses its reason, or deletes the registration."""
    await world.issue("1", 1)
    tokens = await crowd(world, "1", 100)
    dead = tokens[41]
    world.apns.kill_device(dead, timestamp_ms=world.services.clock.now() + RACE_MARGIN_MS + MINUTE)

    first = await world.change("1", 2)
    assert first.pushes_due == 100
    await world.nothing_due()
    assert sorted(push.token for push in world.pushed()) == tokens
    assert len(await pushes(world, Kind.PUSH_ACCEPTED)) == 99
    assert len(await pushes(world, Kind.TOKEN_DEAD)) == 1
    buried = [held for held in await world.held("1") if held.dead_at is not None]
    assert [(held.device.push_token, held.dead_reason) for held in buried] == [(dead, "Unregistered")]

    mark = world.mark()
    second = await world.change("1", 3, push="now")
    assert (second.registrations, second.pushes_due) == (100, 99)
    await world.nothing_due()
    assert sorted(push.token for push in world.pushed(mark)) == sorted(set(tokens) - {dead})
    assert len(await pushes(world, Kind.PUSH_ACCEPTED)) == 198


@journey
async def test_a_dead_token_that_registers_again_is_alive(world: World) -> None:
    """Fails when a token once called dead is never pushed again, although its phone has been heard of since."""
    phone = await world.holding("1", 1)
    token = phone.wallet.push_token
    world.apns.kill_device(token, timestamp_ms=world.services.clock.now() + RACE_MARGIN_MS + MINUTE)
    await world.change("1", 2)
    await until(lambda: world.sql("SELECT 1 FROM push_target WHERE dead_at IS NOT NULL"), "the token is buried")
    world.apns.register_device(token, [PASS_TYPE])
    phone.wallet.register(phone.wallet["1"], phone.clock.now())
    phone.wake()
    await shows(phone, "1", 2)
    await world.change("1", 3, push="now")
    await shows(phone, "1", 3)


@journey
async def test_an_ask_proves_that_a_token_is_alive(world: World) -> None:
    """Fails when only a registration revives: a phone that asks has not gone away."""
    phone = await world.holding("1", 1)
    token = phone.wallet.push_token
    world.apns.kill_device(token, timestamp_ms=world.services.clock.now() + RACE_MARGIN_MS + MINUTE)
    await world.change("1", 2)
    await until(lambda: world.sql("SELECT 1 FROM push_target WHERE dead_at IS NOT NULL"), "the token is buried")
    world.apns.register_device(token, [PASS_TYPE])
    phone.wallet.reboot(phone.clock.now())
    phone.wake()
    await shows(phone, "1", 2)
    await world.change("1", 3, push="now")
    await shows(phone, "1", 3)


@journey
async def test_a_410_from_before_the_registration_does_not_kill(world: World) -> None:
    """Fails when a 410 is believed without looking at its time: the phone registered after it."""
    phone = await world.holding("1", 1)
    token = phone.wallet.push_token
    world.apns.kill_device(token, timestamp_ms=world.services.clock.now() - 10 * MINUTE)
    await world.change("1", 2)
    await until(lambda: [push for push in world.pushed() if push.status == 410], "a 410")
    await world.nothing_due()
    [held] = await world.held("1")
    assert held.dead_at is None
    [(due, at)] = await world.services.store.due()
    assert due == PASS_TYPE
    assert at > world.services.clock.now()
    [rejected] = await pushes(world, Kind.PUSH_REJECTED)
    assert rejected.detail["status"] == 410

    world.apns.register_device(token, [PASS_TYPE])
    assert await world.services.issuing.push(PASS_TYPE, None) == 1
    await shows(phone, "1", 2)


@journey
async def test_a_410_just_after_the_registration_is_put_off(world: World) -> None:
    """Fails when clocks a minute apart bury a phone: within five minutes the 410 may be the older news."""
    phone = await world.holding("1", 1)
    world.apns.kill_device(phone.wallet.push_token, timestamp_ms=world.services.clock.now() + MINUTE)
    await world.change("1", 2)
    await until(lambda: [push for push in world.pushed() if push.status == 410], "a 410")
    await world.nothing_due()
    assert [held.dead_at for held in await world.held("1")] == [None]


@journey
async def test_the_issuer_does_not_notice_that_apns_is_away(world: World) -> None:
    """Fails when a change waits for APNs, fails with it, or is forgotten while it is away.

    APNs comes back only after the calls returned, so they cannot have waited for it.
    """
    phone = await world.holding("1", 1)
    up = await world.change("1", 2)
    await shows(phone, "1", 2)
    await world.apns.down()
    down = [await world.change("1", value) for value in (3, 4, 5)]
    assert not world.apns.is_up
    for issued in down:
        assert (issued.changed, issued.registrations, issued.pushes_due) == (True, 1, 1)
    assert [issued.number for issued in down] == [up.number + 1, up.number + 2, up.number + 3]
    assert points(phone, "1") == 2
    await world.apns.up()
    await world.services.issuing.push(PASS_TYPE, None)
    await shows(phone, "1", 5)


@pytest.mark.parametrize(
    "fault", ["goaway:Shutdown", "rst:REFUSED_STREAM", "cut", "cut:after", "latency:50", "streams:1"]
)
@journey
async def test_what_the_sender_mends_by_itself(world: World, fault: str) -> None:
    """Fails when a push is lost with its connection or its stream: nobody helps here."""
    phone = await world.holding("1", 1)
    struck = world.apns.chaos.set(fault, count=1)
    await world.change("1", 2)
    await shows(phone, "1", 2)
    assert struck.struck == (0 if fault == "streams:1" else 1)


@pytest.mark.parametrize("fault", ["429", "status:500", "status:503", "status:503:Shutdown", "drop-delivery"])
@journey
async def test_what_is_sent_again_when_it_is_due(world: World, fault: str) -> None:
    """Fails when a refused or vanished push is not due any more. Its time is not waited for: ``push`` brings it on.

    A push that APNs took and no phone answered stays due as well: APNs' 200 acknowledges nothing.
    """
    phone = await world.holding("1", 1)
    struck = world.apns.chaos.set(fault, count=1)
    await world.change("1", 2)
    await until(lambda: struck.struck == 1, "the fault strikes")
    await world.nothing_due()
    assert points(phone, "1") == 1
    [(_, at)] = await world.services.store.due()
    assert at > world.services.clock.now()
    assert await world.services.issuing.push(PASS_TYPE, "1") == 1
    await shows(phone, "1", 2)
    assert [held.dead_at for held in await world.held("1")] == [None]


@pytest.mark.parametrize("reason", ["TopicDisallowed", "BadTopic"])
@journey
async def test_a_refused_credential_blames_no_phone(world: World, reason: str) -> None:
    """Fails when a wrong topic or certificate buries tokens, or when every push is tried all the same.

    The five minutes until the next try are not waited for.
    """
    phone = await world.holding("1", 1)
    world.apns.chaos.set(f"status:400:{reason}")
    await world.change("1", 2)
    await until(lambda: world.sql("SELECT 1 FROM circuit"), "the circuit opens")
    await world.nothing_due()
    assert len(world.pushed()) == 1
    await world.change("1", 3, push="now")
    await asyncio.sleep(0.3)  # long enough for a push that should not be made
    assert len(world.pushed()) == 1
    assert [held.dead_at for held in await world.held("1")] == [None]

    world.apns.chaos.clear()
    await world.alter("UPDATE circuit SET open_until = 1")
    await world.services.issuing.push(PASS_TYPE, None)
    await shows(phone, "1", 3)


@journey
async def test_many_bad_tokens_are_our_mistake(world: World) -> None:
    """Fails when a wrong environment buries every phone: beyond a few, tokens called bad are only put off."""
    await world.issue("1", 1)
    await crowd(world, "1", 40)
    world.apns.chaos.set("status:400:BadDeviceToken")
    await world.change("1", 2)
    await world.nothing_due()
    assert len(world.pushed()) == 40
    dead = [held for held in await world.held("1") if held.dead_at is not None]
    assert len(dead) <= 6


@journey
async def test_a_hostile_apns_loses_nobody(world: World) -> None:
    """Fails when any of APNs' bad days loses a push, buries a phone or pushes one twice for nothing it did.

    Every phone that is not reached by itself is reached once its next try is due.
    """
    await world.issue("1", 1)
    tokens = await crowd(world, "1", 60)
    world.apns.chaos.preset("hostile")
    world.apns.chaos.clear("stall")
    world.apns.chaos.reseed(7)
    changed = await world.change("1", 2)
    await world.nothing_due()
    for _ in range(10):
        missing = world.sql("SELECT count(*) FROM push_target WHERE pushed < ?", changed.number)[0][0]
        if not missing:
            break
        await world.services.issuing.push(PASS_TYPE, None)
        await world.nothing_due()
    assert world.sql("SELECT count(*) FROM push_target WHERE pushed < ? OR dead_at > 0", changed.number) == [(0,)]
    accepted = {push.token for push in world.pushed() if push.status == 200}
    assert accepted == set(tokens)


@journey
async def test_pushing_now_beats_a_worker_that_is_about_to_wait(world: World) -> None:
    """Fails when a push that somebody brings forward is put off again by a worker that claimed it just before."""
    phone = await world.holding("1", 1)
    world.apns.chaos.set("status:503", count=1)
    await world.change("1", 2)
    await until(world.pushed, "the first try")
    await world.nothing_due()
    now = world.services.clock.now()
    later = now + 60 * MINUTE

    async def claimed_wanted_held(tx: Tx) -> None:
        [target] = await tx.claim_targets(PASS_TYPE, lease="ours", now=later, lease_until=later + MINUTE, limit=1)
        assert await tx.want_now(PASS_TYPE, "1", now) == 1
        await tx.hold_targets("ours", [(target, later)])

    await world.services.store.write(claimed_wanted_held)
    world.services.due.set()
    await shows(phone, "1", 2)
