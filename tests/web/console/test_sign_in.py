"""Coming into the console: with a password, by a link, by what a proxy says; and what is written down of people."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from livepass.emulators.authority import Issued
from livepass.web.console.app import SESSION, ConsoleApp
from livepass.web.console.page import Counted
from livepass.web.console.people import SessionDoors
from web.asgi import PASS_TYPE, Api, Reply, opened, send
from web.console.rooms import HOST

PASSWORD = "correct horse battery"


class Browser:
    """Keeps the cookie that it is given, and sends the token of the last page that it saw."""

    def __init__(self, app: ConsoleApp) -> None:
        self.app = app
        self.cookie = ""
        self.csrf = ""

    async def get(self, path: str, **headers: str) -> Reply:
        return self._kept(await send(self.app, "GET", path, [b""], self._headers(headers)))

    async def post(self, path: str, origin: str = f"https://{HOST}", **fields: str) -> Reply:
        form = urlencode({"csrf": self.csrf, **fields}).encode()
        headers = self._headers({"origin": origin, "content-type": "application/x-www-form-urlencoded"})
        return self._kept(await send(self.app, "POST", path, [form], headers))

    def _headers(self, more: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        cookie = [(b"cookie", self.cookie.encode())] if self.cookie else []
        return [*cookie, *((name.replace("_", "-").encode(), value.encode()) for name, value in more.items())]

    def _kept(self, reply: Reply) -> Reply:
        given = re.search(rf"{SESSION}=([^;]*)", reply.headers.get("set-cookie", ""))
        if given:
            self.cookie = f"{SESSION}={given[1]}" if given[1].strip('"') else ""
        token = re.search(r'name="csrf" value="([^"]+)"', reply.body.decode())
        self.csrf = token[1] if token else self.csrf
        return reply


Journey = Callable[[Api, Browser], Awaitable[None]]


def visit(tmp_path: Path, certificates: Sequence[Issued], journey: Journey, header: str = "") -> None:
    async def work() -> None:
        async with opened(tmp_path, certificates) as api:

            async def counts() -> Counted | None:
                return None

            doors = SessionDoors(api.services.console, header)
            await journey(api, Browser(ConsoleApp(api.app.services, doors, counts)))

    asyncio.run(work())


async def actions(api: Api) -> list[tuple[str, str, str]]:
    return [(row.who, row.action, row.subject) for row in await api.services.console.audited(limit=50)]


@pytest.mark.usefixtures("engine")
def test_whoever_is_not_known_is_led_to_the_door_and_back(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    async def journey(api: Api, browser: Browser) -> None:
        await api.services.console.add_user("ada", "operator", PASSWORD)
        asked = await browser.get("/console/passes")
        assert (asked.status, asked.headers["location"]) == (303, "/console/login?back=/console/passes")
        assert (await browser.get("/console/passes.json")).status == 403
        wrong = await browser.post("/console/login", name="ada", password="not that one", back="/console/passes")
        assert wrong.status == 401
        assert b"name, password or code is wrong" in wrong.body
        assert not browser.cookie
        right = await browser.post("/console/login", name="ada", password=PASSWORD, back="/console/passes")
        assert (right.status, right.headers["location"]) == (303, "/console/passes")
        cookie = right.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        shown = await browser.get("/console/passes")
        assert shown.status == 200
        assert b"ada (operator)" in shown.body
        assert (await browser.get("/console/people")).status == 403

    visit(tmp_path, certificates, journey)


@pytest.mark.parametrize(
    "back", ["https://evil.example", "//evil.example", "/console//evil.example", "/console/\\evil"]
)
def test_the_door_leads_nowhere_else(tmp_path: Path, certificates: Sequence[Issued], back: str) -> None:
    async def journey(api: Api, browser: Browser) -> None:
        await api.services.console.add_user("ada", "operator", PASSWORD)
        right = await browser.post("/console/login", name="ada", password=PASSWORD, back=back)
        assert right.headers["location"] == "/console/"

    visit(tmp_path, certificates, journey)


@pytest.mark.usefixtures("engine")
def test_what_people_do_is_written_down_before_it_is_done(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    async def journey(api: Api, browser: Browser) -> None:
        await api.issue("1001")
        await api.services.console.add_user("ada", "operator", PASSWORD)
        await browser.post("/console/login", name="ada", password=PASSWORD)
        here = f"/console/passes/{PASS_TYPE}/1001"
        await browser.get(here)
        looked = await browser.post(here, act="look", key="points", value="5")
        assert b"This would change" in looked.body
        assert (await browser.post(here, act="set", key="points", value="5")).status == 303
        assert (await browser.post(here, act="void", confirm="another")).status == 200
        assert not (await api.row("1001")).voided  # type: ignore[union-attr]
        done = [one for one in await actions(api) if one[0] == "ada" and one[1] != "signed in"]
        assert done == [("ada", "Pass: void", f"{PASS_TYPE}/1001"), ("ada", "Pass: set", f"{PASS_TYPE}/1001")]

    visit(tmp_path, certificates, journey)


def test_a_link_lets_in_once_and_an_admin_manages_people(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    async def journey(api: Api, browser: Browser) -> None:
        link = await api.services.console.new_link("admin")
        assert (await browser.get("/console/enter")).status == 200
        assert (await browser.post("/console/enter", k=link)).status == 303
        await browser.get("/console/people")
        made = await browser.post("/console/people", act="add", name="bea", role="viewer", password="short")
        assert b"12" in made.body
        assert (
            await browser.post("/console/people", act="add", name="bea", role="viewer", password=PASSWORD)
        ).status == 303
        offered = await browser.post("/console/people", act="link", role="viewer")
        [text] = re.findall(rb"/console/enter#([A-Za-z0-9_-]{40,})", offered.body)
        other = Browser(browser.app)
        assert (await other.post("/console/enter", k=text.decode())).status == 303
        assert (await other.get("/console/settings")).status == 403
        assert (await Browser(browser.app).post("/console/enter", k=link)).status == 401
        await browser.get("/console/people")
        kept = await browser.post("/console/people", act="disable", name="bea", confirm="somebody else")
        assert b"nothing was done" in kept.body
        assert (await browser.post("/console/people", act="disable", name="bea", confirm="bea")).status == 303
        with pytest.raises(Exception, match="wrong"):
            await api.services.console.login("bea", PASSWORD, None, source="")

    visit(tmp_path, certificates, journey)


def test_signing_out_and_another_password_end_the_session(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    async def journey(api: Api, browser: Browser) -> None:
        await api.services.console.add_user("ada", "viewer", PASSWORD)
        other = Browser(browser.app)
        for one in (browser, other):
            await one.post("/console/login", name="ada", password=PASSWORD)
        await browser.get("/console/account")
        new = {"current": PASSWORD, "password": "another horse battery", "again": "another horse battery"}
        assert (await browser.post("/console/account", act="password", **new)).status == 303
        assert (await other.get("/console/passes")).status == 303
        await browser.post("/console/login", name="ada", password="another horse battery")
        await browser.get("/console/account")
        session = browser.cookie
        assert (await browser.post("/console/logout")).status == 303
        browser.cookie = session
        assert (await browser.get("/console/passes")).status == 303

    visit(tmp_path, certificates, journey)


def test_over_tls_the_session_is_a_cookie_that_no_other_host_can_set(
    tmp_path: Path, certificates: Sequence[Issued]
) -> None:
    async def journey(api: Api, browser: Browser) -> None:
        console = browser.app

        async def over_tls(scope: Any, receive: Any, send_: Any) -> None:
            await console({**scope, "scheme": "https"}, receive, send_)

        browser.app = over_tls  # type: ignore[assignment]
        await api.services.console.add_user("ada", "viewer", PASSWORD)
        entered = await browser.post("/console/login", name="ada", password=PASSWORD)
        cookie = entered.headers["set-cookie"]
        assert cookie.startswith("__Host-livepass_console=")
        assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
        assert entered.headers["strict-transport-security"].startswith("max-age=31536000")
        browser.cookie = cookie.partition(";")[0]
        assert (await browser.get("/console/passes")).status == 200

    visit(tmp_path, certificates, journey)


def test_forms_of_other_sites_change_nothing(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    async def journey(api: Api, browser: Browser) -> None:
        await api.services.console.add_user("ada", "viewer", PASSWORD)
        foreign: dict[str, Any] = {"name": "ada", "password": PASSWORD, "origin": "https://evil.example"}
        assert (await browser.post("/console/login", **foreign)).status == 403
        await browser.post("/console/login", name="ada", password=PASSWORD)
        browser.csrf = ""
        assert (await browser.post("/console/logout")).status == 403
        assert (await browser.get("/console/passes")).status == 200

    visit(tmp_path, certificates, journey)


def test_a_proxy_says_who_it_is(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    async def journey(api: Api, browser: Browser) -> None:
        await api.services.console.add_user("ada", "admin", None)
        named = await browser.get("/console/people", x_forwarded_user="Ada")
        assert named.status == 200
        assert b"Ada (admin)" in named.body
        stranger = await browser.get("/console/passes", x_forwarded_user="mallory")
        assert b"mallory (viewer)" in stranger.body
        assert (await browser.get("/console/passes")).status == 303
        await api.services.console.disable("ada")
        assert (await browser.get("/console/passes", x_forwarded_user="ada")).status == 403

    visit(tmp_path, certificates, journey, "x-forwarded-user")


def test_without_that_setting_the_header_says_nothing(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    async def journey(api: Api, browser: Browser) -> None:
        await api.services.console.add_user("ada", "admin", None)
        assert (await browser.get("/console/passes", x_forwarded_user="ada")).status == 303

    visit(tmp_path, certificates, journey)
