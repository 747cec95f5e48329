"""Rows: what happens to TLS and TCP. Six pushes are in flight unless the row says otherwise."""

from __future__ import annotations

import time

from apns.hostility import octets
from apns.hostility.case import QUICK, Case, End
from apns.hostility.farewells import MET
from apns.hostility.levels import GIVEN_UP
from apns.hostility.octets import frame
from apns.hostility.server import Link, Step
from apns.hostility.steps import (
    answer,
    asked,
    close,
    close_properly,
    dead,
    drip,
    forever,
    greet,
    half_close,
    mute,
    reset,
    send,
    serve_all,
    silent,
    tls,
)

HALF = (answer(0, 1, 2), send(frame(octets.HEADERS, octets.WHOLE, 7, b"\x88")[:9]))
"""Three answers, and the head of the fourth."""


def pause(seconds: float) -> Step:
    return lambda link: time.sleep(seconds)


ENDS = [
    Case("close without close_notify", "§9.2, RFC 8446 §6.1", (*MET, answer(0, 1, 2), close), "aaarrr", End.LEFT),
    Case("close with close_notify", "RFC 8446 §6.1", (*MET, answer(0, 1, 2), close_properly), "aaarrr", End.LEFT),
    Case("RST of TCP", "§9.1", (*MET, answer(0, 1, 2), pause(0.2), reset), "aaarrr", End.LEFT),
    Case("RST of TCP in mid-frame", "§4.1", (*MET, *HALF, pause(0.2), reset), "aaarrr", End.LEFT),
    Case("close in mid-frame", "§4.1", (*MET, *HALF, close), "aaarrr", End.LEFT),
    Case("half-close", "RFC 8446 §6.1", (*MET, answer(0, 1, 2), half_close), "aaarrr", End.LEFT),
    Case("half-close in mid-frame", "§4.1", (*MET, *HALF, half_close), "aaarrr", End.LEFT),
    Case("close after all answers", "§9.1", (*MET, dead(0), answer(*range(1, 6)), close), "daaaaa", End.LEFT),
    Case("close at once after TLS", "§3.4", (tls(), close), end=End.LEFT),
    Case("close at once after SETTINGS", "§3.4", (tls(), greet(), close), "aaaaaa", End.LEFT),
]

STALLS = [
    Case("stall before TLS", "hazards.md §2.2", (lambda link: _swallow(link),), end=End.LEFT, patience=QUICK),
    Case("stall in mid-SETTINGS", "hazards.md §2.2", (tls(), send(b"\0\0\6"), silent), end=End.LEFT, patience=QUICK),
    Case("stall in mid-frame", "hazards.md §2.2", (*MET, *HALF, silent), "aaarrr", End.LEFT, patience=QUICK),
    Case(
        "answers one octet at a time",
        "§4.1",
        (*MET, drip(lambda link: _answers(link), 0.002), answer(*range(6))),
    ),
    Case(
        "one octet at a time for ever",
        "hazards.md §2.2: life without answers is of no use to a push",
        (*MET, send(frame(0xBE, 0, 0, b"", 16_000)), forever(lambda _: b"x")),
        "tttttt",
        End.LEFT,
        GIVEN_UP,
        deadline=1.0,
    ),
]


def _answers(link: Link) -> bytes:
    """Of two pushes, in pieces; ``answer`` afterwards says that they were given and is a second answer for those."""
    return b"".join(frame(octets.HEADERS, octets.WHOLE, link.streams[push], b"\x88") for push in (0, 1))


def _swallow(link: Link) -> None:
    while link.socket.recv(65_536):
        pass


HANDSHAKES: list[Case] = [
    *(
        Case(
            f"{what} instead of TLS",
            "RFC 8446 §4",
            (lambda link, said=said: link.socket.sendall(said), close),
            end=End.LEFT,
        )
        for what, said in {
            "garbage": b"\xde\xad\xbe\xef" * 100,
            "HTTP/1.1": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
            "an alert": b"\x15\x03\x03\x00\x02\x02\x28",
            "nothing": b"",
        }.items()
    ),
    Case("close at ClientHello", "RFC 8446 §4", (lambda link: link.socket.recv(9) and None, reset), end=End.LEFT),
    *(
        Case(f"server certificate: {fault}", "RFC 9110 §4.3.4", (tls(fault), greet(), serve_all), end=End.LEFT)
        for fault in ("expired", "other name", "stranger")
    ),
    *(
        Case(
            f"client certificate refused, TLS {version}",
            "RFC 8446 §6.2; in 1.3 the alert comes after our handshake",
            (tls(f"refuses, 1.{version[-1]}"), mute),
            "x" * 6,
            End.LEFT,
            verdict=(0, "CertificateRefused"),
            attempts=5,
        )
        for version in ("1.2", "1.3")
    ),
    Case("TLS 1.2", "§9.2.2", (tls("1.2"), greet(), asked(6), serve_all)),
    Case("ALPN without h2, and HTTP/2 all the same", "apns.md §1.1", (tls("no h2"), greet(), asked(6), serve_all)),
    *(
        Case(
            f"HTTP/1.1 inside TLS, {what}",
            "§3.2",
            (tls(fault), send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), mute),
            end=octets.FRAME_SIZE_ERROR,
        )
        for what, fault in (("ALPN without h2", "no h2"), ("though ALPN said h2", ""))
    ),
]


def loop(name: str, steps: tuple[Step, ...], fates: str, links: int, end: End | int = End.LEFT) -> Case:
    """Each connection ends like this until the pushes had their answers: we must not spin."""
    return Case(
        name,
        "apns.md §1.1: opening and closing repeatedly may be taken for an attack",
        steps,
        fates,
        end,
        deadline=1.0 if "u" in fates else 10.0,
        always=True,
        links=links,
        attempts=3,
    )


LOOPS = [
    # Back-off is 0.05, 0.1, 0.2, 0.4, 0.8 … s here: five connections in a second, and one or two to recover.
    loop("accept, then close, always", (close,), "uuuuuu", 7),
    loop("TLS, then close, always", (tls(), close), "uuuuuu", 7),
    loop("SETTINGS, then close, always", (tls(), greet(), close), "llllll", 5),
    loop("requests, then close, always", (*MET, close), "llllll", 5),
    loop("a broken frame, always", (*MET, send(frame(octets.PING, 0, 0))), "pppppp", 5, octets.FRAME_SIZE_ERROR),
]

ROWS = [*ENDS, *STALLS, *HANDSHAKES, *LOOPS]
