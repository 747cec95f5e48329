"""What is watched of certificates: one of many looks, one of many speaks, and a renewal starts anew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

import engines
from livepass.core.watching import Problem, Seen, Watched, What
from livepass.service.seams import Store

pytestmark = pytest.mark.usefixtures("engine")

ROW = Watched("public_tls", What.PUBLIC_TLS, "", 10, 1000, 50)
LEAF = Watched("certificate:a", What.CERTIFICATE, "pass.test", 10, 2000, 50)


def on_one(tmp_path: Path, scene: Callable[[Store], Awaitable[None]]) -> None:
    async def main() -> None:
        store = await engines.open_store(engines.new_database(tmp_path / "a.db"))
        try:
            await store.write(lambda tx: tx.watch([ROW, LEAF]))
            await scene(store)
        finally:
            await store.close()

    asyncio.run(main())


async def row(store: Store) -> Watched:
    return next(one for one in await store.watched() if one.subject == ROW.subject)


def test_rows_come_back_as_they_went(tmp_path: Path) -> None:
    async def scene(store: Store) -> None:
        assert await store.watched() == [LEAF, ROW]
        assert await store.watched("pass.test") == [LEAF]
        assert await store.watched("pass.other") == []
        seen = Seen(11, 1001, Problem.WRONG_NAME, "for another")
        assert await store.write(lambda tx: tx.put_seen(ROW.subject, seen, 60, 99))
        assert await row(store) == Watched(
            *("public_tls", What.PUBLIC_TLS, "", 11, 1001, 99, 60, Problem.WRONG_NAME, "for another", None)
        )

    on_one(tmp_path, scene)


def test_one_of_many_looks(tmp_path: Path) -> None:
    async def scene(store: Store) -> None:
        assert not await store.write(lambda tx: tx.claim_look(ROW.subject, 49, 500)), "not due yet"
        claims = (store.write(lambda tx: tx.claim_look(ROW.subject, 50, 500)) for _ in range(8))
        assert sorted(await asyncio.gather(*claims)) == [False] * 7 + [True]
        assert (await row(store)).look_at == 500

    on_one(tmp_path, scene)


def test_one_of_many_speaks_and_of_one_end_once(tmp_path: Path) -> None:
    async def scene(store: Store) -> None:
        async def say(days: int, ends_at: int = 1000) -> bool:
            return await store.write(lambda tx: tx.say_days(ROW.subject, ends_at, days))

        assert sorted(await asyncio.gather(*(say(30) for _ in range(8)))) == [False] * 7 + [True]
        assert not await say(60), "passed by"
        assert not await say(14, ends_at=999), "of another end than is there"
        assert await say(14)
        assert (await row(store)).said_days == 14

    on_one(tmp_path, scene)


@pytest.mark.parametrize("by", ["watch", "put_seen"])
def test_a_later_end_starts_anew(tmp_path: Path, by: str) -> None:
    async def scene(store: Store) -> None:
        async def ends(at: int) -> int | None:
            if by == "watch":
                await store.write(lambda tx: tx.watch([replace(ROW, ends_at=at, look_at=7)]))
            else:
                await store.write(lambda tx: tx.put_seen(ROW.subject, Seen(10, at), 60, 50))
            return (await row(store)).said_days

        assert await store.write(lambda tx: tx.say_days(ROW.subject, 1000, 30))
        assert await ends(1000) == 30
        assert await ends(900) == 30, "an earlier end is no renewal"
        assert await ends(901) is None
        assert (await row(store)).look_at == 50, "what is watched already is looked at when it was to be"

    on_one(tmp_path, scene)


def test_another_problem_is_told_from_the_same_with_other_words(tmp_path: Path) -> None:
    async def scene(store: Store) -> None:
        async def saw(problem: Problem, detail: str) -> bool:
            return await store.write(lambda tx: tx.put_seen(ROW.subject, Seen(None, None, problem, detail), 60, 99))

        assert not await saw(Problem.NONE, "")
        assert await saw(Problem.UNREACHABLE, "refused")
        assert not await saw(Problem.UNREACHABLE, "timed out")
        found = await row(store)
        assert (found.detail, found.starts_at, found.ends_at) == ("timed out", 10, 1000), "the dates stay"
        assert await saw(Problem.EXPIRED, "refused")
        assert await saw(Problem.NONE, "")

    on_one(tmp_path, scene)
