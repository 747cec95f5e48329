"""What is exported comes back in an empty installation, and the same phones go on updating there."""

from __future__ import annotations

import csv
import json
import secrets
import stat
from dataclasses import replace

import pytest

import engines
from journeys.world import PASS_TYPE, TEAM, World, journey, pass_certificate, shows, until
from livepass import wiring
from moving.hands import change, command, listening


@pytest.mark.timeout(400)
@journey(elsewhere=True, books=False, content=False, limit=300)
async def test_export_into_an_empty_installation_and_the_same_phones_keep_updating(world: World) -> None:
    async with listening(world, world.port) as before:
        phones = {serial: await world.holding(serial, 1) for serial in ("1", "2")}
        await world.issue("void", 1)
        assert (await command(world, "pass", "void", f"{PASS_TYPE}/void"))[0] == 0
        await before.stop()
    there = world.directory / "there"
    code, done = await command(world, "export", "all", str(there), "--tokens")
    assert (code, done["passes"], done["registrations"], done["templates"]) == (0, 3, 2, 1), done
    assert stat.S_IMODE((there / "passes.ndjson").stat().st_mode) == 0o600
    assert (await command(world, "export", "all", str(there)))[0] == 3, "nothing is overwritten"
    tokens = [json.loads(line)["authentication_token"] for line in (there / "passes.ndjson").read_text().splitlines()]
    kept = {(await world.authorization(serial))["Authorization"].split()[1] for serial in ("1", "2", "void")}
    assert set(tokens) == kept

    # Another database, other keys; the same address.
    config = replace(
        world.config,
        database_url=engines.new_database(world.directory / "other.db"),
        secret_key=(secrets.token_urlsafe(32),),
    )
    await wiring.upgrade(config)
    issued = pass_certificate(world.authority, PASS_TYPE)
    async with wiring.opened(config) as other:
        await other.admitting.import_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
    world.config = config
    for words in (
        ("template", "import", str(there / "templates" / "membership")),
        ("import", "passes", str(there / "passes.ndjson")),
        ("import", "registrations", str(there / "registrations.ndjson")),
        ("import", "registrations", str(there / "registrations.ndjson"), "--push", "none"),
    ):
        code, found = await command(world, *words)
        assert code == 0, (words, found)
    assert found["became"] == {"there already": 2}
    assert [bool(row[0]) for row in world.sql("SELECT voided FROM pass ORDER BY serial")] == [False, False, False]
    async with wiring.opened(config) as other:
        row = await other.store.pass_(PASS_TYPE, "void")
        assert row is not None and json.loads(row.document)["voided"] is True

    async with listening(world, world.port):
        for points, (serial, phone) in enumerate(phones.items(), 50):
            await change(world, serial, points)
            await shows(phone, serial, points)
        served = "SELECT count(*) FROM registration r JOIN pass p ON p.serial = r.serial WHERE r.served >= p.seq"
        await until(lambda: world.sql(served) == [(2,)], "both are seen to have it")


@journey(elsewhere=True, books=False)
async def test_without_being_told_to_no_token_is_written(world: World) -> None:
    await world.issue("1", 1)
    await world.issue("2", 7)
    folder = world.directory
    for kind in ("ndjson", "csv"):
        code, found = await command(world, "export", "passes", "-o", str(folder / f"passes.{kind}"))
        assert (code, found["rows"]) == (0, 2)
        code, found = await command(world, "export", "timeline", f"{PASS_TYPE}/1", "-o", str(folder / f"line.{kind}"))
        assert (code, found["rows"]) == (0, 1)
        await command(world, "export", "registrations", "-o", str(folder / f"phones.{kind}"))
    for serial in ("1", "2"):
        token = (await world.authorization(serial))["Authorization"].split()[1]
        assert not any(token.encode() in path.read_bytes() for path in folder.glob("*.[nc]*"))
    with (folder / "passes.csv").open(newline="") as file:
        assert [json.loads(row["data"]) for row in csv.DictReader(file)] == [{"points": 1}, {"points": 7}]
    assert (await command(world, "export", "passes", "-o", str(folder / "passes.csv")))[0] == 2
    assert TEAM not in (folder / "passes.csv").read_text()
