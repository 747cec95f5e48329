"""Two units of work on a real PostgreSQL, statement by statement: a plan says whose statement is next.

Who waits for a lock is noticed in ``pg_stat_activity``, and the other goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import asyncpg

from livepass.store.postgres import PostgresStore, _Pooled
from livepass.store.postgres_statements import PostgresConnection

_acting: ContextVar[str] = ContextVar("acting", default="")
POLL_SECONDS = 0.003
BLOCKED = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
CIRCLES = (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)

Works = dict[str, Callable[[], Awaitable[Any]]]
Plan = Callable[[str], str]
"""Of those who may go on (their letters, sorted), the one who does."""


class Turns:
    """``order``: who was let go at each step; that they wait for each other in a circle stands in ``circles``."""

    def __init__(self, plan: Plan, watch: asyncpg.Connection, look: Callable[[], Awaitable[None]]) -> None:
        """``look`` is called before each step, while everybody stands still."""
        self._plan = plan
        self._watch = watch
        self._look = look
        self._waiting: dict[str, asyncio.Event] = {}
        self._live: set[str] = set()
        self._moved = asyncio.Event()
        self.order = ""
        self.circles: list[str] = []

    async def gate(self) -> None:
        """Before each statement and each commit of an actor."""
        who = _acting.get()
        if who in self._live:
            assert who not in self._waiting, "one statement at a time"
            may_go_on = self._waiting[who] = asyncio.Event()
            self._moved.set()
            await may_go_on.wait()

    async def play(self, works: Works) -> dict[str, Any]:
        """Run all to their ends; what each answered, or raised."""
        self._live = set(works)
        tasks = {name: asyncio.create_task(self._act(name, work)) for name, work in works.items()}
        while True:
            await self._settle()
            if not self._live:
                break
            await self._look()
            who = self._plan("".join(sorted(self._waiting)))
            self.order += who
            self._waiting.pop(who).set()
        return {name: (await asyncio.gather(task, return_exceptions=True))[0] for name, task in tasks.items()}

    async def _settle(self) -> None:
        """Until everybody is at the gate, or waits in the database for one who is; seen twice, as waits may end."""
        seen = 0
        while len(self._live) > len(self._waiting):
            self._moved.clear()
            try:
                await asyncio.wait_for(self._moved.wait(), POLL_SECONDS)
                seen = 0
            except TimeoutError:
                running = len(self._live) - len(self._waiting)
                blocked = bool(self._waiting) and running and await self._watch.fetchval(BLOCKED) >= running
                seen = seen + 1 if blocked else 0
                if seen == 2 and len(self._live) - len(self._waiting) == running:
                    return

    async def _act(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        _acting.set(name)
        try:
            return await work()
        finally:
            self._live.discard(name)
            self._moved.set()


@contextmanager
def gated(turns: Callable[[], Turns | None]) -> Iterator[None]:
    """Meanwhile, the gate is before every statement and every commit of the product."""

    def gate_first(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def gate_and_call(*arguments: Any) -> Any:
            present = turns()
            if present is not None:
                await present.gate()
            return await call(*arguments)

        return gate_and_call

    transaction = PostgresStore._transaction

    async def until_the_commit(self: Any, db: Any, writing: Any, work: Any) -> Any:
        async def then_wait(tx: Any) -> Any:
            result = await work(tx)
            present = turns()
            if present is not None:
                await present.gate()
            return result

        try:
            return await transaction(self, db, writing, then_wait)
        except CIRCLES as error:
            present = turns()
            if present is not None:
                present.circles.append(f"{_acting.get()}: {type(error).__name__}")
            raise

    were: list[tuple[Any, str, Any]] = [
        (kind, name, getattr(kind, name))
        for kind, name in (*((PostgresConnection, name) for name in ("rows", "run", "run_many")), (_Pooled, "rows"))
    ]
    for kind, name, call in were:
        setattr(kind, name, gate_first(call))
    PostgresStore._transaction = until_the_commit  # type: ignore[method-assign]
    try:
        yield
    finally:
        for kind, name, call in were:
            setattr(kind, name, call)
        PostgresStore._transaction = transaction  # type: ignore[method-assign]
