"""The real clock, randomness and scheduler: ``service.seams`` on asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import secrets
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)


class WallClock:
    """``service.seams.Clock``."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def stopwatch(self) -> float:
        return time.monotonic()


class SystemChance:
    """``service.seams.Chance``."""

    def token_bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)

    def fraction(self) -> float:
        return random.random()  # noqa: S311 - spreads retries, guards nothing


class AsyncSignal:
    """``service.seams.Signal``. May be set from any thread of the loop's process through the loop only."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)
        was_set = self._event.is_set()
        self._event.clear()
        return was_set


class AsyncScheduler:
    """``service.seams.Scheduler``. Computing goes to a few threads: RSA releases the interpreter while it works."""

    def __init__(self, threads: int | None = None) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._pool = ThreadPoolExecutor(threads or min(4, os.cpu_count() or 1), "livepass-build")

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def signal(self) -> AsyncSignal:
        return AsyncSignal()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def off_loop(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def close(self) -> None:
        """Cancel what still runs and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pool.shutdown(wait=False)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("task %s failed", task.get_name(), exc_info=task.exception())
