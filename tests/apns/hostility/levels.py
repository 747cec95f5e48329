"""Rows: SETTINGS, windows, PING, floods, unknown frames. Six pushes are in flight unless the row says otherwise."""

from __future__ import annotations

from apns.hostility import octets
from apns.hostility.case import QUICK, Case, End
from apns.hostility.farewells import MET
from apns.hostility.octets import ACK, HIGHEST, frame, settings, word
from apns.hostility.steps import (
    agreed,
    answer,
    asked,
    bodies,
    dead,
    flood,
    flood_unread,
    forever,
    greet,
    headed,
    measure,
    mute,
    on,
    refuse,
    send,
    serve_all,
    silent,
    tls,
)

GIVEN_UP = dict.fromkeys(range(6), octets.CANCEL)
"""Each push was cancelled at its deadline."""


def broken(name: str, rule: str, octets_sent: bytes, code: int) -> Case:
    """A rule of the connection's is broken with six pushes in flight: our GOAWAY says which, and all are sent again."""
    return Case(name, rule, (*MET, send(octets_sent)), "rrrrrr", code)


def tolerated(name: str, rule: str, *octets_sent: bytes) -> Case:
    """Nothing comes of it."""
    return Case(name, rule, (*MET, send(*octets_sent), serve_all))


STREAMS = [
    Case("one stream from the start", "§5.1.2, apns.md §1.1", (tls(), greet((octets.STREAMS, 1)), serve_all), most=1),
    Case(
        "no stream at first",
        "§5.1.2",
        (tls(), greet((octets.STREAMS, 0)), agreed, greet((octets.STREAMS, 1000)), serve_all),
    ),
    Case(
        "one stream after a rejection, with five others open",
        "apns.md §1.4",
        (
            *MET,
            refuse(0, 400, "BadDeviceToken"),
            greet((octets.STREAMS, 1)),
            answer(*range(1, 6)),
            measure,
        ),
        "baaaaa",
        most=1,
    ),
    Case(
        "one stream after a rejection, and all of them after the next success",
        "apns.md §1.4",
        (*MET, dead(0), greet((octets.STREAMS, 1)), answer(1), greet((octets.STREAMS, 1000)), answer(*range(2, 6))),
        "daaaaa",
    ),
    Case(
        "no stream any more while six are open, and then again",
        "§5.1.2",
        (*MET, greet((octets.STREAMS, 0)), answer(*range(6)), greet((octets.STREAMS, 1000))),
    ),
    Case(
        "the limit rises with pushes waiting",
        "§5.1.2",
        (
            tls(),
            greet((octets.STREAMS, 2)),
            asked(2),
            greet((octets.STREAMS, 6)),
            asked(6),
            serve_all,
        ),
        most=6,
    ),
]

NEVER_ROOM = [
    Case(
        "no stream, ever",
        "§6.5.2: only for short durations",
        (tls(), greet((octets.STREAMS, 0)), mute),
        "tttttt",
        End.LEFT,
        deadline=1.0,
        attempts=2,
    ),
]

VALUES = [
    *(
        broken(f"SETTINGS {name} = {value:#x}", "§6.5.2", settings((identifier, value)), code)
        for name, identifier, value, code in (
            ("ENABLE_PUSH", octets.ENABLE_PUSH, 1, octets.PROTOCOL_ERROR),
            ("ENABLE_PUSH", octets.ENABLE_PUSH, 2, octets.PROTOCOL_ERROR),
            ("INITIAL_WINDOW_SIZE", octets.WINDOW, 2**31, octets.FLOW_CONTROL_ERROR),
            ("MAX_FRAME_SIZE", octets.FRAME_SIZE, 16_383, octets.PROTOCOL_ERROR),
            ("MAX_FRAME_SIZE", octets.FRAME_SIZE, 2**24, octets.PROTOCOL_ERROR),
        )
    ),
    *(
        broken(f"SETTINGS {what}", "§6.5", octets_sent, code)
        for what, octets_sent, code in (
            ("of five octets", frame(octets.SETTINGS, 0, 0, bytes(5)), octets.FRAME_SIZE_ERROR),
            ("on a stream", frame(octets.SETTINGS, 0, 1), octets.PROTOCOL_ERROR),
            ("acknowledged with content", frame(octets.SETTINGS, ACK, 0, bytes(6)), octets.FRAME_SIZE_ERROR),
        )
    ),
    tolerated("SETTINGS that nobody knows", "§6.5.2", settings((0xBEEF, 7), (0, 0), (0xFFFF, 2**32 - 1))),
    tolerated("SETTINGS of a tiny header list", "§6.5.2: advisory", settings((octets.LIST_SIZE, 0))),
    tolerated("SETTINGS acknowledged that were not sent", "§6.5.3: asks for nothing", frame(4, ACK, 0) * 50),
    tolerated(
        "SETTINGS that move the header table up and down",
        "§4.3.1",
        *(settings((octets.TABLE, size)) for size in (0, 4096, 100, 2**32 - 1, 0, 50, 4096)),
    ),
    Case(
        "SETTINGS never acknowledged",
        "§6.5.3: a time-out is optional; we chose none, for we rely on no setting of ours",
        (tls(), lambda link: setattr(link, "polite", False), greet(), asked(6), serve_all),
    ),
    Case(
        "SETTINGS never come",
        "§3.4",
        (tls(), silent),
        end=End.LEFT,
        patience=QUICK,
    ),
    *(
        Case(f"{what} before SETTINGS", "§3.4", (tls(), send(first), mute), end=octets.PROTOCOL_ERROR)
        for what, first in (
            ("PING", frame(octets.PING, 0, 0, bytes(8))),
            ("HEADERS", frame(octets.HEADERS, octets.WHOLE, 1, b"\x88")),
            ("WINDOW_UPDATE", frame(octets.WINDOW_UPDATE, 0, 0, word(1))),
        )
    ),
]

WINDOWS = [
    Case(
        "window 0, raised later",
        "§6.9.2",
        (tls(), greet((octets.WINDOW, 0)), headed(6), bodies(0), greet((octets.WINDOW, 65_535)), asked(6), serve_all),
    ),
    Case(
        "windows shrunk below nothing, opened one by one",
        "§6.9.2",
        (
            tls(),
            greet((octets.WINDOW, 1)),
            headed(6),
            bodies(6),
            greet((octets.WINDOW, 0)),
            *(on(push, octets.WINDOW_UPDATE, 0, word(1)) for push in range(6)),
            bodies(6),
            *(on(push, octets.WINDOW_UPDATE, 0, word(1)) for push in range(6)),
            asked(6),
            greet((octets.WINDOW, 65_535)),
            serve_all,
        ),
    ),
    Case(
        "window 0 for ever",
        "§6.9, apns.md §5",
        (tls(), greet((octets.WINDOW, 0)), mute),
        "tttttt",
        End.LEFT,
        GIVEN_UP,
        deadline=1.0,
    ),
    broken("WINDOW_UPDATE of nothing", "§6.9", frame(octets.WINDOW_UPDATE, 0, 0, word(0)), octets.PROTOCOL_ERROR),
    broken(
        "WINDOW_UPDATE over 2^31-1",
        "§6.9.1",
        frame(octets.WINDOW_UPDATE, 0, 0, word(HIGHEST)),
        octets.FLOW_CONTROL_ERROR,
    ),
    broken(
        "WINDOW_UPDATE of three octets", "§6.9", frame(octets.WINDOW_UPDATE, 0, 0, bytes(3)), octets.FRAME_SIZE_ERROR
    ),
    broken(
        "WINDOW_UPDATE on a stream never opened",
        "§5.1",
        frame(octets.WINDOW_UPDATE, 0, 4001, word(1)),
        octets.PROTOCOL_ERROR,
    ),
    Case(
        "WINDOW_UPDATE of nothing on a stream",
        "§6.9: an error of that stream",
        (*MET, on(1, octets.WINDOW_UPDATE, 0, word(0)), answer(0, 2, 3, 4, 5)),
        "araaaa",
        resets={1: octets.PROTOCOL_ERROR},
    ),
    Case(
        "WINDOW_UPDATE over 2^31-1 on a stream",
        "§6.9.1: of a stream whose body is out the window is of no use; we chose to let it be",
        (*MET, on(1, octets.WINDOW_UPDATE, 0, word(HIGHEST)), serve_all),
    ),
    Case(
        "WINDOW_UPDATE on streams that ended",
        "§5.1",
        (*MET, answer(*range(5)), *(on(push, octets.WINDOW_UPDATE, 0, word(0)) for push in range(5)), answer(5)),
    ),
]

PINGS = [
    Case("no PING is ever answered", "hazards.md §2.2", (*MET, silent), "rrrrrr", End.LEFT, patience=QUICK),
    tolerated(
        "PING acknowledged with other octets", "§6.7: any frame is a sign of life", frame(6, ACK, 0, b"whatever")
    ),
    broken("PING of seven octets", "§6.7", frame(octets.PING, 0, 0, bytes(7)), octets.FRAME_SIZE_ERROR),
    broken("PING on a stream", "§6.7", frame(octets.PING, 0, 1, bytes(8)), octets.PROTOCOL_ERROR),
]

PROOFS_OF_LIFE = [
    Case(
        f"{what} for ever, and no answers",
        "hazards.md §2.2: life without answers is of no use to a push",
        (*MET, forever(lambda _, octets_sent=octets_sent: octets_sent)),
        "tttttt",
        End.LEFT,
        GIVEN_UP,
        deadline=1.0,
    )
    for what, octets_sent in {
        "PING": frame(octets.PING, 0, 0, bytes(8)),
        "SETTINGS": settings(),
        "WINDOW_UPDATE": frame(octets.WINDOW_UPDATE, 0, 0, word(1)),
        "100": frame(octets.HEADERS, octets.END_HEADERS, 1, octets.status(100)),
        "unknown frames": frame(0xBE, 0, 0, bytes(100)),
        "empty DATA on a stream": frame(octets.DATA, 0, 1),
    }.items()
]

FLOODS = [
    *(
        Case(f"flood of {what}", "§10.5", (*MET, flood(octets_sent, times), serve_all))
        for what, octets_sent, times in (
            ("SETTINGS", settings((octets.STREAMS, 900)), 5_000),
            ("PING", frame(octets.PING, 0, 0, bytes(8)), 5_000),
            ("PING acknowledgements", frame(octets.PING, ACK, 0, bytes(8)), 20_000),
            ("WINDOW_UPDATE", frame(octets.WINDOW_UPDATE, 0, 0, word(1)), 20_000),
            ("PRIORITY", frame(octets.PRIORITY, 0, 1, bytes(5)), 20_000),
            ("unknown frames", frame(0xEE, 0xFF, 77, b"grease"), 20_000),
        )
    ),
]

UNREAD_FLOODS = [
    Case(
        "flood of PING by a peer that reads nothing",
        "§10.5: what we owe in answers is bounded",
        (*MET, flood_unread(frame(octets.PING, 0, 0, bytes(8)))),
        "rrrrrr",
        End.LEFT,
    )
]

FRAMES = [
    tolerated("unknown frames", "§4.1, §5.5", frame(0xBE, 0xFF, 12_345, bytes(100)), frame(0x10, 0, 0, b"x")),
    tolerated("PRIORITY, on any stream", "§5.3.2", *(frame(octets.PRIORITY, 0, n, bytes(5)) for n in (1, 2, 4001))),
    broken("PRIORITY of four octets", "§6.3", frame(octets.PRIORITY, 0, 1, bytes(4)), octets.FRAME_SIZE_ERROR),
    broken("a frame of 16385 octets", "§4.2", frame(octets.DATA, 0, 1, b"", 16_385), octets.FRAME_SIZE_ERROR),
    broken("an unknown frame of 16 MiB", "§4.2", frame(0xBE, 0, 0, b"", 2**24 - 1), octets.FRAME_SIZE_ERROR),
    broken(
        "PUSH_PROMISE",
        "§6.6, §8.4: we said ENABLE_PUSH = 0",
        frame(octets.PUSH_PROMISE, octets.END_HEADERS, 1, word(2) + b"\x82"),
        octets.PROTOCOL_ERROR,
    ),
]

ROWS = [
    *STREAMS,
    *NEVER_ROOM,
    *VALUES,
    *WINDOWS,
    *PINGS,
    *PROOFS_OF_LIFE,
    *FLOODS,
    *UNREAD_FLOODS,
    *FRAMES,
]
