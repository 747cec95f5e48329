"""uvicorn's answer, whose head and body leave together: to a socket that is one call of the system instead of two.

Only what is whole and plain goes out so; anything else is uvicorn's to write.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HEADER_VALUE_RE, STATUS_LINE, RequestResponseCycle

PLAIN = frozenset(
    (b"cache-control", b"content-length", b"content-type", b"date", b"last-modified", b"retry-after", b"vary")
)
"""Headers that decide nothing about the connection, and whose names need no look."""
_EMPTY = (204, 304)


class AtOnce(RequestResponseCycle):
    """One request and its answer."""

    _start: Any = None
    """The head of an answer whose body must follow, so nobody waits for it alone."""

    async def send(self, message: Any) -> None:
        if self._start is None and not self.response_started and _is_sized(message):
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None:
            if message["type"] == "http.response.body" and self._went(start, message):
                return
            if message["type"] != "http.response.start":  # of an error, in the place of what was begun
                await super().send(start)
        await super().send(message)

    def _went(self, start: Any, message: Any) -> bool:
        """Whether the answer could be written so."""
        body, status = message.get("body", b""), start["status"]
        if message.get("more_body") or not self.keep_alive or self.disconnected or self.flow.write_paused:
            return False
        if self.scope["method"] == "HEAD" or self.access_log:
            return False
        lines, values = [STATUS_LINE[status]], []
        length = 0
        for name, value in (*self.default_headers, *start["headers"]):
            if name not in PLAIN:
                return False
            if name == b"content-length":
                length = int(value)
            lines.append(b"%b: %b\r\n" % (name, value))
            values.append(value)
        if length != len(body) or HEADER_VALUE_RE.search(b"".join(values)):
            return False
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(b"%b\r\n%b" % (b"".join(lines), body))
        self.message_event.set()
        self.on_response()
        return True


def _is_sized(message: Any) -> bool:
    """Whether it begins an answer that says how long it is. A stream's head is waited for."""
    if message["type"] != "http.response.start":
        return False
    return message["status"] in _EMPTY or any(name == b"content-length" for name, _ in message.get("headers", ()))
