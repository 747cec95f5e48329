"""The service on two hosts: processes of the command line, one database, an emulated APNs, phones at the balancer.

PostgreSQL is on host b. Everything that is not a process of the service runs outside, in the test's own event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import secrets
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import wait
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import httpx2

from hosts import network
from hosts.network import Network
from journeys.world import PASS_TYPE, pass_certificate, template
from livepass import wiring
from livepass.config import Config
from livepass.emulators.apns.server import ApnsServer
from livepass.emulators.authority import Authority
from livepass.emulators.iphone import PhoneRunner, PhoneSettings, PushClient, Quirks, Wallet
from livepass.service.drafting import Wish
from servers.postgres import Server

T = TypeVar("T")

PORT: Final = 8420
SERVES: Final[Mapping[str, str]] = {"a": network.A_SEEN_FROM_OUTSIDE, "b": network.B_SEEN_FROM_OUTSIDE}
PATIENCE: Final = 120.0
"""Seconds until what should happen counts as never. Long: it bounds a failure and measures nothing."""


class Process:
    """One ``livepass`` command on a host. What it logs goes to a file."""

    def __init__(self, hosts: Hosts, role: str, *arguments: str) -> None:
        self.name = f"{arguments[0]} on {role}"
        command = (sys.executable, "-m", "livepass", *arguments, "--json")
        self.stopped = False
        self._log = hosts.directory / f"{self.name.replace(' ', '-')}-{secrets.token_hex(2)}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                hosts.network.command(role, *command), env=hosts.environment(), stdout=subprocess.PIPE, stderr=log
            )

    async def ready(self) -> Self:
        """Return when it says so."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), PATIENCE)
        assert line, f"{self.name} ended at once: {self.log()}"
        assert json.loads(line)["ready"] is True
        return self

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def log(self) -> str:
        """The end of what it logged."""
        return self._log.read_text("utf-8", "replace")[-4000:]

    async def stop(self) -> None:
        """SIGTERM: it ends well."""
        self.stopped = True
        self._process.terminate()
        assert await asyncio.to_thread(self._process.wait, 60) == 0, self.log()

    def end(self) -> None:
        """However it stands, it is over now."""
        if self.alive:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class Hosts:
    """The two hosts, what stands outside, and hands for both. Made by ``hosts``; use it on the loop that made it."""

    def __init__(self, directory: Path, authority: Authority, made: Network, server: Server, stack: AsyncExitStack):
        self.directory = directory
        self.authority = authority
        self.network = made
        self.server = server
        self.phones: list[PhoneRunner] = []
        self.processes: list[Process] = []
        self.services: wiring.Services
        self.config: Config
        self._stack = stack
        self.ca_file = directory / "ca.crt"
        self.ca_file.write_bytes(authority.root_pem)
        names = ("localhost", "127.0.0.1", network.OUTSIDE, *SERVES.values())
        issued = authority.server_certificate(*names)
        self._tls = directory / "tls.crt", directory / "tls.secret"
        for path, content in zip(self._tls, (issued.certificate_pem, issued.key_pem), strict=True):
            path.write_bytes(content)
        accepted = authority.root_pem + pass_certificate(authority, PASS_TYPE).intermediate_pem
        self.apns = ApnsServer(issued.certificate_pem, issued.key_pem, accepted, network.OUTSIDE)

    async def start(self) -> None:
        """Everything but the processes."""
        await self.apns.start()
        self._stack.push_async_callback(self.apns.stop)
        balancer = await asyncio.start_server(balance(itertools.cycle(SERVES.values())), "127.0.0.1", 0)
        self._stack.callback(balancer.close)
        self.config = Config(
            database_url=self.server.create_database(),
            public_url=f"https://localhost:{balancer.sockets[0].getsockname()[1]}",
            secret_key=(secrets.token_urlsafe(32),),
            admin_key=secrets.token_hex(16),
            apns_url=self.apns.url,
            apns_ca_file=self.ca_file,
        )
        await wiring.upgrade(self.config)
        self.services = await self._stack.enter_async_context(wiring.opened(self.config))
        issued = pass_certificate(self.authority, PASS_TYPE)
        await self.services.admitting.import_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
        await self.services.publishing.publish(template(), wait=True)

    def environment(self) -> Mapping[str, str]:
        """What a process of the service is started with."""
        config = self.config
        settings: dict[str, Any] = {
            "DATABASE_URL": config.database_url,
            "PUBLIC_URL": config.public_url,
            "SECRET_KEY": ",".join(config.secret_key),
            "ADMIN_KEY": config.admin_key,
            "APNS_URL": config.apns_url,
            "APNS_CA_FILE": config.apns_ca_file,
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIVEPASS_")}
        return inherited | {f"LIVEPASS_{name}": str(value) for name, value in settings.items()}

    # ── processes

    async def serve(self, role: str) -> Process:
        """``livepass serve`` on that host, which answers and does not push."""
        certificate, key = self._tls
        tls = ("--tls-cert", str(certificate), "--tls-key", str(key))
        return await self._started(role, "serve", "--host", SERVES[role], "--port", str(PORT), "--no-worker", *tls)

    async def worker(self, role: str) -> Process:
        """``livepass worker`` on that host."""
        return await self._started(role, "worker")

    async def _started(self, role: str, *arguments: str) -> Process:
        process = Process(self, role, *arguments)
        self.processes.append(process)
        self._stack.callback(process.end)
        return await process.ready()

    # ── the issuer and the phones

    @asynccontextmanager
    async def client(self, role: str) -> AsyncIterator[httpx2.AsyncClient]:
        """An HTTP client of that host's service, as issuer; a phone's calls may be made with it too."""
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        headers = {"Authorization": f"Bearer {self.config.admin_key}"}
        address = f"https://{SERVES[role]}:{PORT}"
        async with httpx2.AsyncClient(
            verify=trust, trust_env=False, timeout=PATIENCE, base_url=address, headers=headers
        ) as client:
            yield client

    async def issue(self, serial: str, points: int) -> None:
        await self.services.issuing.put(Wish(PASS_TYPE, serial, "membership", {"points": points}))

    async def authorization(self, serial: str) -> dict[str, str]:
        """The header that a phone holding the pass would send."""
        row = await self.services.store.pass_(PASS_TYPE, serial)
        assert row is not None
        return {"Authorization": f"ApplePass {self.services.keys.token('default', PASS_TYPE, serial, row.token)}"}

    async def phone(self, serial: str) -> PhoneRunner:
        """A phone with that pass on it, registered. It tries again soon, and tolerates any number of pushes."""
        wallet = Wallet(
            [self.authority.root],
            rng=random.Random(len(self.phones)),
            settings=PhoneSettings(disable_rate_limiting=True),
            quirks=Quirks({"backoff-schedule": "short"}),
        )
        runner = PhoneRunner(wallet, ca_file=self.ca_file, pushes=PushClient(self.apns.control_url))
        await self._stack.enter_async_context(runner)
        self.phones.append(runner)
        await runner.install(await self.services.issuing.pkpass(PASS_TYPE, serial))
        await until(lambda: runner.wallet[serial].registered, f"the phone of {serial} is registered")
        return runner

    # ── the database, by hand

    def sql(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Run one statement behind the service's back, with ``$1`` for the first argument."""
        return self.server.rows(statement, self.config.database_url.rpartition("/")[2], *arguments)

    def leases_run_out(self) -> None:
        """The minute is over for which a worker that was cut off had claimed its pushes."""
        self.sql("UPDATE push_target SET next_at = 1, lease_until = 1 WHERE lease IS NOT NULL")

    async def all_end_well(self) -> None:
        """No process has died, and each ends as it should when it is told to."""
        for process in self.processes:
            assert process.alive or process.stopped, f"{process.name} died: {process.log()}"
        for process in self.processes:
            if process.alive:
                await process.stop()


def balance(backends: Sequence[str] | Any) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A balancer that gives each connection to the next host, and knows nothing of what is said on it."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(next(backends), PORT)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))

    return connected


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def until(true: Callable[[], object], what: str | Callable[[], str]) -> None:
    """Wait for something to become true."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not true():
        assert asyncio.get_running_loop().time() < deadline, (
            f"never happened: {what if isinstance(what, str) else what()}"
        )
        await asyncio.sleep(0.05)


def on_two_hosts(directory: Path, authority: Authority, steps: Callable[[Hosts], Awaitable[None]]) -> None:
    """Build the two hosts, take those steps outside, and take everything down again."""
    made = network.make()
    try:
        server = made.run("b", lambda: Server.start(host=network.B))
        try:
            _outside(made, _travel(directory, authority, made, server, steps))
        finally:
            server.close()
    finally:
        made.close()


def _outside(made: Network, work: Coroutine[Any, Any, None]) -> None:
    """Run that in a thread outside. What interrupts us meanwhile (a time limit, Ctrl-C) ends it in good order too."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)

    def run() -> None:
        with contextlib.closing(loop):
            loop.run_until_complete(task)
            loop.run_until_complete(loop.shutdown_default_executor())

    outcome = made.start("outside", run)
    try:
        outcome.result()
    except BaseException:
        if not outcome.done():
            loop.call_soon_threadsafe(task.cancel)
            wait([outcome])
        raise


async def _travel(
    directory: Path, authority: Authority, made: Network, server: Server, steps: Callable[[Hosts], Awaitable[None]]
) -> None:
    async with AsyncExitStack() as stack:
        hosts = Hosts(directory, authority, made, server, stack)
        await hosts.start()
        try:
            await steps(hosts)
        except BaseException:
            for process in hosts.processes:
                print(f"── {process.name}, {'alive' if process.alive else 'dead'}\n{process.log()}")
            raise
