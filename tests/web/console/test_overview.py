"""The overview: figures of all registrations, in words and as bars, as old as the page says; and the last changes."""

from __future__ import annotations

import engines
from livepass.core.staleness import AGES
from web.asgi import PASS_TYPE, push_token_of
from web.console.console_app import Console, with_console


async def behind(console: Console, device: str, serial: str, age: int, *, served: int = 1) -> None:
    """A phone that follows a pass whose newest version is that old, and has another one (0: none)."""
    api = console.api
    await api.issue(serial)
    await api.register(serial, device)
    at = api.services.clock.now() - age
    url = api.services.config.database_url
    engines.run(url, "UPDATE pass SET seq = 50, changed_at = ? WHERE serial = ?", at, serial)
    engines.run(url, "UPDATE counter SET seq = 50 WHERE pass_type = ?", PASS_TYPE)
    row = (served, at if served else None, at, device)
    engines.run(url, "UPDATE registration SET served = ?, served_at = ?, registered_at = ? WHERE device_id = ?", *row)


@with_console
async def test_staleness_in_figures_words_and_bars(console: Console) -> None:
    for number, age in enumerate([1000, AGES[0] + 1000, AGES[2] + 1000, AGES[2] + 9000, AGES[3] + 1000]):
        await behind(console, f"d{number}", f"s{number}", age)
    await behind(console, "new", "new", AGES[3], served=0)
    await behind(console, "good", "good", AGES[3], served=50)
    await console.count()
    found = (await console.data(""))["counted"]
    steps = [(step["people"], step["unverified"]) for step in found["staleness"]["steps"]]
    assert steps == [(1, 0), (1, 0), (0, 0), (2, 0), (1, 1)]
    assert found["staleness"]["people"] == 5
    # Of six that were served something, three wait for longer than a quarter of an hour.
    assert found["target"] == {"percent": 99, "minutes": 15, "share": 50.0, "met": False}
    page = await console.html("")
    assert "50.0 %" in page.text and "not met" in page.text
    assert "The oldest waits since" in page.text and "1 to 24 h 2" in page.text
    bars = [attributes for tag, attributes in page.elements if tag == "rect"]
    assert {"100.00", "50.00", "0.00"} <= {str(one["width"]) for one in bars}


@with_console
async def test_a_target_that_is_met_and_one_that_cannot_be_said(console: Console) -> None:
    await console.count()
    assert (await console.data(""))["counted"]["target"]["met"] is None
    assert "nothing to measure yet" in (await console.html("")).text
    await behind(console, "late", "late", AGES[0])
    await console.count()
    assert (await console.data(""))["counted"]["target"] == {"percent": 99, "minutes": 15, "share": 100.0, "met": True}
    assert "Target 99 %: ● met" in (await console.html("")).text


@with_console
async def test_how_long_round_trips_took_is_of_a_sample_and_says_so(console: Console) -> None:
    url, now = console.api.services.config.database_url, console.api.services.clock.now()
    for number in range(4):
        await behind(console, f"d{number}", f"s{number}", 0, served=50)
        push_token = push_token_of(f"d{number}")
        engines.run(url, "UPDATE push_target SET last_push_at = ? WHERE push_token = ?", now - 10_000, push_token)
        engines.run(url, "UPDATE device SET asked_at = ? WHERE device_id = ?", now - 8100, f"d{number}")
        engines.run(url, "UPDATE registration SET served_at = ? WHERE device_id = ?", now - 8000, f"d{number}")
    engines.run(url, "UPDATE registration SET served_at = ? WHERE device_id = 'd3'", now - AGES[3] - 1)
    await console.count()
    found = (await console.data(""))["counted"]["legs"]
    assert found == {
        "sample": 3,
        "push_to_ask": {"of": 3, "p50_ms": 1900, "p95_ms": 1900},
        "ask_to_fetch": {"of": 3, "p50_ms": 100, "p95_ms": 100},
    }
    page = await console.html("")
    assert "Of a sample of 3 registrations served in the last 24 h" in page.text
    assert "1.9 s" in page.text and "100 ms" in page.text


@with_console
async def test_the_last_changes_with_their_fields_which_viewers_do_not_see(console: Console) -> None:
    await console.api.issue("a", 94141)
    await console.api.issue("a", 94142)
    rows = (await console.data(""))["changes"]
    assert [(row["kind"], row["serial"], row["pass_type"]) for row in rows] == [
        ("changed", "a", PASS_TYPE),
        ("issued", "a", PASS_TYPE),
    ]
    page = await console.html("")
    assert "94141 → 94142" in page.text and f"/console/passes/{PASS_TYPE}/a" in page.links()
    seen = await console.html("", role="viewer")
    assert "94141" not in seen.text and "(hidden)" in seen.text and "points" in seen.text


@with_console
async def test_before_the_first_count_the_rest_is_there(console: Console) -> None:
    await console.api.issue("a")
    page = await console.html("")
    assert "Counting how all registrations stand" in page.text and "How old is" not in page.text
    assert "issued" in page.text
    assert (await console.data(""))["counted"] is None


@with_console
async def test_each_bar_has_its_figure_in_words(console: Console) -> None:
    """Pictures are hidden from readers of the screen where the number stands beside them, or else they say it."""
    await behind(console, "d", "s", AGES[1])
    await console.count()
    pictures = [attributes for tag, attributes in (await console.html("")).elements if tag == "svg"]
    assert pictures
    assert all(one.get("aria-hidden") == "true" or one.get("aria-label") for one in pictures)
