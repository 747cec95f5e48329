"""Calls to our own public address over two connections, as they would come from phones. ``service.seams.Caller``."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from livepass.core.echo import Heard, Shot
from livepass.core.watching import Problem
from livepass.outside import tls

if TYPE_CHECKING:
    import httpx2

SECONDS = 10.0
"""For each answer; all together three times as long."""
MOST = 64 * 1024
"""Bytes of an answer that are read."""
_UNREACHABLE = (Problem.UNREACHABLE, Problem.UNKNOWN)


async def call(url: str, ca_pem: bytes | None, shots: Iterable[Shot]) -> list[tuple[Shot, Heard]]:
    """Shots at the host of ``url``, one after the other; after a first without an answer, no more. TLS comes first: its
    fault is said in the words in which it is watched.
    """
    import httpx2  # not needed by most processes

    wanted = list(shots)
    seen = await tls.look(url, ca_pem)
    if seen.problem:
        return [(wanted[0], Heard(0, fault=seen.detail, untrusted=seen.problem not in _UNREACHABLE))]
    context = ssl.create_default_context(cadata=ca_pem.decode("ascii") if ca_pem is not None else None)
    parts = urlsplit(url)
    heard: list[tuple[Shot, Heard]] = []
    until = asyncio.get_running_loop().time() + 3 * SECONDS
    async with AsyncExitStack() as stack:
        # What the environment says of proxies is not meant for this: phones know nothing of it.
        clients = [
            await stack.enter_async_context(
                httpx2.AsyncClient(verify=context, trust_env=False, follow_redirects=False, timeout=SECONDS)
            )
            for _ in range(2)
        ]
        for shot in wanted:
            heard.append((shot, await _once(clients[shot.client], f"{parts.scheme}://{parts.netloc}", shot, until)))
            if heard[0][1].status == 0:
                break
    return heard


async def _once(client: httpx2.AsyncClient, origin: str, shot: Shot, until: float) -> Heard:
    import httpx2

    try:
        async with asyncio.timeout_at(min(until, asyncio.get_running_loop().time() + SECONDS)):
            # The target goes out as it is: httpx2 would tidy up what a path means.
            request = client.build_request(
                shot.method,
                origin,
                headers=shot.headers,
                content=shot.body or None,
                extensions={"target": shot.target.encode("ascii")},
            )
            reply = await client.send(request, stream=True)
            try:
                body = bytearray()
                async for piece in reply.aiter_bytes():
                    body += piece[: MOST - len(body)]
                    if len(body) >= MOST:
                        break
            finally:
                await reply.aclose()
            return Heard(reply.status_code, {name.lower(): value for name, value in reply.headers.items()}, bytes(body))
    except TimeoutError:
        return Heard(0, fault=f"no answer within {SECONDS:.0f} s")
    except httpx2.HTTPError as error:
        return Heard(0, fault=str(error) or type(error).__name__)
