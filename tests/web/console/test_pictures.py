"""The pictures of the docs: of every page, there, shown, and as a demo with something wrong in it looks today."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from browsers import chromium
from livepass.web.console.pages import DEMO, PEOPLE
from livepass.web.console.pages import PAGES as ALL
from web.console.demos import facts
from web.console.pictures import FOLDER, NARROW, WIDTH, Album, differences, taken

DOCS = FOLDER.parents[1] / "reference" / "console.md"
TYPE, SERIAL = "pass.demo.livepass", "COFFEE-0002"
PAGES = {
    # picture → page; what stands in braces is of the demo
    "demo": "demo/{serial}",
    "overview": "",
    "findings": "findings",
    "passes": "passes",
    "pass": "passes/{type}/{serial}",
    "versions": "passes/{type}/{serial}/versions",
    "phone": "passes/{type}/{serial}/phones/{phone}",
    "shared": "shared",
    "pushes": "pushes",
    "webhooks": "webhooks",
    "logs": "logs",
    "certificates": "certificates",
    "certificate": "certificates/{id}",
    "templates": "templates",
    "template": "templates/{name}",
    "jobs": "jobs",
    "doctor": "doctor",
    "settings": "settings",
}
DARK = ("overview", "pass")
SIGNED_IN = {"people": "people", "account": "account"}
"""Taken by test_served.py, where people sign in."""
AS_ANOTHER = {"search", "demo"}
"""What leads to another page, or looks as another does."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def console(browser: Browser) -> Iterator[str]:
    """Of a demo in which a change arrived and another one did not, once all of it was counted."""
    with facts() as told:
        address = told["console"]
        listen(told)
        with browser.new_context() as context:
            page = context.new_page()
            live_through_something(page, address)
            page.goto(address)
            expect(page.locator("main a[href*='findings#LP359']").first).to_be_visible(timeout=30_000)
        yield address


def listen(told: dict[str, Any]) -> None:
    """Of what happens from now on a webhook tells somebody who is not there."""
    trusting, bearer = ssl.create_default_context(cafile=told["ca_file"]), {"Authorization": f"Bearer {told['key']}"}
    with httpx2.Client(base_url=told["url"], headers=bearer, verify=trusting) as api:
        body = {"url": "https://hooks.example.com/passes", "events": ["pass.changed", "update.confirmed"]}
        assert api.post("/api/v1/webhook-endpoints", json=body).status_code == 201


def live_through_something(page: Page, console: str) -> None:
    page.goto(f"{console}demo/{SERIAL}")
    page.get_by_label("points", exact=True).fill("130")
    page.get_by_role("button", name="Change it").click()
    expect(page.locator("#shown")).to_have_text("130", timeout=15_000)
    page.get_by_label("Break something").select_option("fetch-401")
    page.get_by_role("button", name="Break it").click()
    page.get_by_label("points", exact=True).fill("140")
    page.get_by_role("button", name="Change it").click()
    page.locator(".verdict.problem").first.wait_for(timeout=30_000)


def test_every_page_is_taken() -> None:
    pages = {page.path for page in (*ALL, *DEMO, *PEOPLE) if page.template}
    assert pages - AS_ANOTHER == {*PAGES.values(), *SIGNED_IN.values()}


def test_every_picture_is_there_and_shown() -> None:
    names = {*PAGES, *SIGNED_IN, *(f"{name}-dark" for name in DARK), "pass-narrow", "sign-in"}
    assert {file.stem for file in FOLDER.iterdir()} == names
    shown = DOCS.read_text("utf-8")
    assert [name for name in sorted(names) if f"../images/console/{name}.png" not in shown] == []


def test_pictures_show_what_there_is(browser: Browser, console: str, tmp_path: Path) -> None:
    album = Album(tmp_path)

    def take(names: Iterable[str], ending: str = "", width: int = WIDTH, **settings: Any) -> None:
        with browser.new_context(viewport={"width": width, "height": 800}, **settings) as context:
            page = context.new_page()
            for name in names:
                page.goto(console + PAGES[name].format(**named))
                album.take(name + ending, page)

    named = _named(browser, console)
    take(PAGES)
    take(DARK, "-dark", color_scheme="dark")
    take(["pass"], "-narrow", NARROW)
    album.judge()


def _named(browser: Browser, console: str) -> dict[str, str]:
    """What addresses of pages name."""
    with browser.new_context() as context:
        page = context.new_page()
        of_pass = page.request.get(f"{console}passes/{TYPE}/{SERIAL}.json").json()["pass"]
        page.goto(f"{console}certificates")
        certificate = page.locator("main table a").first.get_attribute("href")
    assert certificate is not None
    return {
        "type": TYPE,
        "serial": SERIAL,
        "phone": of_pass["registrations"][0]["phone"],
        "id": certificate.rpartition("/")[2],
        "name": "coffee",
    }


def test_a_change_of_a_page_is_noticed(browser: Browser, console: str) -> None:
    """A section that is gone, another heading, no stylesheet; and nothing of what differs between two runs."""
    with browser.new_context(viewport={"width": WIDTH, "height": 800}) as context:
        page = context.new_page()
        page.route("**/console.js*", lambda route: route.abort())  # a page that follows changes would undo these

        def told(change: str) -> list[str]:
            page.goto(f"{console}passes/{TYPE}/{SERIAL}")
            before = taken(page)
            page.evaluate(change)
            return differences(before, taken(page))

        assert told("document.querySelectorAll('time').forEach(one => one.textContent = '23:59:59')") == []
        assert told("document.querySelector('main section:last-of-type').remove()")
        assert told("document.querySelector('main h2').textContent = 'Another'")
        assert any("looks different" in one for one in told("document.querySelector('link[rel=stylesheet]').remove()"))
        assert any("wide" in one for one in differences(_blank(page, WIDTH), _blank(page, NARROW)))


def _blank(page: Page, width: int) -> bytes:
    page.set_viewport_size({"width": width, "height": 200})
    page.goto("about:blank")
    return taken(page)
