"""The services of one process on PostgreSQL, a clock that can be put forward, a web service without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from concurrency.office import Settings, config
from livepass import wiring
from livepass.apns import ApnsSender
from livepass.runtime import SharedClock
from livepass.service import keeping
from livepass.service.keeping import Keeper
from livepass.service.pushing import Dispatcher
from livepass.web.phone import PhoneApp

Answered = Callable[[int, int, Mapping[str, str], bytes], None]
"""Called with a request's number, and its answer: status, headers, body."""


class AheadClock(SharedClock):
    """The database's time and so much more (ms): for what is due in a minute, or in months, nobody waits."""

    ahead_ms = 0

    def now(self) -> int:
        return super().now() + AheadClock.ahead_ms


@dataclass
class Process:
    """What an operation works with. ``requests``: what phones send, as JSON; ``answered``: who hears the answers."""

    services: wiring.Services
    app: PhoneApp
    dispatcher: Dispatcher
    keeper: Keeper
    requests: Sequence[Mapping[str, Any]] = ()
    answered: Answered = field(default=lambda *_: None)

    async def answer(self) -> list[int]:
        """Answer the phones' requests, one after the other; the statuses."""
        statuses = []
        for request in self.requests:
            status, headers, body = await self.ask(request)
            self.answered(request["number"], status, headers, body)
            statuses.append(status)
        return statuses

    async def ask(self, request: Mapping[str, Any]) -> tuple[int, dict[str, str], bytes]:
        """One request through the real web service."""
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": request["body"].encode(), "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        path, _, query = request["address"].partition("?")
        scope = {
            "type": "http",
            "method": request["method"],
            "path": path,
            "raw_path": path.encode(),
            "root_path": "/wallet",
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in request["headers"].items()],
            "client": (request["who"], 1),
        }
        await self.app(scope, receive, send)  # type: ignore[arg-type]
        headers = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])


@asynccontextmanager
async def serving(settings: Settings, ahead_ms: int) -> AsyncIterator[Process]:
    """Services as a process has them; its push worker and its chores are there, and do what they are asked to."""
    AheadClock.ahead_ms = ahead_ms
    made = config(settings)
    assert made.apns_ca_file is not None
    # Put back afterwards: the tests that follow in this process go by the database's time as it is.
    with (
        patch.object(wiring, "SharedClock", AheadClock),
        patch.object(keeping, "BREATH_SECONDS", 0.0),
    ):
        async with wiring.opened(made) as services:
            sender = ApnsSender(made.apns_url, ca_pem=made.apns_ca_file.read_bytes())
            parts = (services.builder, services.clock, services.chance, services.scheduler, services.due)
            keeper = Keeper(services.store, services.issuing, services.clock, services.scheduler, services.due)
            dispatcher = Dispatcher(services.store, sender, *parts)
            yield Process(
                services, PhoneApp(services.answering, personalizing=services.personalizing), dispatcher, keeper
            )
            await sender.close()


async def rows_of(connection: Any, queries: Sequence[str]) -> list[list[list[str]]]:
    """The rows of some SELECTs, as text."""
    return [[[str(value) for value in row] for row in await connection.fetch(query)] for query in queries]
