"""The console inside an application: whom that lets in, as what; and nobody else, whatever they send."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Mount

from embed.consoles import DEVICE, PASS, STAFF, changes, host, inside, named_later, of, token
from embed.hosts import HOST, authorization, settings
from journeys.world import PASS_TYPE
from livepass import Livepass
from livepass.emulators.authority import Authority
from livepass.service.tenants import Tenants
from livepass.web.console import live
from livepass.web.console.app import SECURE_SESSION, SESSION
from livepass.web.console.page import ROLES
from livepass.web.console.pages import DEMO, HOSTED, PAGES, PEOPLE
from livepass.web.console.people import Who

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


def addresses() -> list[str]:
    """Of everything that there is or may be taken to be."""
    named = {"type": PASS_TYPE, "serial": "1", "phone": "x", "id": "x", "name": "membership"}
    pages = {page.path.format_map(named) for page in (*PAGES, *PEOPLE, *HOSTED, *DEMO)}
    both = {f"{path or 'index'}{ending}" for path in pages for ending in ("", ".json")}
    return [f"/console/{path}" for path in ("", *sorted(both), *NO_PAGES)]


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
                assert (">100<" in shown.text) == (role != "viewer")
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
