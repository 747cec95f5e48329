"""uvicorn's connection, with the bounds that it lacks: how much of a request's head is held, and how long we wait.

Whoever sends or reads nothing more for ``PATIENCE_SECONDS`` is hung up on. What is a sign of life:

| we wait for            | sign of life                                                           |
|------------------------|------------------------------------------------------------------------|
| a request              | its first byte, then its whole head; the bytes between count for nothing |
| its body               | a byte of it                                                           |
| reading of our answers | what is not sent yet becomes less                                      |
| ourselves              | is never the client's fault                                            |

Who keeps giving signs may stay: that costs no more than a phone that keeps a connection open and asks now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from livepass.cli.at_once import AtOnce

PATIENCE_SECONDS = 60.0
"""As long as a phone waits for us when nothing comes. Between two requests it is uvicorn's own, shorter time."""
LOOK_SECONDS = 2.0
LARGEST_HEAD = 64 * 1024
"""Bytes that bring a request no further: a head that does not end, trailers, extensions of chunks."""


class PatientProtocol(HttpToolsProtocol):
    """One connection of a client."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._answering: RequestResponseCycle | None = None
        self._steps = 0
        self._idle_bytes = 0
        self._seen: tuple[int, int] | None = None
        self._seen_at = self.loop.time()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        cycle.__class__ = AtOnce  # uvicorn names its class where no subclass can say otherwise
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn tells the newest request only: where several were sent at once, the one that is being answered would
        # be written to a connection that is gone, and fail with a traceback.
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        steps = self._steps
        super().data_received(data)
        self._idle_bytes = self._idle_bytes + len(data) if self._steps == steps else 0
        if self._idle_bytes > LARGEST_HEAD and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.send_400_response("The head of this request is too large.")
            else:
                self.transport.abort()

    def on_message_begin(self) -> None:
        self._steps += 1
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._steps += 1
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._steps += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._steps += 1
        super().on_message_complete()

    def look(self) -> None:
        """Hang up if the client was waited for in vain. Called every ``LOOK_SECONDS``."""
        now = self.loop.time()
        seen = (self._steps, self.transport.get_write_buffer_size())
        if seen != self._seen or not self._waits_for_client():
            self._seen, self._seen_at = seen, now
        elif now - self._seen_at > PATIENCE_SECONDS:
            self.transport.abort()

    def _waits_for_client(self) -> bool:
        if self.cycle is None or self.cycle.response_complete or self.flow.write_paused:
            return True
        return self.cycle.more_body and not self.flow.read_paused


async def look_after(connections: Iterable[Any]) -> None:
    """Look at every connection now and then, until cancelled."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        for connection in list(connections):
            cast(PatientProtocol, connection).look()
