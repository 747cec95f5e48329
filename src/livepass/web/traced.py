"""Requests as spans, where somebody traces them. A span says which kind of request it was, never the path: that names
passes and phones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from livepass.web.phone import Message, Receive, Scope, Send, read_request, route_of

if TYPE_CHECKING:
    from livepass.service.seams import Tracing
    from livepass.web.app import Asgi

ROUTE: Final = "livepass.route"
"""Where in its scope an application leaves the pattern of the path that it found."""
RouteOf = Callable[[Scope], str]

_PHONES: Final[Mapping[str, str]] = {
    "register": "/v1/devices/{device}/registrations/{type}/{serial}",
    "unregister": "/v1/devices/{device}/registrations/{type}/{serial}",
    "ask": "/v1/devices/{device}/registrations/{type}",
    "fetch": "/v1/passes/{type}/{serial}",
    "log": "/v1/log",
    "personalize": "/v1/passes/{type}/{serial}/personalize",
}


def phones_route(scope: Scope) -> str:
    """What a phone calls; ``""`` for what Wallet does not."""
    request = read_request(scope)
    return "" if request is None else _PHONES.get(route_of(request.method, request.parts), "")


def found_route(scope: Scope) -> str:
    """What the application said; ``""``: it answers nothing there."""
    found: str = scope.get(ROUTE, "")
    return found


def traced(app: Asgi, tracing: Tracing | None, route: RouteOf) -> Asgi:
    """The application, each of its requests a span; where nobody traces, the application itself."""
    return app if tracing is None else Traced(app, tracing, route)


class Traced:
    """One object per application and process."""

    def __init__(self, app: Asgi, tracing: Tracing, route: RouteOf) -> None:
        self._app = app
        self._tracing = tracing
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._tracing.serving(scope["method"], scope["headers"]) as served:
            try:
                await self._app(scope, receive, sending)
            finally:
                served(self._route(scope), status)
