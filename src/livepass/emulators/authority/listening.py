"""As much of an HTTP server as the authority needs: bounded requests, a bounded number of them, whole answers."""

from __future__ import annotations

import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

log = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 10_000
MAX_CONNECTIONS = 64
READ_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP. Status 0: the connection is closed without a word."""

    status: int
    body: bytes = b""
    kind: str = "text/plain"
    location: str | None = None
    serial: int | None = None


class Listening(ThreadingHTTPServer):
    """A listener on ``place``. ``answer`` gets method, path and body, in a thread for each connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = MAX_CONNECTIONS

    def __init__(self, place: tuple[str, int], answer: Callable[[str, str, bytes], Answer]) -> None:
        self.answer = answer
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        if ":" in place[0]:
            self.address_family = socket.AF_INET6
        super().__init__(place, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own, or not at all when too many are at work."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def server_bind(self) -> None:
        """Without the look-up of our own name that ``HTTPServer`` makes."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hung up is none of our troubles; anything else is a fault of ours."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            log.exception("the authority's server failed")


class _Handler(BaseHTTPRequestHandler):
    server: Listening
    timeout = READ_SECONDS

    def do_GET(self) -> None:
        self._respond(self.server.answer("GET", self.path, b""))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            self._respond(Answer(411, b"send the body with a Content-Length\n"))
        elif len(length) > 9 or int(length) > MAX_REQUEST_BYTES:
            self.rfile.read(min(int(length[:9]), 10 * MAX_REQUEST_BYTES))  # unread bytes would reset the answer away
            self._respond(Answer(413, f"a request has at most {MAX_REQUEST_BYTES} bytes\n".encode()))
        else:
            self._respond(self.server.answer("POST", self.path, self.rfile.read(int(length))))

    def _respond(self, answer: Answer) -> None:
        if answer.status == 0:
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.location is not None:
            self.send_header("Location", answer.location)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Silent; ``hits`` tells."""
