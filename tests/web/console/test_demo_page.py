"""The demo page in a real browser: change a value, see it on the phone, break the loop, read why, mend it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browsers import chromium
from web.console.browser import looked
from web.console.demos import demo

SERIAL = "COFFEE-0002"
HERE = f"/console/demo/{SERIAL}"
PASS = f"/console/passes/pass.demo.livepass/{SERIAL}"
LOOKED_AT = (
    "/console/",
    "/console/findings",
    "/console/passes",
    HERE,
    PASS,
    f"{PASS}/versions",
    "/console/shared",
    "/console/pushes",
    "/console/logs",
    "/console/jobs",
    "/console/certificates",
    "/console/templates",
    "/console/templates/coffee",
    "/console/doctor",
    "/console/settings",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def console() -> Iterator[str]:
    with demo() as address:
        yield address


def test_change_break_why_mend(browser: Browser, console: str) -> None:
    with looked(browser, console) as seen:
        page = seen.open(HERE)
        expect(page.locator("#shown")).to_have_text("120")
        page.get_by_label("points", exact=True).fill("130")
        page.get_by_role("button", name="Change it").click()
        # By itself: the page follows what the service writes.
        expect(page.locator("#shown")).to_have_text("130", timeout=15_000)
        expect(page.locator(".banner")).to_contain_text("130")
        page.get_by_label("Break something").select_option("login-on-ask")
        page.get_by_role("button", name="Break it").click()
        expect(page.get_by_text("broken: login-on-ask").first).to_be_visible()
        page.get_by_label("points", exact=True).fill("140")
        page.get_by_role("button", name="Change it").click()
        expect(page.locator(".verdict.problem").first).to_be_visible(timeout=20_000)
        expect(page.locator("#shown")).to_have_text("130")
        page.get_by_role("button", name="Mend it").click()
        expect(page.locator("#shown")).to_have_text("140", timeout=20_000)
        expect(page.locator(".verdict.problem")).to_have_count(0, timeout=20_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_and_keep_to_themselves(
    browser: Browser, console: str, scheme: str, tmp_path: Path
) -> None:
    with looked(browser, console, color_scheme=scheme, viewport={"width": 1280, "height": 900}) as seen:
        for path in LOOKED_AT:
            seen.open(path)
            assert seen.violations() == [], path
        for path, link in (("/console/certificates", "signing certificate"), (PASS, "…")):
            # A certificate, and a phone.
            seen.open(path).get_by_role("main").get_by_role("link", name=link).first.click()
            assert seen.violations() == [], (path, link)
            assert seen.overflow() <= 0


@pytest.mark.parametrize("width", [360, 640])
def test_nothing_is_cut_off_on_a_narrow_screen(browser: Browser, console: str, width: int) -> None:
    """640 is also what 1280 pixels are at a zoom of 200 %."""
    with looked(browser, console, viewport={"width": width, "height": 740}) as seen:
        for path in LOOKED_AT:
            seen.open(path)
            assert seen.overflow() <= 0, path


def test_without_javascript(browser: Browser, console: str) -> None:
    with looked(browser, console, java_script_enabled=False) as seen:
        page = seen.open(PASS)
        page.get_by_label("Field").fill("name")
        page.get_by_label("Value").fill("Grace Hopper")
        page.get_by_role("button", name="See what would change").click()
        expect(page.get_by_text("This would change")).to_be_visible()
        for side in ("The pass now", "The pass as it would be"):
            assert page.get_by_alt_text(side).evaluate("image => image.naturalWidth") > 300
        page.get_by_role("button", name="Change it and tell its phones").click()
        expect(page.get_by_text("Grace Hopper").first).to_be_visible()


def test_a_phone_says_how_far_it_came_and_what_it_bears(browser: Browser, console: str) -> None:
    with looked(browser, console) as seen:
        page = seen.open(PASS)
        page.locator("table a").first.click()
        expect(page.get_by_role("heading", name="Round trips")).to_be_visible()
        # Three passes of the type are on it, so one push in forty minutes costs nothing.
        expect(page.locator("dl")).to_contain_text("40 min")
        assert seen.violations() == []


def test_by_keyboard_alone_a_stale_pass_is_found_and_why_is_read(browser: Browser, console: str) -> None:
    with looked(browser, console) as seen:
        page = seen.open(HERE)
        page.get_by_label("Break something").select_option("fetch-401")
        page.get_by_role("button", name="Break it").click()
        page.get_by_label("points", exact=True).fill("777")
        page.get_by_role("button", name="Change it").click()
        expect(page.locator(".verdict.problem").first).to_be_visible(timeout=20_000)
        seen.open("/console/")
        expect(page.locator("main a[href*='findings#LP']").first).to_be_visible(timeout=20_000)
        for where in ("findings#LP", "", f"/passes/pass.demo.livepass/{SERIAL}"):
            _tab_to(page, where)
            page.keyboard.press("Enter")
            page.wait_for_url(f"**{where}*")
        expect(page.get_by_role("heading", name="Why")).to_be_visible()
        expect(page.locator(".verdict.problem").first).to_be_visible()
        seen.open(HERE)
        page.get_by_role("button", name="Mend it").click()
        expect(page.locator("#shown")).to_have_text("777", timeout=20_000)


def _tab_to(page: Page, address: str) -> None:
    """Onto the first link in the page that leads there; "": onto what opens and closes."""
    for _ in range(60):
        page.keyboard.press("Tab")
        at = page.evaluate(
            "[document.activeElement.tagName, document.activeElement.href || '',"
            " document.activeElement.closest('main') !== null]"
        )
        if at[2] and (address in at[1] if address else at[0] == "SUMMARY"):
            return
    raise AssertionError(f"no way to {address or 'the examples'} by keyboard")
