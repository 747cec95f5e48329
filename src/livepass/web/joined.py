"""Changes of single passes that come while one is stored are stored together, as those of a batch are: they would wait
for it in any case, because all of a pass type take their numbers from one row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from livepass.core.current import apart
from livepass.core.unavailable import Unavailable
from livepass.service.drafting import Wish
from livepass.service.issuing import Issued, Issuing, Push, Then
from livepass.service.refusals import Refusal

AT_ONCE = 64
"""The most changes of one transaction: phones wait for it no longer than for a small batch."""
PATIENCE_SECONDS = 0.1
"""Who waits for changes under way goes on without them after this: the images of a new template may be looked at."""


@dataclass(slots=True, eq=False)
class _Asked:
    wish: Wish
    then: Then | None
    answer: asyncio.Future[Issued]

    def tell(self, result: Issued | Refusal) -> None:
        if isinstance(result, Refusal):
            self.fail(result)
        elif not self.answer.done():
            self.answer.set_result(result)

    def fail(self, error: BaseException) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Joined:
    """``Issuing.put`` for callers who know nothing of each other: each gets an answer of its own, and what goes wrong
    with one is not told to the others.
    """

    def __init__(self, issuing: Issuing) -> None:
        self._issuing = issuing
        self._queues: dict[tuple[str, Push], _Queue] = {}

    async def put(self, wish: Wish, push: Push, then: Then | None) -> Issued:
        """As ``Issuing.put``. What nobody waits for any more when its turn comes is left out."""
        asked = _Asked(wish, then, asyncio.get_running_loop().create_future())
        key = wish.pass_type, push
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = _Queue(self._issuing, push)
        queue.add(asked)
        try:
            result = await asked.answer
        finally:
            if queue.idle and self._queues.get(key) is queue:
                del self._queues[key]  # anybody can name a pass type
        self._issuing.link(result)
        return result


class _Queue:
    """What is wanted of one pass type, in the order that it came."""

    def __init__(self, issuing: Issuing, push: Push) -> None:
        self._issuing = issuing
        self._push = push
        self._waiting: list[_Asked] = []
        self._serials: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn: object | None = None
        """Whose turn it is. Whoever has lost it by being slow is still at work."""

    @property
    def idle(self) -> bool:
        return not self._waiting and not self._serials and self._turn is None

    def add(self, asked: _Asked) -> None:
        self._waiting.append(asked)
        self._begin()

    def _begin(self) -> None:
        """It runs when the loop is through with the requests that it has at hand: those are in it. It is no part of any
        of them.
        """
        if not self._waiting or self._turn is not None:
            return
        self._turn = turn = object()
        task = asyncio.get_running_loop().create_task(self._work(turn), name="changes", context=apart())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _pass_on(self, turn: object) -> None:
        if self._turn is turn:
            self._turn = None
            self._begin()

    async def _work(self, turn: object) -> None:
        some = self._take()
        if not some:
            self._turn = None  # all wait for passes that are being changed: who is at it goes on with them
            return
        serials = {asked.wish.serial for asked in some}
        self._serials |= serials
        slow = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._pass_on, turn)
        try:
            await self._put(some)
        except BaseException as error:
            for asked in some:
                asked.fail(error)
            raise
        finally:
            slow.cancel()
            self._serials -= serials
            self._pass_on(turn)
            self._begin()

    def _take(self) -> list[_Asked]:
        """The next ones. Of one pass the first, and none that is being changed: another draft would be in vain."""
        some, left, busy = list[_Asked](), list[_Asked](), set(self._serials)
        for asked in self._waiting:
            if asked.answer.done():
                continue  # nobody waits for it
            if len(some) == AT_ONCE or asked.wish.serial in busy:
                left.append(asked)
            else:
                some.append(asked)
            busy.add(asked.wish.serial)
        self._waiting = left
        return some

    async def _put(self, some: Sequence[_Asked]) -> None:
        if len(some) == 1:
            await self._put_alone(some[0])
            return
        wishes, thens = [asked.wish for asked in some], {i: asked.then for i, asked in enumerate(some) if asked.then}
        results: Sequence[Issued | Refusal | None]
        try:
            results = await self._issuing.put_side_by_side(wishes, self._push, thens)
        except Unavailable as error:
            # The fault of none, and it may have been done: nobody's is tried again.
            results = [None] * len(some)
            for asked in some:
                asked.fail(error)
        except Exception:  # nothing was stored: whose fault it was is told to that one
            results = [None] * len(some)
        for asked, result in zip(some, results, strict=True):
            if asked.answer.done():
                continue  # it was told, or waits no more
            if result is None:
                await self._put_alone(asked)
            else:
                asked.tell(result)

    async def _put_alone(self, asked: _Asked) -> None:
        try:
            asked.tell(await self._issuing.put(asked.wish, self._push, asked.then))
        except Exception as error:
            asked.fail(error)
