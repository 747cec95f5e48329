"""Canaries of processes that were started differently, that are turned off, or meet what changes under them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from journeys.service_process import command, serve, worker
from journeys.test_canary import (
    HOUR,
    KEPT,
    WITHIN_MS,
    caching_passes,
    died,
    owner,
    ran,
    registered_ago,
    rested,
    stood,
    there,
)
from journeys.world import PASS_TYPE, TEAM, World, journey, until
from livepass import wiring
from livepass.cli import canary_phone
from livepass.core import canary
from livepass.core.canary import COHERENT, Leg
from livepass.core.model import Process
from livepass.service.canary import Canary
from livepass.service.explaining import Explaining
from livepass.service.seams import CanaryPhone, CanaryPhones
from livepass.service.stale import StaleWatch

ELSEWHERE = "pass.test.another"


async def says(world: World, pid: int, canaries: str | None) -> None:
    """A process that runs, as its row says; moved with each call."""
    now = world.services.clock.now()
    process = Process(f"p{pid}", "host", pid, "serve", 1, now, now, None, 0, canaries)
    await world.services.store.write(lambda tx: tx.put_process(process))


async def ended(world: World, pid: int) -> None:
    await world.services.store.write(lambda tx: tx.remove_process(f"p{pid}"))


def meeting(world: World, leg: str, met: Callable[[], Awaitable[Any]], number: int = 2) -> CanaryPhones:
    """Phones before whose so-manyth call something happens."""
    made = canary_phone.phones(world.config)

    def phone(pkpass: bytes, device_id: str, push_token: str) -> CanaryPhone:
        one = made(pkpass, device_id, push_token)
        call, calls = getattr(one, leg), [0]

        async def meets() -> Any:
            calls[0] += 1
            if calls[0] == number:
                await met()
            return await call()

        setattr(one, leg, meets)
        return one

    return phone


@journey(books=False)
async def test_whoever_has_none_leaves_the_canary_of_others_alone(world: World, caplog: Any) -> None:
    """Fails when a process undoes another one's canary, or when nobody is told that they disagree, or all the time."""
    caplog.set_level(logging.INFO, logger="livepass.service.canary")
    without = owner(world, WITHIN_MS, ELSEWHERE)
    await says(world, 1, PASS_TYPE)
    await says(world, 2, "")
    assert (await ran(world)).outcome == COHERENT
    await rested(world)
    for _ in range(2):
        await without.look()
    assert await there(world)
    warned = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warned) == 1 and f"names {PASS_TYPE} for serve on host (pid 1), and not for serve" in warned[0]
    await ended(world, 1)
    await without.look()
    assert not await there(world), "the last one that had it has ended"
    said = [one.getMessage() for one in caplog.records if one.levelno == logging.INFO]
    assert any("agree again" in one for one in said) and any("was forgotten" in one for one in said)


@journey(books=False)
async def test_a_run_by_hand_is_not_disturbed_by_who_has_none(world: World) -> None:
    """At any moment of it another process looks for what is to be forgotten."""
    without = owner(world, WITHIN_MS, ELSEWHERE)
    for leg, number in (("register", 1), ("ask", 1), ("fetch", 1), ("ask", 2), ("fetch", 2), ("unregister", 1)):
        run = await owner(world).once(PASS_TYPE, meeting(world, leg, without.look, number))
        assert run.outcome == COHERENT, (leg, run)


@journey(books=False)
async def test_nothing_counts_what_was_turned_off(world: World) -> None:
    """A run died with its phone on the list, and nobody has that canary any more: fails when anything of it stays."""
    without = owner(world, WITHIN_MS, ELSEWHERE)
    await world.issue("1", 1)
    await died(world)
    await without.look()
    assert await there(world), "somebody may be at it"
    await registered_ago(world, canary.BOUND_MS)
    await rested(world)
    await without.look()
    assert world.sql("SELECT serial FROM pass") == [("1",)]
    for table in ("registration", "device", "push_target", "fan_out", "stale_pass"):
        assert world.sql(f"SELECT count(*) FROM {table}") == [(0,)], table
    assert world.sql("SELECT count(*) FROM event WHERE serial = ?", canary.SERIAL) == [(0,)]


@journey
async def test_no_webhook_says_that_a_canary_is_stale(world: World) -> None:
    """A run that died looks like a phone that does not fetch."""
    await died(world)
    await world.services.store.write(lambda tx: tx.put_webhook_endpoint(_endpoint(world)))
    looked: list[str] = []
    services = world.services
    explaining = Explaining(services.store, services.clock, world.config.web_service_url)
    watch = StaleWatch(services.store, explaining, services.clock, services.scheduler)

    async def explained(pass_type: str, serial: str) -> bool:
        looked.append(serial)
        return False

    watch._explain = explained
    await world.holding("1", 1)
    await world.services.recorder.settle()  # what the phone was served is written down, and not after this
    [(served,)] = world.sql("SELECT served FROM registration WHERE serial = '1'")
    await world.alter("UPDATE registration SET served = 0")
    await watch.once()
    assert looked == ["1"]
    await world.alter("UPDATE registration SET served = ? WHERE serial = '1'", served)
    await registered_ago(world, canary.BOUND_MS)
    assert (await ran(world)).outcome == COHERENT
    told = b"".join(bytes(body) for (body,) in world.sql("SELECT body FROM webhook_message"))
    assert b'"1"' in told and canary.SERIAL.encode() not in told


def _endpoint(world: World) -> Any:
    from livepass.core.webhooks import POLLED, Endpoint

    return Endpoint("default", "we_1", POLLED, None, None, b"", world.services.clock.now())


# ── what changes under a run


@contextmanager
def clock_ahead(world: World, ms: int) -> Iterator[None]:
    kind: Any = type(world.services.clock)
    real = kind.now
    kind.now = lambda self: real(self) + ms
    try:
        yield
    finally:
        kind.now = real


@journey(books=False)
async def test_a_clock_that_was_ahead_stops_nothing(world: World) -> None:
    """Fails when no run follows until the clock is there again, when one that died is waited for, or when a cache that
    kept what was right an hour ahead is believed.
    """
    phones = canary_phone.phones(world.config)
    KEPT.clear()
    with clock_ahead(world, HOUR), world.spoiled(caching_passes):
        await owner(world)._round(PASS_TYPE, phones)
    with clock_ahead(world, HOUR):
        await died(world)
    before = len((await stood(world)).runs)
    with world.spoiled(caching_passes):
        await owner(world)._round(PASS_TYPE, phones)
    runs = (await stood(world)).runs
    assert (len(runs), runs[0].outcome) == (before + 1, Leg.FETCH), runs
    assert "an old version came" in runs[0].sentence
    await owner(world)._round(PASS_TYPE, phones)
    assert len((await stood(world)).runs) == before + 1, "it is not due"
    assert (await ran(world)).outcome == COHERENT


@journey(books=False)
async def test_a_clock_that_jumps_in_the_middle_of_a_run(world: World) -> None:
    """Whatever it finds, the next run is a healthy one."""
    for jump in (HOUR, 10 * HOUR):
        ahead = clock_ahead(world, jump)

        async def jumps(ahead: Any = ahead) -> None:
            ahead.__enter__()

        try:
            run = await owner(world, 2000).once(PASS_TYPE, meeting(world, "ask", jumps, 1))
            assert run.outcome == COHERENT, run
        finally:
            ahead.__exit__(None, None, None)
        assert (await ran(world)).outcome == COHERENT, "and back"
        assert await world.registrations(canary.SERIAL) == 0


@journey
async def test_a_certificate_that_is_rotated_in_the_middle_breaks_nothing(world: World) -> None:
    async def rotated() -> None:
        issued = world.authority.pass_certificate(PASS_TYPE, TEAM)
        admitted = await world.services.admitting.import_pem(
            issued.certificate_pem, issued.key_pem, issued.intermediate_pem
        )
        await world.services.rotating.prove(admitted.certificate.id)
        await world.services.rotating.promote(admitted.certificate.id)

    run = await owner(world).once(PASS_TYPE, meeting(world, "fetch", rotated))
    assert run.outcome == COHERENT, run


@journey(books=False)
async def test_a_certificate_that_is_removed_in_the_middle_is_what_broke(world: World) -> None:
    """Fails when somebody is sent to the proxy for it, or when the phone is left behind."""

    async def removed() -> None:
        await world.alter("UPDATE certificate SET retired_at = ?", world.services.clock.now())

    run = await owner(world).once(PASS_TYPE, meeting(world, "fetch", removed))
    world.answers.clear()
    assert run.outcome == Leg.FETCH and "answered 5" in run.sentence, run
    assert "livepass cert check" in run.remedy
    assert await world.registrations(canary.SERIAL) == 0
    run = await ran(world)
    assert run.outcome == Leg.ISSUE and "livepass cert list" in run.remedy, run
    await world.alter("UPDATE certificate SET retired_at = NULL")
    assert (await ran(world)).outcome == COHERENT


@journey(books=False)
async def test_after_another_public_address_the_phone_is_there(world: World) -> None:
    """The pass says where its phone calls: a process with another address gives it that one."""
    assert (await ran(world)).outcome == COHERENT
    moved = replace(world.config, public_url=world.config.public_url.replace("localhost", "127.0.0.1"))
    async with wiring.opened(moved) as services:
        run = await _owner_of(services).once(PASS_TYPE, canary_phone.phones(moved))
        assert run.outcome == COHERENT, run
        row = await services.store.pass_(PASS_TYPE, canary.SERIAL)
        assert row is not None and "127.0.0.1" in row.web_service_url
    assert (await ran(world)).outcome == COHERENT, "and back"
    wrong = replace(moved, public_url="https://localhost:1")
    async with wiring.opened(wrong) as services:
        run = await _owner_of(services).once(PASS_TYPE, canary_phone.phones(wrong))
        assert run.outcome == Leg.REGISTER and "no answer" in run.sentence, run


def _owner_of(services: wiring.Services) -> Canary:
    return Canary(
        *(services.store, services.keys, services.issuing, services.publishing, services.clock, services.scheduler),
        *(services.answering.meters, (PASS_TYPE,), WITHIN_MS),
    )


@pytest.mark.nightly
@journey(elsewhere=True, books=False, limit=150)
async def test_two_processes_with_different_settings(world: World) -> None:
    """One has the canary, one has none: it goes on until the last that has it ends, and whoever looks is told."""
    with_it = replace(world.config, canary=(PASS_TYPE,), canary_within=20)
    without = world.config
    world.config = with_it
    async with serve(world) as first:

        async def seen() -> bool:
            return bool((await stood(world)).runs) and await world.registrations(canary.SERIAL) == 0

        await until(seen, "the one that has it runs it")
        assert (await stood(world)).runs[0].outcome == COHERENT
        await rested(world)
        world.config = without
        async with worker(world):
            await asyncio.sleep(8)  # it looks after five seconds
            assert await there(world)
            code, found = await command(world, "canary", "status")
            assert (code, found["named_by"], found["of"]) == (1, 1, 2), found
            assert f"names {PASS_TYPE} for serve+worker" in found["disputed"]
            code, found = await command(world, "status")
            assert code == 1 and any("LIVEPASS_CANARY names" in said for said in found["attention"]), found
            code, found = await command(world, "canary", "run", PASS_TYPE)
            assert (code, found["runs"][0]["outcome"]) == (0, COHERENT), found
            assert await there(world), "a running process has it"
            await first.stop()

            async def gone() -> bool:
                return not await there(world)

            await until(gone, "the last one that had it has ended", 60)
            assert world.sql("SELECT count(*) FROM registration") == [(0,)]
