"""Passes with phones that can be pushed to, on a database of either engine, beside an emulated APNs."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import engines
from concurrency.office import PASS_TYPE, Settings, config, settings, stock
from livepass import wiring
from livepass.emulators.apns.server import ApnsServer
from livepass.emulators.authority import Authority
from livepass.service.drafting import Wish

PATIENCE = 60.0


class Scene:
    """One pass, ``1``, on some phones. What they were owed when they joined, they have heard."""

    def __init__(self, shared: Settings, apns: ApnsServer, tokens: list[str]) -> None:
        self.settings = shared
        self.apns = apns
        self.tokens = tokens
        self._value = 0

    @property
    def url(self) -> str:
        url: str = self.settings["database_url"]
        return url

    async def change(self) -> int:
        """Change the pass, in this process, and have it pushed now; its number."""
        self._value += 1
        async with wiring.opened(config(self.settings)) as services:
            wish = Wish(PASS_TYPE, "1", data={"value": str(self._value)}, patch=True)
            return (await services.issuing.put(wish, "now")).number

    def pushes(self) -> Counter[str]:
        """How often APNs took a push for each token."""
        return Counter(entry.token for entry in self.apns.history() if entry.status == 200)

    def leases_run_out(self) -> None:
        """As if their time had passed."""
        engines.run(self.url, "UPDATE push_target SET lease_until = 1, next_at = 1 WHERE lease IS NOT NULL")

    async def until_pushed(self, number: int) -> None:
        """Wait until pushes for this number are written down for all phones, and no batch is under way."""
        behind = "SELECT count(*) FROM push_target WHERE pushed < ? OR lease IS NOT NULL"
        deadline = time.monotonic() + PATIENCE
        while (left := engines.run(self.url, behind, number)[0][0]) > 0:
            assert time.monotonic() < deadline, f"{left} pushes are still due"
            await asyncio.sleep(0.05)


@asynccontextmanager
async def scene(directory: Path, authority: Authority, phones: int) -> AsyncIterator[Scene]:
    ca_file = directory / "ca.crt"
    ca_file.write_bytes(authority.root_pem)
    async with ApnsServer.under(authority) as apns:
        shared = settings(directory, apns_url=apns.url, apns_ca_file=str(ca_file))
        await stock(shared, authority, {PASS_TYPE: ["1"]})
        tokens = [f"{number:064x}" for number in range(1, phones + 1)]
        async with wiring.opened(config(shared)) as services:
            for token in tokens:
                apns.register_device(token, [PASS_TYPE])
                assert await register(services, f"phone-{token[-4:]}", token) == 201
        engines.run(shared["database_url"], "UPDATE push_target SET acked = wanted, pushed = wanted")
        yield Scene(shared, apns, tokens)


async def register(services: wiring.Services, device: str, token: str, serial: str = "1") -> int:
    """The status of the answer."""
    row = await services.store.pass_(PASS_TYPE, serial)
    assert row is not None
    allowed = f"ApplePass {services.keys.token('default', PASS_TYPE, serial, row.token)}"
    body = json.dumps({"pushToken": token}).encode()
    return (await services.answering.register(PASS_TYPE, serial, device, allowed, body)).status
