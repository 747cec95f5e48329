"""A world with a proxy in front of the service, in which one thing after another is broken.

Every break gets a pass type, passes and a phone of its own, so that one world serves them all. Beside them stands a
pass with a phone that nothing is broken of: it went through a change before, over the same proxy.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Self

import engines
from journeys.test_why import Later
from journeys.world import PASS_TYPE, TEAM, World, pass_certificate, points, server_certificate, shows, until
from livepass.core.trip2_push import HOUR
from livepass.core.verdict import Verdict
from livepass.emulators.apns.server import ApnsServer
from livepass.emulators.authority import Authority
from livepass.emulators.between.breaks import BY_NAME
from livepass.emulators.between.proxy import Proxy
from livepass.emulators.between.scene import Broken
from livepass.emulators.iphone import PhoneRunner, PushClient, Quirks, Wallet
from livepass.service.explaining import Explaining

IMPATIENT = {"s0-after-300s": "no", "s3-after-300s": "no", "s4-quiet-hour": "no", "backoff-schedule": "short"}
"""Phones that say and try within seconds what real ones do after minutes."""

AT_INSTALL = frozenset(one.name for one in BY_NAME.values() if one.joining)
"""What can be broken only before a phone registers."""
SETTLING = 0.3
"""Seconds in which a phone does what is to come of a push."""


class House(World):
    """The world; phones reach its service through ``proxy``."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        super().__init__(directory, authority)
        self.proxy = Proxy(f"https://localhost:{self.port}", server_certificate(authority), authority.root_pem)
        self._types = count(1)

    async def open(self) -> None:
        """Start everything, with a healthy pass that has been through a change."""
        await self.proxy.start()
        self.stack.push_async_callback(self.proxy.stop)
        self.front = self.proxy.port
        await self.start()
        await self.stack.enter_async_context(self.services.present("serve+worker", sheds=False))
        phone = await self.holding("healthy", 1)
        await self.change("healthy", 2)
        await shows(phone, "healthy", 2)

    async def new_type(self) -> str:
        """A pass type that nobody used before, with a certificate."""
        pass_type = f"pass.test.broken{next(self._types)}"
        key = pass_certificate(self.authority, PASS_TYPE).key
        issued = self.authority.pass_certificate(pass_type, TEAM, key=key)
        await self.services.admitting.import_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
        return pass_type

    async def why(self, pass_type: str, serial: str, later: int = 0) -> tuple[Verdict, ...]:
        """What is said of a pass, so much later (ms)."""
        await self.services.recorder.settle()
        clock = Later(self.services.clock, later)
        return (await Explaining(self.services.store, clock).explain(pass_type, serial)).verdicts

    async def accuses_nobody_else(self) -> None:
        for later in (0, HOUR):
            assert [one.code for one in await self.why(PASS_TYPE, "healthy", later)] == ["LP000"]


Homes = tuple[asyncio.Runner, House]


@contextmanager
def opened(engine: str, directory: Path, authority: Authority) -> Iterator[Homes]:
    """A house, and the loop that it lives in: between two calls of its ``run``, everything stands still."""
    engines.choose(engine)
    with asyncio.Runner() as runner:
        made = House(directory, authority)
        try:
            runner.run(made.open())
            yield runner, made
        finally:
            runner.run(made.stop())
            engines.choose("sqlite")


@dataclass
class Scene:
    """A pass type of the house with its phone: what is broken of it, and what is said of it."""

    house: House
    topic: str
    holders: Sequence[PhoneRunner] = ()
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def proxy(self) -> Proxy:
        return self.house.proxy

    @property
    def apns(self) -> ApnsServer:
        return self.house.apns

    @property
    def authority(self) -> Authority:
        return self.house.authority

    async def __aenter__(self) -> Self:
        await self.house.issue("1", 1, self.topic)
        await self.house.issue("2", 1, self.topic)
        self.holders = [await self.phone()]
        self.broken = Broken(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.broken.mend()
        await self.stack.aclose()

    async def phone(self) -> PhoneRunner:
        wallet = Wallet([self.authority.root], rng=self.house.rng(), quirks=Quirks(IMPATIENT))
        pushes = PushClient(self.apns.control_url)
        runner = PhoneRunner(wallet, ca_file=self.house.ca_file, pushes=pushes)
        self.house.phones.append(runner)
        return await self.stack.enter_async_context(runner)

    async def bystander(self) -> None:
        """Another phone, with another pass of the type, of which nothing is broken: it follows a change."""
        await self.house.issue("3", 1, self.topic)
        other = await self.phone()
        await self.install(other, "3")
        await other.settle()
        await self.house.change("3", 2, self.topic)
        await shows(other, "3", 2)

    async def install(self, phone: PhoneRunner, *serials: str) -> None:
        for serial in serials:
            await phone.install(await self.house.pkpass(serial, self.topic))

    async def play(self, names: Sequence[str], *, at_install: bool = False) -> None:
        """Break these between registering and a change; or, ``at_install``, before the phone has the pass at all."""
        [phone] = self.holders
        if not at_install:
            await self.install(phone, "1", "2")
            await phone.settle()
        for name in names:
            await self.broken.cause(BY_NAME[name])
        if at_install:
            await self.install(phone, "1")
            return
        await self.house.change("1", 2, self.topic)
        if "ask-query-cut" in names:
            # What comes of it is not seen in one change, but in the next one, of another pass.
            await until(lambda: points(phone, "1") == 2, "it went well")
            await self.house.change("2", 2, self.topic, push="now")

    async def look(self) -> Verdict:
        """The first verdict; on what is in flight, the one in an hour, when nothing comes of it."""
        found = (await self.house.why(self.topic, "1"))[0]
        if found.code == "LP001" and "waits for the push" not in found.sentence:
            found = (await self.house.why(self.topic, "1", HOUR))[0]
        return found

    async def named(self, codes: Sequence[str], seconds: float = 10) -> None:
        """Wait until the first verdict is one of these, and see that it stays so once the phone is at rest."""
        [phone] = self.holders

        async def said() -> bool:
            return (await self.look()).code in codes

        try:
            await until(said, seconds=seconds)
            await asyncio.sleep(SETTLING)
            with contextlib.suppress(TimeoutError):  # of what hangs, or is tried again and again
                await phone.settle(SETTLING)
            assert await said()
        except AssertionError:
            found, words = await self.house.why(self.topic, "1"), phone.wallet.complaints
            raise AssertionError(f"not {codes}: {found}; the phone said {words}") from None

    async def mend(self) -> None:
        """What was broken is whole again, and the person looks at the pass: it follows the next change."""
        [phone] = self.holders
        await self.broken.mend()
        await self.house.change("1", 3, self.topic, push="now")
        phone.wallet.pull_to_refresh(self.topic, "1", phone.clock.now())
        phone.wake()
        await until(lambda: points(phone, "1") == 3, lambda: f"the newest version arrives: {phone.wallet.console[-9:]}")
        await self.named(["LP000"])
