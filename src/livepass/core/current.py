"""Which request is being answered: for whoever writes a log line meanwhile, and for what is begun apart from it."""

from __future__ import annotations

from contextvars import ContextVar

NONE = ""
REQUEST: ContextVar[str | int] = ContextVar("livepass_request", default=NONE)
"""An id, the number of a phone's request in this process, or ``NONE``."""
