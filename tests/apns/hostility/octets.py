"""Frames and header blocks as octets, written from RFC 9113 and RFC 7541 alone: none of it comes from the client.

Everything here may be as wrong as a row of the table wants it.
"""

from __future__ import annotations

import struct

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WHOLE = END_STREAM | END_HEADERS

# Error codes, §7
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = range(4)
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = range(6, 10)
ENHANCE_YOUR_CALM = 11

# Settings, §6.5.2
TABLE, ENABLE_PUSH, STREAMS, WINDOW, FRAME_SIZE, LIST_SIZE = range(1, 7)

HIGHEST = 2**31 - 1

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"", length: int | None = None) -> bytes:
    """``length`` is what the frame says of itself, when that is a lie."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def word(number: int) -> bytes:
    return number.to_bytes(4, "big")


def goaway(last: int, code: int = NO_ERROR, debug: bytes = b"") -> bytes:
    return frame(GOAWAY, 0, 0, word(last) + word(code) + debug)


def reason(name: str, timestamp: int | None = None) -> bytes:
    """APNs' JSON, as in an error body and in a farewell."""
    return b'{"reason":"%s"%s}' % (name.encode(), b"" if timestamp is None else b',"timestamp":%d' % timestamp)


# -- header blocks: literals without indexing (RFC 7541 §6.2.2), and whole rows of the static table (§6.1)

INDEXED_STATUS = {200: b"\x88", 204: b"\x89", 400: b"\x8c", 404: b"\x8d", 500: b"\x8e"}


def status(code: int | str) -> bytes:
    if code in INDEXED_STATUS:
        return INDEXED_STATUS[int(code)]
    value = str(code).encode()
    return bytes((0x08, len(value))) + value


def field(name: str, value: str) -> bytes:
    return b"\0" + _string(name) + _string(value)


def _string(text: str) -> bytes:
    octets = text.encode("latin-1")
    size = len(octets)
    if size < 127:
        return bytes((size,)) + octets
    size -= 127
    prefix = bytearray(b"\x7f")
    while size >= 128:
        prefix.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes(prefix) + bytes((size,)) + octets
