"""Whatever a peer sends: the wire never raises, breaks at most once, and answers each push at most once."""

from __future__ import annotations

from hyperframe.frame import SettingsFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from apns.peer import greeted, message
from livepass.apns.events import Answered, Broken, Event, NotProcessed, Reset
from livepass.apns.wire import Wire

KINDS = st.one_of(st.integers(0, 9), st.integers(0, 255))
STREAMS = st.one_of(st.sampled_from([0, 1, 3, 5, 7, 9, 21, 2, 2**31 - 1]), st.integers(0, 2**32 - 1))
PAYLOADS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"\x88", b"\x20\x88", b"\x8d", b"\x48\x03410", b"\0\0\0\0", b"\0\0\0\x07", b"\0" * 8]),
    st.builds(
        lambda key, value: key.to_bytes(2, "big") + value.to_bytes(4, "big"),
        st.integers(1, 6),
        st.integers(0, 2**32 - 1),
    ),
)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


FRAMES = st.builds(_frame, KINDS, st.sampled_from([0, 1, 4, 5, 8, 0xD, 0x2D, 0xFF]), STREAMS, PAYLOADS)


def _drive(wire: Wire, pieces: list[bytes]) -> list[Event]:
    events: list[Event] = []
    for piece in pieces:
        events += wire.receive(piece)
        if wire.room:
            wire.request(message(len(events)))
        wire.take()
    return events


def _check(wire: Wire, events: list[Event]) -> None:
    broken = [event for event in events if isinstance(event, Broken)]
    assert len(broken) == int(wire.over)
    assert not broken or events[-1] is broken[0]
    ended = [event.stream for event in events if isinstance(event, Answered | NotProcessed | Reset)]
    assert len(ended) == len(set(ended))
    assert not set(ended) & set(wire._open)
    assert set(wire._uploads.blocked) <= set(wire._open)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=10))
def test_any_octets_from_the_start(pieces: list[bytes]) -> None:
    wire = Wire("a")
    _check(wire, _drive(wire, pieces))


@settings(deadline=None)
@given(st.lists(FRAMES, max_size=25), st.integers(1, 300))
def test_any_frames_with_pushes_in_flight(sent: list[bytes], cut: int) -> None:
    wire = Wire("a")
    wire.receive(SettingsFrame(0).serialize())
    streams = {wire.request(message(number)) for number in range(10)}
    octets = b"".join(sent)
    events = _drive(wire, [octets[at : at + cut] for at in range(0, len(octets), cut)])
    _check(wire, events)
    assert streams


@settings(deadline=None)
@given(st.binary(max_size=60), st.booleans())
def test_any_header_block(block: bytes, stateless: bool) -> None:
    wire, peer = greeted()
    stream = wire.request(message())
    peer.talk(wire)
    wire._responses.stateless = stateless
    _check(wire, wire.receive(_frame(1, 5, stream, block)))


@settings(deadline=None)
@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=40), st.binary(max_size=30))
def test_any_message_is_a_valid_request_or_a_value_error(token: str, topic: str, apns_id: str, payload: bytes) -> None:
    wire, peer = greeted()
    try:
        stream = wire.request(message(push_token=token, topic=topic, apns_id=apns_id, payload=payload))
    except ValueError:
        return
    peer.talk(wire)
    assert peer.complete == [stream]
    assert peer.bodies[stream] == payload
