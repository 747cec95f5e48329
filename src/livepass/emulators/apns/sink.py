"""A fast HTTP/2 server that answers 200 to everything, for load: what remains to be measured is the sender.

It reads frame heads only: neither headers nor payloads are looked at, so it proves nothing about correctness. Use
``ApnsServer`` for that. Frames: RFC 9113 §4 and §6; ``0x88`` is HPACK's static entry ``:status 200`` (RFC 7541,
appendix A).
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from typing import cast

from livepass.emulators.apns.listening import closed, place, port_of
from livepass.emulators.apns.tls import server_context

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9
DATA, HEADERS, SETTINGS, PING = 0x0, 0x1, 0x4, 0x6
END_STREAM, ACK = 0x1, 0x1

# HEADER_TABLE_SIZE, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE as APNs is seen to announce them.
SETTINGS_FRAME = struct.pack("!BHBBIHIHIHI", 0, 18, SETTINGS, 0, 0, 1, 4096, 3, 1000, 4, 65_535)
SETTINGS_ACK = struct.pack("!BHBBI", 0, 0, SETTINGS, ACK, 0)
# A HEADERS frame of one byte with END_STREAM and END_HEADERS; the stream number goes between the two halves.
ANSWER_HEAD, ANSWER_TAIL = b"\x00\x00\x01\x01\x05", b"\x88"
WINDOW_BYTES = 32_768  # give the connection window back when this much was received


class _Drain(asyncio.Protocol):
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = b""
        self._preface = True
        self._owed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(SETTINGS_FRAME)
        self._sink.transports.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sink.transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        at = 0
        if self._preface:
            if len(data) < len(PREFACE) and PREFACE.startswith(data):
                self._buffer = data
                return
            if not data.startswith(PREFACE):
                self._transport.abort()
                return
            self._preface, at = False, len(PREFACE)
        self._buffer = self._frames(data, at)

    def _frames(self, data: bytes, at: int) -> bytes:
        """Answer every whole frame from ``at`` on; returns the rest."""
        out: list[bytes] = []
        answered, end = 0, len(data)
        while at + HEAD_BYTES <= end:
            size = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2]
            after = at + HEAD_BYTES + size
            if after > end:
                break
            kind, flags = data[at + 3], data[at + 4]
            if kind in (DATA, HEADERS):
                self._owed += size if kind == DATA else 0
                if flags & END_STREAM:
                    out += (ANSWER_HEAD, data[at + 5 : at + HEAD_BYTES], ANSWER_TAIL)
                    answered += 1
            elif kind == SETTINGS and not flags & ACK:
                out.append(SETTINGS_ACK)
            elif kind == PING and not flags & ACK:
                out.append(struct.pack("!BHBBI", 0, 8, PING, ACK, 0) + data[at + HEAD_BYTES : after])
            at = after
        if self._owed >= WINDOW_BYTES:
            out.append(struct.pack("!BHBBII", 0, 4, 8, 0, 0, self._owed))
            self._owed = 0
        if out:
            self._transport.write(b"".join(out))
        self._sink.answered += answered
        return data[at:]


class Sink:
    """A null APNs: ``await start()``, push to ``url``, read ``answered``, ``await stop()``. It needs mTLS."""

    def __init__(
        self,
        server_cert_pem: bytes,
        server_key_pem: bytes,
        client_ca_pem: bytes,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._tls = server_context(server_cert_pem, server_key_pem)
        self._tls.load_verify_locations(cadata=client_ca_pem.decode("ascii"))
        self._tls.verify_mode = ssl.CERT_REQUIRED
        self._host, self._port = host, port
        self._listener: asyncio.Server | None = None
        self.transports: set[asyncio.Transport] = set()
        self.answered = 0

    @property
    def url(self) -> str:
        return f"https://{place(self._host, self._port)}"

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: _Drain(self), self._host, self._port, ssl=self._tls)
        self._port = port_of(self._listener)

    async def stop(self) -> None:
        if self._listener is None:
            return
        self._listener.close()
        for transport in list(self.transports):
            transport.abort()
        await asyncio.sleep(0)
        await closed(self._listener)
        self._listener = None
