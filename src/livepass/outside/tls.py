"""The TLS certificate that a host shows, as a client sees it that trusts the system's authorities, or given ones.

Two handshakes at most: one that checks everything, and, if that was refused, one that checks nothing, to say what was
shown. Nothing is sent over either.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509

from livepass.core.watching import Problem, Seen

SECONDS: Final = 10.0
"""For each handshake, from the name to the end."""
PROBLEMS: Final[Mapping[int, Problem]] = {
    # As X509_V_ERR_* of OpenSSL's x509_vfy.h counts them.
    9: Problem.NOT_YET_VALID,
    10: Problem.EXPIRED,
    18: Problem.UNTRUSTED,
    19: Problem.UNTRUSTED,
    2: Problem.INCOMPLETE_CHAIN,
    20: Problem.INCOMPLETE_CHAIN,
    21: Problem.INCOMPLETE_CHAIN,
    62: Problem.WRONG_NAME,
    64: Problem.WRONG_NAME,
}


async def look(url: str, ca_pem: bytes | None = None, alpn: Sequence[str] = ()) -> Seen:
    """What the host of an https address shows. Raises ``ssl.SSLError`` for a ``ca_pem`` that is no PEM."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    context = ssl.create_default_context(cadata=ca_pem.decode("ascii") if ca_pem is not None else None)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    try:
        shown = await _handshake(host, port, context)
    except ssl.SSLCertVerificationError as error:
        return await _refused(host, port, error)
    except (OSError, TimeoutError) as error:
        return Seen(problem=Problem.UNREACHABLE, detail=f"{host} port {port}: {_why(error)}")
    return Seen(*_life(shown[:1]))


async def _refused(host: str, port: int, error: ssl.SSLCertVerificationError) -> Seen:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # only to say what is wrong with what was refused already
    shown: list[x509.Certificate] = []
    with contextlib.suppress(OSError, TimeoutError):
        shown = await _handshake(host, port, context)
    problem = PROBLEMS.get(error.verify_code, Problem.UNTRUSTED)
    # Of a chain that has expired the first end counts; else the leaf's, since what else was sent may not be needed.
    starts_at, ends_at = _life(shown if problem is Problem.EXPIRED else shown[:1])
    return Seen(starts_at, ends_at, problem, _what(host, problem, shown, error.verify_message))


async def _handshake(host: str, port: int, context: ssl.SSLContext) -> list[x509.Certificate]:
    """The chain as it was sent."""
    async with asyncio.timeout(SECONDS):
        _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    try:
        return _chain(writer.get_extra_info("ssl_object"))
    finally:
        writer.transport.abort()


def _chain(secured: Any) -> list[x509.Certificate]:
    """All certificates as sent. Public since Python 3.13; before, on the object below; else the leaf alone."""
    ask = getattr(secured, "get_unverified_chain", None)
    below = getattr(getattr(secured, "_sslobj", None), "get_unverified_chain", None)
    leaf = secured.getpeercert(binary_form=True)
    if ask is not None:
        found = list(ask())
    elif below is not None:
        found = [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in below() or ()]
    else:
        found = [leaf] if leaf else []
    return [x509.load_der_x509_certificate(each) for each in found]


def _life(chain: Sequence[x509.Certificate]) -> tuple[int | None, int | None]:
    if not chain:
        return None, None
    return _ms(chain[0].not_valid_before_utc), min(_ms(each.not_valid_after_utc) for each in chain)


def _ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def _what(host: str, problem: Problem, chain: Sequence[x509.Certificate], message: str) -> str:
    if not chain:
        return f"{host}: {message}"
    top = chain[-1]  # its names come from a stranger, and go into logs: see _plain
    if problem is Problem.WRONG_NAME:
        return f"it is for {', '.join(map(ascii, _names(chain[0]))) or 'no host'}, not for {host}"
    if problem is Problem.INCOMPLETE_CHAIN:
        return (
            f"the chain that {host} sends ends at {_plain(top.subject)}; its issuer "
            f"{_plain(top.issuer)} was not sent, and is no authority trusted here"
        )
    if problem is Problem.UNTRUSTED:
        return f"the chain that {host} sends ends at {_plain(top.subject)}, which is not trusted here: {message}"
    return f"{host}: {message}"


def _plain(name: x509.Name) -> str:
    """One line of ASCII, and not a long one."""
    return ascii(name.rfc4514_string())[1:-1][:120]


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))][:4]


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing came within {SECONDS:.0f} s"
    if isinstance(error, ssl.SSLError):
        return f"no TLS: {error.reason or type(error).__name__}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
