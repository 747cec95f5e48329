"""Rows: header blocks and bodies of answers. Six pushes are in flight unless the row says otherwise."""

from __future__ import annotations

from apns.hostility import octets
from apns.hostility.case import Case, End
from apns.hostility.farewells import MET
from apns.hostility.levels import broken
from apns.hostility.octets import CONTINUATION, DATA, END_HEADERS, HEADERS, PADDED, WHOLE, field, frame, reason, status
from apns.hostility.server import Step
from apns.hostility.steps import TIMESTAMP, answer, close, data, dead, headers, on, refuse, said, send, serve_all

OK = status(200)
GONE = reason("Unregistered", TIMESTAMP)
REST = answer(*range(1, 6))
"""All but push 0."""


def malformed(name: str, rule: str, *shown: Step, code: int = octets.PROTOCOL_ERROR) -> Case:
    """The answer to push 0 is none: that stream is ended, and only that one, and the push sent again (§8.1.1)."""
    return Case(name, rule, (*MET, *shown, REST), "raaaaa", resets={0: code})


def understood(name: str, rule: str, code: int, why: str, *shown: Step, cancels: bool = False) -> Case:
    """Push 0 has this answer all the same."""
    fate = {(410, "Unregistered"): "d", (200, ""): "a"}.get((code, why), "x")
    resets = {0: octets.CANCEL} if cancels else {}
    return Case(
        name, rule, (*MET, *shown, said(0, code, why), REST), fate + "aaaaa", resets=resets, verdict=(code, why)
    )


def unreadable(name: str, rule: str, block: bytes) -> Case:
    return broken(name, rule, frame(HEADERS, WHOLE, 1, block), octets.COMPRESSION_ERROR)


LONG = field("x-long", "y" * 15_000)

BLOCKS = [
    broken(
        "another frame inside a header block",
        "§6.10",
        frame(HEADERS, octets.END_STREAM, 1, OK) + frame(octets.PING, 0, 0, bytes(8)),
        octets.PROTOCOL_ERROR,
    ),
    broken(
        "an unknown frame inside a header block",
        "§6.10, §5.5",
        frame(HEADERS, octets.END_STREAM, 1, OK) + frame(0xBE, 0, 0),
        octets.PROTOCOL_ERROR,
    ),
    broken(
        "CONTINUATION of another stream",
        "§6.10",
        frame(HEADERS, octets.END_STREAM, 1, OK) + frame(CONTINUATION, END_HEADERS, 3),
        octets.PROTOCOL_ERROR,
    ),
    broken("CONTINUATION without HEADERS", "§6.10", frame(CONTINUATION, END_HEADERS, 1, OK), octets.PROTOCOL_ERROR),
    broken(
        "flood of CONTINUATION",
        "§10.5.1",
        frame(HEADERS, octets.END_STREAM, 1, OK) + frame(CONTINUATION, 0, 1, bytes(16_000)) * 5,
        octets.ENHANCE_YOUR_CALM,
    ),
    understood(
        "200 in five frames",
        "§6.10",
        200,
        "",
        headers(0, OK, octets.END_STREAM),
        *(on(0, CONTINUATION, 0, octet) for octet in (b"", field("a", "b"), b"")),
        on(0, CONTINUATION, END_HEADERS, field("apns-id", "x")),
    ),
    understood(
        "200 with 45 KB of headers",
        "§10.5.1",
        200,
        "",
        headers(0, OK + LONG, octets.END_STREAM),
        on(0, CONTINUATION, 0, LONG),
        on(0, CONTINUATION, END_HEADERS, LONG),
    ),
    unreadable(
        "a bomb: one long field, named a thousand times",
        "§10.5.1, RFC 7541 §7.3",
        b"\x8d\x40" + field("bomb", "b" * 3900)[1:] + b"\xbe" * 1000,
    ),
    unreadable("a table above what we allow", "RFC 7541 §6.3", b"\x3f\xe1\x7f" + OK),
    unreadable("a table that changes in mid-block", "RFC 7541 §4.2", b"\x8d\x20" + OK),
    unreadable("index 0", "RFC 7541 §6.1", b"\x80"),
    unreadable("an index beyond the table", "RFC 7541 §2.3.3", b"\xff\xff\x01"),
    unreadable("an index without end", "RFC 7541 §5.1", b"\xff" + b"\xff" * 100),
    unreadable("a string that stops in the middle", "RFC 7541 §5.2", b"\x40\x0aab"),
    unreadable("an impossible Huffman code", "RFC 7541 §5.2", b"\x08\x84\xff\xff\xff\xff"),
    unreadable("Huffman padding of zeros", "RFC 7541 §5.2", b"\x08\x81\x00"),
]

ENDLESS_BLOCK = [
    broken(
        "flood of empty CONTINUATION",
        "§10.5.1",
        frame(HEADERS, octets.END_STREAM, 1, OK) + frame(CONTINUATION, 0, 1) * 1000,
        octets.ENHANCE_YOUR_CALM,
    ),
]

STATUSES = [
    understood(
        "1xx before the answer",
        "§8.1",
        200,
        "",
        *(headers(0, status(code), END_HEADERS) for code in (100, 103, 101)),
        headers(0, OK),
    ),
    understood(
        "a thousand 1xx before a 410",
        "§8.1",
        410,
        "Unregistered",
        send(frame(HEADERS, END_HEADERS, 1, status(103)) * 1000),
        headers(0, status(410), END_HEADERS),
        data(0, GONE),
    ),
    malformed("1xx that ends its stream", "§8.1", headers(0, status(100))),
    malformed("no status", "§8.3.2", headers(0, field("apns-id", "x"))),
    malformed("an empty block", "§8.3.2", headers(0, b"")),
    *(
        malformed(f"status {value!r}", "§8.3.2", headers(0, status(value)))
        for value in ("", "20", "2000", "abc", "099", " 200", "2x0", "+20", "-1", "۲۰۰")
    ),
    malformed("status twice", "§8.3", headers(0, status(410) + OK)),
    malformed("status after a field, twice", "§8.3", headers(0, field("a", "b") + OK + OK)),
    understood(
        "a name in upper case",
        "§8.2.1: malformed, but the status is what we came for; we chose to believe it",
        200,
        "",
        headers(0, OK + field("APNS-ID", "X")),
    ),
    understood("priority in HEADERS", "§6.2", 200, "", headers(0, bytes(5) + OK, WHOLE | 0x20)),
    broken(
        "HEADERS too short for its priority", "§6.2", frame(HEADERS, WHOLE | 0x20, 1, bytes(4)), octets.FRAME_SIZE_ERROR
    ),
    understood("padded HEADERS", "§6.2", 200, "", headers(0, b"\3" + OK + bytes(3), WHOLE | PADDED)),
    *(
        Case(
            f"status {code} without a body",
            "apns.md §1.4",
            (*MET, refuse(0, code, ""), REST),
            "xaaaaa",
            verdict=(code, ""),
        )
        for code in (400, 404, 410, 413, 429, 500, 503)
    ),
]

STATUS_THRICE = [malformed("status three times", "§8.3", headers(0, field("a", "b") + OK + OK + OK))]

BODIES = [
    Case("a 410 is one push's", "apns.md §1.5", (*MET, dead(0), REST), "daaaaa"),
    Case(
        "a 400 BadDeviceToken is one push's", "apns.md §1.4", (*MET, REST, refuse(0, 400, "BadDeviceToken")), "baaaaa"
    ),
    malformed("DATA before HEADERS", "§8.1", data(0, GONE)),
    understood(
        "a body in frames of one octet",
        "§8.1",
        410,
        "Unregistered",
        headers(0, status(410), END_HEADERS),
        *(data(0, GONE[at : at + 1], 0) for at in range(len(GONE))),
        data(0, b""),
    ),
    understood(
        "padded DATA",
        "§6.1",
        410,
        "Unregistered",
        headers(0, status(410), END_HEADERS),
        data(0, b"\xff" + GONE + bytes(255), octets.END_STREAM | PADDED),
    ),
    broken("padding as long as its frame", "§6.1", frame(DATA, PADDED, 1, b"\x05abcd"), octets.PROTOCOL_ERROR),
    broken(
        "padding longer than HEADERS", "§6.2", frame(HEADERS, PADDED | WHOLE, 1, b"\xff" + OK), octets.PROTOCOL_ERROR
    ),
    broken("padded DATA of nothing", "§6.1", frame(DATA, PADDED, 1), octets.PROTOCOL_ERROR),
    *(
        understood(
            f"a body of {what}",
            "apns.md §1.4: the status decides",
            400,
            "",
            headers(0, status(400), END_HEADERS),
            data(0, body),
        )
        for what, body in {
            "no JSON": b"<html>Bad Gateway</html>",
            "a list": b'["BadDeviceToken"]',
            "a number as its reason": b'{"reason":410}',
            "bare text": b'"BadDeviceToken"',
            "nothing": b"",
            "a very long number": b'{"timestamp":' + b"9" * 5000 + b"}",
            "lone surrogates": b"\xed\xa0\x80",
            "a depth of brackets": b"[" * 8000,
        }.items()
    ),
    understood(
        "a body without end",
        "apns.md §1.4: the status decides",
        400,
        "",
        headers(0, status(400), END_HEADERS),
        send(frame(DATA, 0, 1, b"x" * 1000) * 100),
        cancels=True,
    ),
    understood(
        "trailers",
        "§8.1",
        410,
        "Unregistered",
        headers(0, status(410), END_HEADERS),
        data(0, GONE, 0),
        headers(0, field("a", "b")),
    ),
    malformed(
        "trailers that do not end the stream",
        "§8.1",
        headers(0, status(410), END_HEADERS),
        data(0, GONE, 0),
        headers(0, field("a", "b"), END_HEADERS),
    ),
    Case(
        "a 410 cut off by the end of the connection",
        "§8.1: no complete answer",
        (*MET, REST, headers(0, status(410), END_HEADERS), data(0, GONE[:20], 0), close),
        "raaaaa",
        End.LEFT,
    ),
    Case(
        "a 200 cut off by the end of the connection",
        "§8.1: no complete answer",
        (*MET, REST, headers(0, OK, END_HEADERS), close),
        "raaaaa",
        End.LEFT,
    ),
]

LENGTHS = [
    malformed(
        f"a 410 with {what} than it announced",
        "§8.1.1",
        headers(0, status(410) + field("content-length", str(len(GONE) + more)), END_HEADERS),
        data(0, GONE),
    )
    for what, more in (("less", 10), ("more", -10))
]

STRANGE_STREAMS = [
    Case("two answers: 200, then 410", "§5.1", (*MET, answer(*range(6)), headers(0, status(410)), serve_all)),
    Case(
        "two answers: 410, then 200",
        "§5.1",
        (*MET, dead(0), headers(0, OK), REST),
        "daaaaa",
    ),
    Case(
        "DATA on a stream that ended",
        "§5.1: STREAM_CLOSED, or dropped like frames that crossed our RST_STREAM; we chose the latter",
        (*MET, answer(0), data(0, GONE), data(0, bytes(16_000), 0), REST),
    ),
    *(
        broken(f"{what} on stream {stream}", rule, frame(kind, WHOLE, stream, payload), octets.PROTOCOL_ERROR)
        for what, kind, payload in (("DATA", DATA, b"x"), ("HEADERS", HEADERS, OK))
        for stream, rule in (
            (0, "§6.1, §6.2"),
            (2, "§5.1.1: no stream of the server's"),
            (4001, "§5.1.1: never opened"),
        )
    ),
]

ROWS = [*BLOCKS, *ENDLESS_BLOCK, *STATUSES, *STATUS_THRICE, *BODIES, *LENGTHS, *STRANGE_STREAMS]
