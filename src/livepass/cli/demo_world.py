"""Everything the demo needs, in one process and one throwaway directory: authority, service, APNs, proxy, phones.

The service is the real one, over TLS on loopback; only Apple and the phone are stand-ins. Phones reach the service
through a proxy, where things can be broken.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import secrets
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from livepass import wiring
from livepass.cli.demo_passes import SAMPLES, Sample
from livepass.cli.serving import serve, show
from livepass.config import Config
from livepass.emulators.apns.server import ApnsServer
from livepass.emulators.authority import Authority
from livepass.emulators.between.control import Control
from livepass.emulators.between.proxy import Proxy
from livepass.emulators.between.scene import Break, Broken
from livepass.emulators.between.spoiling import updates
from livepass.emulators.iphone import PhoneEvent, PhoneRunner, PhoneSettings, PushClient, Wallet
from livepass.service.drafting import Wish
from livepass.service.issuing import Issued

PASS_TYPE = "pass.demo.livepass"
TEAM = "DEMO000000"
FIRST_PORT = 8420


def state_file() -> Path:
    """Where a running demo says how to reach it, for the second terminal. One per user."""
    return Path(tempfile.gettempdir()) / f"livepass-demo-{os.getuid()}.json"


class Demo:
    """A running demo, and the scene that things are broken in. Made by ``running``."""

    topic = PASS_TYPE

    def __init__(self, directory: Path, on_event: Callable[[str, PhoneEvent], None]) -> None:
        self.directory = directory
        self.authority = Authority()
        self.ca_file = directory / "ca.crt"
        self.apns = ApnsServer.under(self.authority)
        self.port = _free_port(FIRST_PORT)
        self.admin_key = secrets.token_urlsafe(24)
        self.control_secret = secrets.token_urlsafe(24)
        self.certificate = self.authority.server_certificate("localhost", "127.0.0.1")
        self.proxy = Proxy(self.url, self.certificate, self.authority.root_pem)
        self.phones: dict[str, PhoneRunner] = {}
        self._broken = Broken(self)
        self._control = Control(self.control_secret, self.cause, self.mend, lambda: self._broken.breaks)
        self.services: wiring.Services
        self.console_url = ""
        self._on_event = on_event
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def holders(self) -> list[PhoneRunner]:
        """Every phone holds passes of the one pass type."""
        return list(self.phones.values())

    async def start(self) -> None:
        """Bring everything up, and put the three sample passes on the first phone."""
        self.ca_file.write_bytes(self.authority.root_pem)
        await self.apns.start()
        self._stack.push_async_callback(self.apns.stop)
        await self._stack.enter_async_context(self.proxy)
        config = Config(
            database_url=f"sqlite:///{self.directory}/livepass.db",
            public_url=self.proxy.url,
            secret_key=(secrets.token_urlsafe(32),),
            admin_key=self.admin_key,
            apns_url=self.apns.url,
            apns_ca_file=self.ca_file,
            public_ca_file=self.ca_file,
        )
        await wiring.upgrade(config)
        self.services = await self._stack.enter_async_context(wiring.opened(config))
        await self._stack.enter_async_context(self._serving())
        await self._certificate()
        phone = await self.phone("Ada's iPhone")
        for sample in SAMPLES:
            await self.services.publishing.publish(sample.template(), wait=True)
            await self.services.issuing.put(Wish(PASS_TYPE, sample.serial, sample.name, sample.data))
            await phone.install(await self.services.issuing.pkpass(PASS_TYPE, sample.serial))
        await phone.settle()
        await self._stack.enter_async_context(self._control)
        await self._stack.enter_async_context(self._console())

    async def stop(self) -> None:
        await self._stack.aclose()

    async def phone(self, name: str, wallet: Wallet | None = None) -> PhoneRunner:
        """Switch on a phone: a new one, or one that a backup was restored onto."""
        if wallet is None:
            # One demo makes more pushes in a minute than a phone tolerates in a day.
            settings = PhoneSettings(name=name, disable_rate_limiting=True)
            rng = random.Random(name)  # noqa: S311 - a stand-in's ids, the same each time
            wallet = Wallet([self.authority.root], rng=rng, settings=settings)
        runner = PhoneRunner(
            wallet,
            ca_file=self.ca_file,
            pushes=PushClient(self.apns.control_url),
            on_event=lambda event: self._on_event(name, event),
        )
        await self._stack.enter_async_context(runner)
        self.phones[name] = runner
        return runner

    async def change(self, sample: Sample, value: object) -> Issued:
        """Change a sample's live value, and push at once."""
        wish = Wish(PASS_TYPE, sample.serial, data={sample.variable: value}, patch=True)
        return await self.services.issuing.put(wish, "now")

    async def current(self, sample: Sample) -> object:
        """What the pass says now, according to the service."""
        row = await self.services.store.pass_(PASS_TYPE, sample.serial)
        assert row is not None
        return json.loads(row.data)[sample.variable]

    def shown(self, name: str, sample: Sample) -> object:
        """What a phone shows."""
        return self.phones[name].wallet[sample.serial].field(sample.field)

    # ── what goes wrong

    @property
    def breaks(self) -> Sequence[Break]:
        """What is broken now."""
        return self._broken.breaks

    async def cause(self, one: Break) -> None:
        """Break one thing. What is seen only when a phone registers is seen at once: they leave, and come back."""
        if one.joining:
            await self._switch_updates(False)
        await self._broken.cause(one)
        if one.joining:
            await self._switch_updates(True)

    async def _switch_updates(self, on: bool) -> None:
        for phone in self.holders:
            await updates(on)(self, phone)
            with contextlib.suppress(TimeoutError):  # of a phone whose calls hang
                await phone.settle(5)

    async def mend(self) -> list[Break]:
        """Mend everything; then phones do what a person would see to: try again, and look."""
        mended = await self._broken.mend()
        for phone in self.holders:
            for held in phone.wallet.passes_of(PASS_TYPE):
                now = phone.clock.now()
                if held.updatable and not held.registered:
                    phone.wallet.register(held, now)
                phone.wallet.pull_to_refresh(*held.key, now)
            phone.wake()
        return mended

    def facts(self) -> dict[str, Any]:
        """What the second terminal needs to know."""
        return {
            "url": self.url,
            "key": self.admin_key,
            "ca_file": str(self.ca_file),
            "apns": self.apns.url,
            "apns_control": self.apns.control_url,
            "console": self.console_url,
            "control": self._control.url,
            "control_secret": self.control_secret,
            "directory": str(self.directory),
            "pid": os.getpid(),
        }

    async def _certificate(self) -> None:
        issued = self.authority.pass_certificate(PASS_TYPE, TEAM)
        await self.services.admitting.import_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem)

    @asynccontextmanager
    async def _console(self) -> AsyncIterator[None]:
        """The pages, for whoever sits at this machine; none where what they need is not installed."""
        try:
            from livepass.cli import console_serving
        except ImportError:
            yield
            return

        def ready(address: str) -> None:
            self.console_url = f"{address.replace('127.0.0.1', 'localhost')}/console/"

        app, port = console_serving.of_demo(self), _free_port(FIRST_PORT + 2)
        async with _beside(
            lambda stop, told: show(self.services, app, host="127.0.0.1", port=port, ready=told, stop=stop), ready
        ):
            yield

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        issued = self.certificate
        certificate, key = self.directory / "tls.crt", self.directory / "tls.secret"
        certificate.write_bytes(issued.certificate_pem)
        key.touch(0o600)
        key.write_bytes(issued.key_pem)
        async with _beside(
            lambda stop, told: serve(
                self.services,
                host="127.0.0.1",
                port=self.port,
                sheds=False,  # phones and APNs run on the same loop: that it is late says nothing of the service
                tls_cert=certificate,
                tls_key=key,
                ready=told,
                stop=stop,
            )
        ):
            yield


Told = Callable[[str], None]


@asynccontextmanager
async def _beside(
    work: Callable[[asyncio.Event, Told], Coroutine[Any, Any, None]], ready: Told = lambda _address: None
) -> AsyncIterator[None]:
    """Something that serves, from when it says that it is ready until the end of the block."""
    stop, listening = asyncio.Event(), asyncio.Event()

    def told(address: str) -> None:
        ready(address)
        listening.set()

    serving = asyncio.create_task(work(stop, told))
    first = asyncio.create_task(listening.wait())
    await asyncio.wait({serving, first}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        first.cancel()
        await serving
    try:
        yield
    finally:
        stop.set()
        await serving


@asynccontextmanager
async def running(on_event: Callable[[str, PhoneEvent], None], keep: bool = False) -> AsyncIterator[Demo]:
    """A demo for the length of a block. Its directory is deleted after it, unless ``keep``."""
    with contextlib.ExitStack() as stack:
        if keep:
            directory = tempfile.mkdtemp(prefix="livepass-demo-")
        else:
            directory = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="livepass-demo-", ignore_cleanup_errors=True)
            )
        demo = Demo(Path(directory), on_event)
        try:
            await demo.start()
            yield demo
        finally:
            await demo.stop()


async def until(true: Callable[[], object], seconds: float = 20.0) -> bool:
    """Wait for something to become true; false when it did not in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.005)
    return True


def _free_port(port: int) -> int:
    """The first free port on loopback from ``port`` on."""
    for candidate in [*range(port, port + 20), 0]:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", candidate)) as listener:
            found: int = listener.getsockname()[1]
            return found
    raise OSError("no free port on loopback")
