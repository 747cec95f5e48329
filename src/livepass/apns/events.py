"""What the wire reports: one small tuple per fact. Nothing here decides anything."""

from __future__ import annotations

from typing import NamedTuple


class PeerSettings(NamedTuple):
    """The peer named its settings, for the first time or anew. ``streams`` is the limit that we keep to from now on."""

    streams: int


class Answered(NamedTuple):
    """The complete answer on a stream. ``apns_id`` is "" where it was not looked at (200) or not sent."""

    stream: int
    status: int
    apns_id: str
    body: bytes


class NotProcessed(NamedTuple):
    """The peer vouches that it did nothing with this stream: above GOAWAY's last stream, or REFUSED_STREAM."""

    stream: int
    refused: bool


class Reset(NamedTuple):
    """The stream ended without an answer; whether the push was taken is unknown. ``code`` is the HTTP/2 error."""

    stream: int
    code: int


class GoingAway(NamedTuple):
    """The peer takes no new streams. Those up to ``last_stream`` may still be answered: go on reading."""

    last_stream: int
    code: int
    debug: bytes


class Pong(NamedTuple):
    """Our PING came back."""

    data: bytes


class Broken(NamedTuple):
    """The peer broke the protocol. The last event of a wire: our GOAWAY is ready to be taken, nothing else follows."""

    code: int
    detail: str


Event = PeerSettings | Answered | NotProcessed | Reset | GoingAway | Pong | Broken
