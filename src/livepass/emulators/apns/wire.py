"""What APNs announces on HTTP/2, requests as they come in piece by piece, and the one frame written by hand."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from h2.settings import SettingCodes

from livepass.emulators.apns.verdicts import MAX_VOIP_PAYLOAD_BYTES, Request

# As seen from api.push.apple.com (2021, and the stream limit again in 2026).
SETTINGS: dict[SettingCodes, int] = {
    SettingCodes.HEADER_TABLE_SIZE: 4096,
    SettingCodes.MAX_CONCURRENT_STREAMS: 1000,
    SettingCodes.INITIAL_WINDOW_SIZE: 65_535,
    SettingCodes.MAX_FRAME_SIZE: 16_384,
    SettingCodes.MAX_HEADER_LIST_SIZE: 8_000,
}
STREAMS_VIOLATED = b"Maximum active streams violated for this endpoint"  # Apple's words, met by senders


@dataclass(slots=True)
class Incoming:
    """A request that is still coming in: its headers, and its payload up to the largest size that is allowed."""

    headers: list[tuple[bytes, bytes]]
    payload: bytearray = field(default_factory=bytearray)

    def add(self, data: bytes) -> None:
        """One more piece of the body. What is beyond the largest size by more than a byte is dropped."""
        self.payload += data[: MAX_VOIP_PAYLOAD_BYTES + 1 - len(self.payload)]

    def request(self) -> Request:
        """The request, once it is complete."""
        headers: dict[str, str] = {}
        repeated: set[str] = set()
        for raw_name, raw_value in self.headers:
            name = raw_name.decode("ascii", "replace")
            if name in headers:
                repeated.add(name)
            headers[name] = raw_value.decode("utf-8", "replace")
        method, path = headers.pop(":method", ""), headers.pop(":path", "")
        regular = {name: value for name, value in headers.items() if not name.startswith(":")}
        # HTTP/2 lets a sender split cookies over several headers; that is no repetition.
        return Request(method, path, regular, bytes(self.payload), frozenset(repeated - {"cookie"}))


def goaway_frame(last_stream: int, code: int, debug: bytes) -> bytes:
    """RFC 9113 §6.8: length (24 bits), type 7, no flags, stream 0; then last stream, error code, opaque data."""
    length = 8 + len(debug)
    return struct.pack("!BHBBIII", length >> 16, length & 0xFFFF, 7, 0, 0, last_stream, code) + debug
