"""A loop that goes round until it is asked to end, and then sees through what it is at."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from livepass.core.unavailable import Unavailable
from livepass.service.seams import Scheduler


def stumbled(log: logging.Logger, who: str, error: Exception) -> None:
    """Say why a round came to nothing; there will be another. A database that is away is no fault to be traced."""
    if isinstance(error, Unavailable):
        log.warning("%s waits for the database: %s", who, error)
    else:
        log.error("%s stumbled; it goes on", who, exc_info=error)


class Rounds:
    """What such a loop and whoever ends it share.

    with rounds.going():
        while not rounds.stopping:
            …
            await rounds.wait(ROUND_SECONDS)
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._wake = scheduler.signal()
        self._ended = scheduler.signal()
        self._going = False
        self.stopping = False

    @contextmanager
    def going(self) -> Iterator[None]:
        self._going = True
        try:
            yield
        finally:
            self._going = False
            self._ended.set()

    def wake(self) -> None:
        """Begin the next round now."""
        self._wake.set()

    async def wait(self, seconds: float) -> bool:
        """Until the next round; answers whether it was woken."""
        return await self._wake.wait(seconds)

    async def stop(self, seconds: float) -> None:
        """Ask it to end, and return once it has, or after so long."""
        self.stopping = True
        self._wake.set()
        if self._going:
            await self._ended.wait(seconds)
