"""The templates pages: what is there, what phones would make of it, who follows it, and a new revision."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from web.asgi import MEMBERSHIP, folder_zip
from web.console.rooms import Room, with_room

DEVIL = "</td><script>alert(1)</script>"


def declaring(**variables: Any) -> bytes:
    """The template's folder with a variables.json."""
    data = io.BytesIO(folder_zip())
    with zipfile.ZipFile(data, "a") as archive:
        archive.writestr("variables.json", json.dumps(variables))
    return data.getvalue()


async def publish(room: Room, data: bytes, confirm: str = "membership") -> Any:
    return await room.post("/templates/membership", files={"zip": data}, act="publish", confirm=confirm)


@with_room
async def test_a_template_is_told_with_its_variables_and_what_phones_make_of_it(room: Room) -> None:
    page = await room.json("/templates/membership")
    assert [(one["name"], one["type"], one["required"]) for one in page["variables"]] == [("points", "scalar", True)]
    assert page["problems"] == []
    odd = {**MEMBERSHIP, "relevantDate": "yesterday", "posterEventTicket": 1, "nfc": {}, "voided": "no"}
    assert (await publish(room, folder_zip(document=odd))).status == 303
    problems = (await room.json("/templates/membership"))["problems"]
    assert {"refused", "invisible", "grant"} <= {one["effect"] for one in problems}
    assert any(one["ios"] == [18] or one["on"] for one in problems)
    assert "A phone refuses it" in (await room.get("/templates/membership", "viewer")).body.decode()


@with_room
async def test_who_follows_and_who_is_behind_is_counted(room: Room) -> None:
    for serial in ("1", "2"):
        await room.api.issue(serial)
    assert (await room.json("/templates"))["data"][0]["following"]["current"] == 2
    # A number is needed now, and the passes of these tests have points that are one; a text is needed, and they cannot.
    assert (await publish(room, declaring(points={"type": "string"}))).status == 303
    await room.api.services.issuing.follow("default", "membership")
    following = (await room.json("/templates/membership"))["following"]
    assert (following["current"], following["behind"], following["refused"]) == (0, 2, 2)
    assert "2 cannot be built from it" in (await room.get("/templates")).body.decode()


@pytest.mark.parametrize("typed", ["", "other", "member"])
@with_room
async def test_a_revision_is_published_only_when_the_name_is_typed(room: Room, typed: str) -> None:
    before = (await room.json("/templates/membership"))["template"]["revision"]
    other = folder_zip(document={**MEMBERSHIP, "description": "Another"})
    refused = await publish(room, other, typed)
    assert refused.status == 200
    assert b"it was not confirmed" in refused.body
    assert (await room.json("/templates/membership"))["template"]["revision"] == before
    assert (await publish(room, other)).status == 303
    assert (await room.json("/templates/membership"))["template"]["revision"] != before


@with_room
async def test_a_zip_is_looked_at_without_publishing_it(room: Room) -> None:
    before = await room.json("/templates/membership")
    looked = await room.post(
        "/templates/membership",
        files={"zip": declaring(points={"type": "string"}, tier={"type": "string", "default": "x"})},
        act="look",
    )
    assert looked.status == 200
    assert b"Nothing was published" in looked.body
    assert b"Variables that come: tier" in looked.body
    same = await room.post("/templates/membership", files={"zip": folder_zip()}, act="look")
    assert b"is the current revision already" in same.body
    assert await room.json("/templates/membership") == before


@with_room
async def test_a_new_template_comes_in_by_its_name(room: Room) -> None:
    nameless = await room.post("/templates", files={"zip": folder_zip()})
    assert b"the template has no name" in nameless.body
    made = await room.post("/templates", files={"zip": folder_zip()}, name="club")
    assert made.status == 303
    assert [row["name"] for row in (await room.json("/templates"))["data"]] == ["club", "membership"]


BOMB = io.BytesIO()
with zipfile.ZipFile(BOMB, "w", zipfile.ZIP_DEFLATED) as _archive:
    _archive.writestr("pass.json", b" " * 9_000_000)


@pytest.mark.parametrize("data", [b"", b"no zip", BOMB.getvalue(), folder_zip(document={"a": "${"})], ids=len)
@with_room
async def test_a_file_that_is_no_template_gets_a_sentence(room: Room, data: bytes) -> None:
    for act in ("look", "publish"):
        reply = await room.post("/templates/membership", files={"zip": data}, act=act, confirm="membership")
        assert reply.status == 200
        assert b'role="alert"' in reply.body
    assert len((await room.json("/templates"))["data"]) == 1


@with_room
async def test_what_a_template_says_stays_text(room: Room) -> None:
    data = declaring(points={"type": "string", "description": DEVIL})
    assert (await publish(room, data)).status == 303
    html = (await room.get("/templates/membership")).body.decode()
    assert DEVIL not in html
    assert "&lt;/td&gt;&lt;script&gt;" in html


@with_room
async def test_a_template_that_is_not_there_is_not_found(room: Room) -> None:
    for path in ("/templates/nothing", "/templates/nothing.json", "/templates/nothing/picture.svg"):
        assert (await room.get(path)).status == 404
    assert (await room.post("/templates/nothing", act="publish", confirm="nothing")).status in (404, 200)


@with_room
async def test_its_picture_is_an_image_that_can_do_nothing(room: Room) -> None:
    reply = await room.get("/templates/membership/picture.svg", "viewer")
    assert reply.status == 200
    assert reply.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in reply.headers["content-security-policy"]
    assert b"Sample" in reply.body
