"""The console of an application in a real browser: the sign-in of that, a change seen to arrive, and the audit log."""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from browsers import chromium
from embed.hosts import furnish, settings
from journeys.world import PASS_TYPE
from livepass import Livepass
from livepass.emulators.authority import Authority
from livepass.web.console import live
from web.console.browser import looked

PEOPLE = {"otto": "operator", "ada": "admin", "vera": "viewer"}
AT = "/back/office"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


class Club:
    """An application with sessions of its own, on loopback, on a thread."""

    def __init__(self, lp: Livepass, authority: Authority) -> None:
        self.lp = lp
        self.sessions: dict[str, str] = {}

        def sign_in(request: Request) -> Response:
            self.sessions[session := secrets.token_urlsafe()] = request.path_params["name"]
            response = RedirectResponse(f"{AT}/", 303)
            response.set_cookie("club", session, httponly=True, samesite="strict")
            return response

        def who(request: Request) -> tuple[str, str] | None:
            name = self.sessions.get(request.cookies.get("club", ""))
            return (name, PEOPLE[name]) if name else None

        @asynccontextmanager
        async def lifespan(app: Any) -> Any:
            await furnish(lp, authority)
            async with lp.running():
                self.loop = asyncio.get_running_loop()
                yield

        routes = [
            Route("/as/{name}", sign_in),
            Mount(AT, lp.console_app(who)),
            Mount("/wallet", lp.device_app()),
        ]
        app = Starlette(routes=routes, lifespan=lifespan)
        self.server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=None))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://localhost:{self._listener.getsockname()[1]}"
        self.thread = threading.Thread(target=lambda: asyncio.run(self.server.serve([self._listener])))
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive()
            time.sleep(0.005)

    def change(self, points: int) -> None:
        work = self.lp.change(PASS_TYPE, "1", data={"points": points})
        asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join()
        self._listener.close()


@pytest.fixture
def club(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Club]:
    monkeypatch.setattr(live, "BRIEF_SECONDS", 0.5)  # many streams, one after the other
    running = Club(Livepass(**settings(tmp_path)), authority)
    try:
        yield running
    finally:
        running.stop()


def test_by_the_sign_in_of_the_application(club: Club, browser: Browser) -> None:
    with looked(browser, club.url, viewport={"width": 1280, "height": 800}) as seen:
        page = seen.open("/as/otto")
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        assert page.url == f"{club.url}{AT}/"
        expect(page.get_by_text("Follows changes")).to_be_visible()
        page.get_by_role("link", name="Passes", exact=True).click()
        page.get_by_role("link", name="1", exact=True).click()
        page.get_by_label("Field").fill("points")
        page.get_by_label("Value").fill("101")
        page.get_by_role("button", name="See what would change").click()
        page.get_by_role("button", name="Change it and tell its phones").click()
        expect(page.locator("dd", has_text="101").first).to_be_visible()
        # What the application itself writes is seen without loading the page again, whatever streams have ended.
        page.wait_for_timeout(1500)
        club.change(4711)
        expect(page.locator("dd", has_text="4711").first).to_be_visible(timeout=20_000)
        expect(page.locator("#live")).to_have_text("Up to date, follows changes")
    with looked(browser, club.url) as seen:
        page = seen.open("/as/ada")
        page.get_by_role("link", name="Audit").click()
        expect(page.get_by_role("row", name="otto (operator)").filter(has_text="Pass: set")).to_have_count(1)
        assert seen.overflow() <= 0
        # With this page open: a stream of it holds up no end of the application.
        expect(page.get_by_text("Follows changes")).to_be_visible()
        club.stop()
        expect(page.locator("#live")).to_have_text("Not connected: this page does not follow changes", timeout=20_000)
        seen.wrong.clear()  # the browser says of each try that nobody answers


@pytest.mark.nightly
def test_who_loses_their_rights_is_told_nothing_more(club: Club, browser: Browser) -> None:
    with looked(browser, club.url, viewport={"width": 360, "height": 740}) as seen:
        page = seen.open("/as/ada")
        page.get_by_role("link", name="Audit").click()
        expect(page.get_by_text("Follows changes")).to_be_visible()
        assert seen.violations() == []
        assert seen.overflow() <= 0
        club.sessions.clear()
        expect(page.locator("#live")).to_have_text("Not connected: this page does not follow changes", timeout=20_000)
        club.change(4711)
        refused = page.reload()
        assert refused is not None and refused.status == 403
        expect(page.get_by_text("nobody is signed in who may look here")).to_be_visible()
        assert seen.violations() == []
        seen.wrong.clear()  # of each 403
