"""What a peer can do, one step at a time. Pushes are named by their number (0 is the first), streams as they come."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache

from apns.hostility import octets
from apns.hostility.server import Gone, Link, Step
from livepass.emulators.authority import Authority, Issued

TIMESTAMP = 1_700_000_000_000
"""In every 410 (milliseconds)."""


UNREAD_LIMIT = 1 << 25
"""Octets. Sockets hold some megabytes of them in either direction."""


# -- TLS


@cache
def _context(authority: Authority, fault: str) -> ssl.SSLContext:
    """A server's side of TLS that asks for a client certificate. ``fault`` names what is wrong with it, or ""."""
    if fault == "expired":
        issued: Issued = authority.server_certificate("127.0.0.1", starts=dt.timedelta(days=-100), days=30)
    elif fault == "other name":
        issued = authority.server_certificate("elsewhere.example")
    elif fault == "stranger":
        issued = Authority(name="Strangers").server_certificate("127.0.0.1")
    else:
        issued = authority.server_certificate("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(issued.certificate_pem + issued.key_pem)
        file.flush()
        context.load_cert_chain(file.name)
    trusted = Authority(name="Somebody else") if fault.startswith("refuses") else authority
    context.load_verify_locations(cadata=trusted.root_pem.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["http/1.1"] if fault == "no h2" else ["h2"])
    if fault.endswith("1.2"):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


AUTHORITY: list[Authority] = []
"""Whose certificates servers have: filled by whoever runs a case, since making one takes a second."""

_context_lock = threading.Lock()


def tls(fault: str = "") -> Step:
    """Shake hands."""

    def step(link: Link) -> None:
        with _context_lock:
            context = _context(AUTHORITY[0], fault)
        try:
            link.socket = context.wrap_socket(link.socket, server_side=True)
        except TimeoutError:
            raise
        except (ssl.SSLError, OSError) as error:
            raise Gone from error

    return step


# -- listening


def asked(pushes: int) -> Step:
    """Wait for that many complete requests. They are the script's from now on."""

    def step(link: Link) -> None:
        link.read(lambda: len(link.complete) >= pushes)
        link.spared = max(link.complete)

    return step


def headed(pushes: int) -> Step:
    """Wait for that many requests, with or without their bodies."""
    return lambda link: link.read(lambda: len(link.pushes) >= pushes)


def agreed(link: Link) -> None:
    """Wait until the client acknowledged SETTINGS of ours."""
    link.read(lambda: any(frame[:2] == (octets.SETTINGS, octets.ACK) for frame in link.frames))


def bodies(size: int) -> Step:
    """Once the client has read all that we sent, it has sent this much of bodies (octets)."""

    def step(link: Link) -> None:
        pong = (octets.PING, octets.ACK, 0, size.to_bytes(8, "big"))
        link.send(octets.frame(octets.PING, 0, 0, pong[3]))
        link.read(lambda: pong in link.frames)
        out = sum(len(frame.payload) for frame in link.frames if frame.kind == octets.DATA)
        if out != size:
            link.port.trouble(f"{out} octets of bodies, and not {size}")

    return step


def silent(link: Link) -> None:
    """Read, and never say anything again."""
    link.polite = False
    link.read(lambda: False)


def mute(link: Link) -> None:
    """Answer PING and SETTINGS, and no push, ever."""
    link.read(lambda: False)


def serve(link: Link) -> None:
    """Be a healthy peer to every request that is not the script's."""
    while True:
        for stream in link.complete:
            if stream > link.spared and stream not in link.done:
                link.answer(stream)
        before = len(link.complete)
        link.read(lambda before=before: len(link.complete) > before)  # type: ignore[misc]


def serve_all(link: Link) -> None:
    """The same, and answer what the script left."""
    link.spared = 0
    serve(link)


def measure(link: Link) -> None:
    """Count the most streams at once from here."""
    link.most = 0


# -- talking


def send(*frames: bytes) -> Step:
    return lambda link: link.send(b"".join(frames))


def greet(*pairs: tuple[int, int]) -> Step:
    """SETTINGS."""
    return send(octets.settings(*(pairs or ((octets.STREAMS, 1000), (octets.LIST_SIZE, 8000)))))


def answer(*pushes: int) -> Step:
    """200, correctly."""

    def step(link: Link) -> None:
        for push in pushes:
            link.answer(link.streams[push])

    return step


def answer_and_leave(*pushes: int) -> Step:
    """200 to each and GOAWAY behind the last, in one piece: whoever has the last answer has the farewell as well."""

    def step(link: Link) -> None:
        streams = [link.streams[push] for push in pushes]
        for stream in streams:
            link.say(stream, 200, "")
        answers = [octets.frame(octets.HEADERS, octets.WHOLE, stream, octets.status(200)) for stream in streams]
        link.send(b"".join([*answers, octets.goaway(streams[-1])]))

    return step


def refuse(push: int, status: int, reason: str, timestamp: int | None = None) -> Step:
    """An error, correctly."""
    return lambda link: link.answer(link.streams[push], status, reason, timestamp)


def dead(push: int) -> Step:
    return refuse(push, 410, "Unregistered", TIMESTAMP)


def said(push: int, status: int, reason: str = "") -> Step:
    """Nothing is sent: frames of this row amount to this answer."""
    return lambda link: link.say(link.streams[push], status, reason)


def on(push: int, kind: int, flags: int, payload: bytes = b"") -> Step:
    """One frame on the stream of a push."""
    return lambda link: link.send(octets.frame(kind, flags, link.streams[push], payload))


def headers(push: int, block: bytes, flags: int = octets.WHOLE) -> Step:
    return on(push, octets.HEADERS, flags, block)


def data(push: int, body: bytes, flags: int = octets.END_STREAM) -> Step:
    return on(push, octets.DATA, flags, body)


def goaway(last: int | None, code: int = octets.NO_ERROR, debug: bytes = b"") -> Step:
    """``last`` is a push, or ``None`` for none of them."""
    return lambda link: link.send(octets.goaway(0 if last is None else link.streams[last], code, debug))


def drip(make: Callable[[Link], bytes], pause: float) -> Step:
    """One octet at a time."""

    def step(link: Link) -> None:
        for octet in make(link):
            link.send(bytes((octet,)))
            time.sleep(pause)

    return step


def forever(make: Callable[[Link], bytes], pause: float = 0.02) -> Step:
    """Again and again, reading in between, until the client has had enough."""

    def step(link: Link) -> None:
        link.socket.settimeout(pause)
        ends = time.monotonic() + 20
        while time.monotonic() < ends:
            link.send(make(link))
            try:
                link.read(lambda: False)
            except TimeoutError:
                continue
        raise TimeoutError

    return step


def flood(octets_each: bytes, times: int) -> Step:
    """Many in one go."""
    return lambda link: link.send(octets_each * times)


def flood_unread(octets_each: bytes) -> Step:
    """Many, without reading what the client says to it, until it has had enough; that must be soon."""

    def step(link: Link) -> None:
        some = octets_each * 1000
        for _ in range(UNREAD_LIMIT // len(some)):
            link.send(some)
        link.port.trouble("the client took all of it")

    return step


# -- leaving


def close(link: Link) -> None:
    """TCP's FIN without TLS's close_notify."""
    link.socket.close()
    raise Gone


def close_properly(link: Link) -> None:
    """close_notify, then FIN."""
    assert isinstance(link.socket, ssl.SSLSocket)
    link.socket = link.socket.unwrap()
    close(link)


def half_close(link: Link) -> None:
    """Our side is done; the client may go on talking to nobody."""
    link.socket.shutdown(socket.SHUT_WR)
    silent(link)


def reset(link: Link) -> None:
    """TCP's RST."""
    link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    close(link)


HEALTHY: tuple[Step, ...] = (tls(), greet(), serve)
