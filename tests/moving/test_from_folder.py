"""Passes that lie in a folder, and the phones in a file beside them."""

from __future__ import annotations

import csv
import json
import secrets
from pathlib import Path

from doctor.third_party.services import made_package
from journeys.world import PASS_TYPE, World, journey, png, shows
from livepass.pkpass import Template
from livepass.pkpass.resemblance import Moulds, difference, document_of
from livepass.pkpass.source import open_source
from moving.hands import change, command, listening

TOKENS = {serial: secrets.token_hex(16) for serial in ("a", "b", "folder", "dressed")}


def fill(world: World, folder: Path) -> None:
    """Three files, one of them with a back, and one folder as generators on Node read it."""
    folder.mkdir()
    for number, serial in enumerate(("a", "b")):
        (folder / f"{serial}.pkpass").write_bytes(
            made_package(world.authority, world.url, serial, TOKENS[serial], number)
        )
    store = {
        "primaryFields": [{"key": "points", "label": "POINTS", "value": 3}],
        "backFields": [{"key": "terms", "label": "Terms", "value": "Be kind: $5, ${not} a variable"}],
    }
    dressed = made_package(world.authority, world.url, "dressed", TOKENS["dressed"], storeCard=store)
    (folder / "dressed.pkpass").write_bytes(dressed)
    model = folder / "below" / "one.pass"
    model.mkdir(parents=True)
    document = document_of(open_source(folder / "a.pkpass")) | {"serialNumber": "folder"}
    document |= {"authenticationToken": TOKENS["folder"], "backgroundColor": "rgb(1, 2, 3)"}
    (model / "pass.json").write_text(json.dumps(document))
    for name, side in (("icon.png", 38), ("icon@2x.png", 76)):
        (model / name).write_bytes(png(side))
    (folder / "broken.pkpass").write_bytes(b"PK\x03\x04no")


@journey(elsewhere=True, books=False, content=False)
async def test_passes_of_a_folder_go_on_on_the_phones_that_hold_them(world: World) -> None:
    folder = world.directory / "passes"
    fill(world, folder)
    phone = await world.phone()
    phone.set_airplane_mode(True)
    await phone.install((folder / "a.pkpass").read_bytes())
    [record] = phone.wallet.records.values()
    phones = world.directory / "phones.csv"
    with phones.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("device_id", "push_token", "pass_type", "serial"))
        rows.writerow((record.device_id, phone.wallet.push_token.upper(), PASS_TYPE, "a"))
        rows.writerow((record.device_id, phone.wallet.push_token, PASS_TYPE, "nobody"))
        rows.writerow(("no/id", "zz", PASS_TYPE, "a"))
    code, found = await command(world, "import", "folder", str(folder), "--registrations", str(phones))
    assert (code, found["new"], found["refused"]) == (1, 4, 1), found
    assert found["phones"]["became"] == {
        "taken in": 1,
        "its pass is not here": 1,
        "it names no phone: the device id or the push token is none": 1,
    }
    # Two share a build; what is only said outside the fields is each pass's own.
    assert sorted(found["templates"].values()) == [1, 3]
    for serial, token in TOKENS.items():
        assert (await world.authorization(serial))["Authorization"] == f"ApplePass {token}"
    row = await world.services.store.pass_(PASS_TYPE, "folder")
    assert row is not None and json.loads(row.content) == {"backgroundColor": "rgb(1, 2, 3)"}
    row = await world.services.store.pass_(PASS_TYPE, "dressed")
    assert row is not None
    [back] = json.loads(row.document)["storeCard"]["backFields"]
    assert back["value"] == "Be kind: $5, ${not} a variable"

    async with listening(world, world.port):
        phone.set_airplane_mode(False)
        await change(world, "a", 77)
        await shows(phone, "a", 77)


@journey(elsewhere=True, books=False)
async def test_passes_that_share_a_token_are_all_refused(world: World) -> None:
    folder = world.directory / "passes"
    folder.mkdir()
    for serial in ("a", "b", "c"):
        token = "the-same-for-two-of-them" if serial != "c" else TOKENS["a"]
        (folder / f"{serial}.pkpass").write_bytes(made_package(world.authority, world.url, serial, token))
    code, found = await command(world, "import", "folder", str(folder))
    assert (code, found["new"], found["refused"]) == (1, 1, 2), found
    assert world.sql("SELECT serial FROM pass") == [("c",)]


def test_a_merge_patch_leads_from_one_document_to_the_other() -> None:
    from livepass.pkpass import merge_patch

    before = {"a": 1, "b": {"c": 1, "d": [1]}, "gone": 1, "same": {"x": 1}}
    after = {"a": 1.0, "b": {"c": 2, "d": [1, 2]}, "same": {"x": 1}, "new": True}
    patch = difference(before, after)
    assert merge_patch(before, patch) == after
    assert set(patch) == {"b", "gone", "new"} | ({"a"} if json.dumps(1) != json.dumps(1.0) else set())
    assert difference(after, after) == {}


def test_a_given_template_is_filled_by_the_keys_of_its_variables(tmp_path: Path) -> None:
    document = {
        "description": "d",
        "organizationName": "o",
        "generic": {"primaryFields": [{"key": "k", "value": "${n}"}]},
    }
    given = Template.from_files("mine", {"pass.json": json.dumps(document).encode(), "icon.png": png(38)})
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "icon.png").write_bytes(png(38))
    filled = {**document, "description": "other", "generic": {"primaryFields": [{"key": "k", "value": "seven"}]}}
    (tmp_path / "p" / "pass.json").write_text(json.dumps(filled))
    fitted = Moulds("x", given).fit(open_source(tmp_path / "p"))
    assert (fitted.template, fitted.new) == (given, False)
    assert (fitted.data, fitted.content) == ({"n": "seven"}, {"description": "other"})
