"""The engine: durable, grouped, one writer at a time however many processes, and numbers in commit order."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from livepass.core.decision import Join, SaveDevice
from livepass.core.unavailable import Unavailable
from livepass.store import sqlite
from livepass.store.sqlite import SqliteStore, upgrade
from livepass.store.writing import Writing
from store.hand import T0, TYPE, opened, put
from store.writing_child import write

TESTS = Path(__file__).parents[1]


@contextmanager
def held_up(path: Path) -> Iterator[None]:
    """Another process's transaction: whoever writes must wait."""
    other = sqlite3.connect(path, isolation_level=None, timeout=10)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("COMMIT")
        other.close()


@contextmanager
def commits(store: SqliteStore) -> Iterator[list[str]]:
    """The transaction statements that the writer runs meanwhile."""
    seen: list[str] = []

    def note(statement: str) -> None:
        if statement in ("COMMIT", "ROLLBACK"):
            seen.append(statement)

    store._writer_db.set_trace_callback(note)
    yield seen
    store._writer_db.set_trace_callback(None)


class Boom(Exception):
    pass


async def boom(tx: Writing) -> None:
    await put(tx, "lost")
    raise Boom


# ── durability


def test_every_connection_waits_for_the_disk(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            for db in (hand.store._reader, hand.store._writer_db):
                assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
                assert db.execute("PRAGMA synchronous").fetchone() == (2,), "FULL: NORMAL loses acknowledged writes"
                assert db.execute("PRAGMA foreign_keys").fetchone() == (1,)
                assert db.execute("PRAGMA busy_timeout").fetchone() == (int(sqlite.BUSY_SECONDS * 1000),)
                assert db.isolation_level is None, "no transaction that we did not open"

    asyncio.run(main())


def test_a_write_is_visible_to_everybody_when_it_returns(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            for number in range(1, 20):
                await hand.put("a")
                assert hand.row("counter")["seq"] == number

    asyncio.run(main())


# ── group commit


def test_units_that_wait_together_share_one_commit(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            with commits(hand.store) as seen:
                with held_up(hand.path):
                    first = asyncio.ensure_future(hand.put("first"))
                    await asyncio.sleep(0.05)
                    rest = [asyncio.ensure_future(hand.put(f"s{n}")) for n in range(50)]
                    await asyncio.sleep(0.05)
                await asyncio.gather(first, *rest)
            assert seen == ["COMMIT", "COMMIT"]
            assert sorted(row["seq"] for row in hand.rows("pass")) == list(range(1, 52))

    asyncio.run(main())


def test_a_unit_that_fails_is_undone_alone_and_told_to_its_caller_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            with commits(hand.store) as seen:
                with held_up(hand.path):
                    first = asyncio.ensure_future(hand.put("first"))
                    await asyncio.sleep(0.05)
                    works = [
                        hand.put("a"),
                        hand.store.write(boom),
                        hand.put("b"),
                        hand.store.write(boom),
                        hand.put("c"),
                    ]
                    tasks = [asyncio.ensure_future(work) for work in works]
                    await asyncio.sleep(0.05)
                await first
                results = await asyncio.gather(*tasks, return_exceptions=True)
            assert seen == ["COMMIT", "ROLLBACK", "COMMIT"], "together first, then each by itself"
            assert [type(result) for result in results] == [tuple, Boom, tuple, Boom, tuple]
            assert {row["serial"]: row["seq"] for row in hand.rows("pass")} == {"first": 1, "a": 2, "b": 3, "c": 4}
            assert hand.row("counter")["seq"] == 4, "a number that was given back is not a gap"
            assert len(hand.rows("event")) == 4

    asyncio.run(main())


def test_a_unit_that_waits_for_something_else_is_refused(tmp_path: Path) -> None:
    """It would hold the lock for as long as that takes."""

    async def dawdle(tx: Writing) -> None:
        await put(tx, "lost")
        await asyncio.sleep(0)

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            with pytest.raises(RuntimeError, match="waited for something else"):
                await hand.store.write(dawdle)
            assert hand.rows("pass") == []
            assert await hand.put("kept") == (1, 0)

    asyncio.run(main())


def test_when_the_commit_itself_fails_everybody_hears_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            with held_up(hand.path), pytest.raises(Unavailable, match=r"cannot be written.*locked"):
                await hand.put("a")
            assert await hand.put("b") == (1, 0), "and the next one is fine"

    asyncio.run(main())


def test_a_caller_that_went_away_has_its_work_done_all_the_same(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            with held_up(hand.path):
                first = asyncio.ensure_future(hand.put("first"))
                await asyncio.sleep(0.05)
                task, neighbour = asyncio.ensure_future(hand.put("a")), asyncio.ensure_future(hand.put("b"))
                await asyncio.sleep(0.05)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await first
            assert await asyncio.wait_for(neighbour, 5) == (3, 0), "who shared the commit has its answer"
            assert {row["serial"] for row in hand.rows("pass")} == {"first", "a", "b"}

    asyncio.run(main())


def test_a_caller_whose_loop_is_gone_harms_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:

            async def leave() -> None:
                task = asyncio.ensure_future(hand.put("a"))
                await asyncio.sleep(0.05)
                task.cancel()

            with held_up(hand.path):
                await asyncio.to_thread(asyncio.run, leave())
            assert await hand.put("b") == (2, 0)

    asyncio.run(main())


def test_units_of_several_loops_are_all_done(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:

            async def some(name: str) -> None:
                works = [lambda tx, n=n: put(tx, f"{name}{n}") for n in range(20)]
                await asyncio.gather(*(hand.store.write(work) for work in works))

            others = [asyncio.to_thread(asyncio.run, some(name)) for name in "abc"]
            await asyncio.wait_for(asyncio.gather(some("d"), *others), 60)
            assert len(hand.rows("pass")) == 80

    asyncio.run(main())


def test_closing_flushes_what_waits(tmp_path: Path) -> None:
    async def main() -> list[tuple[int, int]]:
        path = tmp_path / "a.db"
        async with opened(path) as hand:
            tasks = [asyncio.ensure_future(hand.put(f"s{n}")) for n in range(20)]
            await asyncio.sleep(0)
        return await asyncio.wait_for(asyncio.gather(*tasks), 5)

    assert sorted(number for number, _ in asyncio.run(main())) == list(range(1, 21))
    db = sqlite3.connect(tmp_path / "a.db")
    assert db.execute("SELECT count(*) FROM pass").fetchone() == (20,)
    db.close()


def test_writing_to_a_closed_store_is_an_error_and_not_a_wait_for_ever(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            pass
        with pytest.raises(RuntimeError, match="closed"):
            await asyncio.wait_for(hand.put("a"), 2)

    asyncio.run(main())


# ── several processes


def test_a_commit_of_another_process_is_noticed(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            other = SqliteStore(hand.path)
            noticed = asyncio.Event()
            hand.store.on_commit(noticed.set)
            await asyncio.wait_for(noticed.wait(), 5)  # the first look
            noticed.clear()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(noticed.wait(), 3 * sqlite.WATCH_SECONDS)
            await other.write(lambda tx: put(tx, "a"))
            await asyncio.wait_for(noticed.wait(), 5)
            await other.close()

    asyncio.run(main())


async def _watch(hand_path: Path, running: threading.Event) -> list[tuple[int, dict[str, int]]]:
    """What a phone that holds every pass sees, looking again and again: (counter, newest number by serial)."""
    store = SqliteStore(hand_path)
    seen = []
    while True:
        last = not running.is_set()
        snapshot = await store.ask_snapshot(TYPE, "phone", None)
        assert snapshot.counter is not None
        seen.append((snapshot.counter.seq, {one.registration.serial: one.newest for one in snapshot.listed}))
        if last:
            break
        await asyncio.sleep(0.001)
    await store.close()
    return seen


def test_numbers_are_commit_order_without_gaps_and_no_tag_covers_what_cannot_be_seen(tmp_path: Path) -> None:
    """Two processes and two threads write one file; a phone asks all the while."""
    path, changes = tmp_path / "a.db", 200
    serials = [f"{name}{writer}-{n}" for name in "abc" for writer in range(4) for n in range(3)]

    async def prepare() -> int:
        async with opened(path) as hand:
            await hand.put(*serials, push_at=None)
            await hand.apply(SaveDevice(TYPE, "phone", "aa", T0), *(Join(TYPE, "phone", s, T0, T0) for s in serials))
            return hand.row("counter")["seq"]

    start = asyncio.run(prepare())
    running = threading.Event()
    running.set()
    seen: list[tuple[int, dict[str, int]]] = []
    watcher = threading.Thread(target=lambda: seen.extend(asyncio.run(_watch(path, running))))
    child = subprocess.Popen(
        [sys.executable, str(TESTS / "store" / "writing_child.py"), str(path), "c", "4", str(changes)],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    threads = [
        threading.Thread(target=asyncio.run, args=(write(path, name, 2, changes),), daemon=True) for name in "ab"
    ]
    for thread in (watcher, *threads):
        thread.start()
    for thread in threads:
        thread.join(60)
    assert child.wait(60) == 0
    running.clear()
    watcher.join(60)

    db = sqlite3.connect(path)
    told = db.execute(
        "SELECT seq, serial FROM event WHERE kind = 'changed' AND seq > ? ORDER BY id", (start,)
    ).fetchall()
    db.close()
    assert [seq for seq, _ in told] == list(range(start + 1, start + 8 * changes + 1)), "gap-free, in commit order"
    assert seen[-1][0] == start + 8 * changes
    assert len({counter for counter, _ in seen}) > 5, "the phone did ask meanwhile"
    newest = dict(seen[0][1]) if seen[0][0] == start else {}
    at = 0
    for counter, listed in seen:
        while at < counter - start:
            newest[told[at][1]] = told[at][0]
            at += 1
        changed = {serial: number for serial, number in listed.items() if number > start}
        assert changed == {serial: number for serial, number in newest.items() if number > start}


def test_upgrading_under_a_running_service_takes_nothing_from_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            assert upgrade(hand.path, uuid="other", now=T0) == []
            assert await hand.put("a") == (2, 0)

    asyncio.run(main())
