"""Runs pairs: which orders there are, and what each of them broke."""

from __future__ import annotations

import asyncio
import random
import shlex
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

from concurrency import ledger
from interleavings.pairs import PAIRS, Pair
from interleavings.rules import After, broken, rows
from interleavings.scene import Scene, opened
from interleavings.turns import Plan, Turns, gated
from livepass.emulators.authority import Authority
from livepass.service import observing
from livepass.store import owing
from livepass.store.verify import Verified, verify
from livepass.store.whole_postgres import PostgresSnapshot

SECONDS = 30
"""For one order: who is not through by then waits for something that nobody does."""
LONGER = 20
"""Steps that a work may take more than when nobody else is at work: what lost a race is run again."""
AT_ONCE = owing.AT_ONCE
PHONES_PER_PASS = 64


@dataclass
class Found:
    """``broken``: by order, what it broke."""

    pair: Pair
    orders: list[str] = field(default_factory=list)
    broken: dict[str, list[str]] = field(default_factory=dict)

    @property
    def first(self) -> int:
        """How many orders it took to find something; 0: nothing was found."""
        return next((place for place, order in enumerate(self.orders, 1) if order in self.broken), 0)

    def said(self, most: int = 3) -> str:
        """What the first orders broke, and how to see it again."""
        lines = []
        for order, texts in list(self.broken.items())[:most]:
            again = f"./scripts/interleavings {shlex.quote(self.pair.name)} --exactly --order {order}"
            lines += [f"    {order}: {'; '.join(texts[:3])}", f"    {again}"]
        return "\n".join(lines)


# ── orders


def by_order(order: str) -> Plan:
    """As written; who cannot go on is passed over, and at its end whoever is at it goes on to its end."""
    left, last = list(order), [order[:1]]

    def plan(ready: str) -> str:
        while left:
            last[0] = left.pop(0)
            if last[0] in ready:
                return last[0]
        return last[0] if last[0] in ready else ready[0]

    return plan


def by_seed(seed: str) -> Plan:
    return random.Random(seed).choice


def bounded(steps: tuple[int, int], rng: random.Random) -> list[str]:
    """All orders with two switches at most besides those that ends and locks force: one works for some steps, then
    the other, then the first to its end. Those in which the other comes to its end in one go are first.
    """
    one_switch, two_switches = [], []
    for who, other, mine, its in (("a", "b", *steps), ("b", "a", *reversed(steps))):
        for before in range(1, mine):
            # Once it is at its end, it is passed over.
            one_switch.append(who * before + other * (its + LONGER) + who * mine)
            two_switches += [who * before + other * between + who * mine for between in range(1, its)]
    rng.shuffle(one_switch)
    rng.shuffle(two_switches)
    return one_switch + two_switches


def plans(steps: tuple[int, int], seed: str) -> Iterator[Plan]:
    """Two of those with few switches, one at random, and so on; then at random for ever."""
    few = bounded(steps, random.Random(seed))
    for number in count():
        yield from map(by_order, few[2 * number : 2 * number + 2])
        yield by_seed(f"{seed} {number}")


# ── a pair


@asynccontextmanager
async def lane(folder: Path, authority: Authority) -> AsyncIterator[Lane]:
    lane = Lane()
    with (
        gated(lambda: lane.present),
        patch.multiple(observing, GATHER_SECONDS=0.0, LOOK_SECONDS=0.001),
        patch.object(owing, "AT_ONCE", AT_ONCE),
    ):
        async with opened(folder, authority) as lane.scene:
            yield lane


class Lane:
    """A scene, and the turns that are being played on it."""

    scene: Scene
    present: Turns | None = None

    async def prepare(self, pair: Pair) -> None:
        owing.AT_ONCE = AT_ONCE
        scene = self.scene
        for side in scene.sides.values():
            side.services.answering._phones_per_pass = PHONES_PER_PASS
        await scene.put_back("stocked")
        if pair.before is not None:
            await pair.before(scene)
        await scene.remember("prepared")

    async def run(self, pair: Pair, plan: Plan) -> tuple[str, list[str]]:
        """(the order as it was, what it broke)."""
        scene = self.scene
        await scene.put_back("prepared")
        before = await rows(scene.watch)
        turns = Turns(plan, scene.watch, scene.ask)
        works = {name: partial(work, scene.sides[name]) for name, work in (("a", pair.first), ("b", pair.second))}
        self.present = turns
        try:
            said = await asyncio.wait_for(turns.play(works), SECONDS)
        finally:
            self.present = None
        await scene.ask()
        await self._finish()
        return turns.order, broken(await self._after(pair, turns, said, before))

    async def _finish(self) -> None:
        """What is left to the keepers is done."""
        desk = self.scene.desk
        while await desk.store.write(lambda tx: tx.fan_out(desk.clock.now(), 5)):
            pass
        while await desk.store.write(lambda tx: tx.spread_epoch(desk.clock.now(), 5)):
            pass

    async def _after(self, pair: Pair, turns: Turns, said: dict[str, Any], before: Any) -> After:
        watch, now = self.scene.watch, self.scene.desk.clock.now()
        loose = [
            f"loose end: {tuple(row)}" for one in (ledger.DANGLING, ledger.UNDUE) for row in await watch.fetch(one)
        ]
        history = ledger.History.from_rows(*[await watch.fetch(statement) for statement in ledger.HISTORY])
        after = await rows(watch)
        return After(
            self.scene.log, said, turns.circles, pair.erases, before, after, history, loose, await self._verified(), now
        )

    async def _verified(self) -> Verified:
        watch, now = self.scene.watch, self.scene.desk.clock.now()
        async with watch.transaction(isolation="repeatable_read", readonly=True):
            return await verify(PostgresSnapshot(watch, 0), now=now, sample=10, quick=True)

    async def explore(self, pair: Pair, most: int, seed: int, *, until_found: bool = False) -> Found:
        """``most`` orders: two thirds with few switches, the rest at random; 0: all with few switches."""
        await self.prepare(pair)
        found = Found(pair)
        a, b = [(await self._try(found, by_order(who)))[0] for who in ("a", "b")]
        steps = a.count("a"), b.count("b")
        most = most or len(bounded(steps, random.Random())) * 3 // 2
        for plan in islice(plans(steps, f"{pair.name} {seed}"), most - 2):
            if until_found and found.broken:
                break
            await self._try(found, plan)
        return found

    async def _try(self, found: Found, plan: Plan) -> tuple[str, list[str]]:
        order, texts = await self.run(found.pair, plan)
        found.orders.append(order)
        if texts:
            found.broken.setdefault(order, texts)
        return order, texts


def chosen(words: Sequence[str], *, exactly: bool = False) -> list[Pair]:
    """The pairs in whose names all words stand; ``exactly``: the one that is named so."""
    found = [pair for pair in PAIRS if (pair.name in words if exactly else all(word in pair.name for word in words))]
    if not found:
        raise SystemExit(f"there are {'; '.join(pair.name for pair in PAIRS)}")
    return found
