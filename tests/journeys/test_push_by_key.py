"""A pass type goes from its certificate to a key and back, by command, while pushes are due. Not one push is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from journeys.test_apns_trouble import crowd
from journeys.test_why import first, present
from journeys.world import OTHER_TYPE, PASS_TYPE, TEAM, World, journey, shows, until
from livepass import wiring
from livepass.emulators.apns.history import Entry
from livepass.service.refusals import Refusal
from provider_keys import Minted

KEY = Minted()
TENANT = "default"


def by_key(entry: Entry) -> bool:
    return "authorization" in entry.headers


async def keyed(world: World, **more: Any) -> None:
    """The key is known at Apple, and here."""
    world.apns.know_key(KEY.known(**more))
    await world.services.apns_keys.import_(TENANT, KEY.p8, KEY.id, TEAM)


async def use(world: World, key_id: str | None, pass_type: str = PASS_TYPE, **more: Any) -> str:
    return (await world.services.apns_keys.use(TENANT, pass_type, key_id, **more)).heard


async def refused(world: World, reason: str) -> None:
    """The key is refused, the log of ``why`` says so, and the certificate has pushed nothing meanwhile."""
    verdict = await first(world, "LP212")
    assert KEY.id in verdict.sentence and reason in verdict.sentence
    assert verdict.remedy.endswith(f"livepass apns-key use {PASS_TYPE} --certificate")


@journey
async def test_there_and_back_and_nobody_missed_a_change(world: World) -> None:
    await present(world)
    phone = await world.holding("1", 1)
    await world.change("1", 2)
    await shows(phone, "1", 2)
    assert not any(map(by_key, world.pushed()))
    await keyed(world)

    # Switched while pushes are due: APNs is slow, and the change is on its way.
    world.apns.chaos.set("latency:150")
    await world.change("1", 3, push="now")
    assert await use(world, KEY.id) == "400 BadDeviceToken"
    world.apns.chaos.clear()
    await shows(phone, "1", 3)
    mark = world.mark()
    await world.change("1", 4, push="now")
    await shows(phone, "1", 4)
    assert all(map(by_key, world.pushed(mark)))

    # Revoked at Apple: nothing gets through, and nothing is sent with the certificate.
    world.apns.revoke_key(KEY.id)
    mark = world.mark()
    await world.change("1", 5, push="now")
    await refused(world, "InvalidProviderToken")
    await world.change("1", 6, push="now")
    await asyncio.sleep(0.3)  # long enough for a push that should not be made
    assert all(map(by_key, world.pushed(mark)))
    assert not any(entry.status == 200 for entry in world.pushed(mark))
    assert [held.dead_at for held in await world.held("1")] == [None]

    # Back, by command: what waited goes at once.
    await use(world, None)
    await shows(phone, "1", 6)
    assert not by_key(world.pushed()[-1])


@journey
async def test_a_key_whose_tokens_are_too_old_for_apns(world: World) -> None:
    """The clocks do not agree, by more than any token can bridge."""
    await present(world)
    phone = await world.holding("1", 1)
    await keyed(world)
    await use(world, KEY.id)
    await world.change("1", 2)
    await shows(phone, "1", 2)
    world.apns.provider.lifetime = -1.0
    mark = world.mark()
    # Or an ask that was under way already would hear of the change without any push.
    phone.set_airplane_mode(True)
    await world.change("1", 3, push="now")
    await refused(world, "ExpiredProviderToken")
    assert {(entry.status, by_key(entry)) for entry in world.pushed(mark)} == {(403, True)}
    phone.set_airplane_mode(False)
    await use(world, None)
    await shows(phone, "1", 3)


@journey
async def test_a_crowd_is_pushed_by_one_or_the_other_and_nobody_twice_in_vain(world: World) -> None:
    """Chosen to and fro in the middle of two hundred pushes."""
    await world.issue("1", 1)
    tokens = await crowd(world, "1", 200)
    await keyed(world)
    world.apns.chaos.set("latency:5-60")
    mark = world.mark()
    await world.change("1", 2)
    for key_id in (KEY.id, None, KEY.id):
        await asyncio.sleep(0.05)
        await use(world, key_id, probe=False)
    await world.nothing_due()
    await world.change("1", 3, push="now")
    await world.nothing_due()
    taken = [entry for entry in world.pushed(mark) if entry.status == 200]
    assert {entry.token for entry in taken} == set(tokens)
    last = taken[-200:]
    assert {entry.token for entry in last} == set(tokens) and all(map(by_key, last))
    assert world.sql("SELECT count(*) FROM circuit") == [(0,)]


@journey
async def test_a_choice_in_another_process_is_followed(world: World) -> None:
    """The one that chooses has a database connection of its own, and no worker."""
    phone = await world.holding("1", 1)
    await keyed(world)
    async with wiring.opened(world.config) as elsewhere:
        await elsewhere.apns_keys.use(TENANT, PASS_TYPE, KEY.id)
        await world.change("1", 2, push="now")
        await shows(phone, "1", 2)
        assert by_key(world.pushed()[-1])
        world.apns.revoke_key(KEY.id)
        await world.change("1", 3, push="now")
        await until(lambda: world.sql("SELECT 1 FROM circuit"), "the circuit opens")
        await elsewhere.apns_keys.use(TENANT, PASS_TYPE, None)
        await shows(phone, "1", 3)
        assert not by_key(world.pushed()[-1])


@journey
async def test_pass_types_share_the_connection_of_their_key_and_not_its_limits(world: World) -> None:
    await world.certify(OTHER_TYPE)
    mine, other = await world.holding("1", 1), await world.holding("1", 1, OTHER_TYPE)
    await keyed(world)
    await use(world, KEY.id)
    await use(world, KEY.id, OTHER_TYPE)
    mark = world.mark()
    await world.change("1", 2)
    await world.change("1", 2, OTHER_TYPE)
    await shows(mine, "1", 2)
    await until(lambda: {entry.topic for entry in world.pushed(mark)} == {PASS_TYPE, OTHER_TYPE}, "both are pushed")
    await other.settle()
    assert len({entry.connection for entry in world.pushed(mark)}) == 1
    world.apns.know_key(KEY.known(topics=[PASS_TYPE]))
    world.apns.goaway()
    await world.change("1", 3, OTHER_TYPE, push="now")
    await until(lambda: world.sql("SELECT pass_type FROM circuit") == [(OTHER_TYPE,)], "the other one stands")
    await world.change("1", 3, push="now")
    await shows(mine, "1", 3)
    await use(world, None, OTHER_TYPE)


@pytest.mark.parametrize(
    ("known", "word"),
    [
        (None, "InvalidProviderToken"),
        ({"environment": "development"}, "BadEnvironmentKeyIdInToken"),
        ({"topics": ["pass.test.another"]}, "TopicDisallowed"),
    ],
)
@journey
async def test_apns_is_asked_before_a_key_is_chosen(world: World, known: dict[str, Any] | None, word: str) -> None:
    await keyed(world)
    if known is None:
        world.apns.revoke_key(KEY.id)
    else:
        world.apns.know_key(KEY.known(**known))
    with pytest.raises(Refusal, match=word):
        await use(world, KEY.id)
    assert (await world.services.store.pass_type(PASS_TYPE)).push_key_id is None  # type: ignore[union-attr]
    world.apns.know_key(KEY.known())
    assert await use(world, KEY.id) == "400 BadDeviceToken"


@journey
async def test_an_apns_that_is_away_takes_no_key_and_bars_no_way_back(world: World) -> None:
    await keyed(world)
    await world.apns.down()
    with pytest.raises(Refusal, match="said nothing"):
        await use(world, KEY.id)
    await use(world, KEY.id, probe=False)
    await use(world, None)
    await world.apns.up()
