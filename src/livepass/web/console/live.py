"""Server-sent events: ``moved`` when anything was written to the database, so that a page can fetch itself again."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from livepass.service.refusals import Refusal
from livepass.service.seams import Store

MOST = 64
QUIET_SECONDS, AT_MOST_EVERY = 15.0, 1.0
BRIEF_SECONDS = 10.0
"""How long a stream lasts inside an application, whose server waits for it when it stops: browsers ask again."""
RETRY_MS, RETRY_BRIEF_MS = 3000, 250


class Busy(Refusal):
    """As many pages are looked at as this process keeps up to date."""

    status = 503
    code = "busy"


class Live:
    """Tells every open page. What it says names nothing: a page asks again, and gets what its person may see.

    Events have an id: how often something was written since this object was made. A browser that asks again says the
    last one, so that what was written in between is not missed.
    """

    def __init__(self, store: Store, *, brief: bool = False) -> None:
        self._waiting: set[asyncio.Event] = set()
        self._brief = brief
        self._run, self._written = secrets.token_hex(4), 0
        store.on_commit(self._committed)

    @property
    def _id(self) -> str:
        return f"{self._run}.{self._written}"

    def _committed(self) -> None:
        self._written += 1
        for one in self._waiting:
            one.set()

    def response(self, request: Request) -> Response:
        """The stream of one page. Raises ``Busy``."""
        if len(self._waiting) >= MOST:
            raise Busy("too many pages are open at once", hint="load the page again by hand")
        return StreamingResponse(self._events(request), media_type="text/event-stream")

    async def _events(self, request: Request) -> AsyncIterator[str]:
        now = asyncio.get_running_loop().time
        until = now() + BRIEF_SECONDS if self._brief else math.inf
        moved = asyncio.Event()
        if request.headers.get("last-event-id", self._id) != self._id:
            moved.set()
        self._waiting.add(moved)
        try:
            yield f"retry: {RETRY_BRIEF_MS if self._brief else RETRY_MS}\nid: {self._id}\n\n"
            while now() < until and not await request.is_disconnected():
                try:
                    async with asyncio.timeout(min(QUIET_SECONDS, until - now())):
                        await moved.wait()
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                moved.clear()
                yield f"event: moved\nid: {self._id}\ndata: \n\n"
                await asyncio.sleep(AT_MOST_EVERY)
        finally:
            self._waiting.discard(moved)
