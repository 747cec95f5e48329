"""Figures that take seconds to count, counted on a thread of its own and shown with their age."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from livepass.service.seams import Clock

log = logging.getLogger(__name__)

T = TypeVar("T")

FRESH_MS, SLOW = 5_000, 20
"""Counted again when it is older, or than so many times what counting took: it costs a twentieth of a core at most."""


@dataclass(frozen=True, slots=True)
class Held(Generic[T]):
    """What was counted, when that began to be true (ms), and how long it took."""

    found: T
    at: int
    took_ms: int


class Aged(Generic[T]):
    """What was counted last. One count is under way at a time, and only while somebody looks.

    ``count`` makes the coroutine that counts; it runs in an event loop of its own, so it opens what it reads itself.
    """

    def __init__(self, clock: Clock, count: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._clock = clock
        self._count = count
        self._held: Held[T] | None = None
        self._counting: asyncio.Event | None = None

    async def look(self, seconds: float = 0.0) -> Held[T] | None:
        """The last count, of any age; one that is too old is begun anew, and not waited for. ``seconds``: how long
        whoever comes before the first count waits for it.
        """
        held = self._held
        old = held is None or self._clock.now() - held.at > max(FRESH_MS, SLOW * held.took_ms)
        if old and self._counting is None:
            self._counting = asyncio.Event()
            # Not the loop's executor: a process that ends would wait for the count, which only reads.
            done = partial(asyncio.get_running_loop().call_soon_threadsafe, self._counting.set)
            threading.Thread(target=self._run, args=(done,), name="count", daemon=True).start()
        if held is None and seconds and self._counting is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._counting.wait(), seconds)
        return self._held

    def _run(self, done: Callable[[], object]) -> None:
        at, began = self._clock.now(), time.perf_counter()
        try:
            found = asyncio.run(self._count())
            self._held = Held(found, at, round(1000 * (time.perf_counter() - began)))
        except Exception as error:  # tried again by the next who looks; the age tells of it meanwhile
            log.warning("figures of all registrations could not be counted: %s: %s", type(error).__name__, error)
        finally:
            self._counting = None
            with contextlib.suppress(RuntimeError):  # the loop has ended
                done()
