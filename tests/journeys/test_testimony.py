"""When the service misbehaves, the phone says so in its own words, and we find them with the right pass."""

from __future__ import annotations

import json

from journeys.world import PASS_TYPE, Answer, World, is_ask, is_fetch, journey, points, shows, until
from livepass.core.timeline import Event, Kind
from livepass.web.phone import Scope


def without_last_modified(scope: Scope, answer: Answer) -> None:
    if is_fetch(scope):
        answer.headers.pop(b"last-modified", None)


def numeric_tag(scope: Scope, answer: Answer) -> None:
    if is_ask(scope) and answer.status == 200:
        answer.body = json.dumps(json.loads(answer.body) | {"lastUpdated": 1234567890}).encode()


def no_tag(scope: Scope, answer: Answer) -> None:
    if is_ask(scope) and answer.status == 200:
        answer.body = json.dumps({"serialNumbers": json.loads(answer.body)["serialNumbers"]}).encode()


def empty_204_on_delete(scope: Scope, answer: Answer) -> None:
    if scope["method"] == "DELETE":
        answer.status = 204


def unauthorized(scope: Scope, answer: Answer) -> None:
    if is_fetch(scope):
        answer.status, answer.body = 401, b""


def damaged(scope: Scope, answer: Answer) -> None:
    if is_fetch(scope) and answer.status == 200:
        answer.body = answer.body[:-200]


async def said(world: World, serial: str) -> list[Event]:
    """What phones said that stands in the timeline of a pass."""

    async def something() -> bool:
        return any(event.kind is Kind.TESTIFIED for event in await world.timeline(serial))

    await until(something, "the phone's complaint is in the timeline")
    return [event for event in await world.timeline(serial) if event.kind is Kind.TESTIFIED]


async def bystander(world: World) -> None:
    """Another pass with another phone, which nobody complains of."""
    await world.holding("bystander", 1)


async def check(world: World, serial: str, code: str, about: str) -> Event:
    """Exactly one complaint, of that kind, with that pass and no other."""
    [event] = await said(world, serial)
    assert (event.detail["code"], event.detail["about"]) == (code, about)
    listed = await world.services.store.testimony(pass_type=PASS_TYPE, code=code, before=2**62, limit=10)
    assert [one.id for one in listed] == [event.id]
    assert [one for one in await world.timeline("bystander") if one.kind is Kind.TESTIFIED] == []
    return event


@journey(content=False)
async def test_a_missing_last_modified(world: World) -> None:
    """Fails when the complaint does not arrive, or is not filed under the pass that it names."""
    await bystander(world)
    phone = await world.holding("1", 1)
    with world.spoiled(without_last_modified):
        await world.change("1", 2)
        await shows(phone, "1", 2)
    event = await check(world, "1", "S1", "fetch")
    assert event.serial == "1"
    assert "'last-modified'" in phone.wallet.complaints[0]


@journey(content=False)
async def test_a_numeric_tag(world: World) -> None:
    """Fails when a complaint that names a phone, but no pass, is not found with that phone's passes."""
    await bystander(world)
    phone = await world.holding("1", 1)
    with world.spoiled(numeric_tag):
        await world.change("1", 2)
        await until(lambda: phone.wallet.complaints, "the phone complains")
        await phone.settle()
    event = await check(world, "1", "T3", "ask")
    [held] = await world.held("1")
    assert event.device_id == held.registration.device_id
    assert points(phone, "1") == 1


@journey(content=False)
async def test_a_204_to_a_delete(world: World) -> None:
    """Fails when the one status that a framework would choose is not seen for what it does to a phone."""
    await bystander(world)
    phone = await world.holding("1", 1)
    with world.spoiled(empty_204_on_delete):
        phone.wallet.delete(PASS_TYPE, "1", phone.clock.now())
        phone.wake()
        await until(lambda: phone.wallet.complaints, "the phone complains")
        await phone.settle()
    event = await check(world, "1", "T1", "register")
    assert "204" in str(event.detail["line"])


@journey(content=False)
async def test_a_refusal_of_a_good_token(world: World) -> None:
    """Fails when a phone that is refused is not heard: it would try for hours, and then never again."""
    await bystander(world)
    phone = await world.holding("1", 1)
    with world.spoiled(unauthorized):
        await world.change("1", 2)
        await until(lambda: phone.wallet.complaints, "the phone complains")
        await phone.settle()
    await check(world, "1", "T0", "fetch")


@journey(content=False)
async def test_a_damaged_package(world: World) -> None:
    """Fails when a phone that cannot read what it was served is not heard: served is not shown."""
    await bystander(world)
    phone = await world.holding("1", 1)
    with world.spoiled(damaged):
        await world.change("1", 2)
        await until(lambda: phone.wallet.complaints, "the phone complains")
        await phone.settle()
    await check(world, "1", "T4", "fetch")
    assert points(phone, "1") == 1


@journey(content=False)
async def test_a_list_without_a_tag_is_filed_under_the_phone_that_was_told(world: World) -> None:
    """Fails when a complaint that names neither pass nor phone is dropped, filed under some pass, or nobody's."""
    phone = await world.holding("1", 1)
    with world.spoiled(no_tag):
        await world.change("1", 2)
        await shows(phone, "1", 2)

    async def listed() -> list[Event]:
        await world.services.recorder.settle()
        return list(await world.services.store.testimony(pass_type=PASS_TYPE, code="S5", before=2**62, limit=10))

    await until(listed, "the complaint is kept")
    [event] = await listed()
    [held] = await world.held("1")
    assert (event.serial, event.device_id) == (None, held.registration.device_id)
    assert event.detail["evidence"] == "same connection as its ask"


@journey
async def test_what_strangers_say_of_other_services_is_not_kept(world: World) -> None:
    """Fails when anybody can fill our diary: the log call carries no credential."""
    await world.holding("1", 1)
    lines = [
        "Web service error for pass.somebody.else (https://x): Update requested for unregistered serial number 1",
        "hello",
        "",
    ]
    async with world.client() as client:
        assert (await client.post("/v1/log", json={"logs": lines})).status_code == 200
    await world.services.recorder.settle()
    assert world.sql("SELECT count(*) FROM event WHERE kind = 'testified'") == [(0,)]
