"""Wallets that poll, beside phones: served like anybody with the token, counted apart, evidence of nobody's phone."""

from __future__ import annotations

import pytest

from journeys.test_why import explain, first
from journeys.world import PASS_TYPE, World, journey, shows, until
from livepass.core.timeline import Kind
from livepass.core.trip2_push import HOUR
from livepass.emulators.polling import KINDS, PollingWallet


async def wallet(world: World, kind: str = "fosswallet") -> PollingWallet:
    return PollingWallet(await world.pkpass("1"), kind, world.ca_file)


@journey
async def test_it_gets_every_version_and_is_no_phone(world: World) -> None:
    await world.issue("1", 1)
    for kind in KINDS:
        polling = await wallet(world, kind)
        assert [(await polling.poll()).became for _ in range(2)] == ["unchanged", "unchanged"]
        assert (await polling.poll()).status == 304
    last = polling
    changed = await world.change("1", 2)
    assert (await last.poll()).became == "changed"
    assert (await last.poll()).status == 304
    assert not (await first(world, "LP006")).problem
    assert await world.held("1") == []
    seen = [event for event in await world.timeline("1") if event.trip == "fetch"]
    assert {event.kind for event in seen} == {Kind.POLLED}
    assert {event.detail["wallet"] for event in seen} == {"android", "kde", "gnome"}
    assert changed.number in {event.seq for event in seen}


@pytest.mark.parametrize("kind", ["fosswallet", "walletunion"])
@journey(content=False)
async def test_a_stale_phone_stays_stale_beside_it(world: World, kind: str) -> None:
    phone = await world.holding("1", 1)
    [before] = await world.held("1")
    phone.set_airplane_mode(True)
    polling = await wallet(world, kind)
    changed = await world.change("1", 2)
    assert (await polling.poll()).became == "changed"
    for _ in range(60):  # more than are looked at of a pass: it does not push what phones did out of sight
        assert (await polling.poll()).status == 304
    [held] = await world.held("1")
    assert held.watermarks.served == before.watermarks.served < changed.number
    await until(lambda: world.sql("SELECT 1 FROM push_target WHERE pushed >= wanted"), "APNs accepted it")
    # What is said of it is what would be said without the other: it has not asked.
    assert [verdict.code for verdict in await explain(world, later=HOUR)] == ["LP301"]
    # And it heals by itself, the poller notwithstanding.
    phone.set_airplane_mode(False)
    await shows(phone, "1", 2)
    [held] = await world.held("1")
    assert held.watermarks.served == changed.number


@journey
async def test_a_wrong_token_is_refused_and_accuses_no_phone(world: World) -> None:
    phone = await world.holding("1", 1)
    polling = await wallet(world)
    polling.document["authenticationToken"] = "0" * 32
    assert (await polling.poll()).became == "refused"
    assert [verdict.code for verdict in await explain(world)] == ["LP000"]
    await phone.settle()


@journey
async def test_what_is_never_accepted(world: World) -> None:
    """Bearer is no scheme of a pass, for anybody; and who fetches under another scheme does not register under it."""
    await world.issue("1", 1)
    token = (await world.authorization("1"))["Authorization"].removeprefix("ApplePass ")
    path = f"/v1/passes/{PASS_TYPE}/1"
    async with world.client() as client:
        for scheme, status in (("Bearer", 401), ("AndroidPass", 401), ("WalletUnionPass", 200), ("ApplePass", 200)):
            answer = await client.get(path, headers={"Authorization": f"{scheme} {token}"})
            assert answer.status_code == status, scheme
        for scheme in ("Bearer", "WalletUnionPass"):
            answer = await client.post(
                f"/v1/devices/a1/registrations/{PASS_TYPE}/1",
                headers={"Authorization": f"{scheme} {token}"},
                json={"pushToken": "ab" * 32},
            )
            assert answer.status_code == 401, scheme
    assert await world.held("1") == []
