"""Another file is put in the place of an SQLite database that is open: nothing is acknowledged into a file that nobody
will ever see again, and its log does not get into the new one.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from livepass.core.unavailable import Unavailable
from livepass.store.sqlite import SqliteStore
from livepass.store.writing import Writing
from store.hand import TYPE, Hand, opened, put

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

Misfortune = Callable[[Hand], None]


def saved(hand: Hand) -> Path:
    path = hand.path.with_name("saved.db")
    with closing(sqlite3.connect(hand.path)) as db, closing(sqlite3.connect(path)) as copy:
        db.backup(copy)
    return path


def replaced(hand: Hand) -> None:
    shutil.copy(hand.path.with_name("saved.db"), hand.path.with_name("copy.db"))
    hand.path.with_name("copy.db").replace(hand.path)


def removed(hand: Hand) -> None:
    hand.path.unlink()


@pytest.mark.parametrize("misfortune", [replaced, removed])
def test_nothing_is_answered_any_more(tmp_path: Path, misfortune: Misfortune, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            saved(hand)
            await hand.store.recheck()
            misfortune(hand)
            for _ in range(2):
                with pytest.raises(Unavailable, match="restart livepass"):
                    await hand.put("b")
            with pytest.raises(Unavailable, match="restart livepass"):
                await hand.store.counter(TYPE)
            with pytest.raises(Unavailable, match="restart livepass"):
                await hand.store.recheck()
            assert caplog.text.count("restart livepass") == 1

    asyncio.run(main())


def test_a_look_finds_it_without_a_write(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            saved(hand)
            replaced(hand)
            with pytest.raises(Unavailable):
                await hand.store.recheck()
            with pytest.raises(Unavailable):
                await hand.store.counter(TYPE)

    asyncio.run(main())


def test_what_was_being_written_at_that_moment_is_not_acknowledged(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            saved(hand)

            async def work(tx: Writing) -> None:
                await put(tx, "b")
                replaced(hand)

            with pytest.raises(Unavailable, match="restart livepass"):
                await hand.store.write(work)

    asyncio.run(main())


def test_the_new_file_stays_as_it_was_put_there(tmp_path: Path) -> None:
    """SQLite would play the old file's log into it: it goes by the name."""

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            copy = saved(hand)
            for number in range(200):
                await hand.put(f"lost-{number}")
            replaced(hand)
            with pytest.raises(Unavailable):
                await hand.put("b")
            after = SqliteStore(hand.path)
            counter = await after.counter(TYPE)
            assert counter is not None
            assert counter.seq == 1
            await after.write(lambda tx: put(tx, "c"))
            await after.close()
        # Also after the process that had the old one has ended.
        with closing(sqlite3.connect(tmp_path / "a.db")) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert [row[0] for row in db.execute("SELECT serial FROM pass ORDER BY serial")] == ["a", "c"]
        assert copy.exists()
        assert (tmp_path / "a.db-wal.replaced").stat().st_size > 0, "what was lost can still be looked at"

    asyncio.run(main())


def test_a_log_that_came_with_the_new_file_is_left_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            saved(hand)
            replaced(hand)
            log = hand.path.with_name("a.db-wal")
            log.with_name("other").write_bytes(b"another log")
            log.with_name("other").replace(log)
            with pytest.raises(Unavailable):
                await hand.put("b")
            assert log.read_bytes() == b"another log"
            log.unlink()

    asyncio.run(main())
