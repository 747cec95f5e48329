"""From a real django-walletpass to livepass, with phones that notice nothing but that their passes still change."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from doctor.third_party.services import SERIAL, TOKEN, django, made_package, running
from journeys.world import PASS_TYPE, World, journey, shows, until
from livepass.core.timeline import Kind
from livepass.emulators.iphone import PhoneRunner
from moving.hands import change, command, listening

OTHERS = {"T-1002": secrets.token_hex(16), "T-1003": secrets.token_hex(16)}
WEAK = {
    "W-1": "short",
    "W-2": "vxwxd7J8AlNNFPS8k0a0FfUFtq0ewzFdc",
    "S-1": "shared-by-two-0123",
    "S-2": "shared-by-two-0123",
}


@pytest.mark.timeout(500)
@journey(elsewhere=True, content=False, limit=400)
async def test_phones_of_another_service_go_on_updating(world: World) -> None:
    def more(url: str) -> Mapping[str, tuple[str, bytes]]:
        return {
            serial: (token, made_package(world.authority, url, serial, token))
            for serial, token in (OTHERS | WEAK).items()
        }

    directory = world.directory / "django"
    directory.mkdir()
    with running(django(), directory, world.authority, path="api/passes", more=more) as theirs:
        # Phones register there, and one of them holds two passes.
        phones: dict[str, PhoneRunner] = {}
        for serial in (SERIAL, "T-1002"):
            phones[serial] = await world.phone()
            package = theirs.package if serial == SERIAL else (directory / f"package-{serial}").read_bytes()
            await phones[serial].install(package)
        phones["T-1003"] = phones["T-1002"]
        await phones["T-1003"].install((directory / "package-T-1003").read_bytes())
        for phone in phones.values():
            await phone.settle()
        assert all(phone.wallet[serial].registered for serial, phone in phones.items())
        theirs.stop()

        # Not without saying that their address leads here.
        world.config = replace(world.config, public_url=f"https://localhost:{theirs.port}", witness_file="off")
        words = ("import", "django-walletpass", f"sqlite:///{directory}/service.db", "--media", f"{directory}/media")
        words += ("--errors", str(world.directory / "errors.csv"), "--push", "none")
        code, found = await command(world, *words)
        assert (code, found["refused"], found["new"]) == (1, 7, 0), found
        assert "LIVEPASS_OTHER_URLS" in (world.directory / "errors.csv").read_text()
        assert world.sql("SELECT count(*) FROM pass") == [(0,)]

        world.config = replace(world.config, other_urls=(theirs.url,))
        rehearsed = await command(world, *words, "--dry-run")
        assert world.sql("SELECT count(*) FROM pass") == [(0,)], rehearsed
        code, found = await command(world, *words)
        assert code == 1
        refused = (world.directory / "errors.csv").read_text()
        assert {row.split(",")[2] for row in refused.splitlines()[1:]} == set(WEAK)
        assert not any(token in refused for token in WEAK.values())
        assert sorted(world.sql("SELECT serial FROM pass")) == [(SERIAL,), ("T-1002",), ("T-1003",)]
        assert world.sql("SELECT count(*) FROM registration") == [(3,)]
        assert world.sql("SELECT count(*) FROM template WHERE name LIKE 'django-%'") == [(1,)]
        # Again: nothing comes twice.
        numbers = world.sql("SELECT seq FROM counter WHERE pass_type = ?", PASS_TYPE)
        await command(world, *words)
        assert world.sql("SELECT seq FROM counter WHERE pass_type = ?", PASS_TYPE) == numbers

        async with listening(world, theirs.port):
            for points, (serial, phone) in enumerate(phones.items(), 200):
                await change(world, serial, points)
                await shows(phone, serial, points)
            # The same registration, under the same device id and at the same address, now with evidence.
            for serial, phone in phones.items():
                assert phone.wallet[serial].package.url == theirs.url
                await until(lambda serial=serial: _served(world, serial), f"{serial} was seen to be served")
            assert world.sql("SELECT count(*) FROM registration") == [(3,)]
            # The first fetch brings what the phone has already, which it may remark on once; nothing else.
            kinds = [Kind.TESTIFIED.value, Kind.REGISTRATION_REFUSED.value, Kind.FETCH_REFUSED.value]
            events = await world.services.store.events(kinds=kinds, pass_type=PASS_TYPE, after=0, limit=10)
            assert [event for event in events if event.detail.get("code") not in ("S0", "S2")] == []
            # Leaving works with the token it came with.
            phones[SERIAL].wallet.delete(PASS_TYPE, SERIAL, phones[SERIAL].clock.now())
            phones[SERIAL].wake()
            await until(lambda: _left(world, SERIAL), "the phone left")
    stored = repr(world.sql("SELECT * FROM pass"))
    assert TOKEN not in stored and not any(token in stored for token in OTHERS.values())


def _served(world: World, serial: str) -> bool:
    [(changed, served)] = world.sql(
        "SELECT p.seq, r.served FROM pass p JOIN registration r ON r.serial = p.serial WHERE p.serial = ?", serial
    )
    return bool(served >= changed)


def _left(world: World, serial: str) -> bool:
    return world.sql("SELECT left_at IS NULL FROM registration WHERE serial = ?", serial)[0][0] in (0, False)


def test_a_database_that_is_none_of_theirs_is_said_to_be(tmp_path: Path) -> None:
    import sqlite3

    from livepass.cli.faults import Fault
    from livepass.cli.foreign import foreign
    from livepass.cli.import_django import _look

    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE other (id)").connection.commit()
    with foreign(f"sqlite:///{tmp_path}/other.db") as theirs, pytest.raises(Fault, match="holds no django-walletpass"):
        _look(theirs, f"sqlite:///{tmp_path}/other.db")
