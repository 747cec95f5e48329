"""The fixture ``phone``: an emulated iPhone that talks HTTPS with a service, and is handed its pushes by the test."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography import x509

from livepass.emulators.apns import UnknownToken
from livepass.emulators.iphone import (
    Alert,
    Banner,
    Exchange,
    InstalledPass,
    PhoneRunner,
    PhoneSettings,
    PushClient,
    Wallet,
)
from livepass.testing.stage import Stage

if TYPE_CHECKING:
    from livepass.testing.apns import Apns
    from livepass.testing.app import App

T = TypeVar("T")

LOOK_SECONDS = 0.01


class Phone:
    """One phone. Each method returns when the phone has nothing under way any more.

    A real phone comes when it likes; this one learns of pushes in ``deliver_pushes``, and is never throttled unless
    its settings say so.
    """

    def __init__(self, stage: Stage, apns: Apns, app: App | None, settings: PhoneSettings, roots: Sequence[Path]):
        self._stage = stage
        self._apns = apns
        self._app = app
        known = [root for file in roots for root in x509.load_pem_x509_certificates(file.read_bytes())]
        rng = random.Random(settings.name)  # noqa: S311 - plays a phone, guards nothing
        self.wallet = Wallet([stage.authority.root, *known], rng=rng, settings=settings)
        trust = ssl.create_default_context()
        for file in (stage.ca_file, *roots):
            trust.load_verify_locations(cafile=str(file))
        self._runner = stage.run(self._begun(trust))

    # ── what a person does

    def add(self, pkpass: bytes | str) -> InstalledPass:
        """Add a pass, from its bytes or its address. Raises ``emulators.iphone.Refused`` where a phone would not."""
        return self._do(self._runner.install(pkpass))

    def delete(self, serial: str) -> None:
        """Remove a pass."""
        self._act(lambda now: self.wallet.delete(*self[serial].key, now))

    def set_automatic_updates(self, serial: str, on: bool) -> None:
        """The switch on the back of a pass."""
        self._act(lambda now: self.wallet.set_automatic_updates(*self[serial].key, on, now))

    def pull_to_refresh(self, serial: str) -> None:
        """Fetch a pass without having been told to."""
        self._act(lambda now: self.wallet.pull_to_refresh(*self[serial].key, now))

    def sign_up(self, serial: str, info: Mapping[str, str]) -> None:
        """Sign up with a pass that offers it; ``info`` as in ``{"emailAddress": "ada@example.com"}``."""
        self._act(lambda now: self.wallet.personalize(*self[serial].key, info, now))

    def go_offline(self) -> None:
        """No requests and no pushes, until ``go_online``."""
        self._switch(True)

    def go_online(self) -> None:
        """Do what waited. Pushes still wait for ``deliver_pushes``."""
        self._switch(False)

    @contextmanager
    def offline(self) -> Iterator[None]:
        """Offline for the length of a block."""
        self.go_offline()
        try:
            yield
        finally:
            self.go_online()

    def wipe(self) -> None:
        """Erase the phone: no service hears of it, and APNs answers 410 to its next push."""
        self._stage.run(self._runner.wipe())

    def replace_push_token(self) -> None:
        """Apple gives the phone another push token: it registers anew."""
        self._do(self._runner.replace_push_token())

    # ── what Apple does

    def deliver_pushes(self, timeout: float = 10.0) -> int:
        """Hand the phone every push that it is owed, let it ask and fetch, and answer how many there were.

        With ``livepass_app``, what is due is sent first, whatever a phone's patience. Of a service that livepass cannot
        look into, the first push is waited for.
        """
        return self._stage.run(self._deliver(timeout))

    # ── what can be seen

    def __getitem__(self, serial: str) -> InstalledPass:
        """The pass with that serial: ``phone["1001"].field("points")``. ``KeyError`` when it is not there."""
        return self.wallet[serial]

    def __contains__(self, serial: str) -> bool:
        return any(held.serial == serial for held in self.wallet.passes.values())

    @property
    def banners(self) -> list[Banner]:
        """The lock-screen texts, oldest first."""
        return self.wallet.banners

    @property
    def last_banner(self) -> str | None:
        """The newest lock-screen text."""
        return self.wallet.last_banner

    @property
    def complaints(self) -> list[str]:
        """Everything that a real phone would post to ``/v1/log``: empty, if the service did all as it should."""
        return self.wallet.complaints

    @property
    def alerts(self) -> list[Alert]:
        """What the phone asked its owner."""
        return self.wallet.alerts

    @property
    def exchanges(self) -> list[Exchange]:
        """The requests that it made, with their answers, oldest first."""
        return self.wallet.history

    @property
    def push_token(self) -> str:
        """As services learn it, and APNs knows it."""
        return self.wallet.push_token

    # ── on the stage's thread

    async def _begun(self, trust: ssl.SSLContext) -> PhoneRunner:
        runner = PhoneRunner(self.wallet, verify=trust, pushes=_Line(self._apns))
        await runner.__aenter__()
        return runner

    async def _deliver(self, timeout: float) -> int:  # noqa: ASYNC109 - bounds two waits of ours
        token, phones, count = self.wallet.push_token, self._apns.server.phones, 0
        end = asyncio.get_running_loop().time() + timeout
        while True:
            if self._app is not None:
                await self._app.send_pushes(timeout)
            try:
                taken = [] if self.wallet.airplane_mode else phones.take(token)
            except UnknownToken:
                taken = []
            for push in taken:
                await self._runner.deliver_push(push.topic)
            await self._runner.settle(timeout)
            count += len(taken)
            if taken:
                continue
            waits = self._app is None and count == 0 and not self.wallet.airplane_mode
            if not waits or asyncio.get_running_loop().time() > end:
                return count
            await asyncio.sleep(LOOK_SECONDS)

    def _act(self, act: Callable[[float], None]) -> None:
        async def acted() -> None:
            act(self._runner.clock.now())
            self._runner.wake()

        self._do(acted())

    def _switch(self, offline: bool) -> None:
        async def switched() -> None:
            self._runner.set_airplane_mode(offline)

        self._do(switched())

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        async def done() -> T:
            result = await work
            await self._runner.settle()
            return result

        return self._stage.run(done())

    def close(self) -> None:
        self._stage.run(self._runner.__aexit__(None, None, None))


class _Line(PushClient):
    """A phone's line to the APNs of the same thread. Pushes stay there until the test wants them delivered."""

    def __init__(self, apns: Apns) -> None:
        self._apns = apns

    async def register(self, token: str, topics: Sequence[str]) -> None:
        self._apns.server.register_device(token, topics)

    async def wait(self, token: str, seconds: float) -> list[Any]:
        await asyncio.sleep(seconds)
        return []

    async def forget(self, token: str) -> None:
        # Just after a registration a service cannot tell whether a 410 is older than that: be past it.
        self._apns.server.kill_device(token, int(time.time() * 1000) + 3_600_000)

    async def close(self) -> None:
        """Nothing is open."""


class Phones:
    """The fixture ``phones``: makes as many as a test needs. ``phones("Grace's iPhone", ios="26.0")``."""

    def __init__(self, stage: Stage, apns: Apns, app: App | None, roots: Sequence[Path]) -> None:
        self._parts = (stage, apns, app)
        self._roots = roots
        self._made: list[Phone] = []

    def __call__(self, name: str = "Ada's iPhone", **settings: Any) -> Phone:
        """``settings``: those of ``emulators.iphone.PhoneSettings``; two phones need two names."""
        if any(phone.wallet.settings.name == name for phone in self._made):
            raise ValueError(f"there is a phone {name!r} already: its ids are drawn from its name")
        settings.setdefault("disable_rate_limiting", True)
        phone = Phone(*self._parts, PhoneSettings(name=name, **settings), self._roots)
        self._made.append(phone)
        return phone

    def close(self) -> None:
        for phone in self._made:
            phone.close()
