"""uvicorn's connection, with a short way for what phones ask most: answered where its bytes arrived, or where what it
waited for did.

Such an answer needs no task, no ASGI messages and no turns of the loop, which together cost as much as the answer. Of
what arrives at once, one request is answered so: whoever sends many takes turns with the others.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from livepass.cli.patience import PatientProtocol
from livepass.web.begun import Begun

if TYPE_CHECKING:
    from livepass.web.phone import Said


class _Answered:
    """Stands where uvicorn keeps the request that it answers, or answered last."""

    response_complete = True
    disconnected = False
    message_event = asyncio.Event()  # set when the connection is lost; nobody waits for it


_ANSWERED: Any = _Answered()
_LAST = b"connection: close\r\n"


class _Awaited:
    """Stands there while a request is answered that was begun at once and had to wait."""

    def __init__(self) -> None:
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = True  # until uvicorn shuts down
        self.more_body = True
        self.body = bytearray()  # what comes with a GET, and nobody reads
        self.message_event = _Answered.message_event


class AtHandProtocol(PatientProtocol):
    """One connection of a client. Its application says in ``at_once`` what it can answer so (``web.app.App``)."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._at_once: Any = getattr(self.config.app, "at_once", None)
        self._may = False
        self._rests_since: float | None = None
        self._date: tuple[Any, bytes] = (None, b"")

    def data_received(self, data: bytes) -> None:
        self._may = self._at_once is not None
        self._rests_since = None
        super().data_received(data)

    def on_headers_complete(self) -> None:
        if self._may and self._is_plain():
            self._may = False
            found = self._at_once(self.url, self.headers, self.client)
            if found is not None:
                self._steps += 1
                if isinstance(found, Begun):
                    self._await(found)
                else:
                    self._say(found)
                return
        super().on_headers_complete()

    def _is_plain(self) -> bool:
        """Whether nothing is to be minded but the request itself."""
        parser, cycle = self.parser, self.cycle
        return (
            parser.get_method() == b"GET"
            and parser.should_keep_alive()
            and parser.get_http_version() == "1.1"
            and not self.expect_100_continue
            and not parser.should_upgrade()
            and (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _await(self, begun: Begun[Said]) -> None:
        """What comes on this connection meanwhile stands in uvicorn's line, as behind a request of its own."""
        awaited: Any = _Awaited()
        self.cycle = self._answering = awaited

        def ended(said: Said) -> None:
            awaited.response_complete = True
            if self.cycle is awaited:
                self.cycle = _ANSWERED
            if awaited.disconnected or self.transport.is_closing():
                said.gone()
                return
            self._write(said, b"" if awaited.keep_alive else _LAST)
            if not awaited.keep_alive:
                self.transport.close()
                return
            self.flow.resume_reading()
            if self.pipeline:
                self._rests_since = None
                self._start_asgi_task(*self.pipeline.pop())

        begun.go_on(ended, self.transport.abort)

    def _say(self, said: Said) -> None:
        self.cycle = _ANSWERED
        self._write(said)

    def _write(self, said: Said, last: bytes = b"") -> None:
        """As uvicorn writes it, in one piece. It would set a timer then for when nothing more comes: ``look`` sees to
        that, for a timer is set and taken back again with each request.
        """
        reply, default = said.reply, self._default()
        self.transport.write(b"%b%b%b%b\r\n%b" % (STATUS_LINE[reply.status], default, said.head, last, reply.body))
        said.wrote()
        self.server_state.total_requests += 1
        self._rests_since = self.loop.time()

    def _default(self) -> bytes:
        """The headers of every answer, which uvicorn makes anew each second."""
        headers = self.server_state.default_headers
        if self._date[0] is not headers:
            self._date = headers, b"".join([b"%b: %b\r\n" % header for header in headers])
        return self._date[1]

    def look(self) -> None:
        since = self._rests_since
        if since is not None and self.loop.time() - since > self.timeout_keep_alive:
            self.transport.close()
        else:
            super().look()
