"""A standby takes over, some seconds behind: every process finds out with its next connection, before any answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import engines
from history.house import TYPE, TYPES, House, house
from livepass.core.unavailable import Unavailable
from livepass.emulators.authority import Authority
from livepass.store.postgres import PostgresStore
from servers import postgres as servers
from servers.postgres import NoPostgres, Server, without
from service.rig import until

pytestmark = pytest.mark.parametrize("engine", ["postgres"], indirect=True)


@contextmanager
def a_server() -> Iterator[Server]:
    """One of our own: it is killed."""
    try:
        started = Server.start()
    except NoPostgres as error:
        without(str(error))
    try:
        yield started
    finally:
        started.close()


@contextmanager
def a_standby(primary: Server) -> Iterator[Server]:
    started = primary.standby()
    try:
        yield started
    finally:
        started.close()


def cut_off(standby: Server) -> None:
    """It receives nothing more: what is committed from now on is lost with the primary."""
    standby.run_sql("ALTER SYSTEM SET primary_conninfo = ''")
    standby.run_sql("SELECT pg_reload_conf()")
    standby._wait_for("SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")


@pytest.mark.usefixtures("engine")
def test_a_promoted_standby_is_a_new_history_for_every_process_at_once(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_server() as primary:
        monkeypatch.setattr(servers, "shared", lambda: primary)
        monkeypatch.setattr(engines, "_template", engines._template.__wrapped__)

        async def main() -> None:
            async with house(tmp_path, authority, registration_journal=_folder(tmp_path)) as one:
                with a_standby(primary) as standby:
                    await fail_over(one, primary, standby)

        asyncio.run(main())


async def fail_over(one: House, primary: Server, standby: Server) -> None:
    name = one.url.rpartition("/")[2]
    hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    one.config = replace(one.config, database_url=f"postgresql://postgres@{hosts}/{name}", witness_file="off")
    async with one.process() as first, one.process() as second:
        await first.register("phone")
        await first.ask("phone")
        primary.wait_caught_up(standby)
        cut_off(standby)
        await second.change("1", 7)
        serials, tag = await second.ask("phone")
        assert serials == ["1"]
        assert await first.register("lost", token="bb") == 201
        primary.kill()
        with pytest.raises(Unavailable):
            await first.services.store.counters()
        standby.promote()
        # From here on the house looks at the new primary.
        one.url = standby.url(name)
        told = await asyncio.gather(*(process.ask("phone", tag) for process in (first, second) * 5))
        assert [serials for serials, _ in told] == [["1"]] * 10
        assert {newer for _, newer in told}.isdisjoint({tag, None})
        found = standby.rows("SELECT detail::json ->> 'reason' FROM event WHERE kind = 'new_epoch'", name)
        assert found == [("other_copy",)] * len(TYPES), "one new history"
        await until(lambda: standby.rows("SELECT 1 FROM registration WHERE device_id = 'lost'", name), "it is back", 30)


def _folder(directory: Path) -> Path:
    folder = directory / "journal"
    folder.mkdir()
    return folder


def test_a_standby_is_not_taken_for_the_database() -> None:
    """What it says is not what will be once it is promoted; and the connection would survive that."""
    with a_server() as primary:
        url = primary.create_database()
        engines.aside(engines.postgres_schema.upgrade(url, uuid="u", now=1))
        with a_standby(primary) as standby:
            primary.wait_caught_up(standby)

            async def main() -> None:
                with pytest.raises(Unavailable, match="standby"):
                    await PostgresStore.open(f"{standby.url(url.rpartition('/')[2])}?target_session_attrs=any")

            asyncio.run(main())


def test_connections_that_survive_are_looked_at_again(tmp_path: Path, authority: Authority) -> None:
    """Behind a pooler a connection stays open when the server behind it is replaced."""

    async def main() -> None:
        async with house(tmp_path, authority) as one, one.process() as process:
            await process.change("1", 1)
            engines.run(one.url, "UPDATE installation SET physical = 'the one before'")
            await process.look()
            assert [one.begun(pass_type) for pass_type in TYPES] == [["other_copy"]] * 2
            assert await process.look() == {}
            assert one.counter(TYPE)["spread"] is not None

    asyncio.run(main())


def test_a_copy_of_the_database_on_the_same_server_is_another_one(tmp_path: Path, authority: Authority) -> None:
    """As after reading a dump back; also under the same name."""

    async def main() -> None:
        async with house(tmp_path, authority) as one:
            one.put_back(one.save())
            async with one.process():
                assert one.begun() == ["other_copy"]
            async with one.process():
                assert one.begun() == ["other_copy"]

    asyncio.run(main())


def test_a_dump_read_into_the_same_database_is_another_one(tmp_path: Path, authority: Authority) -> None:
    """Its tables are new ones: dropped, made and filled."""

    async def main() -> None:
        async with house(tmp_path, authority) as one:
            engines.run(one.url, "ALTER TABLE counter RENAME TO old")
            engines.run(one.url, "CREATE TABLE counter (LIKE old INCLUDING ALL)")
            engines.run(one.url, "INSERT INTO counter SELECT * FROM old")
            engines.run(one.url, "DROP TABLE old")
            async with one.process():
                assert one.begun() == ["other_copy"]

    asyncio.run(main())


@pytest.mark.parametrize(("witness", "begun"), [("kept", ["witness_ahead"]), ("off", [])])
def test_a_dump_of_the_data_alone_is_seen_by_the_witness_and_by_nothing_else(
    tmp_path: Path, authority: Authority, witness: str, begun: list[str]
) -> None:
    """Read into the tables that are there: the server has nothing to say of it. Hence docs/running.md."""

    async def main() -> None:
        async with house(tmp_path, authority) as one:
            engines.run(one.url, "CREATE TABLE dumped AS SELECT * FROM counter")
            async with one.process() as process:
                await process.change("1", 7)
            engines.run(one.url, "DELETE FROM counter")
            engines.run(one.url, "INSERT INTO counter SELECT * FROM dumped")
            async with one.process(**({"witness_file": "off"} if witness == "off" else {})):
                assert one.begun() == begun

    asyncio.run(main())


def test_vacuuming_and_crashing_are_no_new_history(tmp_path: Path, authority: Authority) -> None:
    async def main() -> None:
        async with house(tmp_path, authority) as one:
            engines.run(one.url, "VACUUM FULL counter")
            engines.run(one.url, "CLUSTER counter USING counter_pkey")
            async with one.process():
                assert one.begun() == []

    asyncio.run(main())


def test_a_server_that_crashed_goes_on_where_it_was(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_server() as server:
        monkeypatch.setattr(servers, "shared", lambda: server)
        monkeypatch.setattr(engines, "_template", engines._template.__wrapped__)

        async def main() -> None:
            async with house(tmp_path, authority) as one, one.process() as process:
                await process.register("phone")
                server.kill()
                server.start_again()
                await process.change("1", 9)
                assert await process.look() == {}
                assert one.begun() == []

        asyncio.run(main())
