"""Which request is being answered: for whoever writes a log line meanwhile, and for what is begun apart from it."""

from __future__ import annotations

from contextvars import Context, ContextVar, copy_context

NONE = ""
REQUEST: ContextVar[str | int] = ContextVar("livepass_request", default=NONE)
"""An id, the number of a phone's request in this process, or ``NONE``."""


def apart() -> Context:
    """This context without the request: what goes on by itself is no part of the one that happened to begin it."""
    context = copy_context()
    context.run(REQUEST.set, NONE)
    return context
