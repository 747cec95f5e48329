"""A ``Livepass`` for tests of the object itself: its database, its certificate, its template, and phones by hand."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

import engines
from journeys.world import PASS_TYPE, pass_certificate, server_certificate, template
from livepass import Livepass
from livepass.emulators.apns import ApnsServer
from livepass.emulators.authority import Authority
from livepass.emulators.iphone.addressing import user_agent
from livepass.web.app import Asgi

HOST = "https://club.example"


def settings(directory: Path, **more: Any) -> dict[str, Any]:
    return {
        "database_url": engines.new_database(directory / "livepass.db"),
        "public_url": HOST,
        "secret_key": secrets.token_urlsafe(32),
        "certificate_hosts": "off",
        **more,
    }


@asynccontextmanager
async def embedded(directory: Path, authority: Authority, **more: Any) -> AsyncIterator[Livepass]:
    """With a pass 1 of 100 points."""
    lp = Livepass(**settings(directory, **more))
    await furnish(lp, authority)
    try:
        yield lp
    finally:
        await lp.close()


async def furnish(lp: Livepass, authority: Authority) -> None:
    await lp.import_p12(pass_certificate(authority, PASS_TYPE).p12("secret"), "secret")
    await lp.publish(template())
    await lp.issue(PASS_TYPE, "1", template="membership", data={"points": 100})


@asynccontextmanager
async def apns_of(directory: Path, authority: Authority) -> AsyncIterator[dict[str, str]]:
    """An emulated APNs, and the settings with which a Livepass pushes to it."""
    server = server_certificate(authority)
    accepted = authority.root_pem + pass_certificate(authority, PASS_TYPE).intermediate_pem
    root = directory / "apns-root.pem"
    root.write_bytes(authority.root_pem)
    async with ApnsServer(server.certificate_pem, server.key_pem, accepted) as apns:
        yield {"apns_url": apns.url, "apns_ca_file": str(root)}


def client(app: Asgi | Any) -> httpx2.AsyncClient:
    phone = {"User-Agent": user_agent("26.0")}
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=HOST, headers=phone)


async def authorization(lp: Livepass, serial: str = "1") -> dict[str, str]:
    """What a phone that holds the pass sends."""
    opened = await lp.services()
    row = await opened.store.pass_(PASS_TYPE, serial)
    assert row is not None
    return {"Authorization": f"ApplePass {opened.keys.token('default', PASS_TYPE, serial, row.token)}"}


async def register(http: httpx2.AsyncClient, lp: Livepass, under: str = "/wallet", device: str = "d1") -> int:
    """Register as a phone would, at the address that it was told."""
    answer = await http.post(
        f"{under}/v1/devices/{device}/registrations/{PASS_TYPE}/1",
        headers=await authorization(lp),
        json={"pushToken": "ab" * 32},
    )
    return answer.status_code
