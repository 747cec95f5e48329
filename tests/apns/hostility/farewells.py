"""Rows: GOAWAY and RST_STREAM. Six pushes are in flight unless the row says otherwise."""

from __future__ import annotations

from apns.hostility import octets
from apns.hostility.case import QUICK, Case, End
from apns.hostility.octets import HIGHEST, reason
from apns.hostility.octets import goaway as goaway_frame
from apns.hostility.steps import (
    answer,
    answer_and_leave,
    asked,
    close,
    data,
    goaway,
    greet,
    headers,
    mute,
    on,
    send,
    serve_all,
    silent,
    tls,
)

MET = (tls(), greet(), asked(6))
"""The usual beginning: TLS, SETTINGS, six pushes."""

CONDEMNED = (
    # apns.md §1.2, §1.6: what a farewell says of the certificate holds for every push.
    (403, "BadCertificate"),
    (403, "BadCertificateEnvironment"),
    (403, "ExpiredProviderToken"),
    (403, "Forbidden"),
    (400, "TopicDisallowed"),
)

SPEAKS_OF_NO_CERTIFICATE = ("Shutdown", "IdleTimeout", "InternalServerError", "BadDeviceToken", "Unregistered", "New")

GOAWAY = [
    Case("GOAWAY before any answer", "§6.8", (*MET, goaway(None), close), "rrrrrr", End.LEFT),
    Case("GOAWAY between answers", "§6.8", (*MET, answer(0, 1, 2), goaway(2), close), "aaarrr", End.LEFT),
    Case(
        "GOAWAY, and then the answers that it promised",
        "§6.8",
        (*MET, answer(0, 1), goaway(3), answer(3, 2)),
        "aaaarr",
        End.LEFT,
    ),
    Case(
        "GOAWAY, and then not the answers that it promised",
        "§6.8, apns.md §1.6: unknown, so again",
        (*MET, answer(0, 1, 2), goaway(5), close),
        "aaarrr",
        End.LEFT,
    ),
    Case("GOAWAY after all answers", "§6.8", (*MET, answer_and_leave(*range(6))), end=End.LEFT),
    Case(
        "GOAWAY above anything opened, then all answers",
        "§6.8",
        (*MET, send(goaway_frame(HIGHEST)), serve_all),
        end=End.LEFT,
    ),
    Case(
        "GOAWAY twice, falling",
        "§6.8",
        (*MET, send(goaway_frame(HIGHEST)), answer(0), goaway(2), answer(2, 1)),
        "aaarrr",
        End.LEFT,
    ),
    Case(
        "GOAWAY twice, rising: the lower one stays true",
        "§6.8",
        (*MET, goaway(1), goaway(4), answer(0, 1)),
        "aarrrr",
        End.LEFT,
    ),
    Case(
        "GOAWAY mid-burst",
        "§6.8",
        (
            tls(),
            greet((octets.STREAMS, 10)),
            asked(10),
            answer(*range(10)),
            asked(20),
            goaway(14),
            answer(*range(10, 15)),
        ),
        "a" * 15 + "r" * 5 + "a" * 20,
        End.LEFT,
    ),
    Case(
        "GOAWAY, then silence", "§6.8, hazards.md §2.2", (*MET, goaway(5), silent), "rrrrrr", End.LEFT, patience=QUICK
    ),
    Case(
        "GOAWAY, then signs of life but no answers",
        "§6.8",
        (*MET, goaway(5), mute),
        "tttttt",
        End.LEFT,
        dict.fromkeys(range(6), octets.CANCEL),
        deadline=1.0,
    ),
    Case(
        "GOAWAY before SETTINGS",
        "§3.4: SETTINGS comes first; a farewell is understood all the same",
        (tls(), send(goaway_frame(0)), greet()),
        end=End.LEFT,
    ),
    Case(
        "GOAWAY in one piece with SETTINGS",
        "§6.8",
        (tls(), send(octets.settings((octets.STREAMS, 100)), goaway_frame(0))),
        end=End.LEFT,
    ),
    Case(
        "GOAWAY ENHANCE_YOUR_CALM",
        "§7",
        (*MET, goaway(None, octets.ENHANCE_YOUR_CALM), close),
        "rrrrrr",
        End.LEFT,
    ),
    Case("GOAWAY on a stream", "§6.8", (*MET, on(0, octets.GOAWAY, 0, bytes(8))), "rrrrrr", octets.PROTOCOL_ERROR),
    Case(
        "GOAWAY too short",
        "§6.8",
        (*MET, send(octets.frame(octets.GOAWAY, 0, 0, bytes(7)))),
        "rrrrrr",
        octets.FRAME_SIZE_ERROR,
    ),
    *(
        Case(
            f"GOAWAY {name}",
            "apns.md §1.4, §1.6",
            (*MET, goaway(None, debug=reason(name)), close),
            "x" * 6,
            End.LEFT,
            verdict=(status, name),
            attempts=5,
        )
        for status, name in CONDEMNED
    ),
    Case(
        "GOAWAY BadCertificate with answers under way",
        "apns.md §1.6",
        (*MET, goaway(1, debug=reason("BadCertificate")), answer(0, 1)),
        "aaxxxx",
        End.LEFT,
        verdict=(403, "BadCertificate"),
        attempts=5,
    ),
    *(
        Case(
            f"GOAWAY {name}",
            "apns.md §1.6: only another connection",
            (*MET, goaway(None, debug=reason(name)), close),
            "rrrrrr",
            End.LEFT,
        )
        for name in SPEAKS_OF_NO_CERTIFICATE
    ),
    *(
        Case(f"GOAWAY with {what}", "§6.8: opaque data", (*MET, goaway(None, debug=debug), close), "rrrrrr", End.LEFT)
        for what, debug in {
            "16 KiB of debug data": b"x" * 16_376,
            "cut JSON": b'{"reason":"BadCert',
            "deep JSON": b"[" * 16_000,
            "a reason that is no text": b'{"reason":["BadCertificate"]}',
        }.items()
    ),
]

RESETS = [
    *(
        Case(
            f"RST_STREAM {code:#x}",
            "§6.4, §7: unknown, so again",
            (*MET, on(1, octets.RST_STREAM, 0, octets.word(code)), answer(0, 2, 3, 4, 5)),
            "araaaa",
        )
        for code in (*range(14), 0xFF, 0xFFFF_FFFF)
    ),
    Case(
        "REFUSED_STREAM always",
        "§8.7, and three times is enough",
        (
            *MET,
            *(on(push, octets.RST_STREAM, 0, octets.word(octets.REFUSED_STREAM)) for push in range(6)),
            *(
                step
                for count in range(7, 19)
                for step in (
                    asked(count),
                    lambda link: link.send(
                        octets.frame(octets.RST_STREAM, 0, max(link.pushes), octets.word(octets.REFUSED_STREAM))
                    ),
                )
            ),
        ),
        "llllll",
    ),
    Case(
        "RST_STREAM after the status of a 410",
        "§8.1: no complete answer",
        (
            *MET,
            headers(0, octets.status(410), octets.END_HEADERS),
            on(0, octets.RST_STREAM, 0, bytes(4)),
            answer(*range(1, 6)),
        ),
        "raaaaa",
    ),
    Case(
        "RST_STREAM in the middle of a body",
        "§8.1: no complete answer",
        (
            *MET,
            headers(0, octets.status(410), octets.END_HEADERS),
            data(0, reason("Unregistered"), 0),
            on(0, octets.RST_STREAM, 0, octets.word(octets.INTERNAL_ERROR)),
            answer(*range(1, 6)),
        ),
        "raaaaa",
    ),
    Case(
        "RST_STREAM after the answer",
        "§8.1",
        (*MET, answer(*range(6)), *(on(push, octets.RST_STREAM, 0, bytes(4)) for push in range(6))),
    ),
    *(
        Case(f"RST_STREAM {what}", "§6.4", (*MET, send(frame)), "rrrrrr", code)
        for what, frame, code in (
            ("on stream 0", octets.frame(octets.RST_STREAM, 0, 0, bytes(4)), octets.PROTOCOL_ERROR),
            ("on a stream never opened", octets.frame(octets.RST_STREAM, 0, 4001, bytes(4)), octets.PROTOCOL_ERROR),
            ("on a stream of the server's", octets.frame(octets.RST_STREAM, 0, 2, bytes(4)), octets.PROTOCOL_ERROR),
            ("of three octets", octets.frame(octets.RST_STREAM, 0, 1, bytes(3)), octets.FRAME_SIZE_ERROR),
        )
    ),
]

ROWS = [*GOAWAY, *RESETS]
