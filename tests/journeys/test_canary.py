"""Canaries over the wire: a healthy run, each leg broken by what breaks it in real life, and what a run leaves."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from journeys.service_process import command, serve, worker
from journeys.world import PASS_TYPE, Answer, World, is_ask, is_fetch, journey, until
from livepass.cli import canary_phone
from livepass.core import canary
from livepass.core.canary import COHERENT, LATE, Leg, Run
from livepass.core.canary_standing import Standing
from livepass.service.canary import Busy, Canary
from livepass.service.canary_standings import standing
from livepass.service.drafting import Wish
from livepass.service.refusals import Refusal
from livepass.web.phone import Scope

WITHIN_MS = 20_000
HOUR = 3_600_000


def owner(world: World, within_ms: int = WITHIN_MS, *pass_types: str) -> Canary:
    """A canary of another process on the same database."""
    services = world.services
    return Canary(
        *(services.store, services.keys, services.issuing, services.publishing, services.clock, services.scheduler),
        *(services.answering.meters, pass_types or (PASS_TYPE,), within_ms),
    )


async def stood(world: World) -> Standing:
    return await standing(world.services.store, PASS_TYPE, world.services.clock.now())


async def there(world: World) -> bool:
    return await world.services.store.pass_(PASS_TYPE, canary.SERIAL) is not None


async def rested(world: World) -> None:
    """Nobody has changed the canary pass for a while."""
    past = world.services.clock.now() - canary.RESTS_MS
    await world.alter("UPDATE pass SET changed_at = ? WHERE serial = ?", past, canary.SERIAL)


async def ran(world: World, within_ms: int = WITHIN_MS) -> Run:
    return await owner(world, within_ms).once(PASS_TYPE, canary_phone.phones(world.config))


@journey(books=False)  # of what is erased no number stays
async def test_a_healthy_canary_sees_its_change_and_leaves_nothing_behind(world: World) -> None:
    """Fails when its push goes to APNs, when it is counted afterwards, or when a second run meets the first."""
    for _ in range(2):
        mark = world.mark()
        run = await ran(world)
        assert (run.outcome, run.sentence) == (COHERENT, "")
        assert [step.leg for step in run.steps] == [
            *(Leg.ISSUE, Leg.REGISTER, Leg.ASK, Leg.FETCH, Leg.CHANGE, Leg.PUSH),
            *(Leg.ASK, Leg.FETCH, Leg.AGAIN, Leg.UNREGISTER),
        ]
        assert await world.registrations(canary.SERIAL) == 0
        assert world.pushed(mark) == [], "APNs knows no phone of that kind"
    assert world.sql("SELECT count(*) FROM device") == [(1,)], "it is the same phone each time"
    assert world.sql("SELECT count(*) FROM push_target WHERE last_push_at IS NOT NULL OR dead_at IS NOT NULL") == [(0,)]
    standing = await stood(world)
    assert (len(standing.runs), standing.share) == (2, 1.0)
    assert standing.runs[0] == run, "what was written down is what was seen"
    meters = world.services.answering.meters
    assert meters.canary_runs[COHERENT] == 2
    assert sum(meters.canary_took["seen"].counts) == 2
    with pytest.raises(Refusal, match="livepass issues to itself"):
        await world.issue(canary.SERIAL, 1)
    await owner(world).remove(PASS_TYPE)
    assert world.sql("SELECT count(*) FROM pass") == [(0,)]
    assert len((await stood(world)).runs) == 2


@journey
async def test_what_is_too_late_is_late(world: World) -> None:
    def slow(scope: Scope, answer: Answer) -> None:
        if is_fetch(scope):
            deadline = world.services.clock.stopwatch() + 0.6
            while world.services.clock.stopwatch() < deadline:
                pass

    with world.spoiled(slow):
        run = await ran(world, 500)
    assert run.outcome == LATE and run.seen_ms is not None and run.seen_ms > 500


@pytest.mark.nightly
@journey(elsewhere=True, books=False, limit=240)
async def test_a_process_that_is_killed_on_the_way_leaves_nothing_wrong(world: World) -> None:
    """Fails when processes do not run canaries by themselves, when two do, when kill -9 leaves a phone behind, or when
    ``livepass canary`` and ``livepass status`` tell another story.
    """
    world.config = replace(world.config, canary=(PASS_TYPE,), canary_within=60)
    code, found = await command(world, "canary", "run")
    assert (code, found["runs"][0]["outcome"]) == (1, "register"), "nobody answers yet"
    code, found = await command(world, "status")
    silence = "502" if world.proxied else "no answer"
    assert code == 1 and any(silence in said for said in found["attention"]), found["attention"]
    await _long_ago(world)
    async with serve(world) as first:

        async def registered() -> bool:
            return await world.registrations(canary.SERIAL) == 1

        await until(registered, "a process that was told to runs a canary", 60)
        await first.kill()
    await _long_ago(world)
    async with serve(world, "--no-worker"), worker(world):

        async def seen() -> bool:
            newest = (await stood(world)).runs[0]
            # On a busy machine its ask may be shed, and the next comes an hour later.
            if not newest.coherent and newest.at > world.services.clock.now() - 1_800_000:
                await _long_ago(world)
            return newest.coherent

        await until(seen, "the next one heals it", 90)
        assert await world.registrations(canary.SERIAL) == 0
        code, found = await command(world, "canary", "run", PASS_TYPE)
        assert (code, found["runs"][0]["outcome"], found["runs"][0]["wrong"]) == (0, COHERENT, "")
        code, found = await command(world, "status")
        assert not any("canary" in said for said in found["attention"])
    world.config = replace(world.config, canary=())
    async with serve(world):

        async def gone() -> bool:
            return await world.services.store.pass_(PASS_TYPE, canary.SERIAL) is None

        await until(gone, "what is turned off is forgotten, once those that were killed are silent", 120)
    assert world.pushed() == []


async def _long_ago(world: World) -> None:
    """Whoever ran last did so an hour ago."""
    past = world.services.clock.now() - HOUR
    await world.alter("UPDATE pass SET changed_at = ? WHERE serial = ?", past, canary.SERIAL)
    await world.alter("UPDATE event SET at = ? WHERE kind = 'canary_ran'", past)
    await registered_ago(world, HOUR)


async def registered_ago(world: World, ago: int) -> None:
    past = world.services.clock.now() - ago
    await world.alter("UPDATE registration SET registered_at = ? WHERE serial = ?", past, canary.SERIAL)


async def died(world: World) -> None:
    """A run whose process dies in the middle: its phone stays."""
    dying = asyncio.create_task(ran(world))
    while await world.registrations(canary.SERIAL) != 1:
        if dying.done():  # over before anybody looked
            dying = asyncio.create_task(ran(world))
        await asyncio.sleep(0)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    assert await world.registrations(canary.SERIAL) == 1


KEPT: dict[str, tuple[int, dict[bytes, bytes], bytes]] = {}


def caching(scope: Scope, answer: Answer) -> None:
    """A proxy that keeps what it is asked for, by the path alone."""
    if answer.status == 200 and (is_ask(scope) or is_fetch(scope)):
        kept = KEPT.setdefault(scope["path"], (answer.status, dict(answer.headers), answer.body))
        answer.status, answer.headers, answer.body = kept[0], dict(kept[1]), kept[2]


def caching_passes(scope: Scope, answer: Answer) -> None:
    if is_fetch(scope):
        caching(scope, answer)


def lost_authorization(scope: Scope, answer: Answer) -> None:
    if not is_ask(scope):
        answer.status, answer.body = 401, b""


def lost_at_fetches(scope: Scope, answer: Answer) -> None:
    if is_fetch(scope):
        answer.status, answer.body = 401, b""


def standing_still(scope: Scope, answer: Answer) -> None:
    """The tag that was sent comes back with what changed since."""
    sent = dict(part.split("=", 1) for part in scope["query_string"].decode().split("&") if "=" in part)
    if is_ask(scope) and answer.status == 200 and "passesUpdatedSince" in sent:
        found = json.loads(answer.body) | {"lastUpdated": sent["passesUpdatedSince"]}
        answer.body = json.dumps(found).encode()


def rewritten(scope: Scope, answer: Answer) -> None:
    """Bytes of a pass that something on the way takes for text."""
    if is_fetch(scope) and answer.status == 200:
        answer.body = answer.body.replace(b"livepass", b"LIVEPASS")


def without_conditions(scope: Scope, answer: Answer) -> None:
    if is_fetch(scope) and answer.status == 304:
        answer.status = 200


@journey
async def test_each_leg_that_breaks_is_named(world: World) -> None:
    """Fails when a break is taken for another one, or when what a broken run leaves spoils the next."""
    assert (await ran(world)).outcome == COHERENT
    for spoil, leg, said in (
        (caching, Leg.ASK, "the tag does not move"),
        (caching_passes, Leg.FETCH, "an old version came"),
        (lost_authorization, Leg.REGISTER, "the Authorization header was lost"),
        (lost_at_fetches, Leg.FETCH, "the Authorization header was lost"),
        (standing_still, Leg.ASK, "the tag does not move"),
        (rewritten, Leg.FETCH, ""),
        (without_conditions, Leg.AGAIN, "200 instead of 304"),
    ):
        KEPT.clear()
        with world.spoiled(spoil):
            run = await ran(world)
        assert run.outcome == leg, (spoil.__name__, run)
        assert said in run.sentence and run.remedy, (spoil.__name__, run)
    assert (await ran(world)).outcome == COHERENT
    standing = await stood(world)
    assert (len(standing.runs), standing.share) == (9, 2 / 9)


@journey
async def test_a_cache_that_knows_the_query_is_named_by_the_old_number(world: World) -> None:
    """The same phone asks with the same tags as in the run before: what a cache kept of that is old."""
    KEPT.clear()

    def by_address(scope: Scope, answer: Answer) -> None:
        if is_ask(scope):
            caching({**scope, "path": f"{scope['path']}?{scope['query_string'].decode()}"}, answer)

    assert is_ask({"method": "GET", "path": "/wallet/v1/devices/d/registrations/t?x"})
    with world.spoiled(by_address):
        assert (await ran(world)).outcome == COHERENT
        run = await ran(world)
    assert (run.outcome, "an old answer came" in run.sentence) == (Leg.ASK, True), run


@journey
async def test_a_worker_that_is_gone_is_named(world: World) -> None:
    assert world.services.dispatcher is not None
    await world.services.dispatcher.stop()
    run = await ran(world, 300)
    assert (run.outcome, run.sentence) == (Leg.PUSH, "push: no worker has taken the push in 0.3 s")
    assert await world.registrations(canary.SERIAL) == 0, "it took itself back"
    assert await world.services.dispatcher.work_once() == 1, "a worker that comes back finds it, and sends nothing"
    assert world.pushed() == []


@journey
async def test_a_service_that_is_gone_and_a_certificate_that_is_none_are_named(world: World) -> None:
    run = await owner(world).once("pass.test.none", canary_phone.phones(world.config))
    assert run.outcome == Leg.ISSUE
    world.config = replace(world.config, public_ca_file=None)
    run = await ran(world)
    assert run.outcome == Leg.REGISTER and "no answer" in run.sentence


@journey
async def test_of_two_processes_one_runs_and_a_crash_is_healed(world: World) -> None:
    """Fails when both run, when a run that died blocks the next for ever, or when its phone is left behind."""
    runs = await asyncio.gather(*(ran(world) for _ in range(4)), return_exceptions=True)
    done = [one for one in runs if isinstance(one, Run)]
    assert [one.outcome for one in done] == [COHERENT]
    assert all(isinstance(one, Busy) for one in runs if one not in done)
    await died(world)
    with pytest.raises(Busy):
        await ran(world)
    await registered_ago(world, canary.BOUND_MS)
    assert (await ran(world)).outcome == COHERENT
    assert await world.registrations(canary.SERIAL) == 0


@journey(books=False)
async def test_the_rounds_run_what_is_due_and_forget_what_is_off(world: World) -> None:
    """Fails when a round runs again at once, or when a canary that was turned off stays."""
    services, phones = world.services, canary_phone.phones(world.config)
    on = owner(world)
    for _ in range(2):
        await on._round(PASS_TYPE, phones)
    assert len((await stood(world)).runs) == 1
    assert await services.store.pass_(PASS_TYPE, canary.SERIAL) is not None
    await on.look()
    assert await there(world), "its own settings name it"
    await services.issuing.put(Wish(PASS_TYPE, "1", template="membership", data={"points": 1}))
    await rested(world)
    await owner(world, WITHIN_MS, "pass.test.another").look()
    assert not await there(world)
