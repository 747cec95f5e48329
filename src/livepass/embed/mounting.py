"""The device endpoints inside somebody's application, at whatever prefix that gives them.

``PUBLIC_URL`` names either the mount point itself (``https://example.com/passkit`` for a mount at ``/passkit``) or what
lies above a mount at ``…/wallet``. A request that comes another way than passes say is answered all the same, and said
once: a pass carries its address for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from urllib.parse import quote, urlsplit

from livepass.web.app import WALLET, Asgi
from livepass.web.phone import Receive, Scope, Send

log = logging.getLogger(__name__)

FIRST = "/v1/"
"""What a phone's path goes on with, after ``webServiceURL``."""


class Mounted:
    """An application that is opened with the first request: where it is mounted, no lifespan runs."""

    def __init__(self, open_: Callable[[], Awaitable[Asgi]], web_service_url: str) -> None:
        self._open = open_
        self._url = web_service_url
        self._expected = urlsplit(web_service_url).path
        self._said = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        app = await self._open()
        inner = dict(whole(scope))
        inner["root_path"] = self._prefix(inner)
        await app(inner, receive, send)

    def _prefix(self, scope: Scope) -> str:
        """What comes before ``/v1/`` in the path, as the application is to take it."""
        path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
        rest = path.removeprefix(root)
        inside = rest.startswith(f"{WALLET}/")
        seen = root + WALLET if inside else root
        if (rest.removeprefix(WALLET) if inside else rest).startswith(FIRST):
            self._compare(seen)
        raw = bytes(scope.get("raw_path") or path.encode())
        return seen if raw.startswith(f"{seen}/".encode()) else quote(seen)

    def _compare(self, seen: str) -> None:
        """A proxy may have taken something away in front, so the end must agree."""
        if self._said or self._expected.endswith(seen):
            return
        self._said = True
        log.warning(
            "phones are told %s/v1/…, but a request came in under %s/v1/…: mount device_app() at %s, or set PUBLIC_URL "
            "to the address of the mount point",
            *(self._url, seen, self._expected),
        )


def unmounted(scope: Scope, prefix: str) -> Scope:
    """The request as an application sees it whose paths begin with ``prefix``, wherever that is mounted."""
    there = whole(scope)
    above = str(scope.get("root_path", "")).rstrip("/").removesuffix(prefix)
    path, raw = str(there["path"]), there.get("raw_path")
    return {
        **scope,
        "path": path.removeprefix(above),
        "raw_path": bytes(raw or path.encode()).removeprefix(above.encode()),
        "root_path": "",
    }


def whole(scope: Scope) -> Scope:
    """The request with all of its path, as Starlette leaves it. Others take away where they mounted; and a proxy may
    have taken away what an application was told that it is below (``FastAPI(root_path=…)``).
    """
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    if not root or _below(path, root):
        return scope
    told = str(scope.get("app_root_path", "")).rstrip("/")
    gone = told if told and _below(root, told) and _below(path, root.removeprefix(told)) else root
    raw = scope.get("raw_path")
    return {**scope, "path": gone + path, "raw_path": None if raw is None else quote(gone).encode() + bytes(raw)}


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")


class Around:
    """A whole application with livepass in front: phones' requests go to livepass, everything else to the host's; the
    push worker runs for as long as the server does.
    """

    def __init__(
        self,
        host: Asgi,
        device: Asgi,
        web_service_url: str,
        running: Callable[[], AbstractAsyncContextManager[object]],
    ) -> None:
        self._host = host
        self._device = device
        self._path = urlsplit(web_service_url).path
        self._running = running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "http" and str(scope["path"]).startswith(f"{self._path}/"):
            inner = dict(scope)
            inner["root_path"] = str(scope.get("root_path", "")) + self._path
            await self._device(inner, receive, send)
        else:
            await self._host(scope, receive, send)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The host's own runs inside ours; one that knows none (Django's) is answered for."""
        async with self._running():
            begun = False

            async def told() -> dict[str, object]:
                nonlocal begun
                begun = True
                return dict(await receive())

            try:
                await self._host(scope, told, send)
            except Exception:
                if begun:
                    raise
                await _alone(receive, send)


async def _alone(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
