"""An archive becomes the content of a database, whole or not at all; and what was there is set aside, untouched."""

from __future__ import annotations

import asyncio
import io
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import engines
from livepass.store.archive import Archive, BadArchive
from livepass.store.losses import Loss, Lost, losses
from livepass.store.rows import Row
from livepass.store.whole import CannotSetAside, NotEmpty, NotSetAside, StillWorking
from livepass.store.writing import Writing
from store.hand import TYPE, Hand, opened
from store.test_enrolments import enrolment
from store.test_verify import furnish, verified
from store.whole import NOW, archived, contents, fill, fill_oddly, made, nothing, whole

TESTS = Path(__file__).parents[1]


def a_database(path: Path) -> str:
    url = engines.new_database(path)
    fill_oddly(url)
    return url


def another(path: Path, engine: str) -> bytes:
    """An archive that has nothing in common with ``a_database`` but its schema."""
    url = made(engine, path)
    fill_oddly(url, rows=1)
    data, _ = asyncio.run(archived(url))
    return data


def process(url: str, heard_at: int) -> None:
    engines.run(
        url,
        "INSERT INTO process (id, host, pid, role, schema, started_at, heard_at, shedding)"
        " VALUES ('p', 'there', 42, 'serve', 1, 1, ?, 0)",
        heard_at,
    )


@pytest.mark.parametrize("empty", [True, False], ids=["into an empty one", "in place of another"])
def test_nobody_is_let_into_the_console_by_what_was_before(tmp_path: Path, engine: str, empty: bool) -> None:
    """Neither by what the archive was made of, nor by what was there."""
    url = engines.new_database(tmp_path / "a.db") if empty else a_database(tmp_path / "a.db")
    source = a_database(tmp_path / "b.db")
    for database in (url, source):
        engines.run(database, "INSERT INTO console_session VALUES ('s', 'default', 'ada', 'admin', 1, 1)")
        engines.run(database, "INSERT INTO console_link VALUES ('l', 'default', 'admin', 1, NULL)")
    data, _ = asyncio.run(archived(source))
    asyncio.run(fill(url, data, replace=True))
    assert [engines.look(url, f"SELECT * FROM {table}") for table in ("console_session", "console_link")] == [[], []]
    assert engines.look(url, "SELECT * FROM console_user") == engines.look(source, "SELECT * FROM console_user") != []


# ── what is refused


def test_data_is_not_replaced_unasked(tmp_path: Path, engine: str) -> None:
    url, data = a_database(tmp_path / "a.db"), another(tmp_path / "b.db", engine)
    before = asyncio.run(contents(url))
    with pytest.raises(NotEmpty, match="pass"):
        asyncio.run(fill(url, data))
    assert asyncio.run(contents(url)) == before


def test_nothing_is_done_while_a_process_works_on_it(tmp_path: Path, engine: str) -> None:
    url, data = a_database(tmp_path / "a.db"), another(tmp_path / "b.db", engine)
    before, now = asyncio.run(contents(url)), int(time.time() * 1000)
    process(url, now - 50_000)
    for replace in (False, True):
        with pytest.raises(StillWorking, match="serve on there \\(pid 42\\)"):
            asyncio.run(fill(url, data, replace=replace, now=now))
    assert asyncio.run(contents(url)) == before
    engines.run(url, "UPDATE process SET heard_at = ?", now - 61_000)
    assert asyncio.run(fill(url, data, replace=True, now=now)).set_aside


def test_what_was_opened_once_and_never_used_counts_as_empty(tmp_path: Path, engine: str) -> None:
    url, data = engines.new_database(tmp_path / "a.db"), another(tmp_path / "b.db", engine)
    engines.run(url, "INSERT INTO shared_key (id, purpose, sealed, created_at) VALUES ('x', 'tokens', ?, 1)", b"x")
    assert asyncio.run(fill(url, data)).set_aside == ""
    assert "x" not in {row["id"] for row in engines.look(url, "SELECT id FROM shared_key")}


def test_where_the_database_is_in_use_nothing_is_set_aside(tmp_path: Path) -> None:
    """Somebody who is not ours, and gives no sign, holds a table of PostgreSQL."""
    url = made("postgres", tmp_path / "a.db")
    fill_oddly(url)
    data = another(tmp_path / "b.db", "sqlite")

    async def main() -> None:
        import asyncpg

        other = await asyncpg.connect(url)
        async with other.transaction():
            await other.execute("LOCK TABLE pass IN ACCESS SHARE MODE")
            with pytest.raises(CannotSetAside, match="somebody uses its tables"):
                await fill(url, data, replace=True)
        await other.close()

    before = asyncio.run(contents(url))
    asyncio.run(main())
    assert asyncio.run(contents(url)) == before


def test_there_must_be_a_right_to_set_aside(tmp_path: Path) -> None:
    url = made("postgres", tmp_path / "a.db")
    fill_oddly(url)
    data = another(tmp_path / "b.db", "sqlite")
    name = url.rpartition("/")[2]
    role = f"owner_{name}"
    engines.run(url, f"CREATE ROLE {role} LOGIN")
    engines.run(url, f"GRANT CREATE ON SCHEMA public TO {role}")
    for table in engines.tables(url):
        engines.run(url, f"ALTER TABLE {table} OWNER TO {role}")
    theirs = url.replace("//postgres@", f"//{role}@")
    with pytest.raises(CannotSetAside) as refused:
        asyncio.run(fill(theirs, data, replace=True))
    assert "GRANT CREATE ON DATABASE" in refused.value.hint
    engines.run(url, f"GRANT CREATE ON DATABASE {name} TO {role}")
    assert asyncio.run(fill(theirs, data, replace=True)).set_aside


# ── what is set aside


def test_what_was_there_is_set_aside_whole(tmp_path: Path, engine: str) -> None:
    url, data = a_database(tmp_path / "a.db"), another(tmp_path / "b.db", "sqlite")
    before = asyncio.run(contents(url))
    filled = asyncio.run(fill(url, data, replace=True))
    assert filled.set_aside in filled.forget
    assert asyncio.run(contents(url, filled.set_aside)) == before
    after = asyncio.run(contents(url))
    assert {name: len(rows) for name, rows in after.items()} == dict.fromkeys(after, 1)
    engines.require_sound(url)
    again = asyncio.run(fill(url, data, replace=True))
    assert again.set_aside != filled.set_aside
    assert asyncio.run(contents(url, again.set_aside)) == after
    assert asyncio.run(contents(url, filled.set_aside)) == before, "and again, and again"


def test_a_file_set_aside_is_one_file_that_the_same_people_may_read(tmp_path: Path) -> None:
    url = a_database(tmp_path / "a.db")
    (tmp_path / "a.db").chmod(0o640)
    filled = asyncio.run(fill(url, another(tmp_path / "b.db", "sqlite"), replace=True))
    assert stat.S_IMODE(os.stat(filled.set_aside).st_mode) == 0o640
    assert {path.name for path in tmp_path.glob("a.db*")} <= {
        "a.db",
        "a.db-wal",
        "a.db-shm",
        Path(filled.set_aside).name,
    }


def test_a_process_that_has_the_file_open_goes_on_with_what_is_in_it_now(tmp_path: Path) -> None:
    """Fails when another file takes the place of the first: the two would share one log."""

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("before")
            data, _ = await archived(hand.url)
            await hand.put("after")
            await fill(hand.url, data, replace=True)
            assert [row["serial"] for row in hand.rows("pass")] == ["before"]
            number, _ = await hand.put("later")
            found = await hand.store.pass_(TYPE, "later")
            assert found is not None
            assert (number, found.seq) == (2, 2)

    asyncio.run(main())


def test_ids_that_were_given_away_are_not_given_away_again(tmp_path: Path, engine: str) -> None:
    """A reader of events stands at the last one it saw."""

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            data, _ = await archived(hand.url)
            await hand.put("b")
            await hand.put("c")
            highest = max(row["id"] for row in hand.rows("event"))
            await fill(hand.url, data, replace=True)
            await hand.put("d")
            assert max(row["id"] for row in hand.rows("event")) > highest
        async with opened(tmp_path / "other.db") as fresh:
            engines.run(fresh.url, "DELETE FROM counter")
            engines.run(fresh.url, "DELETE FROM pass_type")
            await fill(fresh.url, data)
            await fresh.put("e")
            assert len({row["id"] for row in fresh.rows("event")}) == 2

    asyncio.run(main())


def test_nobody_holds_a_lease_on_what_was_restored(tmp_path: Path, engine: str) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("a")
            await hand.join("d1", "a")
            assert len(await hand.claim(now=10**12, lasting=10**12)) == 1
            data, _ = await archived(hand.url)
            await fill(hand.url, data, replace=True)
            target = hand.target()
            assert (target["lease"], target["lease_until"], target["sending"]) == (None, None, 0)

    asyncio.run(main())


def test_what_postgresql_cannot_hold_is_replaced_and_counted(tmp_path: Path) -> None:
    source = made("sqlite", tmp_path / "a.db")
    fill_oddly(source)
    engines.run(source, "UPDATE api_key SET name = 'a' || char(0) || 'b' || char(0)")
    data, manifest = asyncio.run(archived(source))
    target = made("postgres", tmp_path / "b.db")
    filled = asyncio.run(fill(target, data))
    assert filled.replaced == 2 * manifest.tables["api_key"].rows
    assert {row["name"] for row in engines.look(target, "SELECT name FROM api_key")} == {"a\ufffdb\ufffd"}
    copy = made("sqlite", tmp_path / "c.db")
    assert asyncio.run(fill(copy, data)).replaced == 0
    assert {row["name"] for row in engines.look(copy, "SELECT name FROM api_key")} == {"a\x00b\x00"}


# ── whole or not at all


class Breaking(Archive):
    """An archive that turns bad after it was read back: somebody writes to the file."""

    def rows(self, table: str) -> Iterator[list[Row]]:
        if table == "push_target":
            raise BadArchive("it has changed")
        return super().rows(table)


async def boom(_: Writing) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("archive", "renew", "error"), [(Breaking, nothing, BadArchive), (Archive, boom, ZeroDivisionError)]
)
def test_what_fails_half_way_leaves_everything_as_it_was(
    tmp_path: Path, engine: str, archive: type[Archive], renew: Any, error: type[Exception]
) -> None:
    url, data = a_database(tmp_path / "a.db"), another(tmp_path / "b.db", "sqlite")
    before = asyncio.run(contents(url))
    with pytest.raises(error):
        asyncio.run(whole(url).fill(archive(io.BytesIO(data)), replace=True, now=NOW, renew=renew))
    assert asyncio.run(contents(url)) == before
    engines.require_sound(url)
    assert not list(tmp_path.glob("*set-aside*"))
    with pytest.raises(NotSetAside):
        asyncio.run(contents(url, "livepass_set_aside_20300317t174640z"))
    assert asyncio.run(fill(url, data, replace=True)).set_aside, "and it can be done again"


KILLS = 5


def test_a_kill_half_way_leaves_the_old_or_the_new(tmp_path: Path, engine: str) -> None:
    """Fails when tables are filled one by one, or the old data is moved before the new is there."""
    url, large = a_database(tmp_path / "a.db"), made("sqlite", tmp_path / "b.db")
    fill_oddly(large, rows=1)
    for _ in range(15):
        columns = "at, kind, pass_type, seq, detail"
        engines.run(large, f"INSERT INTO event ({columns}) SELECT {columns} FROM event")
    file = tmp_path / "b.zip"
    file.write_bytes(asyncio.run(archived(large))[0])
    old, before = asyncio.run(archived(url))[0], asyncio.run(contents(url))
    new = {name: len(rows) for name, rows in asyncio.run(contents(large)).items()}
    rng, took, killed, round_ = random.Random(engine), 1.0, 0, 0
    while killed < KILLS:
        round_ += 1
        assert round_ < 10 * KILLS, "it is always faster than its killer"
        took = _killed(url, file, NOW + round_ * 10_000, rng.uniform(0, took)) or took
        engines.wait_until_alone(url)
        engines.require_sound(url)
        found = asyncio.run(contents(url))
        if {name: len(rows) for name, rows in found.items()} == new:
            asyncio.run(fill(url, old, replace=True, now=NOW + round_ * 10_000 + 5000))
            before = asyncio.run(contents(url))
        else:
            killed += 1
            assert found == before


def _killed(url: str, file: Path, now: int, after: float) -> float:
    """Fill from the file and kill that after some seconds; answers how long it took when it was faster."""
    command = [sys.executable, "-m", "store.filling_child", url, str(file), str(now)]
    with subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        started = time.monotonic()
        try:
            assert child.wait(after) == 0
            return time.monotonic() - started
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            return 0


# ── what is lost


def test_what_is_lost_is_named(tmp_path: Path, engine: str) -> None:
    async def main() -> set[Loss]:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("stays", "changes", "Zoë")
            await hand.join("d1", "stays", token="aa")
            await hand.join("d2", "changes", token="bb")
            await hand.join("d9", "Zoë", token="cc")
            await hand.store.write(lambda tx: tx.put_enrolment(enrolment("e1", "stays")))
            data, _ = await archived(hand.url)
            await hand.store.write(lambda tx: tx.put_enrolment(enrolment("e0", "stays")))
            await hand.put("changes")
            engines.run(hand.url, "UPDATE pass SET edit = edit + 1 WHERE serial = 'changes'")
            await hand.put("new")
            await hand.join("d3", "stays", token="dd")
            await hand.join("d1", "new", token="aa")
            await hand.join("d4", "stays", token="ee")
            await _leave(hand, "d4", "stays")
            await _leave(hand, "d2", "changes")
            filled = await fill(hand.url, data, replace=True)
            async with whole(hand.url).snapshot(filled.set_aside) as old, whole(hand.url).snapshot() as new:
                return {loss async for loss in losses(old, new)}

    assert asyncio.run(main()) == {
        Loss(Lost.REGISTRATION, TYPE, "stays", "d3"),
        Loss(Lost.REGISTRATION, TYPE, "new", "d1"),
        Loss(Lost.PASS, TYPE, "new"),
        Loss(Lost.VERSION, TYPE, "changes"),
        Loss(Lost.ENROLMENT, TYPE, "stays"),
    }


async def _leave(hand: Hand, device: str, serial: str) -> None:
    engines.run(hand.url, "UPDATE registration SET left_at = 1 WHERE device_id = ? AND serial = ?", device, serial)


# ── while others write


def test_a_backup_is_of_one_instant_whoever_writes_meanwhile(tmp_path: Path, engine: str) -> None:
    """Fails when tables are read one after the other without a snapshot: numbers would be above their counter."""

    async def main() -> tuple[bytes, int]:
        async with opened(tmp_path / "a.db") as hand:
            await hand.store.write(furnish)
            for start in range(0, 3000, 500):
                await hand.put(*(f"p{number}" for number in range(start, start + 500)))
            stop, written = asyncio.Event(), [0]

            async def writer(name: int) -> None:
                number = 0
                while not stop.is_set():
                    number += 1
                    await hand.put(f"p{name}", f"p{name + 4}")
                    await hand.join(f"d{name}-{number}", f"p{name}", token=f"{name}{number:04x}")
                    written[0] += 1

            writers = [asyncio.create_task(writer(name)) for name in range(4)]
            await asyncio.sleep(0.2)
            # However this machine shares its time out: one backup of some has writers beside it.
            for _ in range(20):
                before = written[0]
                data, _ = await asyncio.to_thread(lambda: asyncio.run(archived(hand.url)))
                during = written[0] - before
                if during:
                    break
            stop.set()
            await asyncio.gather(*writers)
            return data, during

    data, during = asyncio.run(main())
    assert during > 0, "somebody wrote meanwhile, or nothing is proved"
    target = engines.new_database(tmp_path / "b.db")
    asyncio.run(fill(target, data))
    engines.run(target, "INSERT INTO shared_key (id, purpose, sealed, created_at) VALUES ('k1', 'tokens', ?, 1)", b"x")
    assert asyncio.run(verified(target, sample=500)).findings == ()
