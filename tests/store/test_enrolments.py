"""Enrolments as they are kept: in the order of their commits, with their pass, and gone with it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

import engines
from livepass.core.model import Enrolment
from livepass.core.timeline import TAKEN
from store.hand import OTHER, T0, TYPE, Hand, opened, version

pytestmark = pytest.mark.usefixtures("engine")


def enrolment(id_: str, serial: str = "a", pass_type: str = TYPE, *, on_pass: bool = False) -> Enrolment:
    return Enrolment(pass_type, id_, serial, TAKEN, T0, on_pass, b"\x01" + b"\x11" * 8 + id_.encode())


async def keep(hand: Hand, *enrolments: Enrolment) -> list[int]:
    return [await hand.store.write(lambda tx, one=one: tx.put_enrolment(one)) for one in enrolments]


def test_one_is_found_by_its_id_and_by_its_pass(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            [first, second, other] = await keep(hand, enrolment("e1"), enrolment("e0"), enrolment("e2", "b"))
            assert first < second < other, "each takes a number"
            assert await hand.store.enrolment(TYPE, "e1") == replace(enrolment("e1"), number=first)
            assert await hand.store.enrolment(OTHER, "e1") is None
            assert await hand.store.enrolment(TYPE, "e9") is None
            assert [one.id for one in await hand.store.enrolments_of(TYPE, "a")] == ["e1", "e0"]

    asyncio.run(main())


def test_a_number_that_was_taken_for_the_pass_is_the_enrolments_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            made = version("a", sha="s2")
            made = replace(made, row=replace(made.row, enrolled="e1"))

            async def both(tx: object) -> int:
                number, _ = await tx.put_passes(TYPE, [made], now=T0, push_at=T0, urgent=False)  # type: ignore[attr-defined]
                kept = await tx.put_enrolment(replace(enrolment("e1", on_pass=True), number=number))  # type: ignore[attr-defined]
                assert kept == number
                return kept  # type: ignore[no-any-return]

            number = await hand.store.write(both)
            found = await hand.store.pass_(TYPE, "a")
            assert (found.enrolled, found.seq) == ("e1", number)
            assert (await hand.store.enrolment(TYPE, "e1")).on_pass
            assert (await hand.store.counter(TYPE)).seq == number

    asyncio.run(main())


def test_they_are_read_on_in_the_order_of_their_commits(tmp_path: Path) -> None:
    """Whoever holds a number back holds up the others: nothing appears before what was read already."""

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            other = await engines.open_store(hand.url)
            await hand.put("a")
            stores = [hand.store, other] * 10
            seen: list[str] = []
            at = -1

            async def add(n: int) -> None:
                await stores[n].write(lambda tx: tx.put_enrolment(enrolment(f"e{n}")))

            async def read_on() -> None:
                nonlocal at
                epoch = (await hand.store.counter(TYPE)).epoch
                while page := await hand.store.enrolments(TYPE, epoch=epoch, after=at, limit=3):
                    seen.extend(one.id for one, _ in page)
                    at = page[-1][0].number

            writers = [asyncio.ensure_future(add(n)) for n in range(len(stores))]
            while not all(writer.done() for writer in writers):
                await read_on()
                await asyncio.sleep(0)
            await asyncio.gather(*writers)
            await read_on()
            assert sorted(seen) == sorted(f"e{n}" for n in range(len(stores))), "each once, none missed"
            await other.close()

    asyncio.run(main())


def test_numbers_of_another_history_say_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await keep(hand, enrolment("e1"), enrolment("e2"))
            epoch = (await hand.store.counter(TYPE)).epoch
            assert [one.id for one, _ in await hand.store.enrolments(TYPE, epoch="lost", after=10**9, limit=9)] == [
                "e1",
                "e2",
            ]
            assert await hand.store.enrolments(TYPE, epoch=epoch, after=10**9, limit=9) == []
            [(one, present)] = await hand.store.enrolments(TYPE, epoch="", after=0, limit=1)
            assert (one.id, present) == ("e1", epoch)

    asyncio.run(main())


def test_they_are_erased_with_their_pass(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            await keep(hand, enrolment("e1"), enrolment("e2"), enrolment("e3", "b"))
            assert await hand.store.write(lambda tx: tx.erase_pass(TYPE, "a"))
            assert [row["id"] for row in hand.rows("enrolment")] == ["e3"]

    asyncio.run(main())
