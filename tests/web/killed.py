"""A process that dies after a number of transactions, as by ``kill -9``."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from livepass import wiring


def dies_after(services: wiring.Services, after: int) -> None:
    """This process does, once so many were committed; 0: it lives."""
    write, done = services.store.write, 0

    async def counted(work: Callable[[Any], Awaitable[Any]]) -> Any:
        nonlocal done
        result = await write(work)
        done += 1
        if done == after:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    services.store.write = counted  # type: ignore[method-assign]
