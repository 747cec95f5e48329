"""The process that dies: it opens the real services, performs an operation, and kills itself at its n-th point.

A point is a statement before it is sent, a commit before it is sent and, once more, when PostgreSQL has confirmed it
and nobody has been answered yet; and on the way to APNs, a batch before it is sent and each answer.
"""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import asyncpg

from concurrency.nursery import Say
from concurrency.office import Settings
from crashpoints.on_postgres.operations import OPERATIONS
from crashpoints.on_postgres.serving import rows_of, serving
from livepass.apns import ApnsSender
from livepass.store.postgres_link import Watched

STATEMENTS = ("execute", "executemany", "fetch", "fetchrow", "fetchval")
UNCOUNTED = "NOTIFY"
"""A hint, sent by itself some time after the commit: it comes now before, now after the next statement."""

_acting: ContextVar[bool] = ContextVar("acting", default=False)
"""Whether what runs is the operation, or was set off by it; what every process does beside it is not counted."""


class Fuse:
    """Counts points and burns down at one of them; 0: never. ``course`` holds what each point is."""

    def __init__(self, length: int, say: Say, committed: Callable[[], Awaitable[None]]) -> None:
        self.length = length
        self.course: list[str] = []
        self._say = say
        self._committed = committed

    def point(self, what: str) -> None:
        if not _acting.get():
            return
        self.course.append(what)
        if len(self.course) == self.length:
            self._say("dies", what)
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Before every statement of every connection of the product, and around its pushes."""
        for name in STATEMENTS:
            setattr(Watched, name, self._counted(getattr(Watched, name)))
        send = ApnsSender.send

        async def counted(sender: Any, credential: Any, messages: Any, answered: Callable[[Any], None]) -> None:
            def then(answer: Any) -> None:
                answered(answer)
                self.point(f"APNs answered {answer.status}")

            self.point("pushes")
            await send(sender, credential, messages, then)

        ApnsSender.send = counted  # type: ignore[method-assign]

    def _counted(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def counted(connection: Any, query: str, *arguments: Any, **options: Any) -> Any:
            if query.startswith(UNCOUNTED):
                return await call(connection, query, *arguments, **options)
            self.point(" ".join(query.split()[:4]))
            result = await call(connection, query, *arguments, **options)
            if query.rstrip(";") == "COMMIT" and _acting.get():
                self.point("committed")
                await self._committed()
            return result

        return counted


async def perform(
    say: Say,
    *,
    settings: Settings,
    operation: str,
    point: int,
    ahead_ms: int,
    requests: Sequence[Mapping[str, Any]],
    watches: bool,
) -> None:
    """Says ``answered, number, status, headers, body`` of each request, ``acknowledged``, and in the end ``course``
    with what all points were; ``watches``: also ``saw`` and the facts, after each commit.
    """
    [made] = [one for one in OPERATIONS if one.name == operation]
    watch = await asyncpg.connect(settings["database_url"]) if watches else None

    async def committed() -> None:
        if watch is not None:
            say("saw", await rows_of(watch, made.facts))

    def answered(number: int, status: int, headers: Mapping[str, str], body: bytes) -> None:
        say("answered", number, status, headers, base64.b64encode(body).decode())

    fuse = Fuse(point, say, committed)
    fuse.install()
    _acting.set(made.from_the_start)
    async with serving(settings, ahead_ms) as process:
        _acting.set(True)
        await made.work(replace(process, requests=requests, answered=answered))
        say("acknowledged")
    _acting.set(False)
    say("course", fuse.course)
    if watch is not None:
        await watch.close()
