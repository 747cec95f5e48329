"""The console inside an application: whom that lets in, as what, at any mount; and nobody else, whatever they send."""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.routing import Mount

from embed.hosts import HOST, authorization, client, embedded, register, settings
from journeys.world import PASS_TYPE
from livepass import Livepass
from livepass.emulators.authority import Authority
from livepass.service.tenants import Tenants
from livepass.web.app import Asgi
from livepass.web.console import live
from livepass.web.console.app import SECURE_SESSION, SESSION
from livepass.web.console.drawing import TEMPLATES
from livepass.web.console.page import ROLES
from livepass.web.console.pages import DEMO, HOSTED, PAGES, PEOPLE
from livepass.web.console.people import Who
from web.console.console_app import Html

PASS = f"/console/passes/{PASS_TYPE}/1"
DEVICE = "d3v1ce-that-no-page-shows-whole"
STAFF = {"vera": "viewer", "otto": "operator", "ada": "admin"}
NO_PAGES = (
    "static/console.css",
    "static/console.js",
    "static/nothing",
    "docs",
    "docs/findings/LP303",
    "live",
    "theme?to=dark",
    "tenant?to=default",
    "login",
    "login?back=/console/passes",
    "enter",
    "enter?k=x",
    "logout",
    "nothing",
    "../console/passes",
    "%2e%2e/console/passes",
    "/passes",
    "passes%2f1",
    "passes;x",
    "%00",
    "%ff",
    "\N{SNOWMAN}",
    "a" * 9000,
    "passes?cursor=%00",
)


def named(request: Request) -> tuple[str, str] | None:
    """By a cookie of the host's."""
    name = request.cookies.get("club", "")
    return (name, STAFF[name]) if name in STAFF else None


async def named_later(request: Request) -> tuple[str, str] | None:
    return named(request)


def host(lp: Livepass, who: Who = named, at: str = "/console") -> Starlette:
    return Starlette(routes=[Mount(at, lp.console_app(who))])


def of(app: Asgi | Any, name: str = "") -> httpx2.AsyncClient:
    """A browser that the host knows by that name."""
    made = client(app)
    if name:
        made.headers["cookie"] = f"club={name}"
    return made


def inside(tmp_path: Path, authority: Authority, steps: Callable[[Livepass], Awaitable[None]], **more: Any) -> None:
    async def work() -> None:
        async with embedded(tmp_path, authority, **more) as lp:
            async with client(Starlette(routes=[Mount("/wallet", lp.device_app())])) as http:
                assert await register(http, lp, device=DEVICE) == 201
            await steps(lp)

    asyncio.run(work())


def addresses() -> list[str]:
    """Of everything that there is or may be taken to be."""
    named = {"type": PASS_TYPE, "serial": "1", "phone": "x", "id": "x", "name": "membership"}
    pages = {page.path.format_map(named) for page in (*PAGES, *PEOPLE, *HOSTED, *DEMO)}
    both = {f"{path or 'index'}{ending}" for path in pages for ending in ("", ".json")}
    return [f"/console/{path}" for path in ("", *sorted(both), *NO_PAGES)]


async def changes(lp: Livepass) -> int:
    """How often the pass came to be another one."""
    return sum(event.kind.value in ("issued", "changed", "voided") for event in await lp.timeline(PASS_TYPE, "1"))


def test_no_template_leads_anywhere_by_itself() -> None:
    """What is mounted elsewhere leads there: by ``url``, ``base`` and ``manual``."""
    for template in TEMPLATES.iterdir():
        text = template.read_text()
        assert re.findall(r'(?:href|src|action)="/', text) == [], template.name
        made = re.findall(r'(?:href|src|action)="\{\{ *(\w+)', text)
        assert {*made} <= {"url", "base", "manual", "here"}, template.name


async def token(http: httpx2.AsyncClient, page: str = PASS) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', (await http.get(page)).text)
    assert found is not None
    return found[1]


# ── whom nobody knows


def test_for_nobody_there_is_nothing(tmp_path: Path, authority: Authority) -> None:
    """Whatever is asked for and sent along: neither livepass's own sessions nor what a proxy would say let in."""

    async def steps(lp: Livepass) -> None:
        users = (await lp.services()).console
        await users.add_user("ada", "admin", "correct horse battery")
        session = await users.login("ada", "correct horse battery", None, source="here")
        csrf = (await users.proxied("ada", "admin")).csrf
        forged = f"{SESSION}={session}; {SECURE_SESSION}={session}; club=mallory; livepass_tenant=default"
        lies = {"cookie": forged, "x-forwarded-user": "ada", **await authorization(lp)}
        form = {
            "csrf": csrf,
            "act": "set",
            "key": "points",
            "value": "7",
            "name": "ada",
            "k": await users.new_link("admin"),
        }
        async with of(host(lp)) as http:
            for address in addresses():
                for method, more in (("GET", {}), ("HEAD", {}), ("POST", {"data": form}), ("DELETE", {}), ("X", {})):
                    reply = await http.request(method, address, headers=lies, **more)
                    assert reply.status_code == 403, (method, address, reply.status_code)
                    assert "set-cookie" not in reply.headers
                    assert reply.headers["cache-control"] == "private, no-store"
                    assert "stylesheet" not in reply.text and "Membership" not in reply.text
            assert "nobody is signed in who may look here" in (await http.get(PASS)).text
        assert [row.action for row in await users.audited(limit=9)] == ["made a link", "signed in", "added a user"]
        assert await changes(lp) == 1

    inside(tmp_path, authority, steps, console_user_header="X-Forwarded-User")


def failing(error: Exception) -> Who:
    def who(request: Request) -> None:
        raise error

    return who


async def reads(request: Request) -> tuple[str, str]:
    """What is sent is for the console to read."""
    await request.body()
    return "ada", "admin"


LETS_NOBODY_IN: Sequence[tuple[Any, str]] = (
    (True, "something of the type bool"),
    ("ada", "something of the type str"),
    (["ada", "admin"], "something of the type list"),
    (("ada",), "something of the type tuple"),
    (("ada", None), "something of the type tuple"),
    (("ada", "admin", "default", "x"), "something of the type tuple"),
    (("ada", "root"), "the role 'root', which is none of viewer, operator, admin"),
    (("ada", "Admin"), "the role 'Admin'"),
    (("", "admin"), "empty or holds a slash"),
    (("brand/ada", "admin"), "empty or holds a slash"),
    (("ada", "admin", ""), "empty or holds a slash"),
    (("ada", "admin", "nowhere"), "a tenant that is not here"),
    (("x" * 201, "admin"), "no name that somebody may have"),
    (("a\nda", "admin"), "no name that somebody may have"),
    (("link 0123", "admin"), "no name that somebody may have"),
    (("Command Line", "admin"), "no name that somebody may have"),
    (failing(ValueError("host's own")), "who() failed, so nobody is let in"),
    (failing(HTTPException(500)), "who() failed, so nobody is let in"),
    (failing(HTTPException(401)), ""),
    (failing(HTTPException(403)), ""),
    (reads, "who() failed, so nobody is let in"),
    (None, ""),
)


def test_what_is_no_answer_lets_nobody_in(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async def steps(lp: Livepass) -> None:
        for answer, said in LETS_NOBODY_IN:
            caplog.clear()
            who = answer if callable(answer) else lambda request, answer=answer: answer
            async with of(host(lp, who)) as http:
                for reply in (await http.get(PASS), await http.post(PASS, data={"act": "set"})):
                    assert reply.status_code == 403, answer
            lines = [record for record in caplog.records if record.name.startswith("livepass.web.console")]
            assert [said in record.getMessage() and "console_app" in record.getMessage() for record in lines] == (
                [True, True] if said else []
            ), (answer, caplog.text)

    with caplog.at_level(logging.WARNING):
        inside(tmp_path, authority, steps)


# ── whom the host knows


def test_as_what_somebody_comes(tmp_path: Path, authority: Authority) -> None:
    async def steps(lp: Livepass) -> None:
        app = host(lp, named_later)
        for name, role in STAFF.items():
            async with of(app, name) as http:
                for page in (*PAGES, *HOSTED):
                    if "{" in page.path or page.path == "search":
                        continue
                    reply = await http.get(f"/console/{page.path}")
                    may = ROLES.index(role) >= ROLES.index(page.role)
                    assert reply.status_code == (200 if may else 403), (name, page.path)
                shown = await http.get(PASS)
                assert f"{name} ({role})" in shown.text
                assert DEVICE not in shown.text and DEVICE[:6] in shown.text
                assert ("The pass's name" in shown.text or ">100<" in shown.text) == (role != "viewer")
                assert ('href="/console/audit"' in shown.text) == (role == "admin")
                for path in ("login", "enter", "logout", "people", "account"):
                    assert f"/console/{path}" not in shown.text
                    assert (await http.get(f"/console/{path}")).status_code == 404

    inside(tmp_path, authority, steps)


def test_forms_need_their_token_and_their_site_and_are_written_down(tmp_path: Path, authority: Authority) -> None:
    async def steps(lp: Livepass) -> None:
        app = host(lp)
        form = {"act": "set", "key": "points", "value": "101"}
        async with of(app, "otto") as http, of(app, "ada") as other, of(app, "vera") as viewer:
            ours, theirs = await token(http), await token(other)
            assert ours != theirs
            for csrf, headers in (
                ("", {}),
                (theirs, {}),
                (ours, {"origin": "https://evil.example"}),
                (ours, {"origin": "null"}),
            ):
                assert (await http.post(PASS, data={**form, "csrf": csrf}, headers=headers)).status_code == 403
            assert (await viewer.post(PASS, data={**form, "csrf": ours})).status_code == 403
            assert await changes(lp) == 1
            sent = await http.post(PASS, data={**form, "csrf": ours}, headers={"origin": HOST})
            assert (sent.status_code, sent.headers["location"]) == (303, PASS)
            audit = (await other.get("/console/audit")).text
            assert "otto (operator)" in audit and "Pass: set" in audit and f"{PASS_TYPE}/1" in audit
            [row] = (await other.get("/console/audit.json")).json()["audit"]
            assert (row["who"], row["role"], row["action"]) == ("otto", "operator", "Pass: set")
        assert await changes(lp) == 2

    inside(tmp_path, authority, steps)


def test_answers_keep_to_themselves(tmp_path: Path, authority: Authority) -> None:
    async def steps(lp: Livepass) -> None:
        async with of(host(lp), "ada") as http:
            page, css, manual = [
                (await http.get(f"/console/{path}")).headers for path in ("", "static/console.css", "docs/running")
            ]
        policy = page["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert page["cache-control"] == "private, no-store"
        # What is no secret is kept by the browser that was let in, and by nothing on the way to others.
        assert css["cache-control"].startswith("private, ") and manual["cache-control"].startswith("private, ")
        # Whether the host is there over TLS only is the host's to say.
        assert "strict-transport-security" not in page

    inside(tmp_path, authority, steps)


def test_who_was_shut_out_stays_out(tmp_path: Path, authority: Authority) -> None:
    async def steps(lp: Livepass) -> None:
        users = (await lp.services()).console
        await users.add_user("ada", "viewer")
        async with of(host(lp), "ada") as http:
            assert "ada (admin)" in (await http.get(PASS)).text  # what the host says counts
            await users.disable("ada")
            refused = await http.get(PASS)
        assert refused.status_code == 403 and "ada is disabled" in refused.text

    inside(tmp_path, authority, steps)


def test_somebody_of_a_tenant_sees_what_is_theirs(tmp_path: Path, authority: Authority) -> None:
    async def steps(lp: Livepass) -> None:
        opened = await lp.services()
        await Tenants(opened.store, opened.clock).add("brand", "A brand")
        app = host(lp, lambda request: ("ada", "admin", "brand"))
        async with of(app) as http, of(host(lp), "ada") as operator:
            assert "brand/ada (admin)" in (await http.get("/console/passes")).text
            assert (await http.get(PASS)).status_code == 404
            assert (await http.get("/console/tenant?to=default")).status_code == 403
            http.headers["cookie"] = "livepass_tenant=default"
            assert (await http.get(PASS)).status_code == 404
            assert (await operator.get(PASS)).status_code == 200

    inside(tmp_path, authority, steps)


def test_two_consoles_let_in_whom_each_lets_in(tmp_path: Path, authority: Authority) -> None:
    async def steps(lp: Livepass) -> None:
        routes = [
            Mount("/desk", lp.console_app(lambda request: ("desk", "viewer"))),
            Mount("/office", lp.console_app(lambda request: ("office", "admin"))),
            Mount("/nobody", lp.console_app(lambda request: None)),
        ]
        async with of(Starlette(routes=routes)) as http:
            for _ in range(2):
                assert "office (admin)" in (await http.get("/office/")).text
                assert "desk (viewer)" in (await http.get("/desk/")).text
                assert (await http.get("/nobody/")).status_code == 403

    inside(tmp_path, authority, steps)


def test_who_does_not_await_is_asked_on_a_thread_and_with_what_the_host_knows(
    tmp_path: Path, authority: Authority
) -> None:
    asked: list[tuple[bool, Any]] = []

    def who(request: Request) -> tuple[str, str]:
        asked.append((threading.current_thread() is threading.main_thread(), request.scope["user"]))
        return request.scope["user"], "viewer"

    class Awaited:
        async def __call__(self, request: Request) -> tuple[str, str]:
            return who(request)

    async def later(request: Request) -> tuple[str, str]:
        return who(request)

    async def steps(lp: Livepass) -> None:
        for one, in_loop in ((who, False), (Awaited(), True), (later, True), (lambda request: later(request), True)):
            app = host(lp, one)

            async def signed_in(scope: Any, receive: Any, send: Any, app: Any = app) -> None:
                await app({**scope, "user": "ida"}, receive, send)

            async with of(signed_in) as http:
                assert "ida (viewer)" in (await http.get(PASS)).text
            assert asked.pop() == (in_loop, "ida")

    inside(tmp_path, authority, steps)


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


# ── as long as the Livepass


def test_it_opens_and_closes_with_the_livepass(tmp_path: Path, authority: Authority) -> None:
    async def steps(lp: Livepass) -> None:
        async with of(host(lp), "ada") as http:
            assert (await http.get(PASS)).status_code == 200
            before = await lp.services()
            await lp.close()
            assert (await http.get(PASS)).status_code == 200  # opened anew, as for phones
            assert await lp.services() is not before
            http.headers["cookie"] = "club=mallory"
            assert (await http.get(PASS)).status_code == 403

    inside(tmp_path, authority, steps)


def test_a_page_follows_changes_and_holds_up_no_end(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream ends by itself, because the host's server waits for it; asked again, it tells what came in between."""
    monkeypatch.setattr(live, "BRIEF_SECONDS", 0.2)
    monkeypatch.setattr(live, "AT_MOST_EVERY", 0.01)

    async def steps(lp: Livepass) -> None:
        async with of(host(lp), "vera") as http:

            async def stream(last: str = "") -> str:
                headers = {"last-event-id": last} if last else {}
                reply = await http.get("/console/live", headers=headers)
                assert reply.headers["content-type"].startswith("text/event-stream")
                return reply.text

            def id_of(text: str) -> str:
                return re.findall(r"^id: (.+)$", text, re.MULTILINE)[-1]

            text = await stream()
            while "event: moved" in text:  # what is still being noticed of before
                text = await stream(id_of(text))
            assert text.startswith("retry: 250\n")
            await lp.change(PASS_TYPE, "1", data={"points": 7})
            assert "event: moved" in await stream(id_of(text))
            assert "event: moved" in await stream("of-another-process.3")

    inside(tmp_path, authority, steps)


def test_where_a_setting_is_from(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a host gives is from nowhere else, though a file lies beside it."""

    async def steps(lp: Livepass) -> None:
        given = {f"LIVEPASS_{name.upper()}": value for name, value in settings(tmp_path).items()}
        read = Livepass.from_env({**given, "LIVEPASS_DATABASE_URL": lp.config.database_url,
                                  "LIVEPASS_SECRET_KEY": lp.config.secret_key[0]}, tmp_path)  # fmt: skip
        for one, expected in ((lp, "whoever started this"), (read, "the environment")):
            async with of(host(one), "ada") as http:
                rows = (await http.get("/console/settings.json")).json()["settings"]
            assert {row["source"] for row in rows if row["name"] == "LIVEPASS_PUBLIC_URL"} == {expected}
        await read.close()

    inside(tmp_path, authority, steps)
