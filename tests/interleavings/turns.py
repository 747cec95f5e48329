"""Two units of work on a real PostgreSQL, statement by statement: a seed says whose statement is next.

Who waits for a lock is noticed in ``pg_stat_activity``, and the other goes on.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import asyncpg
import pytest

from livepass.store.postgres import PostgresStore, _Pooled
from livepass.store.postgres_statements import PostgresConnection

_acting: ContextVar[str] = ContextVar("acting", default="")
POLL_SECONDS = 0.002
BLOCKED = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


class Turns:
    """``order``: who was let go at each step, with the names of the statements."""

    def __init__(self, seed: int, watch: asyncpg.Connection) -> None:
        self._rng = random.Random(seed)
        self._watch = watch
        self._waiting: dict[str, asyncio.Event] = {}
        self._live: set[str] = set()
        self.order = ""

    async def gate(self) -> None:
        """Before each statement and each commit of an actor."""
        who = _acting.get()
        if who in self._live:
            assert who not in self._waiting, "one statement at a time"
            may_go_on = self._waiting[who] = asyncio.Event()
            await may_go_on.wait()

    async def play(self, works: dict[str, Callable[[], Awaitable[Any]]]) -> dict[str, Any]:
        """Run all to their ends; what each answered, or raised."""
        self._live = set(works)
        tasks = {name: asyncio.create_task(self._act(name, work)) for name, work in works.items()}
        while self._live:
            while self._live and not await self._settled():  # noqa: ASYNC110 - a lock has no event
                await asyncio.sleep(POLL_SECONDS)
            if self._waiting:
                who = self._rng.choice(sorted(self._waiting))
                self.order += who
                self._waiting.pop(who).set()
                await asyncio.sleep(0)
        return {name: (await asyncio.gather(task, return_exceptions=True))[0] for name, task in tasks.items()}

    async def _settled(self) -> bool:
        """Whether everybody is at the gate, or waits in the database for one who is."""
        running = len(self._live) - len(self._waiting)
        if not running:
            return True
        return bool(self._waiting) and await self._watch.fetchval(BLOCKED) >= running

    async def _act(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        _acting.set(name)
        try:
            return await work()
        finally:
            self._live.discard(name)


def install(patch: pytest.MonkeyPatch, turns: Callable[[], Turns | None]) -> None:
    """Put the gate before every statement of the product."""

    def gated(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def gate_first(*arguments: Any) -> Any:
            present = turns()
            if present is not None:
                await present.gate()
            return await call(*arguments)

        return gate_first

    for kind, name in (
        *((PostgresConnection, name) for name in ("rows", "run", "run_many")),
        (_Pooled, "rows"),
    ):
        patch.setattr(kind, name, gated(getattr(kind, name)))
    transaction = PostgresStore._transaction

    async def until_the_commit(self: Any, db: Any, writing: Any, work: Any) -> Any:
        async def then_wait(tx: Any) -> Any:
            result = await work(tx)
            present = turns()
            if present is not None:
                await present.gate()
            return result

        return await transaction(self, db, writing, then_wait)

    patch.setattr(PostgresStore, "_transaction", until_the_commit)
