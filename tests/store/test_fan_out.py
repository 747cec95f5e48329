"""A pass that more phones follow than a change makes due at once: the rest in steps, whatever comes meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import engines
from livepass.core.decision import Leave, Retarget, SaveDevice
from livepass.core.trip1_register import TOMBSTONE_MS
from livepass.service.seams import Tx
from livepass.store import owing
from store.hand import T0, TYPE, Hand, opened, outcome
from store.test_acknowledging import ask

pytestmark = pytest.mark.usefixtures("engine")

MINUTE = 60_000
LIMIT = 3
PHONES = 10


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owing, "AT_ONCE", LIMIT)
    monkeypatch.setattr(owing, "PASSES_AT_ONCE", 2)


@asynccontextmanager
async def crowd(path: Path, phones: int = PHONES) -> AsyncIterator[Hand]:
    """A pass, ``a``, on phones that have heard of it: ``d00`` with the push token ``t00``, and so on."""
    async with opened(path / "a.db") as hand:
        await hand.put("a")
        for n in range(phones):
            await hand.join(f"d{n:02}", "a", f"t{n:02}")
        engines.run(hand.url, "UPDATE push_target SET acked = wanted")
        yield hand


async def step(hand: Hand, now: int = T0, limit: int = LIMIT) -> bool:
    return await hand.store.write(lambda tx: tx.fan_out(now, limit))


async def steps(hand: Hand, now: int = T0) -> int:
    """All that there are."""
    count = 0
    while await step(hand, now):
        count += 1
        assert count < 50
    return count


def due(hand: Hand, number: int | None = None) -> list[str]:
    """The push tokens that are due, with that number where one is given."""
    found = engines.run(hand.url, "SELECT push_token, wanted FROM push_target WHERE wanted > acked ORDER BY push_token")
    return [token for token, wanted in found if number in (None, wanted)]


def everybody(phones: int = PHONES) -> list[str]:
    return [f"t{n:02}" for n in range(phones)]


def test_a_change_makes_some_due_and_leaves_the_rest_to_steps(tmp_path: Path) -> None:
    async def main() -> None:
        async with crowd(tmp_path) as hand:
            number, now_due = await hand.put("a", push_at=T0 + 5)
            assert (now_due, due(hand)) == (LIMIT, everybody()[:LIMIT])
            [rest] = hand.rows("fan_out")
            assert (rest["serial"], rest["seq"], rest["after_key"]) == ("a", number, "d02")
            assert await step(hand)
            assert due(hand) == everybody()[: 2 * LIMIT]
            await steps(hand)
            assert due(hand, number) == everybody()
            assert hand.rows("fan_out") == []
            assert {(row["next_at"], row["urgent"], row["attempts"]) for row in hand.rows("push_target")} == {
                (T0 + 5, 0, 0)
            }

    asyncio.run(main())


def test_what_few_phones_follow_is_due_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with crowd(tmp_path, LIMIT) as hand:
            number, now_due = await hand.put("a")
            assert (now_due, due(hand, number)) == (LIMIT, everybody(LIMIT))
            assert hand.rows("fan_out") == []
            assert not await step(hand)

    asyncio.run(main())


def test_many_passes_that_change_together_count_together(tmp_path: Path) -> None:
    async def main() -> None:
        async with crowd(tmp_path, 2) as hand:
            await hand.put("b", "c", "e")
            for n, serial in enumerate(("b", "b", "c", "e"), 2):
                await hand.join(f"d{n:02}", serial, f"t{n:02}")
            engines.run(hand.url, "UPDATE push_target SET acked = wanted")
            number, now_due = await hand.put("e", "c", "b", "a")
            assert now_due == LIMIT
            await steps(hand)
            assert due(hand, number) == everybody(6)
            assert hand.rows("fan_out") == []

    asyncio.run(main())


def test_a_step_that_does_not_commit_is_done_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with crowd(tmp_path) as hand:
            number, _ = await hand.put("a")

            async def dies(tx: Tx) -> None:
                await tx.fan_out(T0, LIMIT)
                raise KeyError("killed")

            with pytest.raises(KeyError):
                await hand.store.write(dies)
            assert due(hand) == everybody()[:LIMIT]
            await step(hand)
            await hand.store.close()  # the process is gone between two steps
            hand.store = await engines.open_store(hand.url)
            await steps(hand)
            assert due(hand, number) == everybody()

    asyncio.run(main())


def test_a_second_change_in_between_reaches_those_first_that_the_first_one_did_not(tmp_path: Path) -> None:
    async def main() -> None:
        async with crowd(tmp_path) as hand:
            first, _ = await hand.put("a")
            await step(hand)
            second, _ = await hand.put("a")
            assert due(hand, second) == everybody()[2 * LIMIT : 3 * LIMIT]
            assert due(hand, first) == everybody()[: 2 * LIMIT]
            await step(hand)
            assert due(hand, second) == everybody()[2 * LIMIT :]
            await steps(hand)
            assert due(hand, second) == everybody()
            assert hand.rows("fan_out") == []

    asyncio.run(main())


def test_a_pass_that_changes_all_the_time_reaches_everybody_again_and_again(tmp_path: Path) -> None:
    """Fails when each change begins at the beginning: those at the end would never be pushed."""

    async def main() -> None:
        async with crowd(tmp_path) as hand:
            newest: dict[str, int] = {}
            for _ in range(12):
                number, _ = await hand.put("a")
                newest |= dict.fromkeys(due(hand, number), number)
                await step(hand)
                newest |= dict.fromkeys(due(hand, number), number)
            assert sorted(newest) == everybody()
            assert min(newest.values()) > number - 4, "a round takes two changes, and some"
            await steps(hand)
            assert due(hand, number) == everybody(), "and in the end all have the newest"

    asyncio.run(main())


def test_two_busy_passes_take_turns(tmp_path: Path) -> None:
    async def main() -> None:
        async with crowd(tmp_path) as hand:
            await hand.put("b")
            for n in range(PHONES):
                await hand.join(f"e{n:02}", "b", f"u{n:02}")
            engines.run(hand.url, "UPDATE push_target SET acked = wanted")
            for n in range(8):
                await hand.put("a", now=T0 + n, push_at=T0 + n)
                if n == 0:
                    await hand.put("b", now=T0 + n, push_at=T0 + n)
                await step(hand)
            assert [token for token in due(hand) if token.startswith("u")] == [f"u{n:02}" for n in range(PHONES)]

    asyncio.run(main())


@pytest.mark.parametrize("when", ["first", "last"])
def test_a_phone_that_joins_or_takes_another_token_meanwhile_is_owed_its_push(tmp_path: Path, when: str) -> None:
    async def main() -> None:
        async with crowd(tmp_path) as hand:
            at = {"first": "00", "last": "09"}[when]
            number, _ = await hand.put("a")
            joined = await hand.join("d00x" if when == "first" else "dzz", "a", "tnew")
            moved = (SaveDevice(TYPE, f"d{at}", "tmoved", T0), Retarget(TYPE, f"d{at}", f"t{at}", "tmoved", T0))
            await hand.apply(*moved)
            await steps(hand)
            assert hand.target("tnew")["wanted"] == joined
            assert hand.target("tmoved")["wanted"] == number
            assert due(hand) == sorted({*everybody(), "tnew", "tmoved"} - {f"t{at}"})

    asyncio.run(main())


def test_a_phone_that_heard_it_meanwhile_or_is_owed_more_is_let_be(tmp_path: Path) -> None:
    async def main() -> None:
        async with crowd(tmp_path) as hand:
            number, _ = await hand.put("a")
            await hand.apply(ask("d08", number, token="t08"))
            await hand.put("b")
            later = await hand.join("d09", "b", "t09")
            before = hand.target("t09")
            await steps(hand)
            assert due(hand) == [token for token in everybody() if token != "t08"]
            assert (hand.target("t09"), before["wanted"]) == (before, later)

    asyncio.run(main())


def test_the_clean_sheet_of_a_new_version_comes_with_the_steps(tmp_path: Path) -> None:
    async def main() -> None:
        async with crowd(tmp_path) as hand:
            told = await hand.join("d99", "a", "t99")
            for device in ("d00", "d07", "d08", "d09"):
                await hand.apply(ask(device, told, "a", token=f"t{device[1:]}"))
            number, _ = await hand.put("a", now=T0 + MINUTE)
            await hand.apply(ask("d09", number, "a", token="t09", at=T0 + MINUTE))
            await steps(hand)

            def retell_at(device: str) -> int | None:
                found: int | None = hand.registration(device, "a")["retell_at"]
                return found

            assert [retell_at(device) for device in ("d00", "d07", "d08")] == [None] * 3
            assert retell_at("d09") is not None, "it was told of the new one, and is told again of that"

    asyncio.run(main())


def test_a_change_without_pushes_takes_none_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with crowd(tmp_path) as hand:
            assert await hand.put("a", push_at=None) == (PHONES + 2, 0)
            await steps(hand)
            assert due(hand) == []
            number, _ = await hand.put("a", urgent=True)
            assert (await hand.put("a", push_at=None))[1] == 3, "of the change before"
            await steps(hand)
            assert due(hand, number) == everybody()
            assert {row["urgent"] for row in hand.rows("push_target")} == {number}

    asyncio.run(main())


def test_who_left_is_pushed_within_the_hour_and_no_longer(tmp_path: Path) -> None:
    async def main() -> None:
        async with crowd(tmp_path) as hand:
            await hand.apply(Leave(TYPE, "d08", "a", T0))
            await hand.apply(Leave(TYPE, "d09", "a", T0 + 1))
            await hand.put("a")
            await steps(hand, T0 + TOMBSTONE_MS)
            assert due(hand) == [token for token in everybody() if token != "t08"]

    asyncio.run(main())


def test_an_erased_pass_leaves_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with crowd(tmp_path) as hand:
            await hand.put("a")
            assert hand.rows("fan_out")
            await hand.store.write(lambda tx: tx.erase_pass(TYPE, "a"))
            assert hand.rows("fan_out") == []

    asyncio.run(main())


# ── what waits, now; what waited for a certificate


@pytest.mark.parametrize("serial", ["a", None])
def test_wanting_now_says_how_many_and_brings_all_of_them_forward(tmp_path: Path, serial: str | None) -> None:
    async def main() -> None:
        async with crowd(tmp_path) as hand:
            number, _ = await hand.put("a", push_at=T0 + 9 * MINUTE)
            await steps(hand)
            await hand.apply(ask("d05", number, token="t05"))
            assert await hand.store.write(lambda tx: tx.want_now(TYPE, serial, T0 + 5)) == PHONES - 1

            def forward() -> list[str]:
                return [row["push_token"] for row in hand.rows("push_target", next_at=T0 + 5)]

            assert sorted(forward()) == everybody()[:LIMIT]
            # One of those to come is pushed meanwhile, in its own time: it needs no second push.
            engines.run(hand.url, f"UPDATE push_target SET last_push_at = {T0 + 6} WHERE push_token = 't06'")
            await steps(hand)
            assert sorted(forward()) == [token for token in everybody() if token not in ("t05", "t06")]
            assert hand.rows("fan_out") == []

    asyncio.run(main())


def test_a_promotion_resumes_everybody_in_steps_but_what_came_since(tmp_path: Path) -> None:
    async def main() -> None:
        async with crowd(tmp_path) as hand:
            await hand.put("a", push_at=T0 + 9 * MINUTE)
            await steps(hand)
            await hand.store.write(lambda tx: tx.use_credential(TYPE, T0 + 5))

            def resumed() -> list[str]:
                return sorted(row["push_token"] for row in hand.rows("push_target", next_at=T0 + 5))

            assert resumed() == everybody()[:LIMIT]
            await hand.put("b")
            await hand.join("d99", "b", "t99")
            await steps(hand)
            assert resumed() == everybody()
            assert hand.target("t99")["next_at"] == T0 + MINUTE

    asyncio.run(main())


def test_the_next_wish_of_the_same_kind_goes_all_round_once_more(tmp_path: Path) -> None:
    async def main() -> None:
        async with crowd(tmp_path) as hand:
            await hand.put("a", push_at=T0 + 9 * MINUTE)
            await steps(hand)
            for at in (T0 + 5, T0 + 6):
                await hand.store.write(lambda tx, at=at: tx.want_now(TYPE, None, at))
            await steps(hand)
            assert {row["next_at"] for row in hand.rows("push_target")} == {T0 + 6}

    asyncio.run(main())


# ── several processes


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_two_processes_do_not_do_the_same_step(tmp_path: Path) -> None:
    async def main() -> None:
        async with crowd(tmp_path) as hand:
            number, _ = await hand.put("a")
            under_way, done = asyncio.Event(), asyncio.Event()

            async def first(tx: Tx) -> bool:
                found = await tx.fan_out(T0, LIMIT)
                under_way.set()
                await done.wait()
                return found

            one = asyncio.create_task(hand.store.write(first))
            await under_way.wait()
            assert not await step(hand), "the other one is at it"
            changing = asyncio.create_task(hand.put("a"))
            await asyncio.sleep(0.2)
            assert not changing.done(), "it lets the step end, whose place it takes over"
            done.set()
            await one
            second, _ = await changing
            assert due(hand, second) == everybody()[2 * LIMIT : 3 * LIMIT]
            await steps(hand)
            assert due(hand, second) == everybody()
            assert number < second

    asyncio.run(main())


def test_an_outcome_that_is_written_down_between_steps_stays(tmp_path: Path) -> None:
    async def main() -> None:
        async with crowd(tmp_path) as hand:
            number, _ = await hand.put("a")
            claimed = await hand.claim()
            await hand.record("l1", *(outcome(target) for target in claimed))
            await steps(hand)
            assert due(hand, number) == everybody()
            pushed = {row["push_token"] for row in hand.rows("push_target", pushed=number, attempts=1)}
            assert pushed == {target.push_token for target in claimed} == set(everybody()[:LIMIT])

    asyncio.run(main())
