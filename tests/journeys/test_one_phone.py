"""One phone under several device ids, and requests that were held up on their way: the phone is reached, once."""

from __future__ import annotations

import httpx2

from journeys.world import PASS_TYPE, World, journey, points, shows, until, without_proxy
from livepass.core.trip1_register import LATE_MS, TWINS_KEPT
from livepass.emulators.iphone import PhoneRunner


async def counted(world: World, serial: str = "1") -> list[str]:
    """The device ids that stand for a phone, as the issuer sees them."""
    held = [one.registration for one in await world.held(serial)]
    return [row.device_id for row in held if row.left_at is None and row.superseded_at is None]


def device_id(phone: PhoneRunner) -> str:
    [record] = phone.wallet.records.values()
    return record.device_id


async def delete(world: World, client: httpx2.AsyncClient, device: str, started_at: int) -> int:
    """A DELETE that the edge took at an instant, and that arrives now."""
    headers = await world.authorization("1") | {"X-Request-Start": f"t={started_at / 1000:.3f}"}
    answer = await client.delete(f"/v1/devices/{device}/registrations/{PASS_TYPE}/1", headers=headers)
    return answer.status_code


@journey
async def test_a_phone_that_is_set_up_again_and_again_is_one_phone(world: World) -> None:
    """Fails when its old device ids are counted, pushed, told again, or kept for ever."""
    phone = await world.holding("1", 10)
    for _ in range(TWINS_KEPT + 3):
        wallet = phone.wallet.restore_onto_new_phone(phone.clock.now(), world.rng(), push_token=phone.wallet.push_token)
        phone.set_airplane_mode(True)
        phone = await world.phone(wallet)
        await until(lambda phone=phone: phone.wallet["1"].registered)
        await phone.settle()
        assert await counted(world) == [device_id(phone)]
    assert len(await world.held("1")) == TWINS_KEPT + 1
    mark = world.mark()
    issued = await world.change("1", 11)
    assert (issued.registrations, issued.pushes_due) == (1, 1)
    await shows(phone, "1", 11)
    await world.nothing_due()
    assert len(world.pushed(mark)) == 1
    assert {held.device.device_id: held.registration.confirmed for held in await world.held("1")}[
        device_id(phone)
    ] == issued.number, "nobody else can have fetched it"
    assert world.sql("SELECT count(*) FROM registration WHERE retell_at IS NOT NULL") == [(0,)]


@journey
async def test_a_storm_of_device_ids_leaves_a_few_rows_and_the_phone_up_to_date(world: World) -> None:
    """Fails when every device id that a phone makes up stays: the phone's own is among those that went."""
    phone = await world.holding("1", 10)
    token = phone.wallet.push_token
    async with world.client() as client:
        for n in range(60):
            assert await world.register(client, f"storm-{n:02}", "1", token) == 201
    assert await counted(world) == ["storm-59"]
    assert world.sql("SELECT count(*) FROM registration") == [(TWINS_KEPT + 1,)]
    assert world.sql("SELECT count(*) FROM device") == [(TWINS_KEPT + 1,)]
    assert world.sql("SELECT count(*) FROM push_target") == [(1,)]
    phone.wallet.set_automatic_updates(PASS_TYPE, "1", False, phone.clock.now())
    phone.wallet.set_automatic_updates(PASS_TYPE, "1", True, phone.clock.now())
    phone.wake()
    await phone.settle()
    assert await counted(world) == [device_id(phone)]
    await world.change("1", 11)
    await shows(phone, "1", 11)


@journey
async def test_a_phone_that_is_known_by_a_newer_device_id_is_answered_all_the_same(world: World) -> None:
    """Fails when superseded means refused, or when its fetches count for nobody."""
    phone = await world.holding("1", 10)
    async with world.client() as client:
        assert await world.register(client, "newer", "1", phone.wallet.push_token) == 201
    issued = await world.change("1", 11)
    await shows(phone, "1", 11)
    assert await counted(world) == ["newer"]
    served = {held.device.device_id: held.registration.confirmed for held in await world.held("1")}
    assert served["newer"] == issued.number


@journey
async def test_one_record_s_ask_does_not_speak_for_another(world: World) -> None:
    """Fails when an ask acknowledges the push for every record of the phone: the other one's ask may be lost."""
    phone = await world.holding("1", 10)
    await world.issue("2", 20)
    async with world.client() as client:
        assert await world.register(client, "second", "2", phone.wallet.push_token) == 201
        await client.get(f"/v1/devices/second/registrations/{PASS_TYPE}")
        await world.nothing_due()
        await world.change("2", 21)
        await until(lambda: len(world.pushed()) > 0, "the push")
        await phone.settle()
        due = "SELECT count(*) FROM push_target WHERE wanted > acked"
        await world.services.recorder.settle()
        assert world.sql(due) == [(1,)], "the phone asked, but not for this"
        await client.get(f"/v1/devices/second/registrations/{PASS_TYPE}")
        await world.services.recorder.settle()
        assert world.sql(due) == [(0,)]


@without_proxy("the proxy stamps requests itself, over what a client says")
@journey(content=False)
async def test_a_delete_that_comes_too_late_takes_nothing_away(world: World) -> None:
    """Fails when whatever arrives last wins, though the phone said it first."""
    phone = await world.holding("1", 10)
    before = world.services.clock.now()
    phone.wallet.set_automatic_updates(PASS_TYPE, "1", False, phone.clock.now())
    phone.wake()
    await phone.settle()
    assert await counted(world) == []
    phone.wallet.set_automatic_updates(PASS_TYPE, "1", True, phone.clock.now())
    phone.wake()
    await phone.settle()
    async with world.client() as client:
        assert await delete(world, client, device_id(phone), before - 1) == 200, "the phone is not to repeat it"
        assert await counted(world) == [device_id(phone)]
        assert await delete(world, client, device_id(phone), before - LATE_MS - 1) == 503
        assert await counted(world) == [device_id(phone)]
        await world.change("1", 11, push="now")
        await shows(phone, "1", 11)
        assert await delete(world, client, device_id(phone), world.services.clock.now()) == 200
        assert await counted(world) == []
    assert points(phone, "1") == 11
    assert phone.wallet.complaints == []
