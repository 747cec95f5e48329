"""Calls that an installation makes to its own public address, as a phone would, and what answers them.

A call names a ticket where a phone would name its device or a serial: made and taken by the installation's own key, and
good for two minutes. Whoever has none is answered as if nothing of this were here. The answer is an echo of the call as
it arrived, with a proof by the same key; so the caller sees what became of both on the way.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import field

from livepass.core.change import http_date
from livepass.core.frozen import frozen

TYPE = "pass.livepass.echo"
"""The pass type of such calls. Apple's portal gives it to nobody by chance, and without a ticket it means nothing."""
PROOF = "x-livepass-proof"
LIFE_MS = 120_000
NONCE_BYTES = 8

AWKWARD = "%2Fa%20b%25"
"""What follows a ticket: a slash, a space and a percent sign of a foreign serial."""
TAG = "v1.~echo._-"
BODY = b'{"pushToken": "' + b"0" * 2048 + b'"}'
"""Half of the most that a phone's call may carry."""
FORGED = "forged-by-a-client"
_LATER = "Tue, 01 Jan 2041 00:00:00 GMT"

_TICKET = re.compile(r"([0-9a-f]{8})([0-9a-f]{16})([0-9a-f]{32})")


def echo_key(shared: bytes) -> bytes:
    """Out of the key that signs tags, which every process of an installation has; good for nothing else."""
    return hmac.digest(shared, b"livepass echo v1", "sha256")


# ── tickets and proofs


def make_ticket(now: int, nonce: bytes, key: bytes) -> str:
    """Fits where phones write a device id, and where they write a serial. ``now`` in milliseconds."""
    said = f"{now // 1000:08x}{nonce.hex()}"
    return said + _mac(key, b"ticket", said.encode())[:32]


def opened(segment: str, key: bytes, now: int) -> str:
    """The ticket that a segment of a path begins with; "": none that counts now."""
    match = _TICKET.match(segment)
    if match is None:
        return ""
    good = hmac.compare_digest(_mac(key, b"ticket", (match[1] + match[2]).encode())[:32], match[3])
    return match[0] if good and abs(now - int(match[1], 16) * 1000) <= LIFE_MS else ""


def proof(key: bytes, ticket: str, method: str, status: int, body: bytes) -> str:
    """That this installation gave this answer."""
    return _mac(key, b"answer", b"%s %s %d " % (ticket.encode(), method.encode(), status), body)


def modified(ticket: str) -> str:
    """The ``Last-Modified`` of an echo: a date that nobody guesses, between 2001 and 2018."""
    return http_date(980_000_000 + int(ticket[8:16], 16) // 8)


def _mac(key: bytes, *parts: bytes) -> str:
    return hmac.digest(key, b"\0".join(parts), "sha256").hex()


# ── the calls


@frozen
class Shot:
    """One call. ``target`` as it stands in the request line; ``client``: over which of two connections."""

    name: str
    method: str
    target: str
    headers: Mapping[str, str] = field(hash=False)
    body: bytes = b""
    client: int = 0


@frozen
class Heard:
    """What came back. ``status`` 0: nothing, and ``fault`` says why (``untrusted``: the TLS certificate). Names of
    headers are in lower case; ``body`` is decoded, whatever its encoding was.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    body: bytes = b""
    fault: str = ""
    untrusted: bool = False


def authorization(ticket: str, which: str = "a") -> str:
    """Of two tokens that no pass has."""
    return f"ApplePass echo-{which}-{ticket[8:24]}"


def shots(base: str, ticket: str, connection_header: str = "") -> Iterator[Shot]:
    """``base``: the path of ``webServiceURL``. The first one is the plainest; the rest say little if it fails."""
    fetch = f"{base}/v1/passes/{TYPE}/{ticket}"
    device = f"{base}/v1/devices/{ticket}/registrations/{TYPE}"
    held = {"Authorization": authorization(ticket), "Accept-Encoding": "gzip, deflate"}
    forged = {connection_header: FORGED} if connection_header else {}
    json = {**held, "Content-Type": "application/json"}
    yield Shot("fetch", "GET", fetch, {**held, **forged})
    yield Shot("again", "GET", fetch, {**held, "Authorization": authorization(ticket, "b")}, client=1)
    yield Shot("same", "GET", fetch, {**held, "If-Modified-Since": modified(ticket)})
    yield Shot("later", "GET", fetch, {**held, "If-Modified-Since": _LATER})
    yield Shot("head", "HEAD", fetch, held)
    yield Shot("slashes", "GET", f"{base}//v1/passes/{TYPE}/{ticket}", held)
    yield Shot("escaped", "GET", fetch + AWKWARD, held)
    yield Shot("ask", "GET", f"{device}?passesUpdatedSince={TAG}", {"Accept-Encoding": "gzip, deflate"})
    yield Shot("register", "POST", f"{device}/echo", json, BODY)
    yield Shot("unregister", "DELETE", f"{device}/echo", held)
