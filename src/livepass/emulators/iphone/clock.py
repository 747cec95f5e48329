"""Two clocks for the runner: the machine's, and one that stands still until it is told."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

WALL_SLICE = 3600.0
"""The longest sleep on the machine's clock, so that a corrected clock is noticed within the hour."""


class Clock(Protocol):
    """What the runner needs of time."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""

    async def wait(self, until: float | None, wake: asyncio.Event) -> None:
        """Return when ``wake`` is set or the time has come (or now and then without reason); None = never comes."""


class RealClock:
    """The machine's time."""

    def now(self) -> float:
        return time.time()

    async def wait(self, until: float | None, wake: asyncio.Event) -> None:
        seconds = WALL_SLICE if until is None else min(WALL_SLICE, max(0.0, until - time.time()))
        try:
            async with asyncio.timeout(seconds):
                await wake.wait()
        except TimeoutError:
            return


class VirtualClock:
    """Time that moves only by ``advance``. Real sockets still take real time; only the phone's waiting is skipped."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start
        self._waiting: set[asyncio.Event] = set()

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move time forward and let everybody look."""
        self._now += seconds
        for wake in self._waiting:
            wake.set()

    async def wait(self, until: float | None, wake: asyncio.Event) -> None:
        if until is not None and until <= self._now:
            return
        self._waiting.add(wake)
        try:
            await wake.wait()
        finally:
            self._waiting.discard(wake)
