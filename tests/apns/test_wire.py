"""The wire against a strict server (``h2``), fact by fact: requests, answers, settings, farewells."""

from __future__ import annotations

import random

import h2.settings
import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from apns.peer import TOPIC, Peer, block, greeted, message
from livepass.apns.events import Answered, Broken, GoingAway, NotProcessed, PeerSettings, Pong, Reset
from livepass.apns.wire import BODY_LIMIT, CONNECTION_WINDOW, STREAM_CAP, Wire

CODES = h2.settings.SettingCodes


def send_many(wire: Wire, count: int, start: int = 0) -> list[int]:
    return [wire.request(message(start + number)) for number in range(count)]


class TestRequests:
    def test_a_push_is_what_apple_asks_for(self) -> None:
        wire, peer = greeted()
        stream = wire.request(message(7, priority=5, push_type="background"))
        peer.talk(wire)
        assert peer.raw[stream] == [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "apns.test:8443"),
            (":path", f"/3/device/{7:064x}"),
            ("apns-topic", TOPIC),
            ("apns-priority", "5"),
            ("apns-push-type", "background"),
            ("apns-expiration", "1800000000"),
            ("apns-id", "00000000-0000-0000-0000-000000000007"),
        ]
        assert peer.bodies[stream] == b"{}"
        assert peer.complete == [stream]

    def test_no_push_type_unless_given(self) -> None:
        wire, peer = greeted()
        wire.request(message())
        peer.talk(wire)
        assert "apns-push-type" not in peer.requests[1]

    @pytest.mark.parametrize("table", [0, 33, 64, 150, 4096, 65_536])
    def test_thousands_of_requests_at_any_table_size(self, table: int) -> None:
        wire, peer = greeted({CODES.HEADER_TABLE_SIZE: table, CODES.MAX_CONCURRENT_STREAMS: 500})
        draw = random.Random(table)
        sent = {}
        for round_ in range(4):
            for number in range(400):
                wanted = message(
                    round_ * 1000 + number,
                    topic=draw.choice([TOPIC, "pass.test.other"]),
                    expiration=1_800_000_000 + draw.randrange(3),
                    priority=draw.choice([10, 10, 10, 5]),
                    push_type=draw.choice([None, None, "alert", "background"]),
                )
                sent[wire.request(wanted)] = wanted
            peer.talk(wire)
            peer.answer_all()
            assert len([e for e in peer.talk(wire) if type(e) is Answered]) == 400
        for stream, wanted in sent.items():
            got = peer.requests[stream]
            assert got[":path"] == f"/3/device/{wanted.push_token}"
            assert got["apns-topic"] == wanted.topic
            assert got["apns-id"] == wanted.apns_id
            assert got["apns-expiration"] == str(wanted.expiration)
            assert got["apns-priority"] == str(wanted.priority)
            assert got.get("apns-push-type") == wanted.push_type

    def test_the_path_never_enters_the_peers_table(self) -> None:
        wire, peer = greeted()
        send_many(wire, 100)
        peer.talk(wire)
        table = peer.h2.decoder.header_table.dynamic_entries
        assert {bytes(name) for name, _ in table} == {
            b":authority",
            b"apns-topic",
            b"apns-priority",
            b"apns-expiration",
            b"apns-id",
        }
        assert len(table) == 5

    def test_the_table_may_shrink_and_grow_between_requests(self) -> None:
        wire, peer = greeted()
        for size in (4096, 0, 4096, 100, 0, 65_536, 200):
            peer.h2.update_settings({CODES.HEADER_TABLE_SIZE: size})
            peer.talk(wire)
            streams = send_many(wire, 5)
            peer.talk(wire)
            assert all(peer.requests[stream]["apns-topic"] == TOPIC for stream in streams)

    @pytest.mark.parametrize("token", ["", "ab/../cd", "zz top", "é", "a" * 300, "%00\r\nx: y", "\ud800"])
    def test_any_token_makes_one_valid_path(self, token: str) -> None:
        wire, peer = greeted()
        stream = wire.request(message(push_token=token))
        peer.talk(wire)
        assert peer.requests[stream][":path"].count("/") == 3
        assert peer.complete == [stream]

    @pytest.mark.parametrize("change", [{"topic": "a\r\nb"}, {"apns_id": "é"}, {"push_type": "a b\n"}])
    def test_an_unwritable_message_changes_nothing(self, change: dict[str, str]) -> None:
        wire, peer = greeted()
        with pytest.raises(ValueError):
            wire.request(message(**change))
        assert wire.take() == b""
        assert wire.request(message()) == 1
        peer.talk(wire)
        assert peer.complete == [1]

    def test_a_block_larger_than_a_frame_is_continued(self) -> None:
        wire, peer = greeted({CODES.MAX_HEADER_LIST_SIZE: 100_000})
        peer.talk(wire)
        stream = wire.request(message(push_token="a" * 40_000))
        peer.talk(wire)
        assert len(peer.requests[stream][":path"]) == 40_010

    def test_an_empty_body_ends_with_its_headers(self) -> None:
        wire, peer = greeted()
        stream = wire.request(message(payload=b""))
        peer.talk(wire)
        assert peer.complete == [stream]
        assert peer.bodies[stream] == b""

    def test_identifiers_end(self) -> None:
        wire, peer = Wire("a", first_stream=2**31 - 3), Peer()
        peer.talk(wire)
        assert wire.room == 2
        assert send_many(wire, 2) == [2**31 - 3, 2**31 - 1]
        assert wire.used_up
        assert wire.room == 0
        peer.talk(wire)
        peer.answer_all()
        assert [type(event) for event in peer.talk(wire)] == [Answered, Answered]


class TestAnswers:
    def test_two_hundred(self) -> None:
        wire, peer = greeted()
        send_many(wire, 3)
        peer.talk(wire)
        peer.answer_all(lambda stream: peer.answer(stream, apns_id="AB"))
        assert [(e.stream, e.status) for e in peer.talk(wire) if type(e) is Answered] == [(1, 200), (3, 200), (5, 200)]
        assert wire.open_streams == 0

    def test_an_error_has_its_body_and_id(self) -> None:
        wire, peer = greeted()
        stream = wire.request(message())
        peer.talk(wire)
        peer.answer(stream, 410, b'{"reason":"Unregistered"}', apns_id="AB-CD", content_type="application/json")
        assert peer.talk(wire) == [Answered(stream, 410, "AB-CD", b'{"reason":"Unregistered"}')]

    def test_statuses_and_ids_stay_right_when_blocks_are_skipped(self) -> None:
        # 200s are not decoded; were the peer's table in use, the errors between them would come out wrong.
        wire, peer = greeted()
        draw = random.Random(1)
        for round_ in range(20):
            wanted = {}
            for stream in send_many(wire, 50, round_ * 50):
                status = draw.choice([200, 200, 200, 400, 410])
                wanted[stream] = (status, f"id-{stream}" if status != 200 else "")
            peer.talk(wire)
            for stream, (status, _) in wanted.items():
                peer.answer(stream, status, b"" if status == 200 else b"{}", apns_id=f"id-{stream}", x=f"v{stream % 7}")
            got = {e.stream: (e.status, e.apns_id) for e in peer.talk(wire) if type(e) is Answered}
            assert {stream: status for stream, (status, _) in got.items()} == {s: w[0] for s, w in wanted.items()}
            assert all(got[s][1] == w[1] for s, w in wanted.items() if w[0] != 200)
        assert wire._responses.stateless

    def test_a_200_with_an_empty_data_frame(self) -> None:
        wire, peer = greeted()
        stream = wire.request(message())
        peer.talk(wire)
        peer.h2.send_headers(stream, [(":status", "200")])
        peer.h2.send_data(stream, b"", end_stream=True, pad_length=5)
        assert peer.talk(wire) == [Answered(stream, 200, "", b"")]

    def test_interim_answers_and_trailers_are_passed_over(self) -> None:
        wire, peer = greeted()
        stream = wire.request(message())
        peer.talk(wire)
        peer.h2.send_headers(stream, [(":status", "103")])
        peer.h2.send_headers(stream, [(":status", "503")])
        peer.h2.send_data(stream, b"{}")
        peer.h2.send_headers(stream, [("x-trailer", "1")], end_stream=True)
        assert peer.talk(wire) == [Answered(stream, 503, "", b"{}")]

    def test_padding_priority_and_continuation(self) -> None:
        wire, peer = greeted()
        stream = wire.request(message())
        peer.talk(wire)
        whole = block((":status", "429"), ("apns-id", "X"))
        first = HeadersFrame(stream, whole[:3], flags=["PADDED", "PRIORITY"], pad_length=9, depends_on=0)
        rest = [ContinuationFrame(stream, whole[3:6]), ContinuationFrame(stream, whole[6:], flags=["END_HEADERS"])]
        data = DataFrame(stream, b'{"reason":"TooManyRequests"}', flags=["PADDED", "END_STREAM"], pad_length=200)
        octets = b"".join(frame.serialize() for frame in (first, *rest, data))
        events = [event for octet in octets for event in wire.receive(bytes((octet,)))]  # one octet at a time
        assert events == [Answered(stream, 429, "X", b'{"reason":"TooManyRequests"}')]

    @pytest.mark.parametrize(
        "fields", [[("x", "y")], [(":status", "abc")], [(":status", "200"), (":status", "400")], [(":status", "99")]]
    )
    def test_a_malformed_answer_ends_its_stream_only(self, fields: list[tuple[str, str]]) -> None:
        wire, peer = greeted()
        bad, good = send_many(wire, 2)
        peer.talk(wire)
        frame = HeadersFrame(bad, block(*fields), flags=["END_HEADERS", "END_STREAM"])
        assert wire.receive(frame.serialize()) == [Reset(bad, 1)]
        peer.answer(good)
        assert peer.talk(wire) == [Answered(good, 200, "", b"")]

    def test_a_body_before_its_status_ends_its_stream_only(self) -> None:
        wire, _ = greeted()
        bad, good = send_many(wire, 2)
        assert wire.receive(DataFrame(bad, b"x", flags=["END_STREAM"]).serialize()) == [Reset(bad, 1)]
        assert list(wire._open) == [good]

    def test_trailers_that_do_not_end_the_stream(self) -> None:
        wire, peer = greeted()
        (stream,) = send_many(wire, 1)
        peer.talk(wire)
        frames = [
            HeadersFrame(stream, block(fields), flags=["END_HEADERS"]) for fields in ((":status", "503"), ("x", "y"))
        ]
        assert wire.receive(b"".join(frame.serialize() for frame in frames)) == [Reset(stream, 1)]

    def test_a_body_without_end_is_cut_and_cancelled(self) -> None:
        wire, peer = greeted()
        stream = wire.request(message())
        peer.talk(wire)
        peer.h2.send_headers(stream, [(":status", "500")])
        peer.h2.send_data(stream, b"x" * 16_000)
        (event,) = peer.talk(wire)
        assert isinstance(event, Answered)
        assert event.status == 500
        assert BODY_LIMIT < len(event.body) <= 16_000
        assert wire.open_streams == 0

    def test_twenty_thousand_error_bodies_do_not_starve_the_window(self) -> None:
        wire, peer = greeted({CODES.MAX_CONCURRENT_STREAMS: 1000})
        body = b'{"reason":"Unregistered","timestamp":1700000000000}'
        answers = 0
        for round_ in range(20):
            send_many(wire, 1000, round_)
            peer.talk(wire)
            peer.answer_all(lambda stream: peer.answer(stream, 410, body))
            answers += sum(type(event) is Answered for event in peer.talk(wire))
        assert answers == 20_000
        assert peer.h2.outbound_flow_control_window > CONNECTION_WINDOW // 3

    def test_bodies_on_cancelled_streams_count_too(self) -> None:
        wire, peer = greeted()
        for _ in range(200):
            stream = wire.request(message())
            peer.talk(wire)
            peer.h2.send_headers(stream, [(":status", "500")])
            peer.h2.send_data(stream, b"x" * 8000)
            late = peer.h2.data_to_send()
            wire.cancel(stream)
            assert wire.receive(late) == []
            peer.talk(wire)
        assert peer.h2.outbound_flow_control_window > CONNECTION_WINDOW // 3


class TestSettings:
    def test_no_room_before_the_peers_settings(self) -> None:
        wire = Wire("a")
        assert wire.room == 0
        assert wire.receive(SettingsFrame(0).serialize()) == [PeerSettings(STREAM_CAP)]
        assert wire.room == STREAM_CAP

    def test_the_limit_falls_below_what_is_open_and_rises_again(self) -> None:
        wire, peer = greeted({CODES.MAX_CONCURRENT_STREAMS: 500})
        assert wire.room == 500
        send_many(wire, 60)
        peer.talk(wire)
        peer.h2.update_settings({CODES.MAX_CONCURRENT_STREAMS: 1})
        assert PeerSettings(1) in peer.talk(wire)
        assert wire.room == 0
        for left in range(59, -1, -1):
            peer.answer(peer.complete.pop())
            peer.talk(wire)
            assert wire.room == (1 if left == 0 else 0)
        peer.h2.update_settings({CODES.MAX_CONCURRENT_STREAMS: 500})
        peer.talk(wire)
        assert wire.room == 500

    def test_a_limit_of_zero(self) -> None:
        wire, peer = greeted({CODES.MAX_CONCURRENT_STREAMS: 0})
        assert wire.room == 0
        assert not wire.over
        peer.h2.update_settings({CODES.MAX_CONCURRENT_STREAMS: 2})
        peer.talk(wire)
        assert wire.room == 2

    def test_settings_and_pings_are_acknowledged(self) -> None:
        wire, peer = greeted()
        peer.h2.ping(b"12345678")
        peer.talk(wire)
        names = [type(event).__name__ for event in peer.events]
        assert "SettingsAcknowledged" in names
        assert "PingAckReceived" in names

    def test_our_ping_comes_back(self) -> None:
        wire, peer = greeted()
        wire.ping(b"abcdefgh")
        assert peer.talk(wire) == [Pong(b"abcdefgh")]


class TestFlowControl:
    def test_a_stream_window_of_zero_that_opens_later(self) -> None:
        wire, peer = greeted({CODES.INITIAL_WINDOW_SIZE: 0})
        streams = send_many(wire, 10)
        peer.talk(wire)
        assert peer.complete == []
        wire.receive(WindowUpdateFrame(streams[3], window_increment=1).serialize())
        wire.receive(WindowUpdateFrame(streams[3], window_increment=1).serialize())
        peer.h2._inbound_flow_control_window_manager.window_opened(0)
        peer.h2.streams[streams[3]]._inbound_window_manager.window_opened(2)
        peer.talk(wire)
        assert peer.complete == [streams[3]]
        peer.h2.update_settings({CODES.INITIAL_WINDOW_SIZE: 100})
        peer.talk(wire)
        assert sorted(peer.complete) == streams

    def test_a_large_body_is_cut_by_every_limit(self) -> None:
        wire, peer = greeted({CODES.INITIAL_WINDOW_SIZE: 1000})
        stream = wire.request(message(payload=b"x" * 60_000))
        peer.talk(wire)
        assert peer.bodies[stream] == b"x" * 60_000
        assert peer.complete == [stream]

    def test_the_initial_window_shrinks_below_what_was_sent(self) -> None:
        wire, peer = greeted({CODES.INITIAL_WINDOW_SIZE: 50})
        peer.credit = False
        stream = wire.request(message(payload=b"y" * 80))
        peer.talk(wire)
        assert len(peer.bodies[stream]) == 50
        peer.h2.update_settings({CODES.INITIAL_WINDOW_SIZE: 20})  # the stream's window is now -30
        peer.talk(wire)
        wire.receive(WindowUpdateFrame(stream, window_increment=30).serialize())
        assert wire.take() == b""
        wire.receive(WindowUpdateFrame(stream, window_increment=30).serialize())
        assert wire.take().endswith(b"y" * 30)

    def test_the_connection_window_is_never_overrun(self) -> None:
        wire, peer = greeted()
        peer.credit = False
        wire.request(message(payload=b"x" * 65_534))
        send_many(wire, 1)
        assert wire.room == 0  # one octet of window, two of body: that stream waits, and no more are opened
        peer.talk(wire)
        assert len(peer.complete) == 1
        peer.h2.increment_flow_control_window(10)
        peer.talk(wire)
        assert len(peer.complete) == 2
        assert wire.room > 0

    def test_an_answer_before_the_body_is_out(self) -> None:
        wire, peer = greeted({CODES.INITIAL_WINDOW_SIZE: 0})
        stream = wire.request(message())
        peer.talk(wire)
        peer.answer(stream, 413, b"{}")
        assert peer.talk(wire) == [Answered(stream, 413, "", b"{}")]
        assert "StreamReset" in [type(event).__name__ for event in peer.events]
        peer.h2.update_settings({CODES.INITIAL_WINDOW_SIZE: 100})
        peer.talk(wire)
        assert not wire.over
        assert peer.bodies[stream] == b""

    @pytest.mark.parametrize("status_first", [True, False])
    def test_a_200_before_the_body_is_out(self, status_first: bool) -> None:
        wire, peer = greeted({CODES.INITIAL_WINDOW_SIZE: 0})
        wire._responses.stateless = status_first
        stream = wire.request(message())
        peer.talk(wire)
        peer.answer(stream)
        assert peer.talk(wire) == [Answered(stream, 200, "", b"")]
        assert wire.open_streams == 0


class TestEndings:
    def test_refused_is_not_processed_and_other_resets_are_unknown(self) -> None:
        wire, peer = greeted()
        refused, reset, good = send_many(wire, 3)
        peer.talk(wire)
        peer.h2.reset_stream(refused, 7)
        peer.h2.reset_stream(reset, 2)
        peer.answer(good)
        assert peer.talk(wire) == [NotProcessed(refused, True), Reset(reset, 2), Answered(good, 200, "", b"")]

    def test_answers_in_flight_survive_goaway(self) -> None:
        wire, peer = greeted()
        streams = send_many(wire, 100)
        peer.talk(wire)
        farewell = GoAwayFrame(0, last_stream_id=streams[59], error_code=0, additional_data=b'{"reason":"Shutdown"}')
        events = wire.receive(farewell.serialize())
        assert events[0] == GoingAway(streams[59], 0, b'{"reason":"Shutdown"}')
        assert events[1:] == [NotProcessed(stream, False) for stream in streams[60:]]
        assert wire.room == 0
        for stream in streams[:60]:
            peer.answer(stream, 410 if stream % 4 == 1 else 200, b"{}" if stream % 4 == 1 else b"")
        assert len([e for e in peer.talk(wire) if type(e) is Answered]) == 60
        assert wire.open_streams == 0

    def test_goaway_twice(self) -> None:
        wire, peer = greeted()
        streams = send_many(wire, 4)
        peer.talk(wire)
        assert wire.receive(GoAwayFrame(0, last_stream_id=2**31 - 1).serialize()) == [GoingAway(2**31 - 1, 0, b"")]
        assert wire.room == 0
        events = wire.receive(GoAwayFrame(0, last_stream_id=streams[1]).serialize())
        assert events[1:] == [NotProcessed(stream, False) for stream in streams[2:]]
        # It may not rise again; if it does, the lower one stays true.
        assert wire.receive(GoAwayFrame(0, last_stream_id=streams[3]).serialize()) == [GoingAway(streams[1], 0, b"")]

    def test_goaway_instead_of_settings(self) -> None:
        wire = Wire("a")
        assert wire.receive(GoAwayFrame(0, last_stream_id=0, error_code=11).serialize()) == [GoingAway(0, 11, b"")]

    def test_late_frames_on_a_cancelled_stream_are_dropped(self) -> None:
        wire, peer = greeted()
        gone, good = send_many(wire, 2)
        peer.talk(wire)
        peer.answer(gone, 400, b'{"reason":"BadDeviceToken"}')
        late = peer.h2.data_to_send()
        wire.cancel(gone)
        assert wire.receive(late) == []
        wire.receive(RstStreamFrame(gone, error_code=8).serialize())
        wire.receive(WindowUpdateFrame(gone, window_increment=5).serialize())
        wire.take()
        peer.answer(good)
        assert wire.receive(peer.h2.data_to_send()) == [Answered(good, 200, "", b"")]

    def test_goodbye_is_a_goaway(self) -> None:
        wire, peer = greeted()
        wire.goodbye()
        peer.talk(wire)
        assert type(peer.events[-1]).__name__ == "ConnectionTerminated"


def raw(kind: int, flags: int, stream: int, payload: bytes, length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


BROKEN = {
    "DATA on stream 0": (raw(0, 0, 0, b"x"), 1),
    "DATA on an idle stream": (raw(0, 0, 99, b"x"), 1),
    "DATA on a stream of the server's": (raw(0, 0, 2, b"x"), 1),
    "padding longer than DATA": (raw(0, 8, 1, b"\x05ab"), 1),
    "padded DATA without a length": (raw(0, 8, 1, b""), 1),
    "HEADERS on stream 0": (raw(1, 5, 0, b"\x88"), 1),
    "HEADERS on an idle stream": (raw(1, 5, 99, b"\x88"), 1),
    "HEADERS too short for its priority": (raw(1, 0x25, 1, b"abc"), 6),
    "an index beyond the table": (raw(1, 5, 1, b"\xff\xff\x01"), 9),
    "a block that stops in the middle": (raw(1, 5, 1, b"\x40\x0aab"), 9),
    "PRIORITY of a wrong length": (PriorityFrame(1).serialize()[:2] + b"\x04\x02\x00\x00\x00\x00\x01abcd", 6),
    "RST_STREAM of a wrong length": (raw(3, 0, 1, b"abc"), 6),
    "RST_STREAM on stream 0": (raw(3, 0, 0, b"abcd"), 1),
    "RST_STREAM on an idle stream": (RstStreamFrame(99).serialize(), 1),
    "SETTINGS on a stream": (raw(4, 0, 1, b""), 1),
    "SETTINGS of a wrong length": (raw(4, 0, 0, b"abcde"), 6),
    "an acknowledgement with content": (raw(4, 1, 0, b"\0\3\0\0\0\1"), 6),
    "ENABLE_PUSH from a server": (raw(4, 0, 0, b"\0\2\0\0\0\1"), 1),
    "INITIAL_WINDOW_SIZE too large": (raw(4, 0, 0, b"\0\4\x80\0\0\0"), 3),
    "MAX_FRAME_SIZE too small": (raw(4, 0, 0, b"\0\5\0\0\0\1"), 1),
    "MAX_FRAME_SIZE too large": (raw(4, 0, 0, b"\0\5\1\0\0\0"), 1),
    "PUSH_PROMISE": (PushPromiseFrame(1, promised_stream_id=2, data=b"\x82", flags=["END_HEADERS"]).serialize(), 1),
    "PING of a wrong length": (raw(6, 0, 0, b"1234567"), 6),
    "PING on a stream": (PingFrame(0, b"12345678").serialize()[:8] + b"\x01" + b"12345678", 1),
    "GOAWAY on a stream": (raw(7, 0, 1, b"12345678"), 1),
    "GOAWAY too short": (raw(7, 0, 0, b"1234567"), 6),
    "WINDOW_UPDATE of a wrong length": (raw(8, 0, 0, b"abc"), 6),
    "WINDOW_UPDATE by nothing": (raw(8, 0, 0, b"\0\0\0\0"), 1),
    "WINDOW_UPDATE over the limit": (raw(8, 0, 0, b"\x7f\xff\xff\xff"), 3),
    "WINDOW_UPDATE on an idle stream": (raw(8, 0, 99, b"\0\0\0\1"), 1),
    "CONTINUATION without HEADERS": (raw(9, 4, 1, b"\x88"), 1),
    "another frame inside a block": (raw(1, 1, 1, b"\x88") + PingFrame(0, b"12345678").serialize(), 1),
    "an unknown frame inside a block": (raw(1, 1, 1, b"\x88") + raw(0xBE, 0, 0, b""), 1),
    "CONTINUATION of another stream": (raw(1, 1, 1, b"\x88") + raw(9, 4, 3, b""), 1),
    "CONTINUATION without end": (raw(1, 1, 1, b"\x88") + raw(9, 0, 1, b"x" * 16_000) * 5, 11),
    "a frame over 16384 octets": (raw(0, 0, 1, b"", 16_385), 6),
    "more data than the window": (raw(1, 4, 1, b"\x88") + raw(0, 0, 1, b"x" * 16_384) * 65, 3),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_one_event_and_the_end(name: str) -> None:
    octets, code = BROKEN[name]
    wire, _ = greeted()
    send_many(wire, 2)
    wire.take()
    if name == "more data than the window":
        wire._receive_window = 1000
    events = wire.receive(octets)
    assert [event.code for event in events if type(event) is Broken] == [code]
    assert type(events[-1]) is Broken
    out = wire.take()
    assert out[-len(out) :][3] in (3, 7, 8)
    assert GoAwayFrame(0, error_code=code).serialize()[9:17] in out
    assert wire.receive(b"anything") == []
    assert wire.room == 0
    wire.ping(b"12345678")
    wire.cancel(3)
    wire.goodbye()
    assert wire.take() == b""


def test_the_first_frame_must_be_settings() -> None:
    wire = Wire("a")
    (event,) = wire.receive(PingFrame(0, b"12345678").serialize())
    assert type(event) is Broken


@pytest.mark.parametrize("increment", [0, 2**31 - 1])
def test_a_wrong_window_update_on_a_stream_ends_that_stream(increment: int) -> None:
    wire, _ = greeted({CODES.INITIAL_WINDOW_SIZE: 66_000})
    bad = wire.request(message(payload=b"x" * 70_000))  # stopped by the connection's window, with 465 octets of its own
    good = wire.request(message(payload=b""))
    (event,) = [e for e in wire.receive(raw(8, 0, bad, increment.to_bytes(4, "big"))) if type(e) is Reset]
    assert event.stream == bad
    assert good in wire._open


def test_settings_that_lift_a_window_over_the_limit() -> None:
    wire, _ = greeted({CODES.INITIAL_WINDOW_SIZE: 0})
    wire.request(message(payload=b"x" * 70_000))
    wire.receive(WindowUpdateFrame(1, window_increment=66_000).serialize())  # stopped by the connection's window
    assert wire.receive(raw(4, 0, 0, b"\0\4\x7f\xff\xff\xff"))[0].code == 3  # type: ignore[union-attr]


def test_what_is_unknown_is_ignored() -> None:
    wire, peer = greeted()
    (stream,) = send_many(wire, 1)
    peer.talk(wire)
    unknown = raw(0xBE, 0xFF, 12345, b"x" * 100) + raw(4, 0, 0, b"\xaa\xaa\0\0\0\1") + PriorityFrame(4).serialize()
    assert wire.receive(unknown) == [PeerSettings(100)]
    peer.answer(stream)
    assert [type(event) for event in peer.talk(wire)] == [Answered]
