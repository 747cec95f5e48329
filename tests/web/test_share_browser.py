"""Share pages in a real browser: what people see, what is loaded, and what axe has to say of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from browsers import chromium
from core.test_visitor import SAFARI
from engines import aside
from livepass.config import Config
from livepass.emulators.authority import Issued
from web.asgi import PASS_TYPE, Api, opened
from web.console.browser import looked

PHONE: Mapping[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "has_touch": True,
    "is_mobile": True,
    "user_agent": SAFARI,
}
DESKTOP: Mapping[str, Any] = {"viewport": {"width": 1200, "height": 800}}
BADGE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="120" height="40" viewBox="0 0 120 40">'
    '<rect width="120" height="40" fill="#246"/></svg>'
)
LONG = "An-unbroken-word-" * 12


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, certificates: list[Issued]) -> tuple[Config, dict[str, str]]:
    """A database with passes, and a link to each, as the path of its page."""

    async def main() -> tuple[Config, dict[str, str]]:
        async with opened(tmp_path_factory.mktemp("share"), certificates) as api:
            barcode = {"format": "PKBarcodeFormatQR", "message": "1001", "messageEncoding": "iso-8859-1"}
            content = {
                "plain": {"barcodes": [barcode]},
                "long": {"description": LONG, "organizationName": LONG},
                "over": {"expirationDate": "2020-01-01T00:00:00Z"},
            }
            return api.services.config, {serial: await _link(api, serial, each) for serial, each in content.items()}

    return aside(main())


async def _link(api: Api, serial: str, content: Mapping[str, Any]) -> str:
    body = {"template": "membership", "data": {"points": 1}, "content": content}
    await api.ok("PUT", f"/passes/{PASS_TYPE}/{serial}", body)
    url: str = (await api.ok("POST", f"/passes/{PASS_TYPE}/{serial}:share", {}))["url"]
    return url.removeprefix(api.services.config.public_url)


@pytest.fixture(scope="module", params=["words", "badge"])
def service(
    request: pytest.FixtureRequest, made: tuple[Config, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of ``livepass serve`` over that database, with and without a badge of the operator's."""
    config, _ = made
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LIVEPASS_")}
    environment |= {
        "LIVEPASS_DATABASE_URL": config.database_url,
        "LIVEPASS_PUBLIC_URL": config.public_url,
        "LIVEPASS_SECRET_KEY": config.secret_key[0],
    }
    folder = tmp_path_factory.mktemp("badge")
    if request.param == "badge":
        (folder / "en.svg").write_text(BADGE)
        environment["LIVEPASS_BADGE_DIR"] = str(folder)
    running = subprocess.Popen(
        [sys.executable, "-m", "livepass", "serve", "--port", "0", "--no-worker", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
    )
    try:
        assert running.stdout is not None
        yield json.loads(running.stdout.readline())["address"]
    finally:
        running.terminate()
        assert running.wait(30) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_it_can_be_read_by_everybody(
    browser: Any, service: str, made: tuple[Config, dict[str, str]], window: Mapping[str, Any], scheme: str
) -> None:
    """axe finds nothing, nothing comes from elsewhere, nothing sticks out, and the console of the browser is silent: so
    the policy of the page lets in all that the page has.
    """
    for path in made[1].values():
        with looked(browser, service, color_scheme=scheme, **window) as seen:
            page = seen.open(path)
            assert seen.violations() == []
            assert seen.overflow() <= 0
            broken = page.evaluate("[...document.images].filter(one => !one.naturalWidth).map(one => one.src)")
            assert broken == []
            assert page.evaluate("document.images.length") == (2 if page.locator(".badge").count() else 1)
            assert page.locator(".qr").is_visible() is (window is DESKTOP)


def test_the_button_fetches_the_file(browser: Any, service: str, made: tuple[Config, dict[str, str]]) -> None:
    with looked(browser, service, **DESKTOP) as seen:
        page = seen.open(made[1]["plain"])
        with page.expect_download() as download:
            page.get_by_role("link", name="Add to Apple Wallet", exact=True).click()
        assert download.value.suggested_filename == "plain.pkpass"
        assert Path(download.value.path()).read_bytes()[:2] == b"PK"


def test_a_link_that_opens_nothing_says_so(browser: Any, service: str) -> None:
    with looked(browser, service, **PHONE) as seen:
        response = seen.page.goto(f"{service}/p/nothing")
        assert response is not None and response.status == 404
        assert seen.violations() == []
        assert re.search("opens nothing", seen.page.inner_text("h1"))
        seen.wrong.clear()  # a browser's console names a 404, too
