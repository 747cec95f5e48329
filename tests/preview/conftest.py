"""A real Chromium for each module, and pages under a policy (CSP) that lets in nothing but the style."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from browsers import chromium
from livepass.preview import STYLE_SOURCE

CSP = f"default-src 'none'; style-src {STYLE_SOURCE}; img-src data:; base-uri 'none'; form-action 'none'"
ADDRESS = "https://preview.test/"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


class Screen:
    """A browser page that shows documents, under our policy; and what it complained about or asked the network for."""

    def __init__(self, browser: Any, scheme: str = "light", scale: int = 2) -> None:
        context = browser.new_context(
            viewport={"width": 1280, "height": 900}, device_scale_factor=scale, color_scheme=scheme
        )
        self.page = context.new_page()
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self._document, self._kind = b"", "text/html; charset=utf-8"
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.route("**/*", self._answer)

    def show(self, document: bytes, kind: str = "text/html; charset=utf-8") -> Any:
        self._document, self._kind = document, kind
        self.page.goto(ADDRESS)
        return self.page

    def _answer(self, route: Any) -> None:
        url = route.request.url
        if url == ADDRESS:
            headers = {"Content-Type": self._kind, "Content-Security-Policy": CSP}
            route.fulfill(body=self._document, headers=headers)
            return
        if not url.startswith("data:") and not url.endswith("/favicon.ico"):
            self.asked.append(url)
        route.abort()


@pytest.fixture(scope="module")
def screens(browser: Any) -> dict[str, Screen]:
    return {scheme: Screen(browser, scheme) for scheme in ("light", "dark")}


@pytest.fixture
def screen(screens: dict[str, Screen]) -> Iterator[Screen]:
    """The light one, which may not have complained or asked by the end of the test."""
    yield screens["light"]
    for each in screens.values():
        complaints, asked = each.complaints[:], each.asked[:]
        each.complaints.clear()
        each.asked.clear()
        assert not complaints
        assert not asked
