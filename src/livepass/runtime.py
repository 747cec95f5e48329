"""The real clock, randomness and scheduler: ``service.seams`` on asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import random
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from livepass.core.current import apart

T = TypeVar("T")

log = logging.getLogger(__name__)

FOLLOW_SECONDS = 15.0
TELL_MS = 2000
TOLD_TOGETHER_SECONDS = 0.002
"""How long what is done may wait for more to be done, so that the loop is woken once for several."""
_STEADY: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class WallClock:
    """``service.seams.Clock``."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def stopwatch(self) -> float:
        return time.monotonic()


class SharedClock:
    """``service.seams.Clock`` that follows the database's: what several hosts decide on is told by one clock.

    Between two looks the local *steady* clock carries it on, so that setting a host's wall clock changes nothing.
    """

    def __init__(self, wall: Callable[[], int] | None = None, steady: Callable[[], float] | None = None) -> None:
        self._wall = wall or WallClock().now
        self._steady = steady or _steady
        self._shown: tuple[float, float] | None = None
        self._off = 0

    def now(self) -> int:
        if self._shown is None:
            return self._wall()
        at, ms = self._shown
        return round(ms + (self._steady() - at) * 1000)

    def stopwatch(self) -> float:
        return time.monotonic()

    async def measure(self, ask: Callable[[], Awaitable[int | None]], times: int = 3) -> None:
        """Ask for the time, and take it for the middle of the shortest round trip."""
        shortest = None
        for _ in range(times):
            sent = self._steady()
            told = await ask()
            took = self._steady() - sent
            if told is not None and (shortest is None or took < shortest):
                shortest = took
                self._shown = (sent + took / 2, told)
        if shortest is not None:
            self._compare()

    async def follow(self, ask: Callable[[], Awaitable[int | None]]) -> None:
        """Measure again and again, until cancelled. While the database is away, the time goes on by itself."""
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            try:
                await self.measure(ask)
            except Exception as error:
                log.debug("the database's clock could not be read: %s", error)

    def _compare(self) -> None:
        """Say it when this host's clock is wrong: certificates, TLS and logs go by it."""
        off = self.now() - self._wall()
        if abs(off) > TELL_MS and abs(off - self._off) > TELL_MS / 2:
            way = "behind" if off > 0 else "ahead of"
            log.warning("this host's clock is %.1f s %s the database's, which is followed", abs(off) / 1000, way)
            self._off = off
        elif abs(off) <= TELL_MS and self._off:
            log.warning("this host's clock agrees with the database's again")
            self._off = 0


def _steady() -> float:
    """Goes on while the machine sleeps, where there is such a clock."""
    return time.clock_gettime(_STEADY) if _STEADY is not None else time.monotonic()


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
        # Not wait_for: before Python 3.12 it loses a cancellation that comes in the moment of the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        was_set = self._event.is_set()
        self._event.clear()
        return was_set


@dataclass(slots=True, eq=False)
class _Job:
    work: Callable[[], Any]
    done: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.work()
        except BaseException as error:
            self.error = error

    def tell(self) -> None:
        """On the loop of whoever waits, who may have gone away meanwhile."""
        if self.done.done():
            return
        if self.error is not None:
            self.done.set_exception(self.error)
        else:
            self.done.set_result(self.result)


class Brief:
    """Threads for what takes a fraction of a millisecond and comes in crowds, as signatures do. Each takes the next
    thing when it is through with one, and tells of several at once: a future of ``concurrent.futures`` and waking the
    loop cost a tenth of a signature.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._unstarted = [threading.Thread(target=self._run, name=f"{name}_{n}", daemon=True) for n in range(threads)]
        self._threads = len(self._unstarted)

    def submit(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Its result, in the loop that runs now."""
        job = _Job(work, asyncio.get_running_loop().create_future())
        self._jobs.put(job)
        while self._unstarted:
            self._unstarted.pop().start()
        return job.done

    def close(self) -> None:
        """Threads end when they are through with what they were given."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _run(self) -> None:
        job = self._jobs.get()
        while job is not None:
            job = self._several(job)

    def _several(self, first: _Job) -> _Job | None:
        """Do what waits, and tell of it together. Answers the next thing to do; ``None`` at the end."""
        done, until, job = [first], time.monotonic() + TOLD_TOGETHER_SECONDS, first
        while True:
            job.run()
            try:
                following = self._jobs.get_nowait()
            except queue.Empty:
                _tell(done)
                return self._jobs.get()
            if following is None or time.monotonic() > until:
                _tell(done)
                return following
            done.append(following)
            job = following


def _tell(done: Sequence[_Job]) -> None:
    def told(loop: asyncio.AbstractEventLoop) -> None:
        for job in done:
            if job.done.get_loop() is loop:
                job.tell()

    for loop in {job.done.get_loop() for job in done}:
        with contextlib.suppress(RuntimeError):  # it is closed: nobody waits any more
            loop.call_soon_threadsafe(told, loop)


class AsyncScheduler:
    """``service.seams.Scheduler``. Computing goes to a few threads: RSA releases the interpreter while it works."""

    def __init__(self, threads: int | None = None) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        threads = threads or min(4, _cores())
        self._pool = ThreadPoolExecutor(threads, "livepass-build")
        self._brief = Brief(threads, "livepass-sign")
        self._aside = ThreadPoolExecutor(1, "livepass-aside")
        self._shared: dict[Hashable, asyncio.Future[Any]] = {}

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name, context=apart())
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def signal(self) -> AsyncSignal:
        return AsyncSignal()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def off_loop(
        self, work: Callable[[], T], *, share: Hashable = None, aside: bool = False, brief: bool = False
    ) -> T:
        if brief:
            return await self._brief.submit(work)
        running: asyncio.Future[T] | None = self._shared.get(share)
        if running is None:
            pool = self._aside if aside else self._pool
            running = asyncio.get_running_loop().run_in_executor(pool, work)
            if share is None:
                return await running
            self._shared[share] = running
        try:
            return await asyncio.shield(running)  # who waits no longer ends it for nobody else
        finally:
            # By the first who has the result: between its coming and its being used nobody begins anew.
            if running.done() and self._shared.get(share) is running:
                del self._shared[share]

    async def close(self) -> None:
        """Cancel what still runs and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pool.shutdown(wait=False)
        self._aside.shutdown(wait=False)
        self._brief.close()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("task %s failed", task.get_name(), exc_info=task.exception())


def _cores() -> int:
    """Those that this process may use, where that is known."""
    known = getattr(os, "sched_getaffinity", None)
    return len(known(0)) if known is not None else os.cpu_count() or 1
