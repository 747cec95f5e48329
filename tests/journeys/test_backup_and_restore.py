"""A backup is made, life goes on, the backup is restored: phones end up current, and the report names who is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from journeys.service_process import command, serve
from journeys.test_crashes import change, issuer, patient_phone
from journeys.world import PASS_TYPE, World, journey, points, shows, until
from livepass.emulators.iphone import PhoneRunner


async def install(world: World, phone: PhoneRunner, serial: str) -> str:
    """Put the pass on the phone; the id that it registers with."""
    before = devices(world)
    await phone.install(await world.pkpass(serial))
    await until(lambda: phone.wallet[serial].registered)
    await phone.settle()
    [device] = devices(world) - before
    return device


def devices(world: World) -> set[str]:
    return {row[0] for row in world.sql("SELECT device_id FROM registration")}


async def restored_after_more_happened(world: World, early: PhoneRunner, late: PhoneRunner) -> tuple[str, Any]:
    """The phone ``late`` and the value 2 came after the backup; answers its device id, and what the restore said."""
    await world.issue("1", 1)
    archive = str(world.directory / "a.zip")
    async with serve(world) as service, issuer(world) as client:
        await install(world, early, "1")
        code, made = await command(world, "backup", archive)
        assert (code, made["rows"]["registration"]) == (0, 1), "beside the running service"
        await change(client, "1", 2, "now")
        await shows(early, "1", 2)
        device = await install(world, late, "1")
        assert points(late, "1") == 2
        code, refused = await command(world, "restore", archive, "--replace")
        assert (code, "works on it" in refused["title"]) == (4, True)
        await service.stop()
    code, done = await command(world, "restore", archive, "--replace")
    assert (code, done["trouble"]) == (0, "")
    assert done["lost"]["versions"] == [{"pass_type": PASS_TYPE, "serial": "1"}]
    code, verified = await command(world, "db", "verify")
    assert (code, verified["findings"]) == (0, [])
    return device, done


@journey(elsewhere=True, books=False, limit=180)
async def test_phones_of_the_backup_are_told_anew_and_the_others_are_named(world: World) -> None:
    """Fails when a phone that holds a later tag is told that nothing changed, or a lost one is not named."""
    early, late = await patient_phone(world), await patient_phone(world)
    device, done = await restored_after_more_happened(world, early, late)
    assert done["lost"]["registrations"] == [{"pass_type": PASS_TYPE, "serial": "1", "device_id": device}]
    assert done["history"]["journal"] is None
    async with serve(world), issuer(world) as client:
        await shows(early, "1", 1)
        await change(client, "1", 3, "now")
        await shows(early, "1", 3)
        assert points(late, "1") == 2, "that is what the report said"
    code, verified = await command(world, "db", "verify")
    assert (code, verified["findings"]) == (0, [])


@journey(elsewhere=True, books=False, limit=180)
async def test_with_a_journal_no_phone_is_lost(world: World) -> None:
    """Fails when what the journal knows is not replayed into what was restored."""
    folder = world.directory / "journal"
    folder.mkdir()
    world.config = replace(world.config, registration_journal=folder)
    early, late = await patient_phone(world), await patient_phone(world)
    _, done = await restored_after_more_happened(world, early, late)
    assert done["lost"]["registrations"] == []
    assert done["history"]["journal"]["replayed"] == 1
    async with serve(world), issuer(world) as client:
        await shows(early, "1", 1)
        await shows(late, "1", 1)
        await change(client, "1", 3, "now")
        await shows(early, "1", 3)
        await shows(late, "1", 3)
    code, verified = await command(world, "db", "verify")
    assert (code, verified["findings"]) == (0, [])
