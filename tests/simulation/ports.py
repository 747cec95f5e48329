"""What a process sees of the world, in virtual time: ``service.seams.Clock``, ``Chance``, ``Signal``, ``Scheduler``."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar

from simulation.loop import Killed, Loop, Owner, Park

T = TypeVar("T")


class HostClock:
    """A host's wall clock, which may be wrong, and its stopwatch, which is not."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.off = 0.0
        """Seconds ahead of the true time."""

    def now(self) -> int:
        return int((self._loop.now + self.off) * 1000)

    def stopwatch(self) -> float:
        return self._loop.now


class SeededChance:
    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def token_bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def fraction(self) -> float:
        return self._random.random()


class VirtualSignal:
    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._is_set = False
        self._park: Park | None = None

    def set(self) -> None:
        self._is_set = True
        park, self._park = self._park, None
        if park is not None:
            self._loop.wake(park)

    async def wait(self, seconds: float) -> bool:
        if not self._is_set:
            park = self._park = Park()
            self._loop.later(seconds, lambda: self._loop.wake(park))
            await park
        was_set, self._is_set = self._is_set, False
        return was_set


class VirtualScheduler:
    """Tasks of one process."""

    def __init__(self, loop: Loop, owner: Owner) -> None:
        self._loop = loop
        self._owner = owner

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._loop.spawn(work, self._owner, name)

    def signal(self) -> VirtualSignal:
        return VirtualSignal(self._loop)

    async def sleep(self, seconds: float) -> None:
        if self._owner.dead:
            raise Killed
        await self._loop.sleep(seconds)

    async def off_loop(
        self, work: Callable[[], T], *, share: Hashable = None, aside: bool = False, brief: bool = False
    ) -> T:
        """Others run meanwhile: before it begins, and before its result is used."""
        if self._owner.dead:
            raise Killed
        await self._loop.pause()
        result = work()
        await self._loop.pause()
        return result
