"""Push workers that can be told at which step to die, and processes that claim side by side. Run in the nursery."""

from __future__ import annotations

import asyncio
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
from livepass.service.pushing import Dispatcher
from livepass.service.seams import Tx

STEPS = ("claimed", "half sent", "sent", "recording", "recorded")
"""Where a worker can die with a batch."""


async def worker(
    say: Say,
    *,
    settings: Settings,
    dies: str = "",
    lease_ms: int = pushing.LEASE_MS,
    sweep: float = pushing.SWEEP_SECONDS,
) -> None:
    """Push what is due, until SIGTERM. ``dies``: the step at which it kills itself, one of ``STEPS``."""
    pushing.LEASE_MS, pushing.SWEEP_SECONDS = lease_ms, sweep
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    made = config(settings)
    assert made.apns_ca_file is not None
    async with wiring.opened(made) as services:
        sender = Sending(made.apns_url, ca_pem=made.apns_ca_file.read_bytes())
        parts = (services.builder, services.clock, services.chance, services.scheduler, services.due)
        dispatcher = Dying(services.store, sender, *parts)
        dispatcher.dies = sender.dies = dies
        if dies == "recording":
            services.store.write = _dying_before_the_commit(services.store.write)  # type: ignore[method-assign]
        running = asyncio.create_task(dispatcher.run())
        say("ready")
        await ended.wait()
        await dispatcher.stop()
        await running
        await sender.close()


def _die() -> None:
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
                _die()

        await super().send(credential, messages, counted)


class Dying(Dispatcher):
    """The real worker, which may die before or after it sends, or when all is done."""

    dies = ""

    async def _see_through(self, batch: Any) -> None:
        if self.dies == "claimed":
            _die()
        await super()._see_through(batch)
        if self.dies == "recorded":
            _die()

    async def _send(self, targets: Any, batch: Any) -> None:
        await super()._send(targets, batch)
        if self.dies == "sent":
            _die()


def _dying_before_the_commit(write: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    class Recording:
        """A transaction in which recording is the last thing that this process does."""

        def __init__(self, tx: Tx) -> None:
            self._tx = tx

        def __getattr__(self, name: str) -> Any:
            return getattr(self._tx, name)

        async def record_outcomes(self, *arguments: Any) -> None:
            await self._tx.record_outcomes(*arguments)
            _die()

    async def writing(work: Callable[[Any], Awaitable[Any]]) -> Any:
        return await write(lambda tx: work(Recording(tx)))

    return writing


async def claimer(say: Say, *, settings: Settings, name: str, claims: int) -> None:
    """Claim, hold for a moment, give back as due again. Says ``held, lease, tokens, from, until`` (monotonic seconds,
    the same for all processes of a machine).
    """
    rng = random.Random(name)
    async with wiring.opened(config(settings)) as services:
        store, clock, loop = services.store, services.clock, asyncio.get_running_loop()

        async def one(number: int) -> None:
            lease, now = f"{name}-{number}", clock.now()
            claimed = await store.write(
                lambda tx: tx.claim_targets(PASS_TYPE, lease=lease, now=now, lease_until=now + 60_000, limit=7)
            )
            held_from = loop.time()
            await asyncio.sleep(rng.random() * 0.003)
            say("held", lease, [target.push_token for target in claimed], held_from, loop.time())
            # In the past: due at once, whatever the clocks of two processes say.
            await store.write(lambda tx: tx.hold_targets(lease, [(target, 1) for target in claimed]))

        async def several(numbers: range) -> None:
            for number in numbers:
                await one(number)

        await asyncio.gather(several(range(0, claims, 2)), several(range(1, claims, 2)))
