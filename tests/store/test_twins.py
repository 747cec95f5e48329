"""What the statements mean: superseding, reinstating, forgetting, and looking at a crowd."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from livepass.core.crowd import AT_ONCE
from livepass.core.decision import Forget, Join, Leave, NewEpoch, RaiseServed, Reinstate, SaveDevice, Supersede
from livepass.core.snapshots import Handed, Silent, Twin
from livepass.core.timeline import Event, Kind
from livepass.service.seams import Tx
from store.hand import T0, TYPE, Hand, opened
from store.test_acknowledging import ask

pytestmark = pytest.mark.usefixtures("engine")

MINUTE = 60_000


def supersede(device: str, token: str = "aa", at: int = T0 + 5) -> Supersede:
    return Supersede(TYPE, device, "a", token, at)


def forget(device: str, token: str = "aa", *, heard_at: int = T0, told: int = 0) -> Forget:
    return Forget(TYPE, device, "a", token, heard_at, told)


def superseded_at(hand: Hand, device: str) -> int | None:
    found: int | None = hand.registration(device, "a")["superseded_at"]
    return found


def test_a_push_token_is_as_old_as_the_registration_that_brought_it(tmp_path: Path) -> None:
    """Not as the moment at which that was carried out: a 410 is compared with it."""

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.apply(SaveDevice(TYPE, "one", "aa", T0 - 9), Join(TYPE, "one", "a", T0, T0))
            assert hand.target()["token_registered_at"] == T0 - 9
            await hand.apply(SaveDevice(TYPE, "one", "aa", T0 - 20))
            assert hand.target()["token_registered_at"] == T0 - 9

    asyncio.run(main())


# ── superseding


def test_a_superseded_registration_keeps_the_first_instant_and_is_not_told_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("one", "a")
            await hand.apply(ask("one", 2, "a"))
            assert hand.registration("one", "a")["retell_at"] is not None
            await hand.apply(supersede("one"), supersede("one", at=T0 + 9))
            assert superseded_at(hand, "one") == T0 + 5
            assert hand.registration("one", "a")["retell_at"] is None

    asyncio.run(main())


def test_what_left_or_has_another_push_token_by_now_is_not_superseded(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("moved", "a")
            await hand.join("gone", "a")
            await hand.apply(SaveDevice(TYPE, "moved", "bb", T0 + 1), Leave(TYPE, "gone", "a", T0 + 1))
            await hand.apply(supersede("moved"), supersede("gone"))
            assert (superseded_at(hand, "moved"), superseded_at(hand, "gone")) == (None, None)

    asyncio.run(main())


def test_it_is_reinstated_when_nobody_else_stands_for_the_phone(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            for device in ("old", "new"):
                await hand.join(device, "a")
            await hand.join("new", "b", "aa")
            await hand.apply(supersede("old"))
            await hand.apply(Reinstate(TYPE, "old", "a"))
            assert superseded_at(hand, "old") is not None, "the new one does"
            await hand.apply(Leave(TYPE, "new", "a", T0))
            await hand.apply(Reinstate(TYPE, "old", "a"))
            assert superseded_at(hand, "old") is None, "the new one follows another pass, which says nothing of this"

    asyncio.run(main())


def test_a_change_of_push_token_makes_two_phones_of_them(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            for device in ("old", "new"):
                await hand.join(device, "a")
            await hand.apply(supersede("old"))
            await hand.apply(SaveDevice(TYPE, "new", "bb", T0 + 1))
            await hand.apply(Reinstate(TYPE, "old", "a"))
            assert superseded_at(hand, "old") is None

    asyncio.run(main())


def test_superseding_comes_before_asking_who_stands_for_the_phone(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            for device in ("one", "two"):
                await hand.join(device, "a")
            await hand.apply(supersede("one"))
            await hand.apply(Reinstate(TYPE, "one", "a"), supersede("two"), SaveDevice(TYPE, "one", "aa", T0 + 5))
            assert superseded_at(hand, "one") is None
            assert superseded_at(hand, "two") is not None

    asyncio.run(main())


def test_who_registers_sees_the_phone_under_its_other_device_ids(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            await hand.join("one", "a", "aa", at=T0)
            await hand.join("two", "a", "aa", at=T0 + 1)
            await hand.join("two", "b", "aa", at=T0 + 7)
            await hand.join("elsewhere", "b", "aa")
            await hand.join("other", "a", "bb")
            await hand.apply(supersede("one"), Leave(TYPE, "two", "a", T0 + 3), ask("two", 6))
            twins = {
                "one": Twin("one", T0, None, T0 + 5, T0, 0),
                "two": Twin("two", T0 + 1, T0 + 3, None, T0 + 7, 6),
            }

            async def seen(device: str, serial: str, token: str | None) -> list[Twin]:
                snapshot = await hand.store.register_snapshot(TYPE, serial, device, push_token=token)
                return sorted(snapshot.twins, key=lambda one: one.device_id)

            assert await seen("new", "a", "aa") == [twins["one"], twins["two"]]
            assert await seen("one", "a", "aa") == [twins["two"]], "not itself"
            assert await seen("one", "a", None) == [twins["two"]], "by the push token that it has"
            assert await seen("new", "a", None) == [], "which a stranger has not"
            assert await seen("new", "nobody", "aa") == []
            assert await seen("new", "a", "cc") == []

    asyncio.run(main())


def test_neither_a_tombstone_nor_a_superseded_registration_is_to_be_told_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            for device in ("left", "past"):
                await hand.join(device, "a")
            await hand.apply(Leave(TYPE, "left", "a", T0), supersede("past"))
            await hand.apply(ask("left", 3, "a"), ask("past", 3, "a"))
            assert [row["retell_at"] for row in hand.rows("registration")] == [None, None]

    asyncio.run(main())


# ── forgetting


def test_what_is_forgotten_takes_its_phone_and_its_token_along(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            await hand.join("alone", "a", "aa")
            await hand.join("two", "a", "bb")
            await hand.join("two", "b", "bb")
            await hand.join("shares", "a", "cc")
            await hand.join("with", "b", "cc")
            await hand.apply(forget("alone"), forget("two", "bb"), forget("shares", "cc"))
            assert [row["serial"] for row in hand.rows("registration")] == ["b", "b"]
            assert sorted(row["device_id"] for row in hand.rows("device")) == ["two", "with"]
            assert sorted(row["push_token"] for row in hand.rows("push_target")) == ["bb", "cc"]

    asyncio.run(main())


def test_what_was_heard_of_since_is_not_forgotten(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            for device in ("registered", "asked", "moved"):
                await hand.join(device, "a")
            await hand.apply(SaveDevice(TYPE, "registered", "aa", T0 + 1), ask("asked", 4))
            await hand.apply(SaveDevice(TYPE, "moved", "bb", T0))
            await hand.apply(*(forget(device) for device in ("registered", "asked", "moved", "nobody")))
            assert len(hand.rows("registration")) == len(hand.rows("device")) == 3
            await hand.apply(forget("registered", heard_at=T0 + 1), forget("asked", told=4))
            assert [row["device_id"] for row in hand.rows("registration")] == ["moved"]

    asyncio.run(main())


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_phone_that_is_registering_at_this_moment_is_let_be(tmp_path: Path) -> None:
    """It has read that it is registered, and will not join: forgetting it now would lose what it is told is kept."""

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            reading, forgotten = asyncio.Event(), asyncio.Event()

            async def registering(tx: Tx) -> None:
                await tx.lock_phone(TYPE, "phone", "bb")
                snapshot = await tx.register_snapshot(TYPE, "a", "phone", push_token="bb")
                assert snapshot.registration is not None
                reading.set()
                await forgotten.wait()
                await tx.apply([SaveDevice(TYPE, "phone", "bb", T0 + 1)], ())

            task = asyncio.create_task(hand.store.write(registering))
            await reading.wait()
            await hand.apply(forget("phone"))
            forgotten.set()
            await task
            assert [row["device_id"] for row in hand.rows("registration")] == ["phone"]
            await hand.apply(forget("phone", "bb", heard_at=T0 + 1))
            assert hand.rows("registration") == []

    asyncio.run(main())


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_one_phone_registers_under_one_device_id_at_a_time(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("three", "a", "bb")
            order: list[str] = []
            holding, done = asyncio.Event(), asyncio.Event()

            async def first(tx: Tx) -> None:
                await tx.lock_phone(TYPE, "one", "bb")
                holding.set()
                await done.wait()
                order.append("one")

            async def second(device: str, token: str | None, tx: Tx) -> None:
                await tx.lock_phone(TYPE, device, token)
                order.append(device)

            task = asyncio.create_task(hand.store.write(first))
            await holding.wait()
            await hand.store.write(lambda tx: second("two", "cc", tx))
            waiting = [
                asyncio.create_task(hand.store.write(lambda tx: second("two", "bb", tx))),
                asyncio.create_task(hand.store.write(lambda tx: second("three", None, tx))),
            ]
            await asyncio.sleep(0.2)
            assert order == ["two"], "another push token waits for nobody"
            done.set()
            await asyncio.gather(task, *waiting)
            assert order[1] == "one"
            assert sorted(order[2:]) == ["three", "two"], "also one that brings no token but has one"

    asyncio.run(main())


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_an_ask_of_the_old_device_id_waits_for_the_new_one_that_registers(tmp_path: Path) -> None:
    """Whoever looks for somebody who stands for the phone must not look at what was there a moment ago."""

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("old", "a")
            await hand.apply(supersede("old"))
            joined, done = asyncio.Event(), asyncio.Event()

            async def registering(tx: Tx) -> None:
                join = (SaveDevice(TYPE, "new", "aa", T0), Join(TYPE, "new", "a", T0, T0))
                await tx.apply([*join, supersede("old")], ())
                joined.set()
                await done.wait()

            task = asyncio.create_task(hand.store.write(registering))
            await joined.wait()
            asking = asyncio.create_task(hand.apply(ask("old", 2, "a"), Reinstate(TYPE, "old", "a")))
            await asyncio.sleep(0.2)
            done.set()
            await asyncio.gather(task, asking)
            assert superseded_at(hand, "old") is not None

    asyncio.run(main())


# ── telling again, in a new epoch


def test_a_new_epoch_starts_telling_again_afresh(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            await hand.apply(ask("phone", 2, "a"))
            assert await hand.store.write(lambda tx: tx.retell(T0 + 15 * MINUTE, 9)) == 1
            await hand.apply(ask("phone", 3, "a"))
            assert await hand.store.write(lambda tx: tx.retell(T0 + 15 * MINUTE, 9)) == 1
            assert hand.registration("phone", "a")["retold"] == 2
            await hand.apply(NewEpoch(TYPE, "e1", "e2", 0))
            await hand.apply(ask("phone", 5, "a", epoch="e2"))
            assert await hand.store.write(lambda tx: tx.retell(T0 + 15 * MINUTE, 9)) == 1
            assert hand.registration("phone", "a")["retold"] == 1
            assert [event["detail"] for event in hand.rows("event", kind="retold")][-1] == '{"times":1}'

    asyncio.run(main())


# ── a crowd


def test_all_phones_may_have_fetched_but_of_a_crowd_only_the_one_that_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            for device, token in (("one", "aa"), ("past", "aa"), ("two", "bb"), ("three", "cc")):
                await hand.join(device, "a", token)
            await hand.join("elsewhere", "b", "dd")
            await hand.apply(supersede("past"))

            async def candidates(device: str | None, limit: int) -> tuple[list[str], bool]:
                handed = [Handed(TYPE, "c", None), Handed(TYPE, "a", device)]
                [none, one] = await hand.store.candidates(handed, limit=limit)
                assert (list(none.found), none.crowded) == ([], False), "each is told of its own"
                return sorted(phone.device_id for _, phone in one.found), one.crowded

            assert await candidates(None, 4) == (["one", "past", "three", "two"], False)
            assert await candidates("one", 3) == (["one", "past"], True), "what it did under another id, it did"
            assert await candidates("two", 3) == (["two"], True)
            assert await candidates("elsewhere", 3) == await candidates(None, 3) == ([], True)

    asyncio.run(main())


async def look(hand: Hand, device: str = "", cap: int = 2, limit: int = AT_ONCE) -> tuple[int, list[str], int | None]:
    found = await hand.store.write(lambda tx: tx.crowd(TYPE, "a", device, cap=cap, limit=limit))
    assert found is not None
    return found.phones, sorted(one.device_id for one in found.silent), found.said_at


def test_a_crowd_is_counted_and_those_that_never_asked_are_found(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            for n, device in enumerate(("asked", "served", "gone", "past", "silent")):
                await hand.join(device, "a", f"a{n}", at=T0 + n)
            await hand.join("elsewhere", "b", "bb")
            await hand.apply(ask("asked", 7, token="a0"), RaiseServed(TYPE, "served", "a", 1, T0, False, "e1"))
            await hand.apply(Leave(TYPE, "gone", "a", T0), supersede("past", "a3"))
            assert await look(hand) == (3, ["silent"], None)
            found = await hand.store.write(lambda tx: tx.crowd(TYPE, "a", "", cap=2, limit=9))
            assert found is not None
            assert found.silent == [Silent("silent", "a4", T0 + 4, T0 + 4)]

    asyncio.run(main())


def test_some_are_looked_at_from_a_device_id_on_and_round(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            for device in "abcdefgh":
                await hand.join(device, "a", device * 2)
            assert (await look(hand, "e", cap=1, limit=2))[:2] == (3, ["a", "b", "f", "g"])
            assert (await look(hand, "e", cap=1, limit=9))[1] == list("abcdfgh")
            assert (await look(hand, "x", cap=1, limit=3))[1] == list("abc")

    asyncio.run(main())


def test_when_it_was_said_last_is_looked_for_in_the_latest_events(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            said = [Event(Kind.TOO_MANY_PHONES, at, TYPE, serial) for serial, at in (("a", 5), ("a", 7), ("b", 9))]
            await hand.store.write(lambda tx: tx.add_events(said))
            assert (await look(hand))[2] == 7
            await hand.store.write(lambda tx: tx.add_events([Event(Kind.FETCHED, 8, TYPE, "a")] * 4))
            assert (await look(hand, limit=5))[2] == 7
            assert (await look(hand, limit=4))[2] is None

    asyncio.run(main())


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_one_looks_at_a_time(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a", "b")
            looking, looked = asyncio.Event(), asyncio.Event()

            async def first(tx: Tx) -> None:
                assert await tx.crowd(TYPE, "a", "", cap=2, limit=9) is not None
                looking.set()
                await looked.wait()

            task = asyncio.create_task(hand.store.write(first))
            await looking.wait()
            assert await hand.store.write(lambda tx: tx.crowd(TYPE, "a", "", cap=2, limit=9)) is None
            assert await hand.store.write(lambda tx: tx.crowd(TYPE, "b", "", cap=2, limit=9)) is not None
            looked.set()
            await task

    asyncio.run(main())


def test_phones_are_counted_for_one_that_does_not_follow_the_pass_yet(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            for n in range(5):
                await hand.join(f"p{n}", "a", f"a{n}")
            await hand.apply(Leave(TYPE, "p0", "a", T0), supersede("p1", "a1"))

            async def phones(device: str, most: int) -> int:
                return (await hand.store.register_snapshot(TYPE, "a", device, most_phones=most)).phones

            assert [await phones("new", most) for most in (0, 2, 3, 9)] == [0, 2, 3, 3]
            assert await phones("p2", 9) == 0, "it is one of them"
            assert await phones("p0", 9) == 3, "it left, and is one more"

    asyncio.run(main())
