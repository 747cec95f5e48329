"""A phone's HTTP: real sockets, no cookies, no cache, no proxy, no surprises by redirects.

Apple asks for TLS with a publicly trusted chain. The emulator trusts the authority it is given instead.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from livepass.emulators.iphone.model import Request

IDLE_SECONDS: Final = 60.0
"""URL loading's default time-out between bytes. Apple does not say which one Wallet sets; none has been seen."""

Verify = ssl.SSLContext | bool


@dataclass(frozen=True)
class Reply:
    """What a server sent. Header names in lower case; the body without its transfer coding."""

    status: int
    headers: dict[str, str]
    body: bytes


class Unreachable(Exception):
    """No answer: no route, no name, no trust, no time. The message is the reason."""


def trusting(ca_file: str | Path | None) -> Verify:
    """TLS verification by that CA file, or by the system's own roots."""
    return True if ca_file is None else ssl.create_default_context(cafile=str(ca_file))


class Transport:
    """One phone's connections. With one, the ask and the fetches of a round share it."""

    def __init__(self, *, verify: Verify = True, connections: int = 1, follow_redirects: bool = False) -> None:
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._http = httpx2.AsyncClient(
            verify=verify,
            trust_env=False,
            follow_redirects=follow_redirects,
            timeout=httpx2.Timeout(IDLE_SECONDS),
            limits=limits,
        )

    async def send(self, request: Request) -> Reply:
        """Send one request of the wallet. Raises ``Unreachable``."""
        return await self.get(request.url, request.method, dict(request.headers), request.body)

    async def get(self, url: str, method: str, headers: dict[str, str], body: bytes | None = None) -> Reply:
        """Send anything else, such as a person's download. Raises ``Unreachable``."""
        try:
            self._http.cookies.clear()
            answer = await self._http.request(method, url, headers=headers, content=body)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unreachable(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from error
        return Reply(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content)

    async def close(self) -> None:
        await self._http.aclose()
