"""Every page: is there as HTML and as data, with and without anything to show, for whom it is, and without secrets."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from livepass.web.console.page import ROLES, Page
from livepass.web.console.pages import PAGES
from web.asgi import PASS_TYPE, push_token_of
from web.console import hooks
from web.console.rooms import Room, with_room

DEVICE = "d3v1ce-that-no-page-shows-whole"
MARK = "<script>alert('x')</script>"
PERSONAL = "Ida Personal"
FORMS = [page for page in PAGES if page.post]
WITHOUT_NAMES = [page for page in PAGES if "{" not in page.path]


async def filled(room: Room) -> dict[str, str]:
    """Something for every page to show, and what the addresses of pages name."""
    api = room.api
    await api.issue("1001", f"{PERSONAL} {MARK}")
    await api.register("1001", DEVICE)
    await api.key("passes:read")
    await api.ok("POST", "/keys", {"name": f"key {MARK}", "scopes": ["passes:read"]})
    api.keys.append(json.loads(api.replies.pop().body)["key"])
    api.services.answering.testify(json.dumps({"logs": [f"[2026-11-28 12:00:00 +0000] {MARK} {PERSONAL}"]}).encode())
    await api.services.recorder.settle(5)
    webhook, secret = await hooks.endpoint(api)
    api.keys += [secret, hooks.KEY]
    await api.services.webhooks.test("default", webhook)
    await hooks.answered(api, webhook, 404, f"{PERSONAL} {MARK} is not at {hooks.ADDRESS}")
    [certificate] = [one for one in await api.services.store.certificates(PASS_TYPE) if one.live]
    phones = (await room.json(f"/passes/{PASS_TYPE}/1001"))["pass"]["registrations"]
    named = {"type": PASS_TYPE, "serial": "1001", "phone": phones[0]["phone"]}
    return {**named, "id": certificate.id, "name": "membership"}


def address(page: Page, named: dict[str, str]) -> str:
    """Where a page is. A page whose address names something new has it added to ``filled``."""
    path = page.path
    for name, value in named.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    assert "{" not in path, f"filled() names nothing for {page.path}"
    return f"/{path}" if path else ""


@pytest.mark.parametrize("bare", [False, True], ids=["with data", "empty"])
@with_room
async def test_is_there_as_a_page_and_as_data(room: Room, bare: bool) -> None:
    named = {} if bare else await filled(room)
    for page in WITHOUT_NAMES if bare else PAGES:
        path = address(page, named)
        if page.path == "search":
            assert (await room.get(path)).status == 303
            continue
        html = await room.get(path or "/")
        assert html.status == 200, (page.path, html.body)
        if not page.template:
            continue  # a picture
        assert html.headers["content-type"].startswith("text/html")
        assert html.body.count(b"<h1") == 1, page.path
        data = await room.get(f"{path or '/index'}.json")
        assert data.status == 200, (page.path, data.body)
        assert isinstance(json.loads(data.body), dict)


@with_room
async def test_what_comes_from_elsewhere_stays_text(room: Room) -> None:
    named = await filled(room)
    shown = []
    for page in PAGES:
        html = (await room.get(address(page, named) or "/")).body.decode()
        assert MARK not in html, page.path
        assert "<script>" not in html, page.path
        if "&lt;script&gt;alert" in html:
            shown.append(page.path)
    assert {"settings", "passes/{type}/{serial}", "webhooks"} <= set(shown), "or nothing of it was shown at all"


@with_room
async def test_no_page_shows_a_secret(room: Room) -> None:
    named = await filled(room)
    services, config = room.api.services, room.api.services.config
    [certificate] = [one for one in await services.store.certificates(PASS_TYPE) if one.live]
    secrets = [
        *config.secret_key,
        config.admin_key,
        config.database_url,
        *room.api.keys,
        await room.api.token("1001"),
        push_token_of(DEVICE),
        DEVICE,
        certificate.key_sealed.hex(),
        "PRIVATE KEY",
    ]
    for page in PAGES:
        for ending in ("", ".json"):
            path = address(page, named) or ("/index" if ending else "/")
            text = (await room.get(path + ending)).body.decode()
            assert [secret for secret in secrets if secret in text] == [], page.path


@with_room
async def test_a_viewer_sees_nothing_personal(room: Room) -> None:
    named = await filled(room)
    assert PERSONAL in (await room.get(address(_page("passes/{type}/{serial}"), named), "operator")).body.decode()
    for page in PAGES:
        for ending in ("", ".json"):
            path = address(page, named) or ("/index" if ending else "/")
            reply = await room.get(path + ending, "viewer")
            assert reply.status in ((200, 303) if page.role == "viewer" else (403,)), page.path
            assert PERSONAL not in reply.body.decode(), (page.path, ending)


@with_room
async def test_only_a_role_that_may_sends_its_forms(room: Room) -> None:
    named = await filled(room)
    for page in FORMS:
        for role in ROLES[: ROLES.index(page.post_role)]:
            reply = await room.post(address(page, named), role)
            assert reply.status == 403, (page.path, role)
            assert f"this is for {page.post_role}s" in reply.body.decode()


def test_who_may_what_stands_here_too() -> None:
    may = {page.path: (page.role, page.post_role if page.post else None) for page in PAGES}
    for path in ("certificates", "certificates/{id}", "templates", "templates/{name}"):
        assert may[path] == ("viewer", "admin"), path
    assert may["settings"] == ("admin", "admin")
    assert may["doctor"] == may["webhooks"] == ("viewer", "operator")
    assert may["passes/{type}/{serial}/picture.svg"] == ("operator", None)


@with_room
async def test_a_form_without_its_token_or_from_elsewhere_is_refused(room: Room) -> None:
    named = await filled(room)
    for page in FORMS:
        path = address(page, named)
        wrong: list[dict[str, Any]] = [
            {"csrf": ""},
            {"csrf": "token-of-viewer"},
            {"origin": "https://evil.example"},
            {"origin": "null"},
        ]
        for how in wrong:
            for files in (None, {"p12": b"x", "zip": b"x", "pkpass": b"x"}):
                if files is not None:
                    files = dict([next(iter(files.items()))])
                reply = await room.post(path, **how, files=files)
                assert reply.status == 403, (page.path, how)


@with_room
async def test_what_answers_a_form_is_not_exchanged_by_a_script(room: Room) -> None:
    named = await filled(room)
    for page in FORMS:
        path = address(page, named)
        assert b"console.js" in (await room.get(path)).body
        answered = await room.post(path, act="nothing that there is")
        assert answered.status == 200, page.path
        assert b"console.js" not in answered.body, page.path


@with_room
async def test_the_menu_leads_to_what_somebody_may_see(room: Room) -> None:
    assert b'href="/console/settings"' in (await room.get("/passes", "admin")).body
    assert b'href="/console/settings"' not in (await room.get("/passes", "operator")).body
    menu = [page.menu for page in PAGES if page.menu]
    order = ["Overview", "Passes", "Pushes", "Logs", "Certificates", "Templates", "Doctor", "Settings"]
    assert [word for word in menu if word in order] == [word for word in order if word in menu]


def _page(path: str) -> Page:
    return next(page for page in PAGES if page.path == path)


@with_room
async def test_a_nul_is_refused_wherever_it_stands(room: Room) -> None:
    """As in the issuer API: neither database takes one in text."""
    named = await filled(room)
    for page in PAGES:
        if "{" in page.path:
            reply = await room.get(address(page, dict.fromkeys(named, "\0")))
            assert 400 <= reply.status < 500, page.path
        for query in ("cursor=%00", "q=a%00", "%00=1"):
            assert (await room.get(f"{address(page, named) or '/'}?{query}")).status == 400, (page.path, query)
    for page in FORMS:
        for act in ("revoke", "void", "set", "look", "publish", "create", "promote"):
            reply = await room.post(
                address(page, named), act=act, id="\0", name="\0", confirm="\0", key="\0", value="\0"
            )
            assert reply.status == 400, (page.path, act)
