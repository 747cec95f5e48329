"""The console inside an application: at any mount, and nowhere else."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from embed.consoles import PASS, host, inside, named, of, token
from embed.hosts import HOST, register
from journeys.world import PASS_TYPE
from livepass import Livepass
from livepass.emulators.authority import Authority
from livepass.web.app import Asgi
from livepass.web.console import live
from livepass.web.console.drawing import TEMPLATES
from web.console.console_app import Html


def test_no_template_leads_anywhere_by_itself() -> None:
    """What is mounted elsewhere leads there: by ``url``, ``base`` and ``manual``."""
    for template in TEMPLATES.iterdir():
        text = template.read_text()
        assert re.findall(r'(?:href|src|action)="/', text) == [], template.name
        made = re.findall(r'(?:href|src|action)="\{\{ *(\w+)', text)
        assert {*made} <= {"url", "base", "manual", "here"}, template.name


# ── where it is


def _prefix_taken_away(app: Asgi, prefix: str) -> Asgi:
    """As frameworks mount that know ``root_path``, and give the rest of the path only."""

    async def mount(scope: Any, receive: Any, send: Any) -> None:
        cut = {"path": scope["path"].removeprefix(prefix), "raw_path": scope["raw_path"].removeprefix(prefix.encode())}
        await app({**scope, **cut, "root_path": prefix}, receive, send)

    return mount


@pytest.mark.parametrize("cut", [False, True], ids=["whole paths", "the rest of paths"])
def test_its_pages_lead_to_where_it_is_mounted(tmp_path: Path, authority: Authority, cut: bool) -> None:
    """Followed from the first page: every link, picture and form leads below the mount, and is answered there."""
    at = "/club/back.office"

    async def steps(lp: Livepass) -> None:
        app = _prefix_taken_away(lp.console_app(named), at) if cut else host(lp, at=at)
        async with of(app, "ada") as http:
            seen, waiting = set[str](), deque([f"{at}/", f"{at}/passes/{PASS_TYPE}/1"])
            while waiting:
                address = waiting.popleft().partition("#")[0]
                shape = re.sub(r"[0-9a-f]{12,}", "…", address.partition("?")[0])
                if address in seen or (shape.startswith(f"{at}/docs/") and len(seen) > 40) or len(seen) > 60:
                    continue
                seen.add(address)
                reply = await http.get(address)
                assert reply.status_code in (200, 303), (address, reply.text)
                for cookie in reply.headers.get_list("set-cookie"):
                    assert f"Path={at};" in cookie, cookie
                found = [reply.headers["location"]] if reply.status_code == 303 else _leads(reply)
                for one in found:
                    assert not urlsplit(one).netloc, (address, one)
                    target = str(httpx2.URL(HOST + address).join(one).raw_path, "ascii")
                    assert target.startswith(f"{at}/"), (address, one)
                    if not target.startswith(f"{at}/live"):
                        waiting.append(target)
            rest = {address.removeprefix(f"{at}/").partition("/")[0].partition("?")[0] for address in seen}
            assert {"passes", "static", "docs", "theme", "settings", "audit", "index.json"} <= rest, rest

    inside(tmp_path, authority, steps)


@pytest.mark.parametrize("at", ["/caf%C3%A9", "/x;Domain=evil.example", "/a b", "/a/%2e%2e%2fb"])
def test_a_mount_of_which_no_address_can_be_made_is_refused(tmp_path: Path, authority: Authority, at: str) -> None:
    """Also where it comes out of the address itself."""

    async def steps(lp: Livepass) -> None:
        async with of(host(lp, at="/{club:path}/console"), "ada") as http:
            refused = await http.get(f"{at}/console/theme?to=dark")
            assert refused.status_code == 404 and "mount it at a path of letters" in refused.text
            assert "set-cookie" not in refused.headers
            assert (await http.get("/club/console/theme?to=dark")).status_code == 303
            http.headers["cookie"] = ""
            assert (await http.get(f"{at}/console/theme?to=dark")).status_code == 403

    inside(tmp_path, authority, steps)


def _leads(reply: httpx2.Response) -> list[str]:
    if not reply.headers["content-type"].startswith("text/html"):
        return []
    there = Html(reply.text)
    found = [attributes.get(name) for _, attributes in there.elements for name in ("href", "src", "action")]
    return [one for one in found if one and not one.startswith(("#", "data:"))]


def test_behind_a_proxy_that_takes_the_front_away(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And told the application so (``root_path``); middleware lies in between. Phones and issuers come through too."""

    async def steps(lp: Livepass) -> None:
        app = Starlette()
        app.add_middleware(GZipMiddleware, minimum_size=1)
        app.add_middleware(BaseHTTPMiddleware, dispatch=lambda request, call_next: call_next(request))
        app.mount("/console", lp.console_app(named))
        app.mount("/wallet", lp.device_app())
        app.mount("/api/v1", lp.api_app())

        async def told(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "root_path": "/shop"}, receive, send)

        async with of(told, "ada") as http:
            page = await http.get("/console/passes")
            assert page.status_code == 200 and 'href="/shop/console/pushes"' in page.text
            assert (await http.get("/console/docs/running")).status_code == 200
            assert (await http.post(PASS, data={"csrf": await token(http), "act": "push"})).headers["location"] == (
                f"/shop{PASS}"
            )
            assert "retry: 250" in (await http.get("/console/live")).text
            assert await register(http, lp) == 201
            assert (await http.get("/api/v1/passes")).status_code == 401

    monkeypatch.setattr(live, "BRIEF_SECONDS", 0.2)
    with caplog.at_level(logging.WARNING):
        inside(tmp_path, authority, steps, public_url=f"{HOST}/shop")
    assert "phones are told" not in caplog.text


def test_given_whole_requests_it_is_at_console(tmp_path: Path, authority: Authority) -> None:
    async def steps(lp: Livepass) -> None:
        async with of(lp.console_app(named), "ada") as http:
            assert (await http.get("/console/passes")).status_code == 200
            assert (await http.get("/")).headers["location"] == "/console/"
            assert (await http.get("/wallet/v1/log")).status_code == 404

    inside(tmp_path, authority, steps)


def test_phones_do_not_reach_it(tmp_path: Path, authority: Authority) -> None:
    async def steps(lp: Livepass) -> None:
        around = lp.around(host(lp, lambda request: ("ada", "admin")))
        for app in (Starlette(routes=[Mount("/wallet", lp.device_app())]), around):
            async with of(app) as http:
                for path in (
                    "/wallet/console/",
                    "/wallet/v1/console",
                    "/wallet/v1/%2e%2e/console/",
                    "/wallet//console/",
                ):
                    reply = await http.get(path)
                    assert reply.status_code in (401, 404) and "console.css" not in reply.text, path
        async with of(around) as http:
            assert (await http.get("/console/")).status_code == 200
            assert await register(http, lp) == 201

    inside(tmp_path, authority, steps)


def test_what_it_needs_is_loaded_where_it_is_wanted_and_said_where_it_is_not_there() -> None:
    code = """
import sys
from livepass import ConfigError, Livepass
lp = Livepass(database_url="sqlite:///x.db", public_url="https://club.example", secret_key="A" * 43)
lp.around(lp.device_app()), lp.api_app(), lp.share_app()
print(sorted(name for name in sys.modules if name.startswith(("livepass.web.console", "livepass.doctor", "jinja2"))))
sys.modules["jinja2"] = None
try:
    lp.console_app(print)
except ConfigError as error:
    print(error, "-", error.hint)
try:
    lp.console_app("ada")
except TypeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "[]",
        "the console needs jinja2 - install livepass[console]",
        "console_app(who) takes a function from a request to (name, role), or None for nobody",
    ]
