"""One connection at a time to one host, within bounds of time, bytes and requests. Follows nothing, retries little.

Plain ``http.client`` on a socket of our own: the request line goes out as written, and an answer is read as it came.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography import x509

from livepass._version import __version__
from livepass.doctor.result import NotTested

USER_AGENT: Final = f"livepass-doctor/{__version__}"
_NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL
EXPIRED: Final = 10  # X509_V_ERR_CERT_HAS_EXPIRED


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an examination may cost at most. Times in seconds."""

    connect: float = 10.0
    answer: float = 60.0  # phones wait as long
    slow: float = 10.0
    requests: int = 40
    body: int = 11 << 20  # bytes; a package has at most 10 MiB


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    method: str
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    version: int
    seconds: float
    at: float
    """When it had come, by this machine's clock (seconds since the epoch)."""

    def header(self, name: str) -> str:
        return str(self.headers.get(name, ""))

    @property
    def media_type(self) -> str:
        return self.header("Content-Type").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Sight:
    """A TLS connection as offered, without believing it. ``chain`` as sent, leaf first."""

    version: str
    chain: tuple[x509.Certificate, ...]


class Silent(Exception):
    """No answer: the message says what happened instead."""


class _Socket(ssl.SSLSocket):
    """Gives up at an instant, however slowly bytes trickle in."""

    until = 0.0

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("no whole answer in time")
        self.settimeout(left)
        return super().recv_into(buffer, nbytes, flags)


class _Connection(http.client.HTTPConnection):
    default_port = 443

    def __init__(self, link: Link) -> None:
        super().__init__(link.host, link.port)
        self._link = link

    def connect(self) -> None:
        self.sock = self._link.secured()


@dataclass(slots=True)
class Link:
    """The way to a web service. ``ca_pem`` holds roots that are trusted beside the system's."""

    host: str
    port: int
    ca_pem: str = ""
    bounds: Bounds = field(default_factory=Bounds)
    sent: int = 0
    slowest: float = 0.0
    trusted: bool = False
    _open: _Connection | None = None
    _sight: Sight | None = None
    _untimed: bool = False

    # ── towards TLS

    def addresses(self) -> list[str]:
        """What the name resolves to. Raises ``Silent``."""
        found: list[str] = []
        fault: list[OSError] = []

        def resolve() -> None:
            try:
                rows = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
                found.extend(dict.fromkeys(str(row[4][0]) for row in rows))
            except (OSError, UnicodeError) as error:
                fault.append(error if isinstance(error, OSError) else OSError(str(error)))

        resolving = threading.Thread(target=resolve, daemon=True)
        resolving.start()
        resolving.join(self.bounds.connect)
        if not found:
            raise Silent(f"{self.host} has no address: {fault[0].strerror if fault else 'no answer in time'}")
        return found

    def reach(self) -> socket.socket:
        """A TCP connection. Raises ``Silent``."""
        try:
            return socket.create_connection((self.host, self.port), self.bounds.connect)
        except (OSError, UnicodeError) as error:
            raise Silent(f"no connection to {self.host} port {self.port}: {_reason(error)}") from error

    def sight(self) -> Sight:
        """TLS as it is offered to somebody who believes and takes everything. Raises ``Silent``."""
        if self._sight is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.set_ciphers("ALL:@SECLEVEL=0")
            self.close()
            with self._handshake(context) as secured:
                self._sight = Sight(secured.version() or "", _chain(secured))
        return self._sight

    def verify(self) -> ssl.SSLCertVerificationError | None:
        """Why the certificate is not to be trusted; ``None``: it is. Raises ``Silent`` where TLS itself fails.

        One that only has expired still proves who answers: then calls go on, without looking at dates.
        """
        self.close()
        try:
            self._open = self._connected(self._handshake(self._context()))
            self.trusted = True
            return None
        except ssl.SSLCertVerificationError as error:
            if error.verify_code != EXPIRED:
                return error
            try:
                self._open = self._connected(self._handshake(self._context(untimed=True)))
            except ssl.SSLCertVerificationError as other:
                return other
            self._untimed = self.trusted = True
            return error

    def secured(self) -> _Socket:
        """A connection to call on."""
        return self._handshake(self._context(untimed=self._untimed))

    def _connected(self, secured: _Socket) -> _Connection:
        connection = _Connection(self)
        connection.sock = secured
        return connection

    def _context(self, *, untimed: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.ca_pem:
            context.load_verify_locations(cadata=self.ca_pem)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        if untimed:
            context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
        return context

    def _handshake(self, context: ssl.SSLContext) -> _Socket:
        context.sslsocket_class = _Socket
        plain = self.reach()
        try:
            secured = context.wrap_socket(plain, server_hostname=self.host)
        except ssl.SSLCertVerificationError:
            plain.close()
            raise
        except (OSError, ValueError) as error:
            plain.close()
            raise Silent(f"no TLS connection to {self.host}: {_reason(error)}") from error
        assert isinstance(secured, _Socket)
        return secured

    # ── HTTP

    def call(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """One request and its answer. Raises ``Silent``, and ``NotTested`` where nothing may be sent (any more)."""
        if not self.trusted:
            raise NotTested("nothing is sent to a server that does not prove who it is")
        if self.sent >= self.bounds.requests:
            raise NotTested(f"{self.sent} requests are enough")
        self.sent += 1
        said = {"User-Agent": USER_AGENT, **headers}
        begun = time.monotonic()
        reused = self._open is not None
        try:
            reply = self._exchange(method, target, said, body)
        except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError) as error:
            self.close()
            if not reused:
                raise Silent(f"{method} got no answer: {_reason(error)}") from error
            # A server may close a connection that is idle: once more, on a new one.
            reply = self._again(method, target, said, body)
        self.slowest = max(self.slowest, time.monotonic() - begun)
        return reply

    def _again(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        try:
            return self._exchange(method, target, headers, body)
        except OSError as error:
            self.close()
            raise Silent(f"{method} got no answer: {_reason(error)}") from error

    def _exchange(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        begun = time.monotonic()
        try:
            connection = self._open = self._open or self._connected(self.secured())
            if connection.sock is None:
                connection.connect()
            secured = connection.sock
            assert isinstance(secured, _Socket)
            secured.settimeout(self.bounds.connect)
            secured.until = begun + self.bounds.answer
            connection.request(method, target, body=body, headers=dict(headers))
            answer = connection.getresponse()
            content = answer.read(self.bounds.body + 1)
            if len(content) > self.bounds.body:
                raise Silent(f"the answer to {method} has more than {self.bounds.body} bytes")
            seconds = time.monotonic() - begun
            reply = Reply(method, answer.status, answer.headers, content, answer.version, seconds, time.time())
            if answer.will_close:
                self.close()
            return reply
        except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError):
            raise
        except (http.client.HTTPException, OSError, ValueError) as error:
            self.close()
            raise Silent(f"no HTTP answer to {method}: {_reason(error)}") from error
        except BaseException:
            self.close()  # half an answer may be left on it
            raise

    def close(self) -> None:
        """Hang up; the next call opens a connection of its own."""
        if self._open is not None:
            self._open.close()
            self._open = None


def _reason(error: BaseException) -> str:
    """A fault in words that need no Python."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    if isinstance(error, TimeoutError):
        return "nothing came in time"
    if isinstance(error, http.client.RemoteDisconnected):
        return "the connection was closed"
    if isinstance(error, http.client.BadStatusLine):
        return "what came is not HTTP/1.1"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return type(error).__name__  # its text may quote what was sent


def _chain(secured: ssl.SSLSocket) -> tuple[x509.Certificate, ...]:
    """All certificates as sent. Public since Python 3.13; before, on the object below; else the leaf alone."""
    ask = getattr(secured, "get_unverified_chain", None)
    below = getattr(getattr(secured, "_sslobj", None), "get_unverified_chain", None)
    found: list[bytes] = []
    if ask is not None:
        found = list(ask())
    elif below is not None:
        found = [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in below() or ()]
    leaf = secured.getpeercert(binary_form=True)
    if not found and leaf:
        found = [leaf]
    return tuple(x509.load_der_x509_certificate(each) for each in found)
