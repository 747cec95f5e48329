"""An ask acknowledges a push for the record that asked; other records with its push token speak for themselves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from livepass.core.decision import Leave, RaiseAsked, SaveDevice, Supersede
from livepass.service.seams import Tx
from store.hand import T0, TYPE, Hand, opened, outcome

pytestmark = pytest.mark.usefixtures("engine")

MINUTE = 60_000


def ask(
    device: str, told: int, *named: str, token: str = "aa", at: int = T0, epoch: str = "e1", siblings_since: int = 0
) -> RaiseAsked:
    pairs = tuple((serial, at + 15 * MINUTE) for serial in named)
    return RaiseAsked(TYPE, device, token, 0, told, pairs, at, epoch, siblings_since)


async def two_records(hand: Hand) -> None:
    """One phone with two records, one for each pass, that were told everything."""
    await hand.put("a", "b")
    await hand.join("one", "a")
    await hand.join("two", "b")
    await hand.apply(ask("one", 3), ask("two", 3))
    assert (hand.target()["wanted"], hand.target()["acked"]) == (3, 3)


def due(hand: Hand) -> bool:
    return bool(hand.target()["wanted"] > hand.target()["acked"])


def test_one_record_does_not_acknowledge_what_another_is_owed(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await two_records(hand)
            await hand.put("b")
            await hand.apply(ask("one", 4))
            assert due(hand), "the ask of the other record may have been lost"
            assert hand.target()["acked"] == 3
            await hand.apply(ask("two", 4))
            assert not due(hand)

    asyncio.run(main())


def test_a_record_that_is_owed_nothing_holds_nothing_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await two_records(hand)
            await hand.put("a")
            await hand.apply(ask("one", 4))
            assert not due(hand)

    asyncio.run(main())


def test_two_records_that_ask_together_acknowledge_together(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await two_records(hand)
            await hand.put("a", "b")
            await hand.apply(ask("one", 4), ask("two", 4))
            assert not due(hand)

    asyncio.run(main())


@pytest.mark.parametrize("gone", ["left", "superseded", "another token"])
def test_what_is_no_record_of_this_phone_any_more_holds_nothing_back(tmp_path: Path, gone: str) -> None:
    how = {
        "left": Leave(TYPE, "two", "b", T0),
        "superseded": Supersede(TYPE, "two", "b", "aa", T0),
        "another token": SaveDevice(TYPE, "two", "bb", T0),
    }

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await two_records(hand)
            await hand.apply(how[gone])
            await hand.put("b")
            await hand.apply(ask("one", 4))
            assert not due(hand)

    asyncio.run(main())


def test_a_record_that_was_heard_long_before_the_others_holds_nothing_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await two_records(hand)
            await hand.put("b")
            await hand.apply(ask("one", 4, siblings_since=T0))
            assert due(hand)
            await hand.apply(ask("one", 4, siblings_since=T0 + 1))
            assert not due(hand), "the phone has given it up"

    asyncio.run(main())


def test_a_record_that_registered_lately_is_heard_though_it_never_asked(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            await hand.join("one", "a")
            await hand.join("new", "b", at=T0 + 5)
            await hand.apply(ask("one", 3, siblings_since=T0 + 5))
            assert due(hand), "it is owed the push of its joining"
            await hand.apply(ask("one", 3, siblings_since=T0 + 6))
            assert not due(hand)

    asyncio.run(main())


def test_what_is_held_back_waits_as_after_a_silent_push(tmp_path: Path) -> None:
    """Else a phone that answers for one record, and never for the other, would be pushed every minute."""

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await two_records(hand)
            await hand.put("b", push_at=T0)
            [target] = await hand.claim()
            await hand.record("l1", outcome(target, next_at=T0 + MINUTE))
            await hand.apply(ask("one", 4))
            assert (hand.target()["attempts"], hand.target()["next_at"]) == (1, T0 + MINUTE)
            await hand.apply(ask("two", 4))
            assert hand.target()["attempts"] == 0

    asyncio.run(main())


def test_what_is_acknowledged_only_rises(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            await hand.join("one", "a")
            await hand.apply(ask("one", 2))
            assert hand.target()["acked"] == 2
            await hand.join("two", "b")
            await hand.apply(ask("one", 3))
            assert hand.target()["acked"] == 2, "not to what the new record was told, which is nothing"
            assert due(hand)

    asyncio.run(main())


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_two_records_that_ask_at_two_hosts_at_once_acknowledge_together(tmp_path: Path) -> None:
    """Fails when the second looks at what the first was told before the first wrote it down: a push too many."""

    async def main() -> None:
        async with opened(tmp_path) as hand:
            await two_records(hand)
            await hand.put("a", "b")
            asked, done = asyncio.Event(), asyncio.Event()

            async def first(tx: Tx) -> None:
                await tx.apply([ask("one", 4)], ())
                asked.set()
                await done.wait()

            asking = asyncio.create_task(hand.store.write(first))
            await asked.wait()
            other = asyncio.create_task(hand.apply(ask("two", 4)))
            await asyncio.sleep(0.3)  # as far as it gets
            done.set()
            await asyncio.gather(asking, other)
            assert not due(hand)

    asyncio.run(main())
