"""Passes in the wild move to another address: real processes on both, and phones that follow in their own time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from free_ports import free_port
from journeys.world import PASS_TYPE, World, journey, shows, until
from livepass import wiring
from livepass.cli.migrate_url import pace
from livepass.core.moving import Leg
from livepass.emulators.iphone import PhoneRunner
from moving.hands import change, command, listening, said


@pytest.mark.timeout(400)
@journey(elsewhere=True, limit=300)
async def test_phones_follow_and_the_old_host_may_go_when_the_last_has(world: World) -> None:
    old, new = world.port, free_port()
    old_url, new_url = f"https://localhost:{old}/wallet", f"https://localhost:{new}/wallet"
    phones: dict[str, PhoneRunner] = {}
    async with listening(world, old) as before:
        for serial in ("1", "2", "late"):
            phones[serial] = await world.holding(serial, 1)
            assert phones[serial].wallet[serial].registered
        await before.stop()

    # From now on both answer, and new passes name the new one; those that are there do not.
    world.config = replace(world.config, public_url=f"https://localhost:{new}")
    async with listening(world, new) as _:
        await change(world, "1", 2)
        code, refused = await command(world, "migrate-url", "start")
        assert (code, refused["exit"]) == (4, 4) and "LIVEPASS_OTHER_URLS" in refused["hint"], refused
    world.config = replace(world.config, other_urls=(old_url,))
    async with listening(world, new), listening(world, old) as the_old:
        await shows(phones["1"], "1", 2)
        assert phones["1"].wallet["1"].package.url == old_url
        phones["late"].set_airplane_mode(True)

        _, plan = await command(world, "migrate-url", "plan")
        assert plan["elsewhere"] == [{"pass_type": PASS_TYPE, "url": old_url, "passes": 3}]
        assert (plan["url"], plan["lots"], plan["pushes"]) == (new_url, 1, 3)
        before_number = await world.number()
        code, started = await command(world, "migrate-url", "start")
        assert (code, started["switched"], started["lots"], started["pushes_due"]) == (0, 3, 1, 3)
        assert world.sql("SELECT DISTINCT url_seq FROM pass") == [(before_number + 1,)], "one number for all of them"
        for serial in ("1", "2"):
            phone = phones[serial]
            await until(lambda p=phone, s=serial: p.wallet[s].package.url == new_url, f"{serial} has the new address")
            await until(lambda p=phone, s=serial: p.wallet[s].registered, f"{serial} registered there")

        async with wiring.opened(world.config) as here:

            async def two_moved() -> bool:
                return (await here.moving.standing(PASS_TYPE))[Leg.MOVED] == 2

            await until(two_moved, "two phones have moved")
        _, found = await command(world, "migrate-url", "status")
        assert found["phones"]["waiting"] == found["stranded"] == 1 and 0.6 < found["share_moved"] < 0.7
        assert [row["serial"] for row in found["stragglers"]] == ["late"]
        assert found["earliest_switch_off"] not in (None, "now")
        code, refused = await command(world, "migrate-url", "finish")
        assert (code, refused["code"]) == (4, "stranded")
        assert (await command(world, "migrate-url", "finish", "--yes"))[0] == 0

        # The last one comes back, to the old address, which still answers.
        phones["late"].set_airplane_mode(False)
        await until(lambda: phones["late"].wallet["late"].package.url == new_url, "the straggler follows", 60)

        async with wiring.opened(world.config) as here:

            async def nobody() -> bool:
                return not (await here.moving.standing(PASS_TYPE)).stranded

            await until(nobody, "nobody needs the old address")
        code, found = await command(world, "migrate-url", "finish")
        assert (code, found["earliest_switch_off"], found["share_moved"]) == (0, "now", 1.0)
        await the_old.stop()

        # Without it each phone still follows; and of the registrations from before nothing is said to be stale.
        for points, (serial, phone) in enumerate(phones.items(), 300):
            await change(world, serial, points)
            await shows(phone, serial, points)
        superseded = "SELECT count(*) FROM registration WHERE superseded_at IS NOT NULL OR left_at IS NOT NULL"
        assert world.sql(superseded) == [(3,)]
        for serial in phones:

            async def current(serial: str = serial) -> bool:
                return await said(world, serial) == {"LP000"}

            await until(current, f"why finds {serial} current")


@journey(elsewhere=True)
async def test_passes_switch_lot_by_lot_and_go_on_where_they_were(world: World) -> None:
    for serial in map(str, range(5)):
        await world.issue(serial, 1)
    world.config = replace(world.config, public_url="https://new.example", other_urls=(world.url,))
    async with wiring.opened(world.config) as here:
        pauses = 0

        async def pause() -> None:
            nonlocal pauses
            pauses += 1

        begun = here.moving.moved(PASS_TYPE, push="auto", together=2, pause=pause)
        assert (await anext(begun)).switched == 2
        await begun.aclose()  # type: ignore[attr-defined]
        assert sorted((await here.moving.elsewhere(PASS_TYPE)).values()) == [3]
        rest = [lot.switched async for lot in here.moving.moved(PASS_TYPE, push="auto", together=2, pause=pause)]
        assert (rest, pauses) == ([2, 1], 1)
        assert await here.moving.elsewhere(PASS_TYPE) == {}
        # A slash at the end is no other address.
        await world.alter("UPDATE pass SET web_service_url = ?", f"{world.config.web_service_url}/")
        assert await here.moving.elsewhere(PASS_TYPE) == {}


def test_a_pace_is_kept_in_lots_of_some_seconds() -> None:
    assert pace(None) == (1000, 0.0)
    assert pace(600) == (60, 6.0)
    assert pace(3) == (1, 20.0)
    assert pace(1_000_000) == (1000, 0.06)
