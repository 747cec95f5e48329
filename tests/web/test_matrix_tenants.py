"""Two tenants with the same serials and the same names of templates: every operation, asked with a full key of one
about what is the other's, answers as about what never was. A new operation is in here by its row in ``matrix``.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from livepass.emulators.authority import Authority, Issued
from livepass.service.access import OF_TENANTS, Access, Caller
from livepass.web.issuer import OPERATIONS
from livepass.web.operations import Operation
from web import asgi
from web.asgi import OTHER, PASS_TYPE, Reply, folder_zip
from web.matrix import BRAND, PASSES, ROWS, Ask, Foreign, Names, Place, asks_of, plain
from web.test_matrix import IN_ORDER

T = TypeVar("T")
Visit = Callable[[Callable[[Place], Awaitable[T]]], T]

MAKES = {"publishTemplate", "createKey", "createSigningRequest", "importApnsKey", "addWebhookEndpoint"}
"""Makes something of the caller's own, whatever it is called: only the status and the names of the answer's fields are
the same each time.
"""
CLAIMS = "importCertificate"
"""The one that has to tell: a pass type is its first tenant's, and whoever asks holds Apple's certificate for it."""
ITS_OWN = {"api_key", "signing_request", "webhook_endpoint"}
"""Tables whose rows may name a pass type that is not theirs."""


@pytest.fixture
def visit(tmp_path: Path, authority: Authority, certificates: tuple[Issued, ...]) -> Visit[T]:
    def run(steps: Callable[[Place], Awaitable[T]]) -> T:
        async def work() -> T:
            async with asgi.opened(tmp_path, certificates[:1]) as api:
                place = await Place(api, authority, certificates, BRAND).ours()
                await place.theirs()
                place.keys["full"] = await api.key(*OF_TENANTS)
                await place.api.call("GET", "/passes", key=place.keys["full"])
                return await steps(place)

        return asyncio.run(work())

    return run


async def _leaks(place: Place) -> list[str]:
    found: list[str] = []
    before = await _their_rows(place)
    for operation in sorted(IN_ORDER, key=lambda each: each.name in MAKES):
        for ask, foreign in _about(operation):
            theirs, nobodys = place.names(foreign)
            one = await place.call(ask, theirs, place.keys["full"])
            two = await place.call(ask, nobodys, place.keys["full"])
            if _told(operation, one, theirs) != _told(operation, two, nobodys):
                found.append(f"{operation.name}: {ask}: {one.status} {one.body!r} is not {two.status} {two.body!r}")
            if one.status < 300 and (shown := _says(one, place)):
                found.append(f"{operation.name}: {ask}: shows {shown}")
        if await _their_rows(place) != before:
            found.append(f"{operation.name} changed something")
    return found


def _about(operation: Operation) -> Iterator[tuple[Ask, Foreign]]:
    if operation.name != CLAIMS:
        for ask in asks_of(operation):
            for foreign in PASSES.values():
                if not (foreign.ours and ROWS[operation.name].creates):
                    yield ask, foreign


def _told(operation: Operation, reply: Reply, names: Names) -> Any:
    if operation.name in MAKES and reply.status < 300:
        return reply.status, sorted(json.loads(reply.body))
    status, headers, body = plain(reply, names)
    return status, headers, _AGAIN.sub(b"", body)


_AGAIN = re.compile(rb'"look_again_at":"[^"]*"')


def _says(reply: Reply, place: Place) -> list[str]:
    """What of theirs an answer holds that no caller sent."""
    kinds = ("certificate", "key", "apns_key", "request", "device")
    theirs = [
        *(place.more[0][kind] for kind in kinds),
        "theirs-01",
        "theirs-card",
        "Their membership",
        "Ada of " + OTHER,
    ]
    return [name for name in theirs if f'"{name}"'.encode() in reply.body]


async def _their_rows(place: Place) -> dict[str, list[str]]:
    everything = await place.everything()
    return {
        table: [row for row in rows if f"'{BRAND}'" in row or (OTHER in row and table not in ITS_OWN)]
        for table, rows in everything.items()
    }


@pytest.mark.usefixtures("engine")
def test_what_is_another_tenants_is_answered_like_what_never_was(visit: Visit[list[str]]) -> None:
    assert visit(_leaks) == []


def test_it_notices_who_forgets_the_tenant(visit: Visit[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Access.acting

    async def careless(self: Access, caller: Caller, tenant: str) -> Caller:
        return replace(await honest(self, caller, tenant), theirs=None)

    monkeypatch.setattr(Access, "acting", careless)
    leaks = visit(_leaks)
    some = ("getPass", "putPass", "deletePass", "getPkpass", "sharePass", "bundlePasses", "getWhyAll", "listEnrolments")
    lists = ("listPasses", "listRegistrations", "listPushes", "listDeviceLogs", "getStats", "listCertificates")
    for name in (*some, *lists, "getCertificate", "planCertificates", "watchCertificates", "getFunnel"):
        assert [leak for leak in leaks if leak.startswith(f"{name}:")], name
    assert "deletePass changed something" in leaks


@pytest.mark.usefixtures("engine")
def test_a_template_of_the_same_name_is_another_one(visit: Visit[None]) -> None:
    async def steps(place: Place) -> None:
        theirs = await _their_rows(place)
        document = {**asgi.MEMBERSHIP, "description": "Ours anew"}
        published = await place.api.call(
            "POST",
            "/templates?name=membership",
            body=folder_zip(document=document),
            media="application/zip",
            key=place.keys["full"],
        )
        assert published.status == 201
        await place.api.services.issuing.follow_all()
        assert await _their_rows(place) == theirs
        ours = await place.api.row("1")
        assert ours is not None and ours.revision == published.json()["revision"]

    visit(steps)


@pytest.mark.usefixtures("engine")
def test_a_pass_type_is_its_first_tenants(visit: Visit[None]) -> None:
    """With Apple's own certificate in hand another tenant is refused, and not told whose it is."""

    async def steps(place: Place) -> None:
        theirs = await _their_rows(place)
        body = {"p12": place.more[0]["p12"], "password": "sesame"}
        refused = await place.api.call("POST", "/certificates", body, key=place.keys["full"])
        assert refused.status == 403 and refused.json()["code"] == "foreign_pass_type"
        assert BRAND.encode() not in refused.body
        assert await _their_rows(place) == theirs
        place.api.tenant = BRAND
        assert (await place.api.call("GET", f"/passes/{PASS_TYPE}/1")).status == 404
        assert (await place.api.call("GET", f"/passes/{OTHER}/1")).status == 200

    visit(steps)


@pytest.mark.usefixtures("engine")
def test_only_the_operator_says_as_whom(visit: Visit[None]) -> None:
    async def steps(place: Place) -> None:
        api = place.api
        for name in (BRAND, "nomad", "default\0", "\xe9"):
            asked = await api.call(
                "GET", "/passes", key=place.keys["full"], headers=[(b"livepass-tenant", name.encode("latin-1"))]
            )
            assert (asked.status, asked.json()["code"]) == (403, "foreign_tenant")
        api.tenant = "nomad"
        assert (await api.call("GET", "/passes")).json()["code"] == "no_tenant"
        api.tenant = BRAND
        assert (await api.call("GET", "/tenants")).status == 403, "as a brand nobody is the operator"
        refused = await api.call("POST", "/keys", {"name": "k", "scopes": ["tenants:admin"]})
        assert refused.status == 403
        key = await api.key("passes:read", "keys:admin")
        api.tenant = ""
        seen = await api.ok("GET", "/passes", key=key)
        assert {row["pass_type"] for row in seen["data"]} == {OTHER}
        made = await api.ok("POST", "/keys", {"name": "theirs", "scopes": ["passes:read"]}, key=key)
        api.keys.append(made["key"])
        api.replies.pop()
        [row] = [row for row in await api.services.store.api_keys() if row.id == made["id"]]
        assert row.tenant == BRAND, "a tenant's keys are made by its own"

    visit(steps)


@pytest.mark.usefixtures("engine")
def test_a_tenant_goes_only_when_it_is_empty(visit: Visit[None]) -> None:
    async def steps(place: Place) -> None:
        api = place.api
        kept = await api.call("DELETE", f"/tenants/{BRAND}")
        assert kept.status == 409 and kept.json()["code"] == "tenant_not_empty"
        for what in ("1 pass types", "2 templates", "1 APNs keys", "1 signing requests", "1 API keys"):
            assert what in kept.json()["detail"], kept.body
        await api.ok("POST", "/tenants", {"name": "second", "title": "The Second"})
        assert (await api.call("POST", "/tenants", {"name": "second"})).status == 409
        assert (await api.ok("PATCH", "/tenants/second", {"title": "Zweite"}))["title"] == "Zweite"
        assert (await api.ok("GET", "/tenants/second"))["holds"] == []
        api.tenant = "second"
        key = await api.key("passes:read", "certs:admin", "templates:write")
        api.tenant = ""
        assert (await api.call("DELETE", "/tenants/second")).status == 409
        [row] = [row for row in await api.services.store.api_keys() if row.tenant == "second"]
        api.tenant = "second"
        await api.call("DELETE", f"/keys/{row.id}")
        api.tenant = ""
        assert (await api.call("DELETE", "/tenants/second")).status == 204
        assert (await api.call("DELETE", "/tenants/second")).status == 404
        assert (await api.call("GET", "/passes", key=key)).status == 401
        for name in ("default", "Brand", "-x", "x" * 41, ""):
            assert (await api.call("POST", "/tenants", {"name": name})).status in (409, 422)
        assert (await api.call("DELETE", "/tenants/default")).status == 422

    visit(steps)


@pytest.mark.usefixtures("engine")
def test_while_a_tenant_goes_nothing_is_put_into_it(visit: Visit[None]) -> None:
    """Ten times at once: either the key is there and the tenant stays, or both are not."""

    async def steps(place: Place) -> None:
        api = place.api
        for number in range(10):
            name = f"brief-{number}"
            await api.ok("POST", "/tenants", {"name": name})
            admin = await api.app.services.access.authenticate(f"Bearer {asgi.ADMIN}", name)
            assert admin is not None
            made, gone = await asyncio.gather(
                api.app.services.access.create(admin, "k", ["passes:read"], None),
                api.app.services.tenants.remove(name),
                return_exceptions=True,
            )
            there = {row.name for row in await api.services.store.tenants()}
            keys = {row.tenant for row in await api.services.store.api_keys()}
            assert (name in there) == (name in keys) == (not isinstance(made, Exception)), (made, gone)

    visit(steps)


def test_every_operation_is_asked() -> None:
    assert {operation.name for operation in OPERATIONS if list(_about(operation))} == set(ROWS) - {CLAIMS}
