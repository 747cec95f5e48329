"""A room of the console as somebody of some role looks at it: pages as text and elements, and counts when told to."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

from livepass.web.console.page import Counted, Role
from web.asgi import Api, Reply
from web.console.rooms import Room, with_room


class Console(Room):
    """Until ``count`` is called, pages say that counting is under way."""

    def __init__(self, api: Api) -> None:
        super().__init__(api)
        self._found: Counted | None = None

    async def count(self) -> Mapping[str, Any]:
        self._found = await super().counted("default")
        return self._found.data

    async def counted(self, tenant: str) -> Counted | None:  # type: ignore[override]
        return self._found

    async def page(self, path: str, role: Role = "operator", form: Mapping[str, str] | None = None) -> Reply:
        """``path`` goes on after ``/console/``; with ``form`` it is sent, with the right token if it has none."""
        if form is None:
            return await self.get(f"/{path}", role)
        return await self.post(f"/{path}", role, **form)

    async def html(self, path: str, role: Role = "operator") -> Html:
        reply = await self.page(path, role)
        assert reply.status == 200, (reply.status, reply.body)
        return Html(reply.body.decode())

    async def data(self, path: str, role: Role = "operator") -> Any:
        """The page as JSON; ``path`` without the ending."""
        name, mark, query = path.partition("?")
        reply = await self.page(f"{name or 'index'}.json{mark}{query}", role)
        assert reply.status == 200 and reply.headers["content-type"] == "application/json", reply
        return reply.json()


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

    async def in_room(room: Room) -> None:
        await test(Console(room.api))

    in_room.__name__, in_room.__doc__, in_room.__module__ = test.__name__, test.__doc__, test.__module__
    return with_room(in_room)
