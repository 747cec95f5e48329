"""The console's door over a database of its own: what tests of it share."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import engines
from livepass.core.console import Audited
from livepass.core.totp import code_of, step_at
from livepass.keys.ring import SealedKeyRing
from livepass.keys.sealing import Secrets
from livepass.runtime import AsyncScheduler
from livepass.service.console_access import ConsoleAccess
from livepass.service.safekeeping import Safekeeping
from livepass.service.seams import Store

SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
PASSWORD = "correct horse battery"
OTHER = "staple of another kind"
SOURCE = "192.0.2.7"
T0 = 1_800_000_000_000
MINUTE, HOUR = 60_000, 3_600_000


class TwoClocks:
    """Wall time, which may be set anywhere, and a stopwatch, which only goes on."""

    def __init__(self) -> None:
        self.ms = T0
        self.seconds = 100.0

    def now(self) -> int:
        return self.ms

    def stopwatch(self) -> float:
        return self.seconds

    def pass_(self, ms: int) -> None:
        self.ms += ms
        self.seconds += ms / 1000


class Dice:
    """The same throws in every run."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def token_bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def fraction(self) -> float:
        return 0.5


class Door:
    """``ConsoleAccess`` of one process, and its parts."""

    def __init__(self, store: Store, url: str, clock: TwoClocks, seed: int = 1) -> None:
        self.store, self.url, self.clock = store, url, clock
        self.keys = SealedKeyRing(Secrets((SECRET,), random.Random(seed).randbytes), b"password of this process")
        self.scheduler = AsyncScheduler(2)
        self.console = ConsoleAccess(store, self.keys, clock, Dice(seed), self.scheduler)
        self.secret = b""

    async def login(self, name: str = "ada", password: str = PASSWORD, code: str | None = None, **more: Any) -> str:
        return await self.console.login(name, password, code, source=more.pop("source", SOURCE), **more)

    async def enrol(self, name: str = "ada") -> str:
        """A second factor that counts; answers its address. ``code`` says its codes."""
        address = await self.console.enrol_totp(name)
        self.secret = secret_in(address)
        await self.console.confirm_totp(name, self.code(-1))
        return address

    def code(self, away: int = 0) -> str:
        """The code of the present step, or of one before or after it."""
        return code_of(self.secret, step_at(self.clock.now()) + away)

    def rows(self, table: str) -> list[dict[str, Any]]:
        return engines.look(self.url, f"SELECT * FROM {table}")

    async def log(self) -> list[Audited]:
        """Oldest first."""
        return list(await self.console.audited(limit=1000))[::-1]


def secret_in(address: str) -> bytes:
    import base64

    [text] = parse_qs(urlsplit(address).query)["secret"]
    return base64.b32decode(text + "=" * (-len(text) % 8))


@asynccontextmanager
async def door(url: str, clock: TwoClocks | None = None, seed: int = 1) -> AsyncIterator[Door]:
    """A process on the database."""
    made = Door(await engines.open_store(url), url, clock or TwoClocks(), seed)
    try:
        await Safekeeping(made.store, made.keys, made.clock).open()
        yield made
    finally:
        await made.scheduler.close()
        await made.store.close()


def run(directory: Path, test: Callable[[Door], Awaitable[None]]) -> None:
    """With one user, ada, an operator."""

    async def work() -> None:
        async with door(engines.new_database(directory / "livepass.db")) as made:
            await made.console.add_user("ada", "operator", PASSWORD)
            await test(made)

    asyncio.run(work())
