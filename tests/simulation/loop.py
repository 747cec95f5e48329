"""One thread of virtual time: which task goes on next is drawn, and when none can, time jumps to the next timer.

Nothing here is asyncio. A coroutine hands the loop one of three things: ``None`` (let others run), a number (seconds to
sleep) or a ``Park`` (until somebody wakes it). Each of them is a point where others come between, and where the process
that the task belongs to may be killed.
"""

from __future__ import annotations

import contextlib
import heapq
import random
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


class Killed(BaseException):
    """The process of this task is dead. Not an ``Exception``: nothing that handles faults may survive its process."""


class Lost(Exception):
    """The process that was to answer died before it did."""


class Owner(Protocol):
    """What a task belongs to and dies with."""

    dead: bool

    def came_by(self) -> None:
        """A task of it reached a point where it may be killed."""


class Park:
    """Until ``Loop.wake``."""

    __slots__ = ("task", "timer", "value")

    def __init__(self) -> None:
        self.task: Task | None = None
        self.value: Any = None

    def __await__(self) -> Generator[Any, None, Any]:
        yield self
        return self.value


class _Yield:
    __slots__ = ("seconds",)

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds

    def __await__(self) -> Generator[Any, None, None]:
        yield self.seconds


class Task:
    """A coroutine under way. ``seen`` and ``exchange`` are for whoever watches: what it has read of the database,
    and which request it answers.
    """

    __slots__ = ("coro", "done", "exchange", "name", "owner", "parked", "seen")

    def __init__(self, coro: Coroutine[Any, Any, Any], owner: Owner | None, name: str) -> None:
        self.coro = coro
        self.owner = owner
        self.name = name
        self.done = False
        self.parked = 0
        self.seen: int | None = None
        self.exchange: Any = None


class Future(Generic[T]):
    """A value that comes once."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._park: Park | None = None
        self.done = False
        self._value: T | None = None
        self._error: BaseException | None = None

    def set(self, value: T) -> None:
        if not self.done:
            self.done, self._value = True, value
            self._wake()

    def fail(self, error: BaseException) -> None:
        if not self.done:
            self.done, self._error = True, error
            self._wake()

    def _wake(self) -> None:
        if self._park is not None:
            self._loop.wake(self._park)

    async def get(self) -> T:
        if not self.done:
            self._park = Park()
            await self._park
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]


class Loop:
    """``now`` is the true time, in seconds since the Unix epoch."""

    def __init__(self, rng: random.Random, start: float, failed: Callable[[Task, BaseException], None]) -> None:
        self._draw = rng.random
        self.drag = 0.002
        """How many seconds a point takes at most, when it takes any: a busy machine takes longer at each."""
        self.now = start
        self.steps = 0
        self._failed = failed
        self._ready: list[Task] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.current: Task | None = None
        self.tasks: dict[Task, None] = {}

    # ── what tasks and the world ask for

    def spawn(self, coro: Coroutine[Any, Any, Any], owner: Owner | None, name: str) -> None:
        if owner is not None and owner.dead:
            coro.close()
            return
        task = Task(coro, owner, name)
        self.tasks[task] = None
        self._ready.append(task)

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call at an instant; now, if that has passed."""
        self._count += 1
        heapq.heappush(self._timers, (max(when, self.now), self._count, call))

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.at(self.now + seconds, call)

    def pause(self) -> _Yield:
        """Let others come between: mostly at once, sometimes some milliseconds later, rarely seconds."""
        chance = self._draw()
        if chance < 0.85:
            return _PAUSE
        return _Yield(self.drag * (chance - 0.85) / 0.15 if chance < 0.999 else 3.0 * self._draw())

    async def sleep(self, seconds: float) -> None:
        await _Yield(max(0.0, seconds))

    def wake(self, park: Park, value: Any = None) -> None:
        task = park.task
        if task is not None and not task.done:
            park.task, park.value = None, value
            task.parked += 1
            self._ready.append(task)

    def future(self) -> Future[Any]:
        return Future(self)

    # ── running

    def run(self, until: float) -> None:
        """Work until an instant of virtual time."""
        ready, timers = self._ready, self._timers
        while True:
            if ready:
                index = int(self._draw() * len(ready))
                task = ready[index]
                ready[index] = ready[-1]
                ready.pop()
                self._step(task)
            elif timers and timers[0][0] <= until:
                when, _, call = heapq.heappop(timers)
                self.now = when
                call()
            else:
                self.now = max(self.now, until)
                return

    def _step(self, task: Task) -> None:
        if task.done:
            return
        if task.owner is not None and self._dies(task, task.owner):
            return
        self.steps += 1
        self.current = task
        try:
            wanted = task.coro.send(None)
        except StopIteration:
            self._finish(task)
        except Killed:
            self._finish(task)
        except Exception as error:
            self._finish(task)
            self._failed(task, error)
        else:
            if wanted is None:
                self._ready.append(task)
            elif type(wanted) is Park:
                wanted.task = task
            else:
                self._sleep(task, wanted)
        finally:
            self.current = None

    def _dies(self, task: Task, owner: Owner) -> bool:
        owner.came_by()
        return task.done

    def _sleep(self, task: Task, seconds: float) -> None:
        self.later(seconds, lambda: None if task.done else self._ready.append(task))

    def _finish(self, task: Task) -> None:
        task.done = True
        self.tasks.pop(task, None)

    def kill(self, owner: Owner) -> None:
        """Every task of it ends where it stands. Its ``finally`` blocks run, and can reach nothing any more."""
        for task in [task for task in self.tasks if task.owner is owner]:
            self._finish(task)
            if task is self.current:
                continue  # it is the one that is running: it is thrown out where it stands
            try:
                while True:
                    task.coro.throw(Killed())
            except (Killed, StopIteration, RuntimeError):
                pass
            task.coro.close()

    def close(self) -> None:
        """Throw everything away."""
        for task in list(self.tasks):
            self._finish(task)
            with contextlib.suppress(RuntimeError):
                task.coro.close()


_PAUSE = _Yield(None)
