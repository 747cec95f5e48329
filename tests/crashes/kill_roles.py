"""The processes that are killed: they register phones and change passes, or push. Run in the nursery."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence

from concurrency.nursery import Say
from concurrency.office import PASS_TYPE, Settings, config
from livepass import wiring
from livepass.service import pushing
from livepass.service.drafting import Wish

LEASE_MS = 2_000
"""Shorter than in the product, so that what a killed worker held is taken over within the test."""


async def writer(say: Say, *, settings: Settings, name: str, hot: Sequence[str], cold: Sequence[str]) -> None:
    """Change passes that phones follow, and register new phones, until killed. Says each once it is acknowledged."""
    rng, count = random.Random(name), 0
    async with wiring.opened(config(settings)) as services:
        while True:
            count += 1
            if count % 2:
                serial = rng.choice(hot)
                wish = Wish(PASS_TYPE, serial, data={"value": f"{name}-{count}"}, patch=True)
                issued = await services.issuing.put(wish, "now")
                say("changed", serial, issued.number)
            else:
                serial, device = rng.choice(cold), f"{name}-{count}"
                row = await services.store.pass_(PASS_TYPE, serial)
                assert row is not None
                token = services.keys.token("default", PASS_TYPE, serial, row.token)
                body = json.dumps({"pushToken": rng.randbytes(32).hex()}).encode()
                reply = await services.answering.register(PASS_TYPE, serial, device, f"ApplePass {token}", body)
                assert reply.status == 201, reply
                say("joined", serial, device)


async def pusher(say: Say, *, settings: Settings) -> None:
    """A push worker with the real sender, until killed."""
    pushing.LEASE_MS, pushing.LEASED_SECONDS = LEASE_MS, 0.2
    async with wiring.opened(config(settings)) as services, services.working():
        say("ready")
        await asyncio.sleep(3600)
