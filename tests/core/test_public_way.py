"""Echoes of our own calls: who gets one, and what is made of what came back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepass.core.echo import (
    FORGED,
    LIFE_MS,
    PROOF,
    Heard,
    Shot,
    echo_key,
    make_ticket,
    modified,
    opened,
    proof,
    shots,
)
from livepass.core.public_way import Fault, Finding, judge

KEY = echo_key(b"k" * 32)
NOW = 1_790_000_000_000
NONCE = bytes(range(8))
TICKET = make_ticket(NOW, NONCE, KEY)
HEADER = "x-connection-id"


# ── tickets


def test_a_ticket_fits_where_phones_write_names_and_opens_for_two_minutes() -> None:
    assert TICKET.isalnum() and TICKET.isascii() and len(TICKET) < 64
    assert opened(TICKET, KEY, NOW) == opened(TICKET + "/a b%", KEY, NOW + LIFE_MS) == TICKET
    assert opened(TICKET, KEY, NOW + LIFE_MS + 1000) == opened(TICKET, KEY, NOW - LIFE_MS - 1000) == ""


@given(st.integers(0, len(TICKET) - 1), st.sampled_from("0123456789abcdefg/"))
def test_no_other_ticket_opens(at: int, other: str) -> None:
    changed = TICKET[:at] + other + TICKET[at + 1 :]
    assert opened(changed, KEY, NOW) == (TICKET if changed == TICKET else "")


@given(st.text(max_size=80))
def test_whatever_stands_there_opens_nothing(text: str) -> None:
    assert opened(text, KEY, NOW) == ""


def test_each_key_is_good_for_one_thing() -> None:
    assert KEY != b"k" * 32 and opened(TICKET, echo_key(b"j" * 32), NOW) == ""
    assert len({proof(KEY, TICKET, "GET", 200, b""), proof(KEY, TICKET, "HEAD", 200, b""), TICKET[24:]}) == 3
    assert proof(KEY, TICKET, "GET", 200, b"") != proof(KEY, TICKET, "GET", 304, b"")


# ── what is made of answers

Change = Callable[[Shot, Heard], Heard]


def echoed(shot: Shot, number: int, **said: Any) -> Heard:
    """As the service answers what arrives as it was sent."""
    held = shot.headers.get("If-Modified-Since") == modified(TICKET)
    body = {
        "ticket": TICKET,
        "answer": number,
        "target": shot.target,
        "authorization": shot.headers.get("Authorization"),
        "if_modified_since": shot.headers.get("If-Modified-Since"),
        "connection": f"client-{shot.client}",
        "started_at": NOW - 1_000,
        "at": NOW,
        "length": len(shot.body),
        **said,
    }
    data = b"" if held or shot.method == "HEAD" else json.dumps(body).encode()
    return signed(shot, Heard(304 if held else 200, {"last-modified": modified(TICKET)}, data))


def signed(shot: Shot, heard: Heard) -> Heard:
    return replace(heard, headers={**heard.headers, PROOF: proof(KEY, TICKET, shot.method, heard.status, heard.body)})


def found(
    change: Change = lambda _, heard: heard, *, header: str = "", **said: Mapping[str, Any]
) -> list[tuple[Fault, str]]:
    """What is found when each answer goes through ``change``; ``said``: what some echoes say instead, by name."""
    calls = list(shots("/wallet", TICKET, header))
    heard = [(shot, change(shot, echoed(shot, i, **said.get(shot.name, {})))) for i, shot in enumerate(calls)]
    return [(one.fault, one.came) for one in judge(heard, KEY, TICKET, header)]


def on(name: str, heard: Heard) -> Change:
    return lambda shot, before: heard if shot.name == name else before


def with_header(name: str, value: str) -> Change:
    return lambda _, heard: replace(heard, headers={**heard.headers, name: value})


def test_nothing_is_wrong() -> None:
    assert found() == found(header=HEADER) == []
    assert found(with_header("content-encoding", "identity")) == found(with_header("x-cache", "MISS")) == []


PAGE = Heard(200, {"content-type": "Text/HTML; charset=x"}, b"<html>")
ROWS: list[tuple[str, Change, Fault, str]] = [
    ("nothing came", on("fetch", Heard(0, fault="no answer")), Fault.UNREACHABLE, "no answer"),
    ("no trust", on("fetch", Heard(0, fault="expired", untrusted=True)), Fault.TLS, "expired"),
    ("redirect", on("fetch", Heard(302, {"location": "/login\n"})), Fault.REDIRECT, "302 to '/login\\n'"),
    ("page", on("fetch", PAGE), Fault.PAGE, "200 with text/html"),
    ("no echo", on("fetch", Heard(502, {}, b"[]")), Fault.ELSEWHERE, "502 without"),
    ("304 of somebody else", on("fetch", Heard(304)), Fault.ELSEWHERE, "304 without"),
    ("body", on("fetch", Heard(200, {PROOF: "x"}, json.dumps({"ticket": TICKET}).encode())), Fault.BODY, "proof"),
    ("another process", on("again", Heard(200, {}, b"{}")), Fault.ELSEWHERE, "200 without"),
    ("silent later", on("register", Heard(0, fault="no answer")), Fault.UNREACHABLE, "no answer"),
    ("aged", with_header("age", "0"), Fault.CACHED, "age: 0"),
    ("hit", with_header("x-cache", "HIT from x"), Fault.CACHED, "x-cache: HIT from x"),
    ("date", with_header("last-modified", "Sun\r"), Fault.LAST_MODIFIED, "Sun\\r"),
    ("gzip", with_header("content-encoding", "gzip"), Fault.COMPRESSED, "gzip"),
    ("200 for the same", on("same", Heard(200)), Fault.CONDITION, "200 instead of 304"),
    ("304 for another", on("later", Heard(304)), Fault.CONDITION, "304 instead of 200"),
    ("304 by somebody else", on("same", Heard(304)), Fault.CONDITION, "304 without"),
    ("head", on("head", Heard(405)), Fault.HEAD, "405"),
    ("slashes", on("slashes", Heard(301, {"location": "/"})), Fault.SLASHES, "301 to '/'"),
    ("path", on("escaped", Heard(404)), Fault.PATH, "404"),
    ("ask", on("ask", Heard(401)), Fault.ASK, "401"),
    ("post", on("register", Heard(413)), Fault.METHOD, "413"),
    ("delete", on("unregister", Heard(405)), Fault.METHOD, "405"),
]


@pytest.mark.parametrize(("change", "fault", "came"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_came_back_says_what_is_wrong(change: Change, fault: Fault, came: str) -> None:
    [(name, said)] = found(change)
    assert name is fault and came in said


SAID: list[tuple[str, dict[str, Any], Fault]] = [
    ("fetch", {"authorization": None}, Fault.AUTHORIZATION),
    ("fetch", {"authorization": "Basic x"}, Fault.AUTHORIZATION),
    ("again", {"answer": 0}, Fault.CACHED),
    ("later", {"if_modified_since": None}, Fault.CONDITION),
    ("escaped", {"target": "/wallet/v1/x"}, Fault.PATH),
    ("ask", {"target": "/wallet/v1/x"}, Fault.ASK),
    ("ask", {"authorization": "Basic x"}, Fault.ASK),
    ("register", {"length": 3}, Fault.METHOD),
    ("fetch", {"started_at": NOW - 6_000}, Fault.CLOCK),
    ("again", {"connection": "client-0"}, Fault.CONNECTION),
]


@pytest.mark.parametrize(("name", "said", "fault"), SAID)
def test_what_arrived_says_what_is_wrong(name: str, said: dict[str, Any], fault: Fault) -> None:
    assert [one for one, _ in found(**{name: said})] == [fault]


def test_connections() -> None:
    """Without a header it is well that none is known; with one, it must be the proxy's own word."""
    nobody = {"connection": None}
    assert found(fetch=nobody, again=nobody) == []
    for said in ({"fetch": nobody}, {"again": nobody}, {"fetch": {"connection": FORGED}}):
        [(fault, _)] = found(header=HEADER, **said)
        assert fault is Fault.CONNECTION


def test_merged_slashes_and_a_missing_stamp_break_nothing() -> None:
    assert found(slashes={"target": "/wallet/v1/x"}, fetch={"started_at": None}) == []


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_words(fault: Fault) -> None:
    one = Finding(fault, "this", "that")
    assert one.sentence.endswith(": sent this; came that")
    assert re.fullmatch(r".+ \(nginx: .+ · Caddy: .+\)", one.remedy)
    assert one.unclear is (fault is Fault.UNREACHABLE)
