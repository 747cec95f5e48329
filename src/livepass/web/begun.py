"""A coroutine that was begun outside of any task, and goes on in one.

Most of what phones ask is answered without waiting for anything: then a task and its turns of the loop would be a fifth
of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Begun(Generic[T]):
    """``await`` it once: it goes on from where it waits. ``waits_for`` is what it yielded: a future of this loop.

    Before that there was no task, and it must not have looked for one, as ``asyncio.timeout`` does.
    """

    def __init__(self, work: Coroutine[Any, Any, T], waits_for: Any) -> None:
        self._work = work
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, T]:
        waits_for = self._waits_for
        while True:
            step: Callable[[], Any]
            try:
                step = partial(self._work.send, (yield waits_for))
            except BaseException as error:
                step = partial(self._work.throw, error)
            try:
                waits_for = step()
            except StopIteration as ended:
                result: T = ended.value
                return result
