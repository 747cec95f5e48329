"""Applications with a console in them, whose people are known by a cookie."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from embed.hosts import client, embedded, register
from journeys.world import PASS_TYPE
from livepass import Livepass
from livepass.emulators.authority import Authority
from livepass.web.app import Asgi
from livepass.web.console.people import Who

PASS = f"/console/passes/{PASS_TYPE}/1"
DEVICE = "d3v1ce-that-no-page-shows-whole"
STAFF = {"vera": "viewer", "otto": "operator", "ada": "admin"}


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


async def changes(lp: Livepass) -> int:
    """How often the pass came to be another one."""
    return sum(event.kind.value in ("issued", "changed", "voided") for event in await lp.timeline(PASS_TYPE, "1"))


async def token(http: httpx2.AsyncClient, page: str = PASS) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', (await http.get(page)).text)
    assert found is not None
    return found[1]
