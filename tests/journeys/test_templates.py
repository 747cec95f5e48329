"""A template gets a new revision: exactly the passes whose bytes differ change, and phones show it."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

from journeys.world import MEMBERSHIP, PASS_TYPE, World, journey, png, shows, template, until
from livepass.core.timeline import Kind
from livepass.emulators.iphone import PhoneRunner
from livepass.service.publishing import Published

OWN_TERMS = {"storeCard": {"backFields": [{"key": "terms", "label": "Terms", "value": "Mine alone."}]}}


def with_terms(text: str) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(dict(MEMBERSHIP))
    document["storeCard"]["backFields"][0]["value"] = text
    return document


async def publish(world: World, document: dict[str, Any], files: dict[str, bytes] | None = None) -> Published:
    return await world.services.publishing.publish(template(document=document, files=files), wait=True)


async def versions(world: World) -> dict[str, tuple[int, int]]:
    """Serial → (number, Last-Modified)."""
    return {row[0]: row[1:] for row in world.sql("SELECT serial, seq, last_modified FROM pass")}


async def shows_terms(phone: PhoneRunner, serial: str, text: str) -> None:
    await until(lambda: phone.wallet[serial].field("terms") == text, f"{serial} shows {text!r}")
    await phone.settle()


@journey
async def test_a_revision_changes_exactly_the_passes_whose_bytes_differ(world: World) -> None:
    """Fails when a pinned or unaffected pass moves, when one that follows does not, or when each takes a number."""
    [revision] = world.sql("SELECT revision FROM template")
    phone = await world.holding("follows-1", 10)
    await world.issue("follows-2", 20)
    await world.issue("pinned", 30, revision=revision[0])
    await world.issue("own-words", 40, content=OWN_TERMS)
    await world.services.publishing.publish(template("other"), wait=True)
    await world.issue("other-template", 50, template="other")
    serials = ["follows-2", "pinned", "own-words", "other-template"]
    for serial in serials:
        await phone.install(await world.pkpass(serial))
    await phone.settle()
    before, number, mark = await versions(world), await world.number(), world.mark()

    published = await publish(world, with_terms("Be kinder."))
    assert published.new
    await shows_terms(phone, "follows-1", "Be kinder.")
    await shows_terms(phone, "follows-2", "Be kinder.")
    await world.nothing_due()

    after = await versions(world)
    assert await world.number() == number + 1
    for serial in ("follows-1", "follows-2"):
        assert after[serial][0] == number + 1
        assert after[serial][1] > before[serial][1]
    for serial in ("pinned", "own-words", "other-template"):
        assert after[serial] == before[serial]
    assert phone.wallet["pinned"].field("terms") == "Be kind."
    assert phone.wallet["own-words"].field("terms") == "Mine alone."
    assert len(world.pushed(mark)) == 1
    rows = dict(world.sql("SELECT serial, revision FROM pass"))
    assert rows["own-words"] == rows["follows-1"] == published.revision != rows["pinned"]


@journey
async def test_the_same_folder_again_moves_nothing(world: World) -> None:
    """Fails when publishing makes a revision of what is one already, in another layout or order."""
    phone = await world.holding("1", 10)
    before, number, mark = await versions(world), await world.number(), world.mark()
    again = await world.services.publishing.publish(template(), wait=True)
    spaced = json.dumps(dict(reversed(MEMBERSHIP.items())), indent=4).encode()
    other_layout = await publish(world, {}, {"pass.json": spaced})
    assert (again.new, other_layout.new) == (False, False)
    assert (await versions(world), await world.number()) == (before, number)
    await world.nothing_due()
    assert world.pushed(mark) == []
    assert phone.wallet.banners == []


@journey
async def test_going_back_to_an_earlier_revision_is_a_change_like_any_other(world: World) -> None:
    """Fails when an old revision's passes are thought to be the old versions: number and Last-Modified only rise."""
    phone = await world.holding("1", 10)
    first = (await versions(world))["1"]
    await publish(world, with_terms("Be kinder."))
    await shows_terms(phone, "1", "Be kinder.")
    second = (await versions(world))["1"]
    back = await world.services.publishing.publish(template(), wait=True)
    assert back.new
    await world.services.issuing.push(PASS_TYPE, None)
    await shows_terms(phone, "1", "Be kind.")
    third = (await versions(world))["1"]
    assert first < second < third
    assert first[1] < second[1] < third[1]


@journey
async def test_an_image_is_part_of_the_pass(world: World) -> None:
    """Fails when only pass.json counts: a new icon is a new manifest, a push, and another package on the phone."""
    phone = await world.holding("1", 10)
    held = phone.wallet["1"].manifest_hash
    await publish(world, dict(MEMBERSHIP), {"icon.png": png(38, (200, 0, 0))})
    await until(lambda: phone.wallet["1"].manifest_hash != held, "the new icon is on the phone")
    await phone.settle()
    assert phone.wallet["1"].package.files["icon.png"] == png(38, (200, 0, 0))
    assert phone.wallet.banners == []


@journey
async def test_passes_that_a_revision_cannot_make_keep_the_old_one(world: World) -> None:
    """Fails when one pass stops the others, when it loses what it showed, or when it is tried for ever."""
    [old] = world.sql("SELECT revision FROM template")
    phone = await world.holding("number", 10)
    await world.issue("word", 0, data={"points": "many"})
    await phone.install(await world.pkpass("word"))
    await phone.settle()
    before = await versions(world)

    only_numbers = {"variables.json": json.dumps({"points": {"type": "integer"}}).encode()}
    published = await publish(world, with_terms("Numbers only."), only_numbers)
    await shows_terms(phone, "number", "Numbers only.")
    assert phone.wallet["word"].field("terms") == "Be kind."
    rows = dict(world.sql("SELECT serial, revision FROM pass"))
    assert rows == {"number": published.revision, "word": old[0]}
    assert (await versions(world))["word"] == before["word"]
    refused = [event for event in await world.timeline("word") if event.kind is Kind.TEMPLATE_REFUSED]
    assert [event.detail["revision"] for event in refused] == [published.revision]
    assert "points" in str(refused[0].detail["faults"])

    assert await world.services.issuing.follow_all() == 0
    assert [event.kind for event in await world.timeline("word")].count(Kind.TEMPLATE_REFUSED) == 1
    assert await world.pkpass("word")

    await world.change("word", 12, push="now")
    await shows(phone, "word", 12)
    await shows_terms(phone, "word", "Numbers only.")


@journey
async def test_a_change_and_a_roll_out_at_the_same_time(world: World) -> None:
    """Fails when a roll-out writes back the values that it read: the issuer's change would be undone."""
    phone = await world.holding("0", 0)
    for number in range(1, 12):
        await world.issue(str(number), 0)
    for value in range(1, 6):
        terms = f"Edition {value}."
        changes = (world.change(str(number), value, push="none") for number in range(12))
        await asyncio.gather(publish(world, with_terms(terms)), *changes)
        for number in range(12):
            row = await world.services.store.pass_(PASS_TYPE, str(number))
            assert row is not None
            document = json.loads(row.document)["storeCard"]
            assert document["primaryFields"][0]["value"] == value
            assert document["backFields"][0]["value"] == terms
    await world.change("0", 99, push="now")
    await shows(phone, "0", 99)
