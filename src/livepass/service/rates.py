"""How often callers of the issuer API may ask: a token bucket for each key and each tenant, in memory, for each process
by itself. Phones never come by here.
"""

from __future__ import annotations

from dataclasses import dataclass

from livepass.service.access import Caller
from livepass.service.refusals import Refusal
from livepass.service.seams import Clock

KEY_RATE, TENANT_RATE = 60_000, 120_000
"""Requests a minute that one process takes unless it is told otherwise."""


class TooOften(Refusal):
    """More requests than the key, or its tenant, may send. ``seconds``: until one more is taken."""

    status = 429
    code = "rate_limited"

    def __init__(self, whose: str, per_minute: int, seconds: float) -> None:
        self.seconds = int(seconds) + 1
        super().__init__(
            f"{whose} may send {per_minute} requests a minute to this process, and has",
            hint=f"send it again in {self.seconds} s; POST /passes:batch takes many passes in one request",
        )


@dataclass(slots=True)
class _Bucket:
    left: float
    seen: float


class Rates:
    """A minute's requests may come at once; after that they come back evenly. ``0``: no limit."""

    def __init__(self, clock: Clock, per_key: int = KEY_RATE, per_tenant: int = TENANT_RATE) -> None:
        self._clock = clock
        self._per_key = per_key
        self._per_tenant = per_tenant
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def take(self, caller: Caller) -> None:
        """Count a request. Raises ``TooOften``, and then nothing was counted. The operator's own key is not limited."""
        if not caller.key_id:
            return
        limits = (
            (("key", caller.key_id), "this API key", self._per_key),
            (("tenant", caller.tenant), "this tenant", self._per_tenant),
        )
        taken = [(self._filled(which, rate), whose, rate) for which, whose, rate in limits if rate]
        for bucket, whose, rate in taken:
            if bucket.left < 1:
                raise TooOften(whose, rate, (1 - bucket.left) * 60 / rate)
        for bucket, _, _ in taken:
            bucket.left -= 1

    def _filled(self, which: tuple[str, str], rate: int) -> _Bucket:
        """As many buckets as there are keys and tenants: only callers that we know have one."""
        now = self._clock.stopwatch()
        bucket = self._buckets.setdefault(which, _Bucket(rate, now))
        bucket.left = min(float(rate), bucket.left + (now - bucket.seen) * rate / 60)
        bucket.seen = now
        return bucket
