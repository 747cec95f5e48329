"""What is read for many phones at the same moment is one query: to put a question to the server costs more than to
answer it.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from livepass.store.reading import Connection, Parameters
from livepass.store.rows import Row

AT_ONCE = 100
"""The most keys that one query looks at: those behind them wait for the next."""
UNDER_WAY = 2
"""Queries of a pass type at once. Whoever comes meanwhile is in the next one."""
PATIENCE_SECONDS = 0.1
"""A query that takes longer, on a connection that is dead perhaps, does not count as one under way."""

Waiting = list[tuple[str, "asyncio.Future[Sequence[Row]]"]]
"""Keys, and who waits for what the database says of them."""


@dataclass(frozen=True, slots=True)
class Joint:
    """A statement that reads for many keys of a pass type what another reads for one.

    ``keys`` is its parameter for them, ``at`` the column that says which a row is of; ``shared`` columns say the same
    of each key, also of one that is not there. Without ``keys`` all ask for the same.
    """

    statement: str
    keys: str = ""
    at: int = 0
    shared: tuple[int, ...] = ()

    def parameters(self, pass_type: str, keys: Sequence[str]) -> Parameters:
        return {"pass_type": pass_type, self.keys: list(dict.fromkeys(keys))} if self.keys else {"pass_type": pass_type}

    def by_key(self, found: Sequence[Row]) -> Mapping[str, Sequence[Row]]:
        rows: dict[str, list[Row]] = defaultdict(list)
        for row in found:
            rows[row[self.at] if self.keys else ""].append(row)
        return rows

    def of_nobody(self, found: Sequence[Row]) -> Sequence[Row]:
        """What is said of a key that is not there."""
        if not found or not self.shared:
            return ()
        return (tuple(value if number in self.shared else None for number, value in enumerate(found[0])),)


HEADS = Joint("ask_heads", "device_ids", shared=(1, 2))
LISTS = Joint("ask_snapshots", "device_ids", shared=(1, 2))
FETCHES = Joint("fetch_snapshots", "serials", shared=(6, 7))
PASSES = Joint("passes_named", "serials", at=1)
LINEAGES = Joint("lineage")
JOINTS = (HEADS, LISTS, FETCHES, PASSES, LINEAGES)


class Joined:
    """Reads for one key together with those for others: always by a query that began after it was asked for."""

    def __init__(self, db: Connection, joint: Joint) -> None:
        self._db = db
        self._joint = joint
        self._waiting: dict[str, Waiting] = {}
        self._under_way: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def rows(self, pass_type: str, key: str = "") -> Sequence[Row]:
        """The rows of one key. Raises what the query raised."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[Row]] = loop.create_future()
        self._waiting.setdefault(pass_type, []).append((key, answer))
        self._begin(pass_type)
        return await answer

    def _begin(self, pass_type: str) -> None:
        if self._waiting[pass_type] and self._under_way[pass_type] < UNDER_WAY:
            self._under_way[pass_type] += 1
            # Its turn comes when the loop is through with the requests that it has at hand: those are in it.
            task = asyncio.get_running_loop().create_task(self._ask(pass_type), name=self._joint.statement)
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
                if not self._under_way[pass_type]:  # anybody can ask for pass types that there are not
                    del self._under_way[pass_type], self._waiting[pass_type]

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
        joint = self._joint
        try:
            found = await self._db.rows(joint.statement, joint.parameters(pass_type, [key for key, _ in asked]))
        except BaseException as error:
            for _, answer in asked:
                if not answer.done():  # who asked may have gone
                    answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            rows, nobody = joint.by_key(found), joint.of_nobody(found)
            for key, answer in asked:
                if not answer.done():
                    answer.set_result(rows.get(key, nobody))
