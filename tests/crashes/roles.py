"""The processes that are killed: issuers with phones that register, and push workers; and one that only makes changes."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any

from concurrency.nursery import Say
from concurrency.office import PASS_TYPE, Settings, config
from livepass import wiring
from livepass.apns import ApnsSender
from livepass.core.trip2_push import PushAnswer, PushCredential, PushMessage
from livepass.service import pushing
from livepass.service.drafting import Wish
from livepass.service.issuing import Issued
from livepass.service.pushing import Dispatcher
from livepass.service.seams import Tx

CLAIM = 20
"""Targets in a batch: few, so that many batches are cut off."""
LEASE_MS = 2_000
"""Long enough for a push here, and short enough to wait for."""
SWEEP_SECONDS = 0.5


# ── issuers and phones


async def writer(say: Say, *, settings: Settings, name: str, passes: Sequence[str]) -> None:
    """Register phones and change passes until it is killed. Says ``registered`` and ``changed`` once they are durable,
    and before a change ``changing``: what may have been done without an answer.
    """
    rng = random.Random(name)
    async with wiring.opened(config(settings)) as services:
        numbers, values = count(), count()

        async def phones() -> None:
            for number in numbers:
                serial, device, token = rng.choice(passes), f"{name}-{number}", rng.randbytes(32).hex()
                status = await register(services, device, serial, token)
                assert status == 201
                say("registered", device, serial, token)

        async def issuer() -> None:
            for number in values:
                serials = rng.sample(passes, rng.choice((1, 1, 3)))
                value = f"{name}-{number}"
                say("changing", value)
                wishes = [Wish(PASS_TYPE, serial, data={"value": value}, patch=True) for serial in serials]
                for result in await services.issuing.put_many(wishes, rng.choice(("auto", "now"))):
                    if isinstance(result, Issued):
                        assert result.changed
                        say("changed", result.serial, result.number, value)

        await asyncio.gather(phones(), phones(), issuer(), issuer())


async def register(services: wiring.Services, device: str, serial: str, token: str) -> int:
    row = await services.store.pass_(PASS_TYPE, serial)
    assert row is not None
    allowed = f"ApplePass {services.keys.token('default', PASS_TYPE, serial, row.token)}"
    body = json.dumps({"pushToken": token}).encode()
    return (await services.answering.register(PASS_TYPE, serial, device, allowed, body)).status


async def changer(say: Say, *, settings: Settings, passes: Sequence[str], pause: float) -> None:
    """Change a pass, and push it now, again and again. SIGTERM ends it. Says ``changed, serial, number, begun at``."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    rng = random.Random(1)
    async with wiring.opened(config(settings)) as services:
        for number in count():
            if ended.is_set():
                return
            serial, begun_at = rng.choice(passes), services.clock.now()
            wish = Wish(PASS_TYPE, serial, data={"value": str(number)}, patch=True)
            result = await services.issuing.put(wish, "now")
            say("changed", serial, result.number, begun_at)
            await asyncio.sleep(pause)


# ── workers


async def worker(
    say: Say, *, settings: Settings, lease_ms: int = LEASE_MS, sweep: float = SWEEP_SECONDS, dies: str = ""
) -> None:
    """Push what is due. ``dies``: the step at which it kills itself, one of ``STEPS``. SIGTERM drains it."""
    pushing.CLAIM, pushing.LEASE_MS, pushing.SWEEP_SECONDS = CLAIM, lease_ms, sweep
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with wiring.opened(config(settings)) as services:
        made = config(settings)
        assert made.apns_ca_file is not None
        sender = Sending(made.apns_url, ca_pem=made.apns_ca_file.read_bytes())
        parts = (services.builder, services.clock, services.chance, services.scheduler, services.due)
        dispatcher = Dying(services.store, sender, *parts)
        dispatcher.dies = sender.dies = dies
        if dies == "recording":
            services.store.write = _dying_before_the_commit(services.store.write)  # type: ignore[method-assign]
        running = asyncio.create_task(dispatcher.run())
        say("ready")
        await ended.wait()
        say("ending")
        await dispatcher.stop()
        await running
        await sender.close()


STEPS = ("claimed", "half sent", "sent", "recording", "recorded")
"""Where a worker can die with a batch."""


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Sending(ApnsSender):
    """The real sender, which may die when half of a batch is answered."""

    dies = ""

    async def send(
        self, credential: PushCredential, messages: Sequence[PushMessage], answered: Callable[[PushAnswer], None]
    ) -> None:
        numbers = count(1)

        def counted(answer: PushAnswer) -> None:
            answered(answer)
            if self.dies == "half sent" and next(numbers) == (len(messages) + 1) // 2:
                die()

        await super().send(credential, messages, counted)


class Dying(Dispatcher):
    """The real worker, which may die at a step."""

    dies = ""

    async def _see_through(self, batch: Any) -> None:
        if self.dies == "claimed":
            die()
        await super()._see_through(batch)
        if self.dies == "recorded":
            die()

    async def _send(self, targets: Any, batch: Any) -> None:
        await super()._send(targets, batch)
        if self.dies == "sent":
            die()


def _dying_before_the_commit(write: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    class Recording:
        """A transaction in which recording is the last thing that this process does."""

        def __init__(self, tx: Tx) -> None:
            self._tx = tx

        def __getattr__(self, name: str) -> Any:
            return getattr(self._tx, name)

        async def record_outcomes(self, *arguments: Any) -> None:
            await self._tx.record_outcomes(*arguments)
            die()

    async def writing(work: Callable[[Any], Awaitable[Any]]) -> Any:
        return await write(lambda tx: work(Recording(tx)))

    return writing


async def claimer(say: Say, *, settings: Settings, name: str, claims: int) -> None:
    """Claim, hold a moment, give back as due again. Says ``held, lease, tokens, from, until`` (monotonic seconds, the
    same for all processes of a machine).
    """
    rng = random.Random(name)
    async with wiring.opened(config(settings)) as services:
        store, clock = services.store, services.clock
        say("ready")

        async def one(number: int) -> None:
            lease, now = f"{name}-{number}", clock.now()
            claimed = await store.write(
                lambda tx: tx.claim_targets(PASS_TYPE, lease=lease, now=now, lease_until=now + 60_000, limit=7)
            )
            held_from = asyncio.get_running_loop().time()
            await asyncio.sleep(rng.random() * 0.003)
            held_until = asyncio.get_running_loop().time()
            say("held", lease, [target.push_token for target in claimed], held_from, held_until)
            # In the past: due at once, whatever the clocks of two processes say.
            await store.write(lambda tx: tx.hold_targets(lease, [(target, 1) for target in claimed]))

        async def several(numbers: range) -> None:
            for number in numbers:
                await one(number)

        await asyncio.gather(several(range(0, claims, 2)), several(range(1, claims, 2)))
