"""Asks that come at the same moment are one query: to put a question to the server costs more than to answer it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from livepass.store.reading import Parameters
from livepass.store.rows import Row

AT_ONCE = 100
"""The most phones that one query looks at: those behind them wait for the next."""
UNDER_WAY = 2
"""Queries of a pass type at once. Whoever comes meanwhile is in the next one."""
PATIENCE_SECONDS = 0.1
"""A query that takes longer, on a connection that is dead perhaps, does not count as one under way."""
_NOT_KNOWN = (None,) * 8
"""What ``ask_head`` says of a phone that it does not find."""

Query = Callable[[str, Parameters], Awaitable[Sequence[Row]]]
Waiting = list[tuple[str, "asyncio.Future[Row | None]"]]
"""Device ids, and who waits for what the database says of them."""


class AskHeads:
    """``ask_head`` of one phone, read with those of others: always by a query that began after it was asked for."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._waiting: dict[str, Waiting] = {}
        self._under_way: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def head(self, pass_type: str, device_id: str) -> Row | None:
        """The row; ``None``: there is no such pass type. Raises what the query raised."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Row | None] = loop.create_future()
        self._waiting.setdefault(pass_type, []).append((device_id, answer))
        self._begin(pass_type)
        return await answer

    def _begin(self, pass_type: str) -> None:
        if self._waiting[pass_type] and self._under_way[pass_type] < UNDER_WAY:
            self._under_way[pass_type] += 1
            # Its turn comes when the loop is through with the requests that it has at hand: those are in it.
            task = asyncio.get_running_loop().create_task(self._ask(pass_type), name="ask-heads")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, pass_type: str) -> None:
        loop, waiting, counts = asyncio.get_running_loop(), self._waiting[pass_type], True

        def pass_on() -> None:
            nonlocal counts
            if counts:
                counts = False
                self._under_way[pass_type] -= 1
                self._begin(pass_type)

        try:
            while waiting and counts:
                asked = waiting[:AT_ONCE]
                del waiting[:AT_ONCE]
                slow = loop.call_later(PATIENCE_SECONDS, pass_on)
                await self._answer(pass_type, asked)
                slow.cancel()
        finally:
            pass_on()  # at once: who comes before this task is over begins another

    async def _answer(self, pass_type: str, asked: Waiting) -> None:
        try:
            found = await self._heads(pass_type, [device_id for device_id, _ in asked])
        except BaseException as error:
            for _, answer in asked:
                if not answer.done():  # who asked may have gone
                    answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            for device_id, answer in asked:
                if not answer.done():
                    answer.set_result(found.get(device_id, found.get("")))

    async def _heads(self, pass_type: str, device_ids: Sequence[str]) -> dict[str, Row]:
        """By device id; ``""``: what is said of those that are not known. Empty: there is no such pass type."""
        found = await self._query("ask_heads", {"pass_type": pass_type, "device_ids": list(dict.fromkeys(device_ids))})
        heads: dict[str, Row] = {row[0]: row[1:] for row in found if row[0] is not None}
        if found:
            heads[""] = (*found[0][1:3], *_NOT_KNOWN)
        return heads
