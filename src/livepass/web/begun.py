"""A coroutine that was begun outside of any task, and goes on without one.

Most of what phones ask is answered without waiting for anything, and the rest waits once, for a signature: a task and
its turns of the loop would be a fifth of the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Begun(Generic[T]):
    """Let it ``go_on`` once, from where it waits. ``waits_for`` is what it yielded: a future of this loop, or ``None``
    for a turn of it.

    There is no task, and it must not look for one, as ``asyncio.timeout`` does.
    """

    def __init__(self, work: Coroutine[Any, Any, T], waits_for: Any) -> None:
        self._work = work
        self._waits_for = waits_for

    def go_on(self, ended: Callable[[T], None], failed: Callable[[], None]) -> None:
        """Returns at once. One of both is called on the loop: with the result, or where there is none because of an
        error, which the loop reports.
        """
        self._ended, self._failed = ended, failed
        self._wait(self._waits_for)

    def _wait(self, waits_for: Any) -> None:
        if waits_for is None:
            asyncio.get_running_loop().call_soon(self._step)
        else:
            waits_for._asyncio_future_blocking = False  # so a task tells that it was awaited, and not yielded
            waits_for.add_done_callback(self._step)

    def _step(self, _: Any = None) -> None:
        try:
            waits_for = self._work.send(None)  # what went wrong with a future is raised where it is awaited
        except StopIteration as ended:
            self._ended(ended.value)
        except BaseException:
            self._failed()
            raise
        else:
            self._wait(waits_for)
