"""Sends webhooks: ``service.webhook_seams.Poster``.

The address is somebody's word. So a name is looked up here, every address that it has must be one of the open internet,
and the connection goes to the address that was judged, with the name kept for TLS: a name that answers otherwise the
next time (DNS rebinding) leads nowhere. No redirect is followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from livepass.core.webhooks import SAID
from livepass.outside.names import Address, Names

SECONDS: Final = 15.0
"""For an attempt as a whole, from the name to the answer."""
MOST_BYTES: Final = 16 * 1024
"""Of an answer are read; the beginning is kept."""
NO_TLS: Final = "it speaks no TLS at that port"
OLD_TLS: Final = "it speaks no TLS 1.2 or newer"
_TLS_WHY: Final[Mapping[str, str]] = {
    # OpenSSL's reason → ours
    "TLSV1_ALERT_PROTOCOL_VERSION": OLD_TLS,
    "UNSUPPORTED_PROTOCOL": OLD_TLS,
    "WRONG_VERSION_NUMBER": NO_TLS,
    "RECORD_LAYER_FAILURE": NO_TLS,
    "HTTP_REQUEST": NO_TLS,
    "UNEXPECTED_EOF_WHILE_READING": "it hung up during the TLS handshake",
}
_TRANSLATED: Final = tuple(ipaddress.ip_network(each) for each in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16"))
"""IPv6 networks that stand for IPv4 addresses, which a gateway may lead inside."""


class Refused(Exception):
    """The address is none that webhooks may go to."""


def judge(address: Address, *, loopback: bool) -> str:
    """Why nothing is sent to an address; ``""``: it may be."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if mapped is not None:
        return judge(mapped, loopback=loopback)
    if address.is_loopback:
        return "" if loopback else f"{address} is this machine"
    translated = isinstance(address, ipaddress.IPv6Address) and any(address in each for each in _TRANSLATED)
    if not address.is_global or address.is_multicast or address.is_reserved or translated:
        return f"{address} is no address of the open internet"
    return ""


class WebhookPoster:
    """``loopback``: this machine may be sent to, and without TLS. ``ca_pem``: authorities trusted as well."""

    def __init__(self, *, loopback: bool, ca_pem: bytes | None = None, seconds: float = SECONDS) -> None:
        self._loopback = loopback
        self._ca_pem = ca_pem
        self._seconds = seconds
        self._names = Names()

    def prepare(self) -> None:
        """Raises ``ssl.SSLError`` for a ``ca_pem`` that holds no certificate: at the start, not with each message."""
        if self._ca_pem is not None:
            _ = self._tls

    def check(self, url: str) -> str:
        try:
            self._parts(url)
        except Refused as error:
            return str(error)
        return ""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        import httpx2  # not needed by most processes

        try:
            async with asyncio.timeout(self._seconds):
                return await self._post(url, headers, body)
        except TimeoutError:
            return 0, f"no answer within {self._seconds:g} s"
        except Refused as error:
            return 0, str(error)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            return 0, why(error)

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        import httpx2

        parts = self._parts(url)
        address = await self._resolved(parts)
        shown = f"[{address}]" if address.version == 6 else str(address)
        port = f":{parts.port}" if parts.port else ""
        there = urlunsplit((parts.scheme, shown + port, parts.path or "/", parts.query, ""))
        named = {**headers, "Host": parts.netloc, "Accept-Encoding": "identity"}
        # One connection for each: a shared one would serve two names of one address, checked for one of them.
        async with (
            httpx2.AsyncClient(verify=self._tls, trust_env=False, follow_redirects=False, timeout=self._seconds) as to,
            to.stream("POST", there, content=body, headers=named, extensions={"sni_hostname": parts.hostname}) as reply,
        ):
            found = bytearray()
            async for piece in reply.aiter_raw():
                found += piece
                if len(found) >= MOST_BYTES:
                    break
            if reply.has_redirect_location:
                return reply.status_code, printable(f"not followed to {reply.headers['location']}".encode())
            return reply.status_code, printable(bytes(found[: 4 * SAID]))

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._ca_pem is not None:
            context.load_verify_locations(cadata=self._ca_pem.decode("ascii", "ignore"))
        return context

    def _parts(self, url: str) -> SplitResult:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise Refused("it is not an address") from None
        if not parts.hostname or port == 0 or "@" in parts.netloc or parts.fragment:
            raise Refused("it is not an https address of a host, a path and a query")
        try:
            literal: Address | None = ipaddress.ip_address(parts.hostname)
        except ValueError:
            literal = None
        here = parts.hostname == "localhost" or (literal is not None and literal.is_loopback)
        if parts.scheme != "https" and not (parts.scheme == "http" and here and self._loopback):
            raise Refused("webhooks go to https addresses only")
        if literal is not None and (why := judge(literal, loopback=self._loopback)):
            raise Refused(why)
        return parts

    async def _resolved(self, parts: SplitResult) -> Address:
        """The address to connect to. All that the name has are judged: which one answers is not ours to say."""
        assert parts.hostname is not None
        with suppress(ValueError):
            return ipaddress.ip_address(parts.hostname)  # judged by _parts
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            addresses = await self._names.addresses(parts.hostname, port)
        except socket.gaierror as error:
            raise Refused(f"{parts.hostname}: {error.strerror}") from None
        for address in addresses:
            if why := judge(address, loopback=self._loopback):
                raise Refused(f"{parts.hostname}: {why}")
        if not addresses:
            raise Refused(f"{parts.hostname} has no address")
        return addresses[0]


def why(error: BaseException) -> str:
    """What kept a request from being answered. Libraries wrap it; what lies innermost is what happened."""
    for each in _below(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"its certificate is refused: {each.verify_message}"[:SAID]
        if isinstance(each, ssl.SSLError) and each.reason:
            return _TLS_WHY.get(each.reason, f"TLS failed: {each.reason}")[:SAID]
        if isinstance(each, OSError) and each.errno:
            return os.strerror(each.errno)  # asyncio puts another text in its place
    return (str(error) or type(error).__name__)[:SAID]


def _below(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what it was raised from, the innermost first."""
    if error is not None:
        yield from _below(error.__cause__ or error.__context__)
        yield error


def printable(answer: bytes) -> str:
    """The beginning of what a stranger answered, on one line and without control characters."""
    text = answer.decode("utf-8", "replace")
    return "".join(each if each.isprintable() else " " for each in text)[:SAID].strip()
