"""One ASGI application: ``/wallet`` for phones, ``/api/v1`` for issuers, ``/livez`` and ``/readyz`` for operators, and
``/metrics`` for what watches, ``/docs`` for whoever reads, and ``/p`` for whoever holds a share link.

``/livez``, ``/readyz`` and ``/metrics`` ask for no key: what asks them has none to give, and what they tell (dates that
stand in every pass, names of pass types, the version) opens nothing. A proxy need not let them through: phones call
``/wallet`` only, and people who were sent a link ``/p``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from livepass.core.shedding import given_up
from livepass.manual import ADDRESS as DOCS
from livepass.service.pressure import Load
from livepass.web.begun import Begun
from livepass.web.docs import Docs
from livepass.web.phone import Client, Headers, Receive, Said, Scope, Send
from livepass.web.share import PREFIX as SHARED

WALLET = "/wallet"
_WALLET_TARGET = WALLET.encode() + b"/"
API = "/api/v1"
METRICS = b"text/plain; version=0.0.4; charset=utf-8"


class Asgi(Protocol):
    """An ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class Ready(Protocol):
    """Whether the service can do its work: name of each part and what is wrong with it (``""``: nothing)."""

    async def __call__(self) -> dict[str, str]: ...


class Ended(Protocol):
    """What signs no more, in words."""

    async def __call__(self) -> list[str]: ...


class Measured(Protocol):
    """The metrics, as text."""

    async def __call__(self) -> str: ...


class AtOnce(Protocol):
    """``PhoneApp.at_once``: its path begins below ``WALLET``."""

    def __call__(
        self, raw_path: bytes, query: bytes, headers: Headers, client: Client
    ) -> Said | Begun[Said] | None: ...


class App:
    """Sends each request to the part that answers it. The phone's path comes first: it is the hot one."""

    def __init__(
        self,
        phone: Asgi,
        issuer: Asgi,
        ready: Ready,
        load: Load | None = None,
        *,
        ended: Ended | None = None,
        way: Callable[[], list[str]] = list,
        metrics: Measured | None = None,
        share: Asgi | None = None,
        other_paths: Sequence[str] = (),
        phone_at_once: AtOnce | None = None,
    ) -> None:
        self._phone = phone
        self._phone_at_once = phone_at_once
        self._issuer = issuer
        self._ready = ready
        self._load = load
        self._ended = ended
        self._way = way
        self._metrics = metrics
        self._share = share
        self._docs = Docs()
        self._others = tuple((path, f"{path}/v1/") for path in other_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path.startswith(WALLET + "/"):
            scope["root_path"] = scope.get("root_path", "") + WALLET
            await self._phone(scope, receive, send)
        elif path.startswith(API + "/"):
            await self._issuer(scope, receive, send)
        elif path.startswith(SHARED) and self._share is not None:
            await self._share(scope, receive, send)
        elif path == "/livez":
            await _text(send, 200, "alive\n")
        elif path == "/readyz":
            wrong = {part: fault for part, fault in (await self._ready()).items() if fault}
            text = "".join(f"{part}: {fault}\n" for part, fault in sorted(wrong.items())) or "ready\n"
            text += self._pressure() + ("" if wrong else await self._signs_no_more())
            text += "".join(f"public address: {said}\n" for said in self._way())
            await _text(send, 503 if wrong else 200, text)
        elif path == "/metrics" and self._metrics is not None:
            await _measured(self._metrics, send)
        elif path == DOCS or path.startswith(DOCS + "/"):
            await self._docs(scope, receive, send)
        elif (other := self._other(path)) is not None:
            scope["root_path"] = scope.get("root_path", "") + other
            await self._phone(scope, receive, send)
        else:
            await _text(send, 404, "not found: phones use /wallet, issuers /api/v1, readers /docs\n")

    def at_once(self, target: bytes, headers: Headers, client: Client) -> Said | Begun[Said] | None:
        """The answer to a ``GET`` of a phone, where it can be had at once, or what is left to await of it; ``None``:
        nothing happened, and the request is to be put as any other. ``target``: as in the request's first line.
        """
        if self._phone_at_once is None or not target.startswith(_WALLET_TARGET):
            return None
        raw_path, _, query = target[len(WALLET) :].partition(b"?")
        return self._phone_at_once(raw_path, query, headers, client)

    def _other(self, path: str) -> str | None:
        """Below which other path a phone calls: of a pass that came from another service, or from before."""
        return next((other for other, calls in self._others if path.startswith(calls)), None)

    async def _signs_no_more(self) -> str:
        """Told, and the process stays ready: phones can still register and ask, and changes are kept. Out of service
        it would turn a halt of updates into an outage.
        """
        try:
            return "".join(f"certificate: {text}\n" for text in await self._ended()) if self._ended else ""
        except Exception as error:  # the database went away since it was looked at
            return f"certificates could not be looked at: {type(error).__name__}\n"

    def _pressure(self) -> str:
        """Under pressure the process stays ready: taken out of service, it would leave its phones to the others."""
        shed = given_up(self._load.level) if self._load else ""
        return f"under pressure, given up now: {shed}\n" if shed else ""


class Watched:
    """What a process that answers no phone tells of itself."""

    def __init__(self, metrics: Measured) -> None:
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http" and scope["path"] == "/metrics":
            await _measured(self._metrics, send)
        elif scope["type"] == "http":
            alive = scope["path"] == "/livez"
            await _text(send, 200 if alive else 404, "alive\n" if alive else "not found: /metrics, /livez\n")


async def _measured(metrics: Measured, send: Send) -> None:
    """Not 200 where the numbers cannot be had: Prometheus counts that as down, and keeps no half of a scrape."""
    try:
        text = await metrics()
    except Exception as error:
        await _text(send, 503, f"the metrics cannot be had: {type(error).__name__}\n")
    else:
        await _text(send, 200, text, METRICS)


async def _lifespan(receive: Receive, send: Send) -> None:
    """Nothing to start here: the service runs beside its server, not inside it."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _text(send: Send, status: int, text: str, media: bytes = b"text/plain; charset=utf-8") -> None:
    body = text.encode()
    headers = [(b"content-type", media), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
