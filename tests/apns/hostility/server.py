"""A TLS port on which every caller meets a script: blocking sockets, one thread per caller, so that a script is a
straight line of steps and may do to the socket what it likes.

It keeps what is true: which push was heard on which connection, and what was said about it. A push is known by the
device token in its path, which our client writes in plain (never indexed, no Huffman code).
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from apns.hostility import octets

PATH = re.compile(rb"/3/device/([0-9a-f]{64})")

IN_VAIN = 15.0
"""Seconds after which a script that waits for the client is wrong about it. Never waited for in a good run."""

Step = Callable[["Link"], None]


class Gone(Exception):
    """The client closed the connection."""


class Frame(NamedTuple):
    """One that the client sent."""

    kind: int
    flags: int
    stream: int
    payload: bytes


class Port:
    """``script`` gives the steps for the n-th caller (from 0)."""

    def __init__(self, script: Callable[[int], Sequence[Step]]) -> None:
        self.script = script
        self.links: list[Link] = []
        self.heard: dict[int, list[int]] = defaultdict(list)
        """Push → the connections that it was requested on."""
        self.said: dict[int, set[tuple[int, str]]] = defaultdict(set)
        """Push → the answers (status, reason) that it was given in full."""
        self.faults: list[str] = []
        self._closing = False
        self._socket = socket.create_server(("127.0.0.1", 0))
        # Small, so that a client whose words nobody reads notices it after kilobytes and not after megabytes.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        self.number: int = self._socket.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            link = Link(self, len(self.links), caller)
            self.links.append(link)
            link.thread.start()

    def close(self) -> None:
        """Hang up, and wait for the threads."""
        self._closing = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._accepting.join(5)
        for link in self.links:
            with suppress(OSError):
                link.socket.shutdown(socket.SHUT_RDWR)
            link.thread.join(5)
            if link.thread.is_alive():
                self.faults.append(f"script of connection {link.number} does not end")

    def trouble(self, text: str) -> None:
        if not self._closing:
            self.faults.append(text)


class Link:
    """One connection. Steps call it; it answers SETTINGS and PING by itself while ``polite``."""

    def __init__(self, port: Port, number: int, caller: socket.socket) -> None:
        self.port = port
        self.number = number
        caller.settimeout(IN_VAIN)
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = caller
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.polite = True
        self.frames: list[Frame] = []
        self.pushes: dict[int, int] = {}
        """Stream → push."""
        self.streams: dict[int, int] = {}
        """Push → its first stream here."""
        self.complete: list[int] = []
        """Streams whose request is all there, in order."""
        self.done: set[int] = set()
        """Streams that were answered, or given up by the client."""
        self.spared = 0
        """Streams up to this one belong to the script: ``serve`` leaves them alone."""
        self.most = 0
        """Most streams that were open at once."""
        self.left = False
        """The client closed it, or broke it off."""
        self.sent: list[bytes] = []
        self._rest = b""
        self._greeted = False

    # -- for steps ------------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        self.sent.append(data)
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise
        except OSError as error:
            raise Gone from error

    def read(self, enough: Callable[[], bool]) -> None:
        """Take what the client sends until ``enough``. Raises :class:`Gone` at its end."""
        while not enough():
            try:
                data = self.socket.recv(65_536)
            except TimeoutError:
                raise
            except OSError as error:
                raise Gone from error
            if not data:
                raise Gone
            self._take(data)

    def say(self, stream: int, status: int, reason: str = "") -> None:
        """Write down that an answer was given."""
        self.done.add(stream)
        self.port.said[self.pushes[stream]].add((status, reason))

    def answer(self, stream: int, status: int = 200, reason: str = "", timestamp: int | None = None) -> None:
        """A correct answer."""
        self.say(stream, status, reason)
        block = octets.status(status)
        if not reason:
            self.send(octets.frame(octets.HEADERS, octets.WHOLE, stream, block))
            return
        body = octets.reason(reason, timestamp)
        self.send(
            octets.frame(octets.HEADERS, octets.END_HEADERS, stream, block)
            + octets.frame(octets.DATA, octets.END_STREAM, stream, body)
        )

    # -- what the client sends ------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        self._rest += data
        if not self._greeted:
            if len(self._rest) < len(octets.PREFACE):
                return
            if not self._rest.startswith(octets.PREFACE):
                self.port.trouble(f"the client began with {self._rest[:24]!r}")
            self._rest = self._rest[len(octets.PREFACE) :]
            self._greeted = True
        while len(self._rest) >= 9:
            size = int.from_bytes(self._rest[:3], "big")
            if len(self._rest) < 9 + size:
                return
            kind, flags = self._rest[3], self._rest[4]
            stream = int.from_bytes(self._rest[5:9], "big")
            payload, self._rest = self._rest[9 : 9 + size], self._rest[9 + size :]
            self._on_frame(Frame(kind, flags, stream, payload))

    def _on_frame(self, frame: Frame) -> None:
        self.frames.append(frame)
        if frame.kind == octets.HEADERS:
            self._on_request(frame)
        elif frame.kind == octets.RST_STREAM:
            self.done.add(frame.stream)
        elif frame.kind in (octets.SETTINGS, octets.PING) and not frame.flags & octets.ACK and self.polite:
            payload = b"" if frame.kind == octets.SETTINGS else frame.payload
            self.send(octets.frame(frame.kind, octets.ACK, 0, payload))
        if frame.kind in (octets.HEADERS, octets.DATA) and frame.flags & octets.END_STREAM:
            self.complete.append(frame.stream)

    def _on_request(self, frame: Frame) -> None:
        path = PATH.search(frame.payload)
        if path is None or frame.stream % 2 == 0 or frame.stream in self.pushes:
            self.port.trouble(f"no request: {frame}")
            return
        push = int(path[1], 16)
        self.pushes[frame.stream] = push
        self.streams.setdefault(push, frame.stream)
        self.port.heard[push].append(self.number)
        self.most = max(self.most, len(self.pushes) - len(self.done))

    # -- its life -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            for step in self.port.script(self.number):
                step(self)
        except Gone:
            self.left = True
        except TimeoutError:
            self.port.trouble(f"connection {self.number}: the script waited in vain")
        except (ssl.SSLError, OSError):
            self.left = True  # a handshake that the client broke off
        finally:
            self.socket.close()
