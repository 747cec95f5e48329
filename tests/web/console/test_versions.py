"""What a pass was, on its page: two versions drawn, what differs, and a sentence where that cannot be told."""

from __future__ import annotations

import re

import engines
from web.asgi import PASS_TYPE
from web.console.console_app import Console, with_console

PASS = f"passes/{PASS_TYPE}/1001"
PAGE = f"{PASS}/versions"


async def changed(console: Console, *points: int) -> None:
    await console.api.issue("1001")
    for each in points:
        await console.api.ok("PATCH", f"/{PASS}", {"data": {"points": each}})


@with_console
async def test_two_versions_stand_beside_each_other(console: Console) -> None:
    await changed(console, 71, 82, 93)
    newest, before, _, issued = [row["number"] for row in (await console.data(PAGE))["versions"]]
    assert f"/console/{PAGE}" in (await console.html(PASS)).links()
    page = await console.html(PAGE)
    assert f"n{before} beside n{newest}" in page.text
    assert f"pass diff {PASS_TYPE}/1001 --since {before} --until {newest}" in page.text
    page = await console.html(f"{PAGE}?since={issued}&until={before}")
    assert "“You have 82 points”" in page.text
    rows = (await console.data(f"{PAGE}?since={issued}&until={before}"))["compared"]["rows"]
    assert [(row["where"], row["what"], row["after"]) for row in rows] == [("points", "value", 82)]
    pictures = [str(attributes["src"]) for tag, attributes in page.elements if tag == "img" and "alt" in attributes]
    drawn = [await console.page(src.removeprefix("/console/")) for src in pictures if "picture.svg" in src]
    assert len(drawn) == 2 and all(reply.status == 200 for reply in drawn)
    assert all("(changed)" in reply.body.decode() for reply in drawn)
    texts = [re.sub("<[^>]*>", " ", reply.body.decode().rpartition("</style>")[2]) for reply in drawn]
    assert "82" in texts[1] and "82" not in texts[0] and "93" not in texts[1]


@with_console
async def test_where_it_cannot_be_told_nothing_is_drawn(console: Console) -> None:
    await changed(console, 71, 82)
    engines.run(
        console.api.services.config.database_url,
        "UPDATE event SET detail = replace(detail, '\"after\":82', '\"after\":83') WHERE kind = 'changed'",
    )
    page = await console.html(PAGE)
    assert "does not lead to what came after it" in page.text
    assert not [1 for tag, attributes in page.elements if tag == "img" and "picture" in str(attributes.get("src"))]
    numbers = [row["number"] for row in (await console.data(PAGE))["versions"]]
    assert (await console.page(f"{PASS}/picture.svg?number={numbers[-1]}")).status == 422


@with_console
async def test_a_viewer_reads_when_it_changed_and_not_what(console: Console) -> None:
    await changed(console, 71)
    await console.api.ok("PATCH", f"/{PASS}", {"content": {"logoText": "Secretly Ida"}})
    await console.api.ok("PATCH", f"/{PASS}", {"content": {"logoText": "Another"}})
    seen = await console.data(PASS)
    assert "Secretly Ida" in str(seen["events"])
    for path in (PASS, PAGE):
        for text in ((await console.html(path, "viewer")).raw, str(await console.data(path, "viewer"))):
            assert "Secretly Ida" not in text and "71" not in re.sub(r"n?\d{3,}|[\d:.]+Z", "", text)
    assert (await console.data(PAGE, "viewer"))["compared"] is None


@with_console
async def test_what_is_no_number_is_refused(console: Console) -> None:
    await changed(console, 71)
    for wrong in ("x", "-1", "9" * 30, "%C2%B2"):
        assert (await console.page(f"{PAGE}?since={wrong}")).status == 422, wrong
    unknown = await console.html(f"{PAGE}?since=99999")
    assert "no version n99999 of 1001 is known" in unknown.text
