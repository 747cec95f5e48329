"""The page of what phones said. Every line is anybody's text: it stays text, whatever is in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import engines
from livepass.core import testimony
from livepass.core.testimony import MAX_LINE
from livepass.emulators.authority import Issued
from livepass.web.console.logs import LINES
from web.asgi import OTHER, PASS_TYPE, escaped
from web.console.console_app import Console, with_console

TASK = (
    "Get pass task (for device {device}, pass type {type}, serial number {serial}; "
    "with web service url https://e.example)"
)
UNAUTHORIZED = TASK + " encountered error: Authentication failure"


async def say(console: Console, *lines: str, device: str = "d1", serial: str = "a", pass_type: str = PASS_TYPE) -> None:
    """A phone posts these to ``/v1/log``."""
    words = {"{device}": device, "{serial}": serial, "{type}": pass_type}
    filled = list(lines)
    for word, value in words.items():
        filled = [line.replace(word, value) for line in filled]
    services = console.api.services
    services.answering.testify(json.dumps({"logs": filled}).encode())
    assert await services.recorder.settle(10)


@with_console
async def test_lines_by_meaning_with_phones_trend_and_where_to_read(console: Console) -> None:
    await say(console, UNAUTHORIZED, UNAUTHORIZED)
    await say(console, UNAUTHORIZED, device="d2")
    await say(console, TASK + " encountered error: The moon is full")
    first, second = (await console.data("logs"))["groups"]
    assert (first["code"], first["phones"], first["count"], first["known"]) == ("T0", 2, 3, True)
    assert first["days"] == [0, 0, 0, 0, 0, 0, 3]
    assert (second["code"], second["known"], second["finding"]) == ("?", False, None)
    page = await console.html("logs")
    assert "The service refused the pass's token (401)." in page.text and "unknown sentence" in page.text
    assert "/console/docs/device-log/T0" in page.links()
    assert f"/console/docs/findings/{first['finding']}" in page.links()
    labels = {attributes.get("aria-label") for tag, attributes in page.elements if tag == "svg"}
    assert "On each of the last 7 days, the newest last: 0, 0, 0, 0, 0, 0, 3" in labels


@with_console
async def test_filters_by_pass_type_and_sentence(console: Console) -> None:
    await say(console, UNAUTHORIZED)
    await say(console, TASK + " encountered error: The moon is full", pass_type=OTHER)
    assert [one["code"] for one in (await console.data(f"logs?pass_type={OTHER}"))["groups"]] == ["?"]
    assert [one["code"] for one in (await console.data("logs?code=T0"))["groups"]] == ["T0"]
    assert (await console.data(f"logs?pass_type={OTHER}&code=T0"))["groups"] == []
    assert (await console.data("logs"))["codes"] == ["?", "T0"]


@with_console
async def test_raw_lines_are_for_operators(console: Console) -> None:
    await say(console, TASK + " encountered error: Grandmother's phone number", device="secret-device")
    assert "Grandmother" in (await console.html("logs")).text
    [group] = (await console.data("logs", role="viewer"))["groups"]
    assert {one["line"] for one in group["examples"]} == {"(hidden)"}
    page = await console.html("logs", role="viewer")
    assert "secret-device" not in page.raw and "details" not in page.tags()


HOSTILE = [
    pytest.param("<script>alert(1)</script><img src=x onerror=alert(1)>", id="markup"),
    pytest.param("</code></pre></bdi><form action='https://evil.example'><input name=csrf>", id="ends elements"),
    pytest.param('" onmouseover="alert(1)" x="', id="ends attributes"),
    pytest.param("{{ 7 * 7 }}{% include 'base.html' %}", id="template"),
    pytest.param("\x1b[2J\x1b]0;title\x07\x1b[31mred\x9b1m", id="terminal"),
    pytest.param("admin\u202egnp.exe\u2066\u200f\u061c", id="written backwards"),
    pytest.param("a\x00b\ud800c\ufeffd\u2028e\U000e0041f", id="what no encoder takes"),
    pytest.param("<b>" * 22_000, id="64 KB"),
    pytest.param("javascript:alert(1) https://evil.example/?" + "q" * 300, id="addresses"),
]


UNSHOWN = {chr(n) for n in (*range(9), *range(14, 32), *range(0x7F, 0xA0), *range(0x202A, 0x202F))}
UNSHOWN |= {*"\u2066\u2067\u2068\u2069\u200e\u200f\u061c\ufeff\u2028\u2029\U000e0041"}


@pytest.mark.parametrize("where", ["said", "serial", "device"])
@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.usefixtures("engine")
def test_whatever_a_line_holds_stays_text(
    tmp_path: Path, certificates: Sequence[Issued], engine: str, text: str, where: str
) -> None:
    """The page has the very elements that it has with a harmless line, and no character that is not for showing."""

    async def hostile(console: Console) -> None:
        await say(console, TASK + " encountered error: The moon is full")
        expected = [tag for tag, _ in (await console.html("logs")).elements]
        engines.run(console.api.services.config.database_url, "DELETE FROM event WHERE kind = 'testified'")
        names = {"device": "d1", "serial": "a"} | ({} if where == "said" else {where: text})
        await say(console, TASK + " encountered error: " + (text if where == "said" else "The moon is full"), **names)
        page = await console.html("logs")
        if len(text) > MAX_LINE and where != "said":
            # Cut before it names its pass type: filed under none.
            assert (await console.data("logs"))["groups"] == []
            return
        assert [tag for tag, _ in page.elements] == expected
        for tag, attributes in page.elements:
            assert not any(name.startswith("on") for name in attributes), (tag, attributes)
            assert str(attributes.get("href") or "/").startswith(("/", "#")), attributes
            assert str(attributes.get("src") or "/console/").startswith("/console/"), attributes
        assert not UNSHOWN & set(page.raw)
        # A page of one line stays a page, whatever was posted.
        assert len(page.raw) < 20_000

    with_console(hostile)(tmp_path=tmp_path, certificates=certificates, engine=engine)


@with_console
async def test_only_the_newest_lines_are_looked_at_and_the_page_says_so(console: Console) -> None:
    event = testimony.testify(
        UNAUTHORIZED.format(device="d1", type=PASS_TYPE, serial="a"), console.api.services.clock.now()
    )
    assert event is not None
    await console.api.services.store.write(lambda tx: tx.add_events([event] * (LINES - 1)))
    assert f"all {LINES - 1:,} lines that are kept".replace(",", " ") in (await console.html("logs")).text
    await console.api.services.store.write(lambda tx: tx.add_events([event] * 2))
    data = await console.data("logs")
    assert (data["lines"], data["groups"][0]["count"]) == (LINES, LINES)
    assert f"the newest {LINES:,} lines".replace(",", " ") in (await console.html("logs")).text


@with_console
async def test_an_address_with_anything_in_it_is_answered(console: Console) -> None:
    for text in ("<script>", "\u202e", "%00", "'", '"><b>'):
        page = await console.html(f"logs?pass_type={escaped(text)}&code={escaped(text)}")
        assert "b" not in page.tags() and "No phone has complained" in page.text
