"""HTTP/2 frames as RFC 9113 writes them down: the tables, the shapes, and how to write each frame we send.

Rules of this file: no state. What a frame *means* is in ``wire.py``; here is only what one *looks like*. Every row
names its section of RFC 9113. Numbers are octets unless said otherwise.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client says first (§3.4); a SETTINGS frame must follow it."""

HEAD: Final = struct.Struct(">BHBBI")
"""The nine octets before every payload (§4.1): length (24 bits, split 8 + 16), type, flags, reserved bit + stream."""

HEAD_SIZE: Final = 9
STREAM_MASK: Final = 0x7FFF_FFFF
"""The reserved bit before a stream identifier (or an increment) is ignored when read (§4.1)."""
MAX_STREAM_ID: Final = 0x7FFF_FFFF
MAX_WINDOW: Final = 0x7FFF_FFFF
FRAME_LIMIT: Final = 16_384
"""The largest payload anybody may send us: we never announce another SETTINGS_MAX_FRAME_SIZE (§4.2)."""

# Frame types, §6.1 to §6.10
DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

# Flags. The same bit means different things on different frames; these are all there are.
ACK: Final = 0x1  # SETTINGS, PING
END_STREAM: Final = 0x1  # DATA, HEADERS
END_HEADERS: Final = 0x4  # HEADERS, CONTINUATION
PADDED: Final = 0x8  # DATA, HEADERS
HAS_PRIORITY: Final = 0x20  # HEADERS

# Error codes, §7: those we send or decide by
NO_ERROR: Final = 0x0
PROTOCOL_ERROR: Final = 0x1
FLOW_CONTROL_ERROR: Final = 0x3
FRAME_SIZE_ERROR: Final = 0x6
REFUSED_STREAM: Final = 0x7
CANCEL: Final = 0x8
COMPRESSION_ERROR: Final = 0x9
ENHANCE_YOUR_CALM: Final = 0xB


class Fault(Exception):
    """The peer broke a rule and the connection is over. ``code`` goes into our GOAWAY."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


# -- shapes --------------------------------------------------------------------------------------------------------

ON_STREAM: Final = "stream"
ON_CONNECTION: Final = "connection"
ANYWHERE: Final = "anywhere"


class Shape(NamedTuple):
    """Where a frame may come, and the least and most octets its payload may have."""

    where: str
    least: int = 0
    most: int = FRAME_LIMIT


SHAPES: Mapping[int, Shape] = {
    # A frame on the wrong level is PROTOCOL_ERROR, one of a wrong length FRAME_SIZE_ERROR. Where the RFC only asks for
    # a stream error (PRIORITY) we end the connection, as §5.4.1 allows: APNs sends none.
    DATA: Shape(ON_STREAM),  # §6.1
    HEADERS: Shape(ON_STREAM),  # §6.2
    PRIORITY: Shape(ON_STREAM, 5, 5),  # §6.3
    RST_STREAM: Shape(ON_STREAM, 4, 4),  # §6.4
    SETTINGS: Shape(ON_CONNECTION),  # §6.5; also a multiple of six, none with ACK
    PUSH_PROMISE: Shape(ON_STREAM, 4),  # §6.6; forbidden to our peer altogether
    PING: Shape(ON_CONNECTION, 8, 8),  # §6.7
    GOAWAY: Shape(ON_CONNECTION, 8),  # §6.8
    WINDOW_UPDATE: Shape(ANYWHERE, 4, 4),  # §6.9
    CONTINUATION: Shape(ON_STREAM),  # §6.10
}


def check_shape(kind: int, length: int, stream: int) -> None:
    """Raise :class:`Fault` when a frame of a known type cannot look like this. Unknown types pass (§4.1)."""
    shape = SHAPES.get(kind)
    if shape is None:
        return
    if not shape.least <= length <= shape.most:
        raise Fault(FRAME_SIZE_ERROR, f"frame type {kind} with {length} octets")
    if (shape.where == ON_STREAM and not stream) or (shape.where == ON_CONNECTION and stream):
        raise Fault(PROTOCOL_ERROR, f"frame type {kind} on stream {stream}")


def unpadded(flags: int, payload: bytes) -> bytes:
    """The payload of DATA or HEADERS without its padding (§6.1, §6.2).

    Padding as long as the payload that holds it, or longer, is PROTOCOL_ERROR.
    """
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Fault(PROTOCOL_ERROR, "padding longer than its frame")
    return payload[1 : len(payload) - payload[0]]


# -- settings ------------------------------------------------------------------------------------------------------

HEADER_TABLE_SIZE: Final = 0x1
ENABLE_PUSH: Final = 0x2
MAX_CONCURRENT_STREAMS: Final = 0x3
INITIAL_WINDOW_SIZE: Final = 0x4
MAX_FRAME_SIZE: Final = 0x5


class Setting(NamedTuple):
    """What a setting is before the peer names it, the values it may name, and the error for any other."""

    initial: int
    least: int = 0
    most: int = 0xFFFF_FFFF
    fault: int = PROTOCOL_ERROR


PEER_SETTINGS: Mapping[int, Setting] = {
    # §6.5.2. Identifiers that are not here are ignored, as the same section asks.
    HEADER_TABLE_SIZE: Setting(4096),
    # A server may only ever say 0; a client must treat 1 as an error.
    ENABLE_PUSH: Setting(0, most=0),
    # No limit until one is named. ``wire.py`` has one of its own.
    MAX_CONCURRENT_STREAMS: Setting(0xFFFF_FFFF),
    INITIAL_WINDOW_SIZE: Setting(65_535, most=MAX_WINDOW, fault=FLOW_CONTROL_ERROR),
    MAX_FRAME_SIZE: Setting(16_384, least=16_384, most=16_777_215),
}

_PAIR = struct.Struct(">HI")
_WORD = struct.Struct(">I")
_TWO_WORDS = struct.Struct(">II")


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """The (identifier, value) pairs of a SETTINGS frame in their order; unknown identifiers are left out."""
    if len(payload) % 6:
        raise Fault(FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} octets")
    pairs = []
    for identifier, value in _PAIR.iter_unpack(payload):
        setting = PEER_SETTINGS.get(identifier)
        if setting is None:
            continue
        if not setting.least <= value <= setting.most:
            raise Fault(setting.fault, f"setting {identifier} = {value}")
        pairs.append((identifier, value))
    return pairs


def read_word(payload: bytes) -> int:
    """The 32-bit number of RST_STREAM, or WINDOW_UPDATE's 31 bits when masked by the caller."""
    return int(_WORD.unpack_from(payload)[0])


def read_goaway(payload: bytes) -> tuple[int, int, bytes]:
    """The last stream that was or may be processed, the error code, and the debug data (APNs: JSON with a reason)."""
    last, code = _TWO_WORDS.unpack_from(payload)
    return last & STREAM_MASK, code, payload[8:]


# -- writing -------------------------------------------------------------------------------------------------------


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame. The caller keeps the payload within the peer's SETTINGS_MAX_FRAME_SIZE."""
    length = len(payload)
    return HEAD.pack(length >> 16, length & 0xFFFF, kind, flags, stream) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(_PAIR.pack(*pair) for pair in pairs))


def settings_ack() -> bytes:
    return frame(SETTINGS, ACK, 0)


def ping(data: bytes, flags: int = 0) -> bytes:
    """``data`` is eight octets of our choice that come back (§6.7)."""
    return frame(PING, flags, 0, data)


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, _WORD.pack(increment))


def rst_stream(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream, _WORD.pack(code))


def goaway(code: int, detail: str = "") -> bytes:
    """Ours always names stream 0 as the last: a server may open none towards us."""
    return frame(GOAWAY, 0, 0, _TWO_WORDS.pack(0, code) + detail.encode("ascii", "replace")[:200])
