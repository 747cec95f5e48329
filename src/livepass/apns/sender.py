"""The sender: pushes in, one answer each out. It finds the pool of a credential and keeps it.

Everything that can go wrong with a push is an answer, never an exception (status 0 where APNs said nothing), so that
whoever dispatches has one table to look things up in: ``core.trip2_push.ANSWERS``.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from livepass.apns.key_pool import KeyPool
from livepass.apns.patience import Patience
from livepass.apns.pool import Endpoint, Pool, PoolOptions, PoolStats
from livepass.apns.reasons import CONNECTION_LOST
from livepass.core.trip2_push import Credential, PushAnswer, PushCredential, PushMessage

CLOSE_GRACE = 5.0
"""How long ``close`` waits for answers (seconds)."""


class ApnsSender:
    """Sends pushes to APNs over HTTP/2, with a pool of connections per certificate or key.

    ``url`` is APNs' address, ``https://`` with no path (Apple: ``https://api.push.apple.com``, also on port 2197).
    ``ca_pem`` replaces the system's roots. ``connections`` is the most per credential; ``deadline`` is how long one
    ``send`` may take (seconds). ``draw`` gives random numbers from 0 up to 1, which only spread reconnections.
    ``now`` is the clock (ms) that provider tokens are dated by: best one that all hosts share.
    Belongs to the event loop that it is first used on.
    """

    def __init__(
        self,
        url: str,
        *,
        ca_pem: bytes | None = None,
        connections: int = 1,
        deadline: float = 15.0,
        patience: Patience | None = None,
        draw: Callable[[], float] = random.random,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._endpoint = endpoint_of(url, ca_pem)
        if connections < 1 or deadline <= 0:
            raise ValueError("connections must be at least 1 and deadline above 0")
        self._connections = connections
        self._deadline = deadline
        self._patience = patience or Patience()
        self._draw = draw
        self._now = now
        self._pools: dict[str, Pool] = {}
        self._closed = False

    async def send(
        self,
        credential: Credential,
        messages: Sequence[PushMessage],
        answered: Callable[[PushAnswer], None],
    ) -> None:
        """Send ``messages``; return when each had exactly one answer, at the latest after the deadline.

        ``answered`` is called once per message as answers arrive, in any order, on the event loop; it must not block.
        If it raises, the other messages still get their answers and the first error is raised at the end. Cancelling
        gives up on what is unanswered.
        """
        if not messages:
            return
        if self._closed:
            for message in messages:
                answered(PushAnswer(message, 0, CONNECTION_LOST, None, message.apns_id))
            return
        pool = self._pools.get(credential.id)
        if pool is None:
            pool = self._pools[credential.id] = self._pool(credential)
        await pool.deliver(messages, answered)

    def _pool(self, credential: Credential) -> Pool:
        how: PoolOptions = {
            "connections": self._connections,
            "deadline": self._deadline,
            "patience": self._patience,
            "draw": self._draw,
        }
        if isinstance(credential, PushCredential):
            return Pool(credential, self._endpoint, **how)
        return KeyPool(credential, self._endpoint, now=self._now, **how)

    async def retire(self, credential_id: str) -> None:
        """Deliver what was accepted for this credential, then close its connections. Unknown ids are fine."""
        pool = self._pools.pop(credential_id, None)
        if pool is not None:
            await pool.retire()

    async def close(self) -> None:
        """Wait a little for answers, answer the rest with ``ConnectionLost``, and close everything. Idempotent."""
        self._closed = True
        pools, self._pools = list(self._pools.values()), {}
        await asyncio.gather(*(pool.retire(CLOSE_GRACE) for pool in pools))

    def stats(self) -> Mapping[str, PoolStats]:
        """What each pool is doing, by the credential's id."""
        return {credential_id: pool.stats() for credential_id, pool in self._pools.items()}


def endpoint_of(url: str, ca_pem: bytes | None = None) -> Endpoint:
    """Read APNs' address. Raises ``ValueError`` for anything but ``https://host[:port]``."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
        raise ValueError(f"APNs' address must look like https://api.push.apple.com, not {url!r}")
    return Endpoint(parts.hostname, parts.port or 443, ca_pem)
