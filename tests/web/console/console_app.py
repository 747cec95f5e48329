"""The console over the real API and a real database, called in process, as somebody of some role."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

from livepass.cli.console_serving import counted
from livepass.emulators.authority import Issued
from livepass.looking import looking
from livepass.web.console.app import ConsoleApp
from livepass.web.console.page import Counted, Role
from livepass.web.console.people import Anybody
from web.asgi import Api, Reply, opened

CSRF = "csrf-of-this-session"


class Desk:
    """Whoever sits here has this role."""

    open = False
    users = None

    def __init__(self, role: Role) -> None:
        self._person = Anybody("tester", role, CSRF)

    async def visitor(self, session: str | None, headers: Mapping[str, str]) -> Anybody:
        return self._person

    async def note(self, person: Anybody, action: str, subject: str) -> None: ...


class Console:
    """The console beside an ``Api``. ``count`` counts now; until then pages say that it is under way."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._found: Counted | None = None
        self._apps: dict[str, ConsoleApp] = {}

    async def count(self) -> Mapping[str, Any]:
        services = self.api.services
        async with looking(services.config) as explaining:
            data = await counted(explaining, services.clock.now(), services.keys.secret_ids)
        self._found = Counted(services.clock.now(), 7, data)
        return data

    async def counts(self) -> Counted | None:
        return self._found

    async def page(self, path: str, role: Role = "operator", form: Mapping[str, str] | None = None) -> Reply:
        """``path`` goes on after ``/console/``; with ``form`` it is sent, with the right token if it has none."""
        app = self._apps.setdefault(role, ConsoleApp(self.api.app.services, Desk(role), self.counts))
        body = b"" if form is None else urlencode({"csrf": CSRF, **form}).encode()
        reply = await _send(app, "GET" if form is None else "POST", f"/console/{path}", body)
        self.api.replies.append(reply)
        return reply

    async def html(self, path: str, role: Role = "operator") -> Html:
        reply = await self.page(path, role)
        assert reply.status == 200, (reply.status, reply.body)
        return Html(reply.body.decode())

    async def data(self, path: str, role: Role = "operator") -> Any:
        """The page as JSON; ``path`` without the ending."""
        name, mark, query = path.partition("?")
        reply = await self.page(f"{name or 'index'}.json{mark}{query}", role)
        assert reply.status == 200 and reply.headers["content-type"] == "application/json", reply
        return json.loads(reply.body)


class Html(HTMLParser):
    """A page as people and programs read it: its text, and every element with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.raw = text
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._pieces: list[str] = []
        self.feed(text)
        self.text = re.sub(r"\s+", " ", " ".join(self._pieces)).replace("\u202f", " ")

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self._pieces.append(data)

    def links(self) -> list[str]:
        return [str(attributes.get("href")) for tag, attributes in self.elements if tag == "a"]

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}


def with_console(test: Callable[[Console], Awaitable[None]]) -> Callable[..., None]:
    """Turn a coroutine that wants a console into a test on the engine that is chosen."""

    def run(tmp_path: Path, certificates: Sequence[Issued], engine: str) -> None:
        async def work() -> None:
            async with opened(tmp_path, certificates) as api:
                await test(Console(api))

        asyncio.run(work())

    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
    return run


async def _send(app: ConsoleApp, method: str, target: str, body: bytes) -> Reply:
    path, _, query = target.partition("?")
    headers = [(b"host", b"console.example.com"), (b"content-type", b"application/x-www-form-urlencoded")]
    scope = {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def take(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, take)
    names = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], names, b"".join(message.get("body", b"") for message in sent[1:]))
