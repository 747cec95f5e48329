"""What both clients send with: where to, how long, how often, and what comes back."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx2
import msgspec

from livepass._version import __version__
from livepass.client.address import API, checked, possible
from livepass.client.call import Call
from livepass.client.faults import Refused, Unreachable
from livepass.service.access import TENANT_HEADER
from livepass.web.issuer_answers import BatchEnd, BatchProblem, BatchResult

NDJSON = "application/x-ndjson"
AGAIN = frozenset({429, 502, 503, 504})
"""Statuses after which the same call may succeed."""
UNDER_WAY = "idempotency_in_progress"
"""The code of a refusal: what was sent first with this ``Idempotency-Key`` has no answer yet."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds; doubling, and drawn from the upper half of it. What ``Retry-After`` asks for is kept, up to the longest."""

BatchLine = BatchResult | BatchProblem
"""What became of one line."""


class BatchEnded(Exception):
    """The service ended a batch early: no line from ``line`` (from 1) on was carried out. Send those again."""

    def __init__(self, end: BatchEnd) -> None:
        self.line = end.line
        super().__init__(f"the batch ended before line {end.line}: {end.problem.detail}")


class Settings:
    """What both clients know."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 30.0,
        attempts: int = 4,
        tenant: str | None = None,
        verify: Any = True,
        transport: Any = None,
    ) -> None:
        """``url``: of the service, ``https://passes.example.com``. ``attempts``: of a call that may be repeated.

        ``tenant``: whose passes, for a key that may act as any. ``verify``: an ``ssl.SSLContext``, for an authority of
        your own. Raises ``ValueError`` for an address to which a key would go unencrypted, and for what can be no key.
        """
        self.base = checked(url)
        if not possible(key):
            raise ValueError("the API key holds a character that no key has, such as the end of its line")
        self._attempts = max(1, attempts)
        headers = {"Authorization": f"Bearer {key}", "User-Agent": f"livepass-client/{__version__}"}
        self._options: dict[str, Any] = {
            "base_url": self.base,
            "headers": headers if tenant is None else {**headers, TENANT_HEADER: tenant},
            "timeout": timeout,
            "verify": verify,
            "transport": transport,
        }

    def request(self, call: Call[Any]) -> dict[str, Any]:
        return {
            "method": call.method,
            "url": API + call.path,
            "params": {name: value for name, value in call.query.items() if value is not None},
            "content": call.body,
            "headers": _headers(call),
        }

    def wait(self, call: Call[Any], attempt: int, error: Refused | Unreachable) -> float | None:
        """Seconds until the call is sent again; ``None``: it is not."""
        if not call.repeats or attempt >= self._attempts:
            return None
        asked = None
        if isinstance(error, Refused):
            if error.status not in AGAIN and error.code != UNDER_WAY:
                return None
            asked = error.retry_after
        backoff = FIRST_WAIT * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries
        return min(LONGEST_WAIT, backoff if asked is None else max(asked, backoff))


def _headers(call: Call[Any]) -> dict[str, str]:
    found = {} if call.body is None else {"Content-Type": call.media}
    return found if call.once is None else {**found, "Idempotency-Key": call.once}


F = TypeVar("F", bound=Callable[..., Any])


def named(function: F, after: Callable[..., Any]) -> F:
    function.__name__, function.__doc__ = after.__name__, after.__doc__
    return function


def body_of(status: int, headers: Any, content: bytes) -> bytes:
    if status >= 300:
        raise Refused(status, {name.lower(): value for name, value in headers.items()}, content)
    return content


def written(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line).encode() + b"\n"


def read_line(text: str) -> BatchLine:
    said = json.loads(text)
    if said.get("ended"):
        raise BatchEnded(msgspec.convert(said, BatchEnd))
    return msgspec.convert(said, BatchResult) if said["ok"] else msgspec.convert(said, BatchProblem)


def unreachable(base: str, error: httpx2.HTTPError) -> Unreachable:
    return Unreachable(f"{base}: {str(error) or type(error).__name__}")
