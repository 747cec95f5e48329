"""Figures of all registrations, beside what adding up row by row says, over random data of every state."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import engines
from livepass.core.house import Chores, FanOut, Owed
from livepass.core.model import Watermarks
from livepass.core.staleness import AGES, Waiting, added
from livepass.core.timeline import Event, Kind, first_gap
from livepass.core.verdict import Circuit
from store.hand import OTHER, T0, TYPE, Hand, opened

pytestmark = pytest.mark.usefixtures("engine")

NOW = T0 + 10 * AGES[-1]
SIZE = 60
OLD = 5 * AGES[-1]


def chosen(chance: random.Random, *ages: int) -> int:
    """An instant about one of the bounds, on it, or anywhere."""
    return NOW - chance.choice([*AGES, *ages]) + chance.choice([-1, 0, 1, -30_000, 30_000])


async def filled(hand: Hand, chance: random.Random) -> None:
    """Two pass types. Some passes changed in an epoch that is over; some registrations ended, or were superseded."""
    await hand.pass_type(OTHER)
    later: list[tuple[str, tuple[object, ...]]] = []
    for pass_type, began in ((TYPE, 0), (OTHER, 30)):
        engines.run(hand.url, "UPDATE counter SET began = ?, seq = 99 WHERE pass_type = ?", began, pass_type)
        serials = [f"s{number}" for number in range(SIZE // 2)]
        await hand.put(*serials, pass_type=pass_type)
        for serial in serials:
            moved = "UPDATE pass SET seq = ?, changed_at = ? WHERE pass_type = ? AND serial = ?"
            later.append((moved, (chance.randrange(60), chosen(chance, 0, OLD, OLD), pass_type, serial)))
        for number in range(SIZE):
            device, serial = f"{chance.getrandbits(32):08x}", chance.choice(serials)
            await hand.join(device, serial, token=f"t{number}", pass_type=pass_type)
            served = chance.choice([0, 10, 30, 60, 99])
            row = (chosen(chance, 0, OLD, OLD), served, chosen(chance) if served else None)
            ended = (chance.choice([None, None, None, 5]), chance.choice([None, None, None, 5]))
            changed = (
                "UPDATE registration SET registered_at = ?, served = ?, served_at = ?, left_at = ?, superseded_at = ?"
                " WHERE pass_type = ? AND device_id = ?"
            )
            later.append((changed, (*row, *ended, pass_type, device)))
            instants = (chance.choice([None, chosen(chance)]), pass_type, device)
            later.append(("UPDATE device SET asked_at = ? WHERE pass_type = ? AND device_id = ?", instants))
            pushed = (chance.choice([None, chosen(chance)]), pass_type, f"t{number}")
            later.append(("UPDATE push_target SET last_push_at = ? WHERE pass_type = ? AND push_token = ?", pushed))
    engines.run_all(hand.url, later)
    epochs = [Event(Kind.NEW_EPOCH, NOW - age, OTHER, seq=30) for age in (AGES[3], AGES[1])]
    await hand.store.write(lambda tx: tx.add_events(epochs))


def waiting(hand: Hand, pass_type: str) -> Iterator[Waiting]:
    """One lot for each registration that waits."""
    [counter] = hand.rows("counter", pass_type=pass_type)
    epochs = [row["at"] for row in hand.rows("event", pass_type=pass_type, kind="new_epoch")]
    passes = {row["serial"]: row for row in hand.rows("pass", pass_type=pass_type)}
    for row in hand.rows("registration", pass_type=pass_type):
        one = passes[row["serial"]]
        if (
            row["left_at"] is None
            and row["superseded_at"] is None
            and row["served"] < max(one["seq"], counter["began"])
        ):
            since = max(row["registered_at"], one["changed_at"], epochs[-1] if counter["began"] > one["seq"] else 0)
            step = sum(NOW - since >= age for age in AGES)
            yield Waiting(step, row["served"] == 0, 1, since)


@pytest.mark.parametrize("seed", range(3))
def test_staleness_is_what_adding_up_row_by_row_says(tmp_path: Path, seed: int) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await filled(hand, random.Random(seed))
            every = set[int]()
            for pass_type in (TYPE, OTHER):
                expected = added(waiting(hand, pass_type))
                every |= {lot.step for lot in expected}
                assert list(await hand.store.staleness(pass_type, NOW)) == expected
            assert every == {0, 1, 2, 3, 4}, "data of every state"
            assert list(await hand.store.staleness("pass.test.unknown", NOW)) == []

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(3))
def test_where_registrations_stand_is_what_adding_up_row_by_row_says(tmp_path: Path, seed: int) -> None:
    def expected(hand: Hand, types: list[str]) -> dict[str, int]:
        found = dict.fromkeys(("passes", "registrations", "current", "fetch", "ask", "push", "unverified"), 0)
        for pass_type in types:
            [counter] = hand.rows("counter", pass_type=pass_type)
            passes = {
                row["serial"]: max(row["seq"], counter["began"]) for row in hand.rows("pass", pass_type=pass_type)
            }
            devices = {row["device_id"]: row for row in hand.rows("device", pass_type=pass_type)}
            pushed = {row["push_token"]: row["pushed"] for row in hand.rows("push_target", pass_type=pass_type)}
            found["passes"] += len(passes)
            for row in hand.rows("registration", pass_type=pass_type):
                if row["left_at"] is None and row["superseded_at"] is None:
                    device, changed = devices[row["device_id"]], passes[row["serial"]]
                    told = device["told"] if device["told"] >= row["joined"] else 0
                    marks = Watermarks(changed, pushed.get(device["push_token"], 0), 0, told, row["served"])
                    found["registrations"] += 1
                    found["unverified"] += row["served"] == 0
                    found[first_gap(marks).value] += 1
        return found

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            chance = random.Random(seed)
            await filled(hand, chance)
            engines.run(hand.url, "DELETE FROM push_target WHERE push_token = 't1' AND pass_type = ?", TYPE)
            later: list[tuple[str, tuple[object, ...]]] = []
            for row in hand.rows("device"):
                marks = (chance.choice([0, 20, 130, 500]), row["pass_type"], row["device_id"])
                later.append(("UPDATE device SET told = ? WHERE pass_type = ? AND device_id = ?", marks))
                marks = (chance.choice([0, 30, 59, 99]), row["pass_type"], row["push_token"])
                later.append(("UPDATE push_target SET pushed = ? WHERE pass_type = ? AND push_token = ?", marks))
            engines.run_all(hand.url, later)
            every = expected(hand, [TYPE, OTHER])
            assert min(every.values()) > 0, every
            assert await hand.store.stats(None) == every
            assert await hand.store.stats(TYPE) == expected(hand, [TYPE])
            assert await hand.store.stats(None, within=[OTHER]) == expected(hand, [OTHER])

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(3))
def test_the_sample_is_of_what_was_served_since(tmp_path: Path, seed: int) -> None:
    def expected(hand: Hand, since: int, first: str, limit: int) -> list[Any]:
        rows = sorted(hand.rows("registration", pass_type=TYPE), key=lambda row: (row["device_id"], row["serial"]))
        around = [row for row in rows if row["device_id"] >= first] + [row for row in rows if row["device_id"] < first]
        devices = {row["device_id"]: row for row in hand.rows("device", pass_type=TYPE)}
        targets = {row["push_token"]: row for row in hand.rows("push_target", pass_type=TYPE)}
        found = []
        for row in around[:limit]:
            device = devices[row["device_id"]]
            target = targets.get(device["push_token"], {"last_push_at": None})
            if row["left_at"] is None and row["served_at"] is not None and row["served_at"] >= since:
                found.append((target["last_push_at"], device["asked_at"], row["served_at"]))
        return found

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            chance = random.Random(seed)
            await filled(hand, chance)
            engines.run(hand.url, "DELETE FROM push_target WHERE push_token = 't1' AND pass_type = ?", TYPE)
            for limit in (1, 7, SIZE // 2, SIZE, 2 * SIZE):
                for first in ("", f"{chance.getrandbits(32):08x}", "g"):
                    found = await hand.store.served_lately(TYPE, since=NOW - AGES[-1], first=first, limit=limit)
                    wanted = expected(hand, NOW - AGES[-1], first, limit)
                    # Which rows of all are chosen is an order, in which they come is none.
                    assert sorted(found, key=str) == sorted(wanted, key=str), (limit, first)

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(3))
def test_the_newest_events_are_those_of_the_newest(tmp_path: Path, seed: int) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            chance = random.Random(seed)
            kinds = (Kind.CHANGED, Kind.ISSUED, Kind.PUSH_ACCEPTED, Kind.ASKED)
            events = [
                Event(chance.choice(kinds), T0 + n, chance.choice([TYPE, OTHER]), f"s{n}", seq=n) for n in range(80)
            ]
            await hand.store.write(lambda tx: tx.add_events(events))
            there = sorted(hand.rows("event"), key=lambda row: -row["id"])
            for _ in range(30):
                wanted = chance.sample([kind.value for kind in kinds], 2)
                pass_type, within = chance.choice([None, TYPE]), chance.choice([None, [OTHER]])
                limit, most = chance.choice([1, 10, 200]), chance.choice([5, 40, 200])
                before = chance.choice([there[0]["id"] + 1, there[chance.randrange(80)]["id"]])
                found = await hand.store.newest(
                    kinds=wanted, pass_type=pass_type, limit=limit, most=most, before=before, within=within
                )
                looked_at = [row for row in there if row["id"] < before][:most]
                fits = [
                    row["id"]
                    for row in looked_at
                    if row["kind"] in wanted
                    and pass_type in (None, row["pass_type"])
                    and row["pass_type"] in (within or (TYPE, OTHER))
                ]
                assert [event.id for event in found] == fits[:limit]

    asyncio.run(main())


def test_circuits_are_by_pass_type(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            assert list(await hand.store.circuits()) == []
            await hand.pass_type(OTHER)
            for pass_type, reason in ((TYPE, "BadCertificate"), (OTHER, "BadTopic")):
                await hand.store.write(
                    lambda tx, pass_type=pass_type, reason=reason: tx.open_circuit(pass_type, 9, reason, 4, None)
                )
            found = list(await hand.store.circuits())
            assert found == [(OTHER, Circuit(9, "BadTopic", 4)), (TYPE, Circuit(9, "BadCertificate", 4))]

    asyncio.run(main())


def test_a_roll_out_says_what_is_left_of_it(tmp_path: Path) -> None:
    """Counted: what is not pinned and of another revision, of the tenant's pass types; apart: what could not be."""

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put(*"abcdefg")
            for serial, revision, pinned, refused in (
                ("a", "r2", 0, None),
                ("b", "r1", 0, None),
                ("c", "r3", 0, None),
                ("d", "r1", 0, "r2"),
                ("e", "r1", 0, "r1"),
                ("f", "r1", 1, None),
                ("g", "r3", 0, "r2"),
            ):
                row = (revision, pinned, refused, serial)
                engines.run(
                    hand.url, "UPDATE pass SET revision = ?, pinned = ?, refused_revision = ? WHERE serial = ?", *row
                )
            assert await hand.store.behind_template("default", "membership", "r2", most=100) == (3, 2)
            assert sum(await hand.store.behind_template("default", "membership", "r2", most=3)) == 3
            assert await hand.store.behind_template("other", "membership", "r2", most=100) == (0, 0)

    asyncio.run(main())


def test_chores_are_counted_up_to_a_bound(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            assert await hand.store.chores(T0, most=9) == Chores(0, 0, None, 0, 0, None)
            await hand.put("a")
            for number in range(5):
                await hand.join(f"d{number}", "a", token=f"t{number}")
            engines.run(hand.url, "UPDATE registration SET retell_at = ? WHERE device_id < 'd2'", T0)
            engines.run(hand.url, "UPDATE registration SET retell_at = ? WHERE device_id = 'd2'", T0 + 1)
            engines.run(hand.url, "UPDATE registration SET left_at = 5 WHERE device_id >= 'd3'")
            engines.run(hand.url, "UPDATE push_target SET dead_at = 5 WHERE push_token = 't1'")
            oldest = min(hand.rows("event"), key=lambda row: row["id"])["at"]
            assert await hand.store.chores(T0, most=9) == Chores(3, 2, T0, 2, 1, oldest)
            assert await hand.store.chores(T0, most=1) == Chores(1, 1, T0, 1, 1, oldest)

    asyncio.run(main())


def test_fan_outs_are_seen_and_not_taken(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            for serial, at in (("b", 1), ("a", 2)):
                row = (TYPE, "changed", serial, 7, 7, 0, at, "40000000", "80000000", "")
                engines.run(hand.url, f"INSERT INTO fan_out VALUES ({', '.join('?' * 10)})", *row)
            found = [FanOut(TYPE, "changed", s, 7, at, "40000000", "80000000", "") for s, at in (("b", 1), ("a", 2))]
            assert list(await hand.store.fan_outs_under_way(limit=9)) == found
            assert list(await hand.store.fan_outs_under_way(limit=1)) == found[:1]
            # Not even while somebody is at it.
            seen = await hand.store.write(lambda tx: tx.fan_outs_under_way(limit=9))
            assert list(seen) == found

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(3))
def test_what_is_due_comes_in_the_order_in_which_it_goes(tmp_path: Path, seed: int) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            chance = random.Random(seed)
            await hand.pass_type(OTHER)
            await hand.put("a", "b")
            await hand.put("a", pass_type=OTHER)
            await hand.join("other", "a", token="t0", pass_type=OTHER)
            for number in range(30):
                await hand.join(f"d{number:02}", chance.choice("ab"), token=f"t{number // 2}")
            for number, next_at in enumerate(chance.sample(range(T0 - 50, T0 + 50), 15)):
                row = (chance.choice([3, 9]), chance.choice([2, 5]), chance.choice([0, 3, 9]))
                dead = chance.choice([None, None, 5])
                engines.run(
                    hand.url,
                    "UPDATE push_target SET wanted = ?, acked = ?, pushed = ?, next_at = ?, dead_at = ?"
                    " WHERE push_token = ? AND pass_type = ?",
                    *(*row, next_at, dead, f"t{number}", TYPE),
                )
            due = sorted(
                (row for row in hand.rows("push_target", pass_type=TYPE) if row["wanted"] > row["acked"]),
                key=lambda row: row["next_at"],
            )
            due = [row for row in due if row["dead_at"] is None]
            first = {token: f"d{2 * int(token[1:]):02}" for token in (row["push_token"] for row in due)}
            for limit in (2, 100):
                found = await hand.store.due_first(TYPE, limit=limit)
                assert [(device, row.push_token) for device, row in found] == [
                    (first[row["push_token"]], row["push_token"]) for row in due[:limit]
                ]
                accepted = [row for row in due[:limit] if row["pushed"] >= row["wanted"]]
                ready = [row for row in due[:limit] if row["pushed"] < row["wanted"] and row["next_at"] <= T0]
                owed = Owed(len(due[:limit]), len(accepted), len(ready))
                assert await hand.store.due_up_to(TYPE, T0, most=limit) == owed
            serials = {row["serial"] for row in hand.rows("registration") if row["device_id"] in ("d00", "d01")}
            assert {row.passes for _, row in found if row.push_token == "t0"} <= {len(serials)}

    asyncio.run(main())


def test_how_large_each_table_is(tmp_path: Path) -> None:
    """Fails when a table that is made tomorrow is missing: a bundle for whoever helps would not show it."""

    async def work() -> tuple[set[str], Any]:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("1", "2")
            if engines.chosen() != "sqlite":
                engines.run(hand.url, "ANALYZE pass")
            return set(engines.tables(hand.url)), await hand.store.table_sizes()

    there, sizes = asyncio.run(work())
    found = {name: (rows, size) for name, rows, size in sizes}
    assert found.keys() - {"migration"} == {name for name in there if not name.startswith(("sqlite_", "migration"))}
    assert found["pass"][0] == 2 and found["pass"][1] > 0 and found["enrolment"][0] == 0
