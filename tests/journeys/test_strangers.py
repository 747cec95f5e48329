"""Who does not hold a pass learns nothing: not whether it exists, not when it changed, not what is wrong."""

from __future__ import annotations

import pytest

from journeys.wire import call, status
from journeys.world import PASS_TYPE, World, journey, points, shows
from livepass.core.change import http_date
from livepass.core.timeline import Kind

FETCH = f"/v1/passes/{PASS_TYPE}/{{serial}}"
REGISTRATION = f"/v1/devices/abcdef/registrations/{PASS_TYPE}/{{serial}}"
BODY = b'{"pushToken": "' + b"ab" * 32 + b'"}'

CALLS = [
    ("GET", FETCH, None),
    ("HEAD", FETCH, None),
    ("POST", REGISTRATION, BODY),
    ("POST", REGISTRATION, b"not json"),
    ("DELETE", REGISTRATION, None),
]


@pytest.mark.parametrize("conditional", [False, True], ids=["plain", "conditional"])
@pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=["get", "head", "post", "post-garbage", "delete"])
@journey
async def test_strangers_cannot_tell_one_refusal_from_another(
    world: World, method: str, path: str, body: bytes | None, conditional: bool
) -> None:
    """Fails when any byte of the answer depends on whether the pass exists, or the condition is looked at first."""
    await world.issue("mine", 1)
    await world.issue("yours", 2)
    row = await world.services.store.pass_(PASS_TYPE, "mine")
    assert row is not None
    condition = {"If-Modified-Since": http_date(row.last_modified)} if conditional else {}
    mine, yours = await world.authorization("mine"), await world.authorization("yours")
    strangers = {
        "wrong token": ("mine", {"Authorization": f"ApplePass {'x' * 43}"}),
        "another pass's token": ("mine", yours),
        "nobody's pass": ("nobody", mine),
        "nobody's pass, odd name": ("no%20body%2F..", mine),
        "no token": ("mine", {}),
        "no token, nobody's pass": ("nobody", {}),
        "empty token": ("mine", {"Authorization": "ApplePass "}),
        "another scheme": ("mine", {"Authorization": mine["Authorization"].replace("ApplePass", "Bearer")}),
    }
    answers = {
        who: await call(world, method, path.format(serial=serial), headers | condition, body)
        for who, (serial, headers) in strangers.items()
    }
    first = answers["wrong token"]
    assert status(first) == 401
    assert {who for who, answer in answers.items() if answer != first} == set()
    owner = await call(world, method, path.format(serial="mine"), mine | condition, body)
    assert status(owner) in (200, 201, 304, 400)


@journey
async def test_the_list_tells_strangers_nothing(world: World) -> None:
    """Fails when asking needs a credential, or when an unknown phone is told apart from one that is up to date."""
    phone = await world.holding("1", 1)
    [record] = phone.wallet.records.values()
    path = f"/v1/devices/{{device}}/registrations/{PASS_TYPE}?passesUpdatedSince={record.tag}"
    current = await call(world, "GET", path.format(device=record.device_id))
    unknown = await call(world, "GET", path.format(device="f" * 32))
    elsewhere = await call(world, "GET", path.format(device="f" * 32).replace(PASS_TYPE, "pass.nobody.here"))
    assert status(current) == 204
    assert current == unknown == elsewhere


@journey
async def test_a_stranger_cannot_register_or_unregister(world: World) -> None:
    """Fails when a refused call leaves anything behind but a line in the diary."""
    phone = await world.holding("1", 1)
    wrong = {"Authorization": f"ApplePass {'x' * 43}"}
    [record] = phone.wallet.records.values()
    for device in (record.device_id, "stranger"):
        path = f"/v1/devices/{device}/registrations/{PASS_TYPE}/1"
        assert status(await call(world, "DELETE", path, wrong)) == 401
        assert status(await call(world, "POST", path, wrong, BODY)) == 401
    assert [held.device.push_token for held in await world.held("1")] == [phone.wallet.push_token]
    kinds = [event.kind for event in await world.timeline("1")]
    assert (kinds.count(Kind.REGISTRATION_REFUSED), kinds.count(Kind.UNREGISTER_REFUSED)) == (2, 2)
    await world.change("1", 2)
    await shows(phone, "1", 2)


@journey
async def test_invented_serials_leave_no_trace(world: World) -> None:
    """Fails when anybody can fill the diary by inventing passes and phones."""
    phone = await world.holding("1", 1)
    await world.services.recorder.settle()
    before = world.sql("SELECT count(*) FROM event")
    for number in range(20):
        await call(
            world, "GET", f"/v1/passes/{PASS_TYPE}/invented-{number}", {"Authorization": "ApplePass " + "x" * 43}
        )
        await call(world, "POST", f"/v1/devices/d/registrations/{PASS_TYPE}/invented-{number}", {}, BODY)
        await call(world, "GET", f"/v1/devices/d/registrations/pass.invented.{number}")
    await world.services.recorder.settle()
    assert world.sql("SELECT count(*) FROM event") == before
    assert points(phone, "1") == 1
