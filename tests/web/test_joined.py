"""Changes that are stored together know nothing of each other: each is answered as if it had come alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import pytest

from livepass.core.unavailable import Unavailable
from livepass.service.drafting import Wish
from livepass.service.issuing import Issued, Issuing, Push, Then
from livepass.service.refusals import Refusal
from livepass.web.joined import AT_ONCE, Joined
from web.asgi import PASS_TYPE, Api, with_api

Answer = Callable[[list[str]], list[Any]]


class Slow:
    """Stands for ``Issuing``: answers what it is given when it is told to, with the number of the call."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.go: list[asyncio.Future[None]] = []
        self.stale: set[str] = set()
        self.linked: list[Any] = []

    async def put_side_by_side(
        self, wishes: Sequence[Wish], push: Push, thens: Mapping[int, Then]
    ) -> list[Issued | Refusal | None]:
        number = len(self.calls)
        self.calls.append([wish.serial for wish in wishes])
        self.go.append(asyncio.get_running_loop().create_future())
        await self.go[number]
        return [None if wish.serial in self.stale else cast(Issued, (wish.serial, number)) for wish in wishes]

    async def put(self, wish: Wish, push: Push, then: Then | None) -> Issued:
        self.stale.discard(wish.serial)
        [result] = await self.put_side_by_side([wish], push, {})
        return cast(Issued, result)

    def link(self, issued: Any) -> None:
        self.linked.append(issued)


async def settled() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


async def put(joined: Joined, *serials: str, pass_type: str = PASS_TYPE) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.create_task(joined.put(Wish(pass_type, serial), "auto", None)) for serial in serials]
    await settled()
    return tasks


def played(play: Callable[[Slow, Joined], Any]) -> None:
    async def main() -> None:
        slow = Slow()
        await asyncio.wait_for(play(slow, Joined(cast(Issuing, slow))), 20)

    asyncio.run(main())


def test_who_comes_meanwhile_is_in_the_next_one() -> None:
    async def play(slow: Slow, joined: Joined) -> None:
        first = await put(joined, "a", "b")
        late = await put(joined, "c", "d")
        assert slow.calls == [["a", "b"]]
        slow.go[0].set_result(None)
        assert await asyncio.gather(*first) == slow.linked == [("a", 0), ("b", 0)]
        await settled()
        assert slow.calls[1:] == [["c", "d"]]
        slow.go[1].set_result(None)
        assert await asyncio.gather(*late) == [("c", 1), ("d", 1)]
        assert joined._queues == {}, "what nobody waits in is not kept"

    played(play)


def test_changes_of_one_pass_come_one_after_the_other_and_in_order() -> None:
    async def play(slow: Slow, joined: Joined) -> None:
        tasks = await put(joined, "a", "a", "b", "a")
        for number, serials in enumerate((["a", "b"], ["a"], ["a"])):
            assert slow.calls[number:] == [serials]
            slow.go[number].set_result(None)
            await settled()
        assert await asyncio.gather(*tasks) == [("a", 0), ("a", 1), ("b", 0), ("a", 2)]

    played(play)


def test_one_transaction_takes_no_more_than_that() -> None:
    async def play(slow: Slow, joined: Joined) -> None:
        tasks = await put(joined, *(str(n) for n in range(AT_ONCE + 1)))
        slow.go[0].set_result(None)
        await settled()
        assert [len(call) for call in slow.calls] == [AT_ONCE, 1]
        slow.go[1].set_result(None)
        await asyncio.gather(*tasks)

    played(play)


def test_a_slow_one_holds_up_its_own_pass_only() -> None:
    async def play(slow: Slow, joined: Joined) -> None:
        stuck = await put(joined, "stuck")
        others = await put(joined, "stuck", "other")
        while len(slow.calls) < 2:  # noqa: ASYNC110 - patience has no event
            await asyncio.sleep(0.01)
        assert slow.calls[1:] == [["other"]]
        slow.go[1].set_result(None)
        assert await others[1] == ("other", 1)
        slow.go[0].set_result(None)
        await settled()
        assert slow.calls[2:] == [["stuck"]], "and nobody is forgotten"
        slow.go[2].set_result(None)
        assert await asyncio.gather(*stuck, others[0]) == [("stuck", 0), ("stuck", 2)]
        assert joined._queues == {}

    played(play)


def test_pass_types_do_not_wait_for_each_other() -> None:
    async def play(slow: Slow, joined: Joined) -> None:
        await put(joined, "a")
        tasks = await put(joined, "a", pass_type="pass.test.other")
        slow.go[1].set_result(None)
        assert await asyncio.gather(*tasks) == [("a", 1)]

    played(play)


def test_who_goes_away_before_it_began_is_left_out_and_holds_up_nobody() -> None:
    async def play(slow: Slow, joined: Joined) -> None:
        first = await put(joined, "a")
        gone, stays = await put(joined, "b", "c")
        gone.cancel()
        first[0].cancel()
        await settled()
        slow.go[0].set_result(None)
        await settled()
        assert slow.calls[1:] == [["c"]]
        slow.go[1].set_result(None)
        assert await stays == ("c", 1)

    played(play)


def test_what_goes_wrong_with_one_is_told_to_that_one() -> None:
    async def play(slow: Slow, joined: Joined) -> None:
        real = slow.put_side_by_side

        async def fails(wishes: Sequence[Wish], *more: Any) -> Any:
            if any(wish.serial == "bad" for wish in wishes):
                raise KeyError("bad")
            return await real(wishes, *more)

        slow.put_side_by_side = fails  # type: ignore[method-assign]
        tasks = await put(joined, "a", "bad", "b")
        for number in range(2):
            slow.go[number].set_result(None)
            await settled()
        a, bad, b = await asyncio.gather(*tasks, return_exceptions=True)
        assert (a, type(bad), b) == (("a", 0), KeyError, ("b", 1))

    played(play)


def test_what_went_stale_meanwhile_is_stored_by_itself() -> None:
    async def play(slow: Slow, joined: Joined) -> None:
        slow.stale.add("a")
        a, b = await put(joined, "a", "b")
        slow.go[0].set_result(None)
        await settled()
        assert slow.calls == [["a", "b"], ["a"]]
        slow.go[1].set_result(None)
        assert await asyncio.gather(a, b) == [("a", 1), ("b", 0)]

    played(play)


def test_what_may_have_been_done_is_not_tried_again() -> None:
    async def play(slow: Slow, joined: Joined) -> None:
        tasks = await put(joined, "a", "b")
        slow.go[0].set_exception(Unavailable("the database went away during a commit"))
        for told in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(told, Unavailable)
        assert len(slow.calls) == 1

    played(play)


@with_api
async def test_each_caller_gets_its_own_answer(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made, changed, refused and unknown, all at the same moment; and one pass twice, of which nothing is lost."""
    for serial in ("1", "2"):
        await api.issue(serial)
    store, transactions = api.services.store, list[int]()
    write = store.write

    async def counted(work: Any) -> Any:
        transactions.append(1)
        return await write(work)

    monkeypatch.setattr(store, "write", counted)
    path = f"/passes/{PASS_TYPE}"
    calls = [
        api.call("PATCH", f"{path}/1", {"data": {"points": 7}}),
        api.call("PATCH", f"{path}/2", {"data": {"points": 8}}),
        api.call("PUT", f"{path}/new", {"template": "membership", "data": {"points": 1}}),
        api.call("PATCH", f"{path}/nobody", {"data": {"points": 1}}),
        api.call("PATCH", f"{path}/2", {"data": {"pointz": 1}}),
        api.call("PATCH", f"{path}/1", {"content": {"logoText": "Gym"}}),
        api.call("PATCH", f"{path}/1", {"data": {"points": 9}}, headers=[(b"if-match", b'"no"')]),
    ]
    replies = await asyncio.gather(*calls)
    assert [reply.status for reply in replies] == [200, 200, 201, 404, 422, 200, 412]
    assert len(transactions) < 4, "of four changes, those at the same moment share one"
    assert replies[0].json()["tag"] != replies[5].json()["tag"], "changes of one pass have numbers of their own"
    row = await store.pass_(PASS_TYPE, "1")
    assert row is not None
    assert b'"points":7' in row.data and b"Gym" in row.content
