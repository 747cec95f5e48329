"""Server-sent events: ``moved`` when anything was written to the database, so that a page can fetch itself again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from livepass.service.refusals import Refusal
from livepass.service.seams import Store

MOST = 64
QUIET_SECONDS, AT_MOST_EVERY = 15.0, 1.0


class Busy(Refusal):
    """As many pages are looked at as this process keeps up to date."""

    status = 503
    code = "busy"


class Live:
    """Tells every open page. What it says names nothing: a page asks again, and gets what its person may see."""

    def __init__(self, store: Store) -> None:
        self._waiting: set[asyncio.Event] = set()
        store.on_commit(self._committed)

    def _committed(self) -> None:
        for one in self._waiting:
            one.set()

    def response(self, request: Request) -> Response:
        """The stream of one page. Raises ``Busy``."""
        if len(self._waiting) >= MOST:
            raise Busy("too many pages are open at once", hint="load the page again by hand")
        return StreamingResponse(self._events(request), media_type="text/event-stream")

    async def _events(self, request: Request) -> AsyncIterator[str]:
        moved = asyncio.Event()
        self._waiting.add(moved)
        try:
            yield "retry: 3000\n\n"
            while not await request.is_disconnected():
                try:
                    async with asyncio.timeout(QUIET_SECONDS):
                        await moved.wait()
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                moved.clear()
                yield "event: moved\ndata: \n\n"
                await asyncio.sleep(AT_MOST_EVERY)
        finally:
            self._waiting.discard(moved)
