"""What APNs answers: frames to our HTTP/2 client, and the JSON of errors and farewells."""

from __future__ import annotations

from collections.abc import Iterable

from fuzz.phones import storable
from fuzz.target import Target
from livepass.apns.events import Answered, Broken, Event, NotProcessed, Reset
from livepass.apns.frames import frame, goaway, settings
from livepass.apns.reasons import REASON_LIMIT, read_reason
from livepass.apns.wire import BODY_LIMIT, STREAM_CAP, Wire
from livepass.core.model import Target as PushTarget
from livepass.core.trip2_push import Next, PushAnswer, PushMessage, action_for, read_answer

NOW = 1_800_000_000_000


def _message(number: int) -> PushMessage:
    return PushMessage(f"{number:064x}", "pass.test.livepass", f"{number:036}", 1_800_000_000)


def _wire(data: bytes) -> None:
    """First byte: how many octets arrive at once. Ten pushes are in flight, and more follow where there is room."""
    cut = (data[0] if data else 0) + 1
    wire = Wire("apns.test")
    events = list(wire.receive(settings((3, 100))))
    for number in range(10):
        wire.request(_message(number))
    written = len(wire.take())
    for at in range(1, len(data), cut):
        events += wire.receive(data[at : at + cut])
        if wire.room and wire.open_streams < 50:
            wire.request(_message(100))
        written += len(wire.take())
        assert 0 <= wire.room <= STREAM_CAP
    _lawful(wire, events)
    assert written <= 4096 + 400 * len(data), "little made much be written"


def _lawful(wire: Wire, events: list[Event]) -> None:
    """Broken at most once and last; each stream ends at most once, and is then gone; answers are bounded."""
    broken = [event for event in events if isinstance(event, Broken)]
    assert len(broken) == int(wire.over)
    assert not broken or events[-1] is broken[0]
    ended = [event.stream for event in events if isinstance(event, Answered | NotProcessed | Reset)]
    assert len(ended) == len(set(ended))
    assert not set(ended) & set(wire._open)
    assert set(wire._uploads.blocked) <= set(wire._open)
    for event in events:
        if isinstance(event, Answered):
            assert 200 <= event.status <= 999 and len(event.apns_id) <= 64 and len(event.body) <= BODY_LIMIT
            _judge(event.status, event.apns_id, event.body)


def _answer(data: bytes) -> None:
    """First line: status and ``apns-id``; the rest: the body."""
    head, _, body = data.partition(b"\n")
    status, _, apns_id = head.partition(b" ")
    number = int(status) if len(status) == 3 and status.isdigit() and status >= b"200" else 410
    _judge(number, apns_id.decode("ascii", "replace")[:64], body)


def _judge(status: int, apns_id: str, body: bytes) -> None:
    """What an answer means is something that can be stored and carried out, whatever it says."""
    reason, timestamp = read_reason(body)
    assert len(reason) <= REASON_LIMIT
    target = PushTarget(
        "pass.test.livepass", "ab" * 32, NOW - 1000, 9, 0, 0, 0, 9, 3, NOW, "lease", 0.0, None, 1, None, None
    )
    answer = PushAnswer(_message(1), status, reason, timestamp if status == 410 else None, apns_id)
    for trusted in (True, False):
        outcome = read_answer(target, answer, NOW, 1.0, trust_token_errors=trusted)
        storable(outcome.event)
        assert NOW <= outcome.next_at < 2**63
        assert outcome.dead_reason is None or outcome.dead_reason.encode()
        dead = action_for(status, reason) in (Next.TOKEN_DEAD, Next.QUARANTINE)
        assert outcome.dead_reason is None or dead, "a token was buried for another reason"


def _frames() -> Iterable[bytes]:
    ok, ended = b"\x88", 0x5
    bad = b"\x48\x03410"
    body = b'{"reason":"Unregistered","timestamp":1795455000000}'
    yield b"\xff" + frame(1, ended, 1, ok) + frame(1, ended, 3, ok)
    yield b"\x10" + frame(1, 4, 1, bad) + frame(0, 1, 1, body)
    yield b"\xff" + settings((4, 0), (5, 16384), (1, 0)) + frame(3, 0, 5, b"\0\0\0\7") + frame(6, 0, 0, b"12345678")
    yield b"\xff" + goaway(0, '{"reason":"Shutdown"}')
    yield b"\xff" + frame(1, 0, 7, bad[:2]) + frame(9, 4, 7, bad[2:]) + frame(8, 0, 0, b"\0\0\1\0")
    yield b"\x07" + frame(0, 8, 9, b"\x04abcd\0\0\0\0") + frame(7, 0, 0, b"\0\0\0\5\0\0\0\0" + body)


TARGETS = (
    Target(
        "apns_wire",
        _wire,
        seeds=_frames,
        words=(
            b"\x88",
            b"\x8d",
            b"\x48\x03410",
            b"\x00\x07apns-id\x04abcd",
            b"\0\0\0\7",
            b"\0\0\x08\6\0\0\0\0\0",
            b"\0\0\0\4\0",
        ),
        longest=2048,
    ),
    Target(
        "apns_answer",
        _answer,
        seeds=lambda: (
            b'410 0123\n{"reason":"Unregistered","timestamp":1795455000000}',
            b'400 x\n{"reason":"BadDeviceToken"}',
            b'503 x\n{"reason":"Shutdown"}',
            b"500 \n",
        ),
        words=(
            b'"reason"',
            b'"timestamp"',
            b"ExpiredToken",
            b"TopicDisallowed",
            b"\\ud800",
            b"\\u0000",
            b"1e999",
            b"NaN",
        ),
        longest=8192,
    ),
)
