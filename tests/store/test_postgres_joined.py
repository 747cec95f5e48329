"""What is read at the same moment shares a query, and nobody is answered by one that began before they asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from livepass.core.decision import Leave, RaiseAsked
from livepass.core.model import Tag
from livepass.store.postgres_joined import AT_ONCE, HEADS, UNDER_WAY, Joined
from livepass.store.reading import Parameters, Reading
from store.hand import T0, TYPE, opened


class Database:
    """Answers queries one by one, when it is told to; what it says of each phone is how many were asked before."""

    def __init__(self) -> None:
        self.queries: list[list[str]] = []
        self.answers: list[asyncio.Future[None]] = []

    async def rows(self, name: str, parameters: Parameters) -> Sequence[Any]:
        assert name == "ask_heads"
        number = len(self.queries)
        self.queries.append(parameters["device_ids"])
        self.answers.append(asyncio.get_running_loop().create_future())
        await self.answers[number]
        return [(device_id, number) for device_id in parameters["device_ids"]]


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def ask(heads: Joined, *phones: str) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.create_task(heads.rows(TYPE, phone)) for phone in phones]
    await settled()
    return tasks


def test_who_asks_at_the_same_moment_is_in_one_query() -> None:
    async def main() -> None:
        database = Database()
        tasks = await ask(Joined(database, HEADS), "a", "b", "a")
        assert database.queries == [["a", "b"]]
        database.answers[0].set_result(None)
        assert await asyncio.gather(*tasks) == [[("a", 0)], [("b", 0)], [("a", 0)]]

    asyncio.run(main())


def test_who_comes_while_queries_are_under_way_is_answered_by_a_later_one() -> None:
    async def main() -> None:
        database = Database()
        heads = Joined(database, HEADS)
        early = [await ask(heads, f"early{n}") for n in range(UNDER_WAY)]
        late = await ask(heads, "late", "early0")
        assert database.queries == [[f"early{n}"] for n in range(UNDER_WAY)], "no more than these at once"
        database.answers[0].set_result(None)
        assert await early[0][0] == [("early0", 0)]
        await settled()
        assert database.queries[UNDER_WAY:] == [["late", "early0"]]
        database.answers[UNDER_WAY].set_result(None)
        assert await asyncio.gather(*late) == [[("late", UNDER_WAY)], [("early0", UNDER_WAY)]]

    asyncio.run(main())


def test_who_asks_again_at_once_is_not_forgotten() -> None:
    """All queries are through, and their tasks not quite."""

    async def main() -> None:
        database = Database()
        heads = Joined(database, HEADS)

        async def twice(phone: str) -> None:
            await heads.rows(TYPE, phone)
            await heads.rows(TYPE, phone)

        tasks = []
        for n in range(UNDER_WAY):
            tasks.append(asyncio.create_task(twice(f"phone{n}")))
            await settled()
        for answer in database.answers:
            answer.set_result(None)
        await settled()
        for answer in database.answers[UNDER_WAY:]:
            answer.set_result(None)
        await asyncio.wait_for(asyncio.gather(*tasks), 5)

    asyncio.run(main())


def test_a_query_that_hangs_holds_up_those_in_it_only() -> None:
    async def main() -> None:
        database = Database()
        heads = Joined(database, HEADS)
        for n in range(UNDER_WAY):
            await ask(heads, f"hangs{n}")
        [late] = await ask(heads, "late")
        while len(database.queries) == UNDER_WAY:  # noqa: ASYNC110 - patience has no event
            await asyncio.sleep(0.01)
        database.answers[UNDER_WAY].set_result(None)
        assert await asyncio.wait_for(late, 5) == [("late", UNDER_WAY)]

    asyncio.run(main())


def test_a_query_is_no_longer_than_that() -> None:
    async def main() -> None:
        database = Database()
        await ask(Joined(database, HEADS), *(f"phone{n}" for n in range(AT_ONCE + 1)))
        database.answers[0].set_result(None)
        await settled()
        assert [len(query) for query in database.queries] == [AT_ONCE, 1]

    asyncio.run(main())


def test_who_goes_away_takes_nothing_from_the_others() -> None:
    async def main() -> None:
        database = Database()
        gone, stays = await ask(Joined(database, HEADS), "a", "a")
        gone.cancel()
        await settled()
        database.answers[0].set_result(None)
        assert await stays == [("a", 0)]

    asyncio.run(main())


def test_what_goes_wrong_is_told_to_all_of_that_query_and_to_nobody_else() -> None:
    async def main() -> None:
        database = Database()
        heads = Joined(database, HEADS)
        tasks = await ask(heads, "a", "b")
        database.answers[0].set_exception(OSError("away"))
        for task in tasks:
            with pytest.raises(OSError, match="away"):
                await task
        [task] = await ask(heads, "a")
        database.answers[1].set_result(None)
        assert await task == [("a", 1)]

    asyncio.run(main())


@pytest.mark.parametrize("ends", ["answered", "failed", "slow"])
def test_nothing_is_kept_of_pass_types_that_nobody_asks_for_any_more(ends: str) -> None:
    """Anybody can invent pass types."""

    async def main() -> None:
        database = Database()
        heads = Joined(database, HEADS)
        tasks = [asyncio.create_task(heads.rows(f"{TYPE}.{n}", "a")) for n in range(9)]
        await settled()
        if ends == "slow":
            while heads._under_way:  # noqa: ASYNC110 - patience has no event
                await asyncio.sleep(0.01)
        for answer in database.answers:
            answer.set_exception(OSError("away")) if ends == "failed" else answer.set_result(None)
        assert len(await asyncio.gather(*tasks, return_exceptions=True)) == 9
        await settled()
        assert not heads._waiting and not heads._under_way and not heads._tasks

    asyncio.run(main())


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_each_is_told_what_it_would_be_told_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as hand:
            await hand.put("a")
            phones = [f"phone{n}" for n in range(5)]
            for phone in phones:
                await hand.join(phone, "a", token=f"token of {phone}")
            newest = hand.row("counter")["seq"]
            told = [RaiseAsked(TYPE, one, f"token of {one}", 0, newest, (), T0, "e1") for one in phones[1:]]
            await hand.apply(*told)
            await hand.store.ask_snapshot(TYPE, "nobody", None)  # from here on it is known which number is the newest
            names = [*phones, "nobody", "a\x00b"]
            asked = [hand.store.ask_snapshot(TYPE, name, Tag("e1", newest)) for name in names]
            snapshots = dict(zip(names, await asyncio.gather(*asked), strict=True))
            assert {name: one.device and one.device.push_token for name, one in snapshots.items()} == {
                **{phone: f"token of {phone}" for phone in phones},
                "nobody": None,
                "a\x00b": None,
            }
            for phone in phones:
                alone = await hand.store.write(lambda tx, phone=phone: tx.ask_snapshot(TYPE, phone, None))  # type: ignore[misc]
                together = snapshots[phone]
                assert (alone.counter, alone.device, alone.target_dead, alone.push_due, alone.pushed_at) == (
                    together.counter,
                    together.device,
                    together.target_dead,
                    together.push_due,
                    together.pushed_at,
                )
                assert (phone == phones[0]) is bool(together.listed), "left out for whoever has heard the newest"
            assert await hand.store._ask_head("pass.test.nobody", "phone") is None

    asyncio.run(main())


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_lists_passes_and_certificates_are_what_they_would_be_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as hand:
            await hand.put("a", "b", "c")
            for phone, serials in (("one", "a"), ("two", "ab"), ("three", "abc"), ("four", "")):
                for serial in serials or "a":
                    await hand.join(phone, serial, token=f"token of {phone}")
            await hand.apply(Leave(TYPE, "four", "a", T0))
            phones, serials, odd = ["one", "two", "three", "four", "nobody"], ["a", "b", "c", "none"], "a\x00b"
            reads: dict[str, list[Callable[[Reading], Awaitable[object]]]] = {
                "lists": [lambda at, one=one: at.ask_snapshot(TYPE, one, None) for one in phones],  # type: ignore[misc]
                "fetches": [lambda at, one=one: at.fetch_snapshot(TYPE, one) for one in serials],  # type: ignore[misc]
                "passes": [lambda at, one=one: at.pass_(TYPE, one) for one in serials],  # type: ignore[misc]
                "certificates": [lambda at: at.lineage(TYPE)] * 2,
                "of no type": [lambda at: at.ask_snapshot("t", "one", None), lambda at: at.fetch_snapshot("t", "a")],
            }
            for what, kinds in reads.items():
                together = await asyncio.gather(*(read(hand.store) for read in kinds))
                for read, found in zip(kinds, together, strict=True):
                    assert found == await hand.store.write(read), what
            listed = await asyncio.gather(*(hand.store.ask_snapshot(TYPE, one, None) for one in (*phones, odd)))
            assert [len(one.listed) for one in listed] == [1, 2, 3, 1, 0, 0]
            assert [one.device is None for one in listed] == [False] * 4 + [True] * 2
            passes = await asyncio.gather(*(hand.store.pass_(TYPE, one) for one in (*serials, odd)))
            assert [one is None for one in passes] == [False] * 3 + [True] * 2

    asyncio.run(main())
