"""uvicorn's connection, with a short way for what phones ask most: answered where its bytes arrived.

Such an answer needs no task, no ASGI messages and no turns of the loop, which together cost as much as the answer. Of
what arrives at once, one request is answered so: whoever sends many takes turns with the others.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from livepass.cli.patience import PatientProtocol
from livepass.web.begun import Begun
from livepass.web.phone import finish

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from livepass.web.phone import Said


class _Answered:
    """Stands where uvicorn keeps the request that it answers, or answered last."""

    response_complete = True
    disconnected = False
    message_event = asyncio.Event()  # set when the connection is lost; nobody waits for it


_ANSWERED: Any = _Answered()


class AtHandProtocol(PatientProtocol):
    """One connection of a client. Its application says in ``at_once`` what it can answer so (``web.app.App``)."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._at_once: Any = getattr(self.config.app, "at_once", None)
        self._may = False
        self._begun: Begun[Said] | None = None
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
            if isinstance(found, Begun):
                self._begun = found
            elif found is not None:
                self._steps += 1
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

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        begun, self._begun = self._begun, None
        super()._start_asgi_task(cycle, app if begun is None else lambda _, __, send: finish(begun, send))

    def _say(self, said: Said) -> None:
        """As uvicorn writes it, in one piece. It would set a timer then for when nothing more comes: ``look`` sees to
        that, for a timer is set and taken back again with each request.
        """
        reply = said.reply
        self.cycle = _ANSWERED
        self.transport.write(b"%b%b%b\r\n%b" % (STATUS_LINE[reply.status], self._default(), said.head, reply.body))
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
