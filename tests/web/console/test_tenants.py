"""The console of a tenant: every page shows what is its own, and of another's things as little as of what never was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from livepass.core.authorization import fingerprint
from livepass.emulators.authority import Authority, Issued
from livepass.service.access import OF_TENANTS, SCOPES, Caller
from livepass.service.console_roles import ConsoleCaller, Visitor
from livepass.web.console.app import TENANT
from livepass.web.console.page import Page
from livepass.web.console.pages import PAGES
from web import asgi
from web.asgi import OTHER, PASS_TYPE, Reply
from web.console import rooms
from web.console.rooms import Room, Somebody
from web.matrix import BRAND, NOBODY, Place, device_of, plain

NAMED = ("theirs-01", "theirs-card", "Their membership", "theirs.example", device_of(OTHER, "theirs-01"))
EVERYTHING = "the installation's own"
"""Whose admin is the operator; the admin of ``second`` is of a tenant with nothing."""


@pytest.fixture
def visit(tmp_path: Path, authority: Authority, certificates: tuple[Issued, ...]) -> Callable[..., None]:
    def run(steps: Callable[[Room, Place], Awaitable[None]]) -> None:
        async def work() -> None:
            async with asgi.opened(tmp_path, certificates[:1]) as api:
                place = await Place(api, authority, certificates, BRAND).ours()
                await place.theirs()
                await api.ok("POST", "/tenants", {"name": "second"})
                await steps(Room(api), place)

        asyncio.run(work())

    return run


def of(tenant: str) -> Callable[[Somebody], Caller]:
    """The people of ``rooms`` as those of a tenant."""

    def caller(somebody: Somebody) -> Caller:
        scopes = frozenset(SCOPES) if tenant == "default" else OF_TENANTS
        return ConsoleCaller(somebody.name, tenant, scopes, None, None, somebody.role)

    return caller


def _addresses(page: Page, place: Place, at: int) -> tuple[str, Mapping[str, str]]:
    type_, serial = ((OTHER, "theirs-01"), (NOBODY, "nobody-01"))[at]
    phone = fingerprint(device_of(type_, serial))
    names = {**place.more[at], "type": type_, "serial": serial, "phone": phone}
    path = page.path.replace("{id}", names["certificate"]).replace("{name}", names["template"])
    for name in ("type", "serial", "phone"):
        path = path.replace("{" + name + "}", names[name])
    return f"/{path}", names


def _told(reply: Reply, names: Mapping[str, str]) -> tuple[int, str, bytes]:
    status, headers, body = plain(reply, names)
    return status, headers.get("location", ""), body


@pytest.mark.parametrize("tenant", ["default", "second"])
@pytest.mark.usefixtures("engine")
def test_no_page_shows_another_tenants(
    visit: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tenant: str
) -> None:
    monkeypatch.setattr(rooms.Somebody, "caller", of(tenant))

    async def steps(room: Room, place: Place) -> None:
        shown = 0
        for page in PAGES:
            theirs, names = _addresses(page, place, 0)
            nobodys, others = _addresses(page, place, 1)
            for ending in ("", ".json") if page.template else ("",):
                for query in ("", f"?pass_type={names['type']}", f"?q={names['serial']}", "?q=" + OTHER + "/1"):
                    one = await room.get(f"{theirs if theirs != '/' or not ending else '/index'}{ending}{query}")
                    asked = query.replace(OTHER, NOBODY).replace("theirs-01", "nobody-01")
                    two = await room.get(f"{nobodys if nobodys != '/' or not ending else '/index'}{ending}{asked}")
                    assert one.status == two.status, (page.path, query)
                    if "{" in page.path:
                        assert one.status == 404, page.path
                        assert _told(one, names) == _told(two, others), page.path
                    shown += one.status == 200
                    text = one.body.decode()
                    assert [word for word in NAMED if word in text and word not in theirs + query] == [], page.path
                    if not query and "{" not in page.path:
                        assert OTHER not in text and (tenant == "default" or PASS_TYPE not in text), page.path
        assert shown > 50, "or there was nothing to look at"

    visit(steps)


@pytest.mark.usefixtures("engine")
def test_figures_are_the_tenants_own(visit: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(room: Room, place: Place) -> None:
        found = {}
        for tenant in ("default", BRAND, "second"):
            monkeypatch.setattr(rooms.Somebody, "caller", of(tenant))
            stats = (await room.json("/index"))["counted"]["stats"]
            found[tenant] = (stats["passes"], stats["registrations"])
            jobs = await room.json("/jobs")
            assert ("sealed" in jobs) == (tenant == "default"), "what is the house's is the operator's to see"
            settings = await room.json("/settings")
            assert bool(settings["settings"]) == (tenant == "default") == ("tenants:admin" in settings["scopes"])
        assert found == {"default": (2, 2), BRAND: (3, 2), "second": (0, 0)}

    visit(steps)


@pytest.mark.usefixtures("engine")
def test_the_operator_goes_on_as_another(visit: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The header says as whom; a form that was loaded as one changes nothing of another."""
    monkeypatch.setattr(rooms.Somebody, "caller", of("default"))

    async def steps(room: Room, place: Place) -> None:
        assert b"Tenant <strong>default</strong>" in (await room.get("/")).body
        switched = await room.get(f"/tenant?to={BRAND}")
        assert switched.status == 303 and f"{TENANT}={BRAND}" in switched.headers["set-cookie"]
        assert (await room.get("/tenant?to=nomad")).status == 404
        room.cookies = f"; {TENANT}={BRAND}"
        assert f"Tenant <strong>{BRAND}</strong>".encode() in (await room.get("/")).body
        path = f"/passes/{OTHER}/theirs-01"
        assert (await room.get(path)).status == 200
        assert (await room.post(path, act="push")).status == 403, "a form of the tenant before"
        assert (await room.post(path, act="push", csrf=f"token-of-admin.{BRAND}")).status == 303
        assert room.doors.noted[-1][1].endswith(f"(as {BRAND})")
        room.cookies = f"; {TENANT}=removed"
        assert b"Tenant <strong>default</strong>" in (await room.get("/")).body
        monkeypatch.setattr(rooms.Somebody, "caller", of("second"))
        room.cookies = f"; {TENANT}={BRAND}"
        assert b"Tenant <strong>second</strong>" in (await room.get("/")).body, "others have no choice"
        assert (await room.get(path)).status == 404
        for wanted in (BRAND, "nomad"):
            assert (await room.get(f"/tenant?to={wanted}")).status == 403

    visit(steps)


@pytest.mark.usefixtures("engine")
def test_people_are_of_a_tenant(visit: Callable[..., None]) -> None:
    """Who signs in as brand/ada is not ada, and manages nobody but the brand's."""

    async def steps(room: Room, place: Place) -> None:
        console = room.api.services.console
        password = "correct horse battery"
        await console.add_user("ada", "viewer", password)
        await console.add_user(f"{BRAND}/ada", "admin", password + "!")
        await _refused(console.add_user("nomad/ada", "admin", password), "no_tenant")
        session = await console.login(f"{BRAND}/Ada", password + "!", None, source="192.0.2.1")
        ada = await console.visitor(session)
        assert ada is not None and (ada.name, ada.tenant) == (f"{BRAND}/ada", BRAND)
        assert "tenants:admin" not in ada.caller().scopes
        await _refused(console.login("ada", password + "!", None, source="192.0.2.2"), "not_let_in")
        for name in ("ada", "nobody", "second/x", "nomad/x"):
            for change in (console.disable(name, by=ada), console.add_user(name, "admin", password, by=ada)):
                await _refused(change, "foreign_tenant")
        await _refused(console.new_link("admin", by=ada), "foreign_tenant")
        by_link = await console.visitor(await console.redeem(await console.new_link("viewer", by=ada, tenant=BRAND)))
        assert by_link is not None and by_link.tenant == BRAND
        await console.add_user(f"{BRAND}/bob", "viewer", password, by=ada)
        assert [user.name for user in await console.users(BRAND)] == ["ada", "bob"]
        assert [user.name for user in await console.users()] == ["ada"]
        told = {tenant: await console.audited(limit=50, tenant=tenant) for tenant in ("default", BRAND)}
        assert {row.subject for row in told["default"]} == {"ada"}
        assert f"{BRAND}/bob" in {row.subject for row in told[BRAND]}
        proxied = await console.proxied(f"{BRAND}/bob", "viewer")
        assert (proxied.tenant, proxied.name) == (BRAND, f"{BRAND}/bob")
        await _refused(console.proxied("nomad/bob", "admin"), "forbidden")

    visit(steps)


async def _refused(work: Awaitable[object], code: str) -> None:
    with pytest.raises(Exception) as caught:
        await work
    assert getattr(caught.value, "code", "") == code, caught.value


def test_of_an_unknown_tenant_there_is_nothing(visit: Callable[..., None]) -> None:
    """Somebody who is still signed in of a tenant that was removed."""

    async def steps(room: Room, place: Place) -> None:
        gone = Visitor("gone/ada", "admin", "", 0, 0, "gone")
        caller = await room.app._services.access.acting(gone.caller(), "gone")
        assert caller.within == () and not caller.of_all

    visit(steps)
