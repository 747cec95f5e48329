"""The console in a real browser: pages as people see them, what they load, and what axe has to say of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page

from doctor.third_party.services import npm_folder

HERE = Path(__file__).parent


@cache
def axe_source() -> str:
    return (npm_folder(HERE / "package.json") / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


@dataclass
class Looked:
    """A page of a browser, and what went wrong while it was looked at."""

    page: Page
    origin: str
    wrong: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def listen(self) -> Looked:
        self.page.on(
            "console", lambda said: self.wrong.append(said.text) if said.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self._note(request.url))
        return self

    def _note(self, url: str) -> None:
        if not url.startswith(("data:", self.origin)):
            self.elsewhere.append(url)

    def open(self, path: str) -> Page:
        response = self.page.goto(self.origin + path)
        assert response is not None and response.status == 200, (path, response and response.status)
        return self.page

    def violations(self) -> list[str]:
        """What axe finds wrong: the rule, and where."""
        self.page.evaluate(axe_source())
        found: dict[str, Any] = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {node['html'][:160]} {node['any'][0]['message'] if node['any'] else ''}"
            for one in found["violations"]
            for node in one["nodes"]
        ]

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@contextmanager
def looked(browser: Browser, address: str, **settings: Any) -> Iterator[Looked]:
    """A fresh window on the origin of ``address``; whatever went wrong in it fails the test."""
    parts = urlsplit(address)
    context: BrowserContext = browser.new_context(**settings)
    try:
        seen = Looked(context.new_page(), f"{parts.scheme}://{parts.netloc}").listen()
        yield seen
        assert not seen.wrong, seen.wrong
        assert not seen.elsewhere, seen.elsewhere
    finally:
        context.close()
