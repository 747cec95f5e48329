"""Certificate authorities over HTTP: intermediates, OCSP, revocation lists. ``service.seams.Authorities``.

The addresses stand in files that somebody uploaded, so they decide nothing: a host that the settings do not name is
never asked, and no answer leads to another host.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

from livepass.core.fetching import CannotFetch

if TYPE_CHECKING:
    import httpx2

log = logging.getLogger(__name__)

SECONDS = 5.0
"""For an answer as a whole, redirects included: somebody waits for the import meanwhile."""
MOST_REDIRECTS = 3
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class HttpAuthorities:
    """Asks only ``hosts``: names, each with or without a port (without: the one of the scheme)."""

    def __init__(self, hosts: Sequence[str], seconds: float = SECONDS) -> None:
        self._hosts = frozenset(hosts)
        self._seconds = seconds

    async def ask(self, address: str, *, body: bytes | None = None, media: str = "", most: int) -> bytes:
        """The answer to a GET, or to a POST of ``body``. Raises ``CannotFetch``."""
        import httpx2  # not needed by most processes

        here = address
        try:
            # What the environment says of proxies is not meant for this: nobody named those hosts.
            async with (
                asyncio.timeout(self._seconds),
                httpx2.AsyncClient(trust_env=False, follow_redirects=False, timeout=self._seconds) as client,
            ):
                first = self._allowed(address, address)
                for _ in range(MOST_REDIRECTS + 1):
                    status, answer = await self._once(client, here, body, media, most)
                    if status not in _REDIRECTS:
                        return answer
                    here = urljoin(here, answer.decode("latin-1"))
                    if self._allowed(here, address).hostname != first.hostname:
                        raise CannotFetch(address, f"it redirects to another host ({urlsplit(here).hostname})")
                raise CannotFetch(address, f"it redirects more than {MOST_REDIRECTS} times")
        except TimeoutError as error:
            raise CannotFetch(address, f"no whole answer within {self._seconds:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise CannotFetch(address, str(error) or type(error).__name__) from error

    async def _once(
        self, client: httpx2.AsyncClient, address: str, body: bytes | None, media: str, most: int
    ) -> tuple[int, bytes]:
        """Status and body; of a redirect, where it leads."""
        headers = {"Accept-Encoding": "identity"} | ({"Content-Type": media} if body is not None else {})
        method = "GET" if body is None else "POST"
        async with client.stream(method, address, content=body, headers=headers) as reply:
            if reply.status_code in _REDIRECTS:
                return reply.status_code, reply.headers.get("location", "").encode()
            if reply.status_code != 200:
                raise CannotFetch(address, f"it answered {reply.status_code}")
            found = bytearray()
            async for piece in reply.aiter_raw():
                found += piece
                if len(found) > most:
                    raise CannotFetch(address, f"it answered more than {most // 1024} KiB")
            return reply.status_code, bytes(found)

    def _allowed(self, address: str, asked: str) -> SplitResult:
        try:
            parts = urlsplit(address)
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError as error:
            raise CannotFetch(asked, "it is not an address") from error
        host = parts.hostname or ""
        if parts.scheme not in _PORTS or not host or parts.username is not None or parts.password is not None:
            raise CannotFetch(asked, "it is not an http address of a host alone")
        named = {f"{host}:{port}"} | ({host} if port == _PORTS[parts.scheme] else set())
        if not named & self._hosts:
            raise CannotFetch(asked, f"{host}:{port} is not among LIVEPASS_CERTIFICATE_HOSTS")
        return parts
