"""Pairs of units of work in many orders of their statements: numbers, registrations, tags and leases add up."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import engines
from concurrency.ledger import History, gaps, loose_ends
from concurrency.office import PASS_TYPE, config, settings, stock
from interleavings.turns import Turns, install
from livepass import wiring
from livepass.core.history import Reason
from livepass.emulators.authority import Authority
from livepass.service.drafting import Wish
from livepass.service.epochs import begin_epochs

SCHEDULES = int(os.environ.get("LIVEPASS_TEST_SCHEDULES", "10"))
"""Seeds of each pair."""
ASKER = 10_000
Work = Callable[["Side", int], Awaitable[Any]]


class Side:
    """One of two processes. ``n`` is the number of the schedule: each has phones of its own."""

    def __init__(self, name: str, services: wiring.Services) -> None:
        self.name = name
        self.services = services

    async def _allowed(self) -> str:
        row = await self.services.store.pass_(PASS_TYPE, "1")
        assert row is not None
        return f"ApplePass {self.services.keys.token('default', PASS_TYPE, '1', row.token)}"

    async def change(self, n: int) -> Any:
        value = f"{self.name}{n}"
        return await self.services.issuing.put(Wish(PASS_TYPE, "1", data={"value": value}, patch=True))

    async def register(self, n: int) -> int:
        body = json.dumps({"pushToken": f"{n:04x}{self.name}{self.name}"}).encode()
        reply = await self.services.answering.register(PASS_TYPE, "1", f"phone{n}", await self._allowed(), body)
        assert reply.status in (200, 201)
        return reply.status

    async def unregister(self, n: int) -> int:
        reply = await self.services.answering.unregister(PASS_TYPE, "1", f"phone{n}", await self._allowed())
        return reply.status

    async def asks(self, tag: str | None) -> Any:
        return await self.services.answering.ask(PASS_TYPE, f"phone{ASKER}", tag, None)

    async def ask(self, n: int) -> str:
        tag: str = json.loads((await self.asks(None)).body)["lastUpdated"]
        return tag

    async def claim(self, n: int) -> Any:
        now = self.services.clock.now() + 10**9 * (n + 1)
        lease = f"{self.name}{n}"
        return await self.services.store.write(
            lambda tx: tx.claim_targets(PASS_TYPE, lease=lease, now=now, lease_until=now + 1000, limit=3)
        )

    async def begin(self, n: int) -> Any:
        counters, now = await self.services.store.counters(), self.services.clock.now()
        chance = self.services.chance
        return await self.services.store.write(
            lambda tx: begin_epochs(tx, counters, Reason.ASKED_FOR, now=now, chance=chance, lost={})
        )

    async def spread(self) -> None:
        """What a new history owes is made due."""
        now = self.services.clock.now()
        while await self.services.store.write(lambda tx: tx.spread_epoch(now, 5)):
            pass


PAIRS: dict[str, tuple[Work, Work]] = {
    "change x change": (Side.change, Side.change),
    "change x register": (Side.change, Side.register),
    "register x register, one phone": (Side.register, Side.register),
    "register x unregister": (Side.register, Side.unregister),
    "ask x change": (Side.ask, Side.change),
    "ask x register": (Side.ask, Side.register),
    "claim x claim": (Side.claim, Side.claim),
    "claim x change": (Side.claim, Side.change),
    "claim x register": (Side.claim, Side.register),
    "new epoch x change": (Side.begin, Side.change),
    "new epoch x register": (Side.begin, Side.register),
    "new epoch x new epoch": (Side.begin, Side.begin),
}


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
@pytest.mark.parametrize("pair", PAIRS)
def test_every_order_of_statements_adds_up(
    tmp_path: Path, authority: Authority, engine: str, pair: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    present: list[Turns] = []
    install(monkeypatch, lambda: present[-1] if present else None)

    async def main() -> None:
        shared = settings(tmp_path)
        url = shared["database_url"]
        await stock(shared, authority, {PASS_TYPE: ["1"]})
        watch = await asyncpg.connect(url)
        async with wiring.opened(config(shared)) as one, wiring.opened(config(shared)) as other:
            a, b = Side("a", one), Side("b", other)
            first, second = PAIRS[pair]
            await a.register(ASKER)
            for seed in range(SCHEDULES):
                turns = Turns(seed, watch)
                present.append(turns)
                works = {"a": partial(first, a, seed), "b": partial(second, b, seed)}
                said = await asyncio.wait_for(turns.play(works), 20)
                present.clear()
                if first is Side.begin:
                    await a.spread()
                where = f"{pair}, seed {seed}, order {turns.order}"
                for answer in said.values():
                    assert not isinstance(answer, BaseException), (where, answer)
                if first is Side.claim and second is Side.claim:
                    tokens = [target.push_token for held in said.values() for target in held]
                    assert len(tokens) == len(set(tokens)), where
                if (first, second) == (Side.ask, Side.change) and said["b"].number > int(said["a"].split(".")[2]):
                    assert "1" in json.loads((await a.asks(said["a"])).body)["serialNumbers"], where
                assert list(gaps(History.of(url))) == [], where
                assert loose_ends(url) == [], where
        await watch.close()
        assert engines.run(url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]

    asyncio.run(main())
