"""Sends webhooks: ``service.webhook_seams.Poster``.

The address is somebody's word. So a name is looked up here, every address that it has must be one of the open internet,
and the connection goes to the address that was judged, with the name kept for TLS: a name that answers otherwise the
next time (DNS rebinding) leads nowhere. No redirect is followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from functools import cached_property
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from livepass.core.webhooks import SAID

SECONDS: Final = 15.0
"""For an attempt as a whole, from the name to the answer."""
MOST_BYTES: Final = 16 * 1024
"""Of an answer are read; the beginning is kept."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
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
            return 0, (str(error) or type(error).__name__)[:SAID]

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
            return reply.status_code, printable(bytes(found[: 4 * SAID]))

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._ca_pem is not None:
            context.load_verify_locations(cadata=self._ca_pem.decode("ascii"))
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
        port = parts.port or (443 if parts.scheme == "https" else 80)
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
        for address in addresses:
            if why := judge(address, loopback=self._loopback):
                raise Refused(f"{parts.hostname}: {why}")
        if not addresses:
            raise Refused(f"{parts.hostname} has no address")
        return addresses[0]


def printable(answer: bytes) -> str:
    """The beginning of what a stranger answered, on one line and without control characters."""
    text = answer.decode("utf-8", "replace")
    return "".join(each if each.isprintable() else " " for each in text)[:SAID].strip()
