"""The engine: units are whole, run again after a lost race, and never twice after a commit that may have happened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import engines
from livepass.core.decision import Join, Leave, SaveDevice
from livepass.core.unavailable import Unavailable
from livepass.store import postgres_schema
from livepass.store.locking import Conflict
from livepass.store.postgres import ATTEMPTS, PostgresStore
from livepass.store.postgres_statements import statements
from livepass.store.writing import Writing
from servers.postgres import NoPostgres as NoServer
from servers.postgres import Server, require, without
from store.hand import T0, TYPE, opened, put, version

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.parametrize("engine", ["postgres"], indirect=True)]


async def end_own_connection(tx: Writing) -> None:
    """As when the server goes away in the middle of a transaction."""
    db = tx._db._db  # type: ignore[attr-defined]
    pid = await db.fetchval("SELECT pg_backend_pid()")
    await asyncio.to_thread(require().rows, "SELECT pg_terminate_backend($1)", None, pid)
    await asyncio.sleep(0.05)


# ── units of work


def test_a_unit_that_fails_leaves_nothing_and_gives_its_number_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as hand:

            async def fails(tx: Writing) -> None:
                await put(tx, "lost")
                raise KeyError("no")

            with pytest.raises(KeyError):
                await hand.store.write(fails)
            assert (await hand.put("kept"))[0] == 1
            assert [row["serial"] for row in hand.rows("pass")] == ["kept"]
            assert len(hand.rows("event")) == 1

    asyncio.run(main())


def test_an_error_of_the_database_does_not_quote_the_row(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as hand:
            engines.run(hand.url, "ALTER TABLE device ADD CONSTRAINT ours CHECK (device_id <> 'phone')")
            secret = "feedface" * 3

            async def register(tx: Writing) -> None:
                await tx.apply([SaveDevice(TYPE, "phone", secret, T0)], [])

            with pytest.raises(asyncpg.CheckViolationError, match="ours") as caught:
                await hand.store.write(register)
            assert secret not in str(caught.value)

    asyncio.run(main())


def test_a_caller_who_gives_up_does_not_cut_a_unit_in_half(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as hand:
            begun = asyncio.Event()

            async def slow(tx: Writing) -> None:
                await put(tx, "a")
                begun.set()
                await asyncio.sleep(0.1)
                await put(tx, "b")

            task = asyncio.ensure_future(hand.store.write(slow))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await hand.store.close()
            assert [row["serial"] for row in hand.rows("pass")] == ["a", "b"]

    asyncio.run(main())


def test_a_lost_race_is_run_again_and_in_the_end_given_up(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as hand:
            runs = 0

            async def loses(tx: Writing) -> None:
                nonlocal runs
                runs += 1
                await put(tx, "a")
                if runs < 3:
                    raise Conflict("somebody was faster")

            await hand.store.write(loses)
            assert (runs, hand.row("pass")["seq"]) == (3, 1)

            async def always(_: Writing) -> None:
                nonlocal runs
                runs += 1
                raise Conflict("somebody was faster")

            runs = 0
            with pytest.raises(Unavailable, match=r"too busy.*somebody was faster"):
                await hand.store.write(always)
            assert runs == ATTEMPTS

    asyncio.run(main())


def test_a_connection_lost_before_the_commit_is_run_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as hand:
            runs = 0

            async def work(tx: Writing) -> None:
                nonlocal runs
                runs += 1
                if runs == 1:
                    await end_own_connection(tx)
                await put(tx, "a")

            await hand.store.write(work)
            assert (runs, hand.row("pass")["seq"]) == (2, 1)

    asyncio.run(main())


def test_a_connection_lost_during_the_commit_is_not_run_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as hand:
            runs = 0

            async def work(tx: Writing) -> None:
                nonlocal runs
                runs += 1
                await put(tx, "a")
                await end_own_connection(tx)

            with pytest.raises(Unavailable, match=r"during a commit"):
                await hand.store.write(work)
            assert runs == 1
            assert (await hand.put("b"))[0] == 1, "this one was not committed"

    asyncio.run(main())


def test_a_connection_lost_after_the_commit_does_not_run_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with opened(tmp_path) as hand:
            release = asyncpg.Pool.release

            async def fails(self: asyncpg.Pool, *given: Any, **more: Any) -> None:
                await release(self, *given, **more)
                raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

            monkeypatch.setattr(asyncpg.Pool, "release", fails)
            runs = 0

            async def work(tx: Writing) -> None:
                nonlocal runs
                runs += 1
                await put(tx, "a")

            await hand.store.write(work)
            monkeypatch.undo()
            assert (runs, hand.row("pass")["seq"]) == (1, 1)

    asyncio.run(main())


def test_who_waits_for_a_lock_too_long_is_told_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as hand:
            other = await asyncpg.connect(hand.url)
            async with other.transaction():
                await other.execute("SELECT 1 FROM counter FOR UPDATE")
                hand.store.pool._connect_kwargs["server_settings"]["lock_timeout"] = "50ms"
                await hand.store.pool.expire_connections()
                with pytest.raises(Unavailable, match=r"too busy.*lock timeout"):
                    await hand.put("a")
            await other.close()
            assert (await hand.put("a"))[0] == 1

    asyncio.run(main())


# ── races that one writer at a time cannot have


def test_two_who_make_the_same_pass_do_not_both_make_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as hand:
            both = asyncio.Barrier(2)
            seen: list[bool] = []

            async def make(tx: Writing) -> None:
                there = await tx.pass_identities(TYPE, ["a"])
                seen.append("a" in there)
                if len(seen) <= 2:
                    await both.wait()
                if not there:
                    made = replace(version("a"), creates=True)
                    await tx.put_passes(TYPE, [made], now=T0, push_at=None, urgent=False)

            await asyncio.gather(hand.store.write(make), hand.store.write(make))
            assert seen == [False, False, True], "the slower one was run again, and saw it"
            assert (hand.row("pass")["seq"], hand.row("counter")["seq"]) == (1, 1)

    asyncio.run(main())


def test_a_late_delete_and_a_registration_of_one_phone_go_one_after_the_other(tmp_path: Path) -> None:
    """Both read before they write: had both read the same, a phone could be gone that was told it is registered."""

    async def main() -> None:
        async with opened(tmp_path) as hand:
            await hand.put("a")
            await hand.join("phone", "a")
            read: list[str] = []

            async def leave(tx: Writing) -> None:
                await tx.lock_phone(TYPE, "phone")
                await tx.register_snapshot(TYPE, "a", "phone")
                read.append("leave")
                await asyncio.sleep(0.1)
                await tx.apply([Leave(TYPE, "phone", "a", T0)], ())
                read.append("left")

            async def register(tx: Writing) -> None:
                await tx.lock_phone(TYPE, "phone")
                snapshot = await tx.register_snapshot(TYPE, "a", "phone")
                read.append("register")
                assert snapshot.registration is not None
                if snapshot.registration.left_at is not None:
                    await tx.apply([Join(TYPE, "phone", "a", T0 + 1, T0)], ())

            await asyncio.gather(hand.store.write(leave), hand.store.write(register))
            assert read in (["leave", "left", "register"], ["register", "leave", "left"])
            gone = hand.registration("phone", "a")["left_at"] is not None
            assert gone == (read[0] == "register")

    asyncio.run(main())


def test_a_pass_is_not_joined_while_it_is_erased(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as hand:
            await hand.put("a")
            erasing = asyncio.Event()

            async def erase(tx: Writing) -> None:
                await tx.erase_pass(TYPE, "a")
                erasing.set()
                await asyncio.sleep(0.1)

            async def join(tx: Writing) -> None:
                if await tx.pass_(TYPE, "a") is not None:
                    await tx.apply([SaveDevice(TYPE, "phone", "aa", T0), Join(TYPE, "phone", "a", T0, T0)], ())

            task = asyncio.ensure_future(hand.store.write(erase))
            await erasing.wait()
            await hand.store.write(join)
            await task
            assert hand.rows("registration") == []
            assert hand.rows("device") == []

    asyncio.run(main())


# ── reading


def test_names_that_postgres_cannot_hold_are_nobodys(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as hand:
            for name in ("a\x00b", "\udce9"):
                assert (await hand.store.fetch_snapshot(TYPE, name)).head is None
                assert (await hand.store.register_snapshot(TYPE, name, "phone")).token is None
                assert (await hand.store.ask_snapshot(TYPE, name, None)).device is None

    asyncio.run(main())


def test_each_parameter_has_a_number_and_a_type() -> None:
    statement = statements()["raise_asked"]
    assert statement.names[0] == "asked"
    assert "$1::bigint" in statement.sql
    assert "::text" in statement.sql
    assert statement.values({name: name for name in statement.names}) == statement.names


# ── a server that goes away


@pytest.fixture
def server() -> Iterator[Server]:
    """One of our own: it is killed."""
    try:
        started = Server.start()
    except NoServer as error:
        without(str(error))
    yield started
    started.close()


def test_readers_and_writers_go_on_after_a_crash_of_the_server(server: Server) -> None:
    async def main() -> None:
        url = server.create_database()
        await postgres_schema.upgrade(url, uuid="u", now=1)
        store = await PostgresStore.open(url)
        await store.write(lambda tx: tx.ensure_pass_type(TYPE, "default", "T", "e1", T0))
        assert (await store.write(lambda tx: put(tx, "a")))[0] == 1
        server.kill()
        with pytest.raises(Unavailable, match=r"cannot be reached"):
            await store.counter(TYPE)
        with pytest.raises(Unavailable):
            await store.write(lambda tx: put(tx, "a"))
        server.start_again()
        counter = await store.counter(TYPE)
        assert counter is not None
        assert counter.seq == 1
        assert (await store.write(lambda tx: put(tx, "a")))[0] == 2
        await store.close()

    asyncio.run(main())


def test_a_commit_that_makes_pushes_due_wakes_other_processes(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as hand:
            other = await engines.open_store(hand.url)
            woken = asyncio.Event()
            other.on_commit(woken.set)
            await asyncio.sleep(0.3)
            woken.clear()
            await hand.put("quiet")
            await asyncio.sleep(0.2)
            assert not woken.is_set(), "nobody follows it"
            await hand.join("phone", "quiet")
            await asyncio.wait_for(woken.wait(), 10)
            await other.close()

    asyncio.run(main())
