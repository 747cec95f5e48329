"""A strict HTTP/2 server in memory: the ``h2`` package with its checks on, and hand-made frames where it is too good.

``Peer.talk(wire)`` moves octets both ways until nobody has more to say.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import h2.config
import h2.connection
import h2.events
import hpack

from livepass.apns.events import Event
from livepass.apns.wire import Wire
from livepass.core.trip2_push import PushMessage

TOPIC = "pass.test.livepass"


def message(number: int = 0, **changes: object) -> PushMessage:
    fields: dict[str, object] = {
        "push_token": f"{number:064x}",
        "topic": TOPIC,
        "apns_id": str(uuid.UUID(int=number)),
        "expiration": 1_800_000_000,
    }
    return PushMessage(**{**fields, **changes})  # type: ignore[arg-type]


class Peer:
    """The other end. ``requests`` maps a stream to its headers, ``bodies`` to its data; ``complete`` are ended."""

    def __init__(self, settings: dict[int, int] | None = None) -> None:
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.h2.initiate_connection()
        if settings:
            self.h2.update_settings(settings)
        self.requests: dict[int, dict[str, str]] = {}
        self.raw: dict[int, list[tuple[str, str]]] = {}
        self.bodies: dict[int, bytes] = {}
        self.complete: list[int] = []
        self.events: list[h2.events.Event] = []
        self.credit = True

    def receive(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            self.events.append(event)
            match event:
                case h2.events.RequestReceived(stream_id=stream, headers=headers):
                    self.requests[stream] = dict(headers)
                    self.raw[stream] = list(headers)
                    self.bodies[stream] = b""
                case h2.events.DataReceived(stream_id=stream, data=body, flow_controlled_length=length):
                    self.bodies[stream] += body
                    if self.credit:
                        self.h2.acknowledge_received_data(length, stream)
                case h2.events.StreamEnded(stream_id=stream):
                    self.complete.append(stream)

    def talk(self, wire: Wire) -> list[Event]:
        """Returns the events that the wire had."""
        events: list[Event] = []
        while True:
            out = wire.take()
            if out:
                self.receive(out)
            back = self.h2.data_to_send()
            if back:
                events += wire.receive(back)
            if not out and not back:
                return events

    def answer(self, stream: int, status: int = 200, body: bytes = b"", **headers: str) -> None:
        fields = [(":status", str(status)), *((key.replace("_", "-"), value) for key, value in headers.items())]
        self.h2.send_headers(stream, fields, end_stream=not body)
        if body:
            self.h2.send_data(stream, body, end_stream=True)

    def answer_all(self, how: Callable[[int], None] | None = None) -> None:
        waiting, self.complete = self.complete, []
        for stream in waiting:
            (how or self.answer)(stream)


def greeted(settings: dict[int, int] | None = None) -> tuple[Wire, Peer]:
    """A wire and a peer that know each other's settings."""
    wire, peer = Wire("apns.test:8443"), Peer(settings)
    peer.talk(wire)
    assert wire.greeted
    return wire, peer


def block(*fields: tuple[str, str]) -> bytes:
    """A header block that needs no dynamic table."""
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    return encoder.encode(fields, huffman=False)
