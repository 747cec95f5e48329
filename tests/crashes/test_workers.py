"""Push workers that die, race and end: no push is lost, none is sent twice but for a worker that died."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

import engines
from concurrency.nursery import Nursery
from concurrency.office import PASS_TYPE
from crashes.roles import STEPS
from crashes.scene import PATIENCE, scene
from livepass.core.trip2_push import Outcome, PushAnswer, message, read_answer
from livepass.emulators.authority import Authority

PHONES = 9
HEARD = {"claimed": {0}, "half sent": {0, 1}}
"""How many pushes a phone has heard at a step; ``{1}`` at the others."""


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_dies_at_a_step_costs_at_most_one_push_too_many(
    nursery: Nursery, tmp_path: Path, authority: Authority, engine: str, step: str
) -> None:
    """Fails when a push that was claimed, and perhaps sent, is never tried again; or is tried although it was written
    down.
    """

    async def main() -> None:
        async with scene(tmp_path, authority, PHONES) as made:
            number = await made.change()
            first = nursery.start("crashes.roles:worker", settings=made.settings, dies=step)
            assert await asyncio.to_thread(first.wait, PATIENCE) == -signal.SIGKILL, first.last_words()
            before = made.pushes()
            assert {before[token] for token in made.tokens} <= HEARD.get(step, {1})
            made.leases_run_out()
            second = nursery.start("crashes.roles:worker", settings=made.settings)
            await asyncio.to_thread(second.says, "ready", PATIENCE)
            await made.until_pushed(number)
            second.signal(signal.SIGTERM)
            await asyncio.to_thread(second.well, PATIENCE)
            again = 0 if step == "recorded" else 1
            assert made.pushes() == {token: before[token] + again for token in made.tokens}

    asyncio.run(main())


def test_two_workers_never_hold_one_target(nursery: Nursery, tmp_path: Path, authority: Authority, engine: str) -> None:
    async def prepare() -> object:
        async with scene(tmp_path, authority, 30) as made:
            await made.change()
            return made.settings

    shared = asyncio.run(prepare())
    claimers = [
        nursery.start("crashes.roles:claimer", settings=shared, name=f"claimer{number}", claims=100)
        for number in range(4)
    ]
    for claimer in claimers:
        claimer.well(2 * PATIENCE)
    held = defaultdict(list)
    for claimer in claimers:
        for _, lease, tokens, held_from, held_until in claimer.said():
            for token in tokens:
                held[token].append((held_from, held_until, lease))
    assert len(held) == 30
    assert len({lease.partition("-")[0] for holds in held.values() for *_, lease in holds}) == 4, "all had some"
    for token, holds in held.items():
        for (_, until, one), (since, _, other) in pairwise(sorted(holds)):
            assert until < since, f"{one} and {other} held {token[-4:]} at one time"


def test_a_worker_whose_lease_ran_out_changes_nothing(tmp_path: Path, authority: Authority, engine: str) -> None:
    async def main() -> None:
        async with scene(tmp_path, authority, 1) as made:
            await made.change()
            store = await engines.open_store(made.url)
            now = int(time.time() * 1000) + 60_000

            def look() -> list[tuple[object, ...]]:
                return engines.run(made.url, "SELECT * FROM push_target")

            async def claim(lease: str) -> Outcome:
                [target] = await store.write(
                    lambda tx: tx.claim_targets(PASS_TYPE, lease=lease, now=now, lease_until=now, limit=9)
                )
                answer = PushAnswer(message(target, "id", now), 200, "", None, "id")
                return read_answer(target, answer, now, 1.0, trust_token_errors=True)

            late = await claim("late")
            outcome = await claim("new")
            before = look()
            await store.write(lambda tx: tx.record_outcomes("late", [late], now))
            await store.write(lambda tx: tx.hold_targets("late", [(late.target, now + 9)]))
            assert look() == before
            await store.write(lambda tx: tx.record_outcomes("new", [outcome], now))
            assert look() != before
            await store.close()

    asyncio.run(main())


def test_a_worker_that_is_told_to_end_sees_its_batch_through(
    nursery: Nursery, tmp_path: Path, authority: Authority, engine: str
) -> None:
    """Fails when SIGTERM cuts a batch off: its pushes would be sent again, and not before the leases run out."""

    async def main() -> None:
        async with scene(tmp_path, authority, PHONES) as made:
            made.apns.chaos.set("latency:1500")
            worker = nursery.start("crashes.roles:worker", settings=made.settings)
            await asyncio.to_thread(worker.says, "ready", PATIENCE)
            number = await made.change()
            leased = "SELECT count(*) FROM push_target WHERE lease IS NOT NULL"
            deadline = time.monotonic() + PATIENCE
            while engines.run(made.url, leased) != [(PHONES,)]:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)
            worker.signal(signal.SIGTERM)
            told_at = time.monotonic()
            await asyncio.to_thread(worker.well, PATIENCE)
            assert time.monotonic() - told_at < 20
            assert engines.run(made.url, "SELECT DISTINCT pushed, lease FROM push_target") == [(number, None)]
            assert made.pushes() == dict.fromkeys(made.tokens, 1)

    asyncio.run(main())
