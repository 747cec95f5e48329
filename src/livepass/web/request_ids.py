"""The id of the request that is being answered, for whoever writes a log line meanwhile."""

from __future__ import annotations

import secrets
from contextvars import Token
from itertools import count

from livepass.core.current import REQUEST

_OURS = f"dev_{secrets.token_hex(4)}"
_NUMBER = count(1)


def current() -> str:
    """``""`` outside of requests, also in what goes on by itself after one was answered."""
    found = REQUEST.get()
    return f"{_OURS}_{found:x}" if isinstance(found, int) else found


def begin(request_id: str | None = None) -> Token[str | int]:
    """What is logged until ``end`` belongs to that request. ``None``: it is a phone's, which sends no id and needs
    none back; it gets a number of this process, written out only where something is logged.
    """
    return REQUEST.set(next(_NUMBER) if request_id is None else request_id)


def end(token: Token[str | int]) -> None:
    REQUEST.reset(token)
