"""Those who make and change passes, several at once, each through some process of the service."""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal

from livepass.core.unavailable import Unavailable
from livepass.pkpass import Template
from livepass.service.drafting import Wish
from livepass.service.issuing import Issued
from livepass.service.refusals import Refusal
from simulation import invariants
from simulation.loop import Lost
from simulation.papers import TYPES
from simulation.process import Process

if TYPE_CHECKING:
    from simulation.world import World

Push = Literal["auto", "now", "none"]
Key = tuple[str, str]
TEMPLATE = "card"


def template(revision: int) -> Template:
    """A roll-out changes a label, so every pass that follows it."""
    document = {
        "description": "Card",
        "organizationName": "Sim",
        "storeCard": {
            "primaryFields": [{"key": "points", "label": f"POINTS {revision}", "value": "${points}"}],
        },
    }
    files = {"pass.json": json.dumps(document).encode()}
    return Template.from_files(TEMPLATE, files | {f"icon{scale}.png": _png(n) for scale, n in _ICONS})


_ICONS = (("", 38), ("@2x", 76), ("@3x", 114))


def _png(side: int) -> bytes:
    rows = (b"\0" + bytes((32, 128, 192)) * side) * side

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class Issuer:
    """``a_day``: how many changes it makes."""

    def __init__(self, world: World, name: str, a_day: float) -> None:
        self.world = world
        self.name = name
        self.rng = random.Random(f"{world.seed}/{name}")
        self.a_day = a_day
        self.urgent = 0
        self.points = 0

    async def work(self) -> None:
        world, draw = self.world, self.rng.random
        while True:
            await world.loop.sleep(self.rng.expovariate(self.a_day / 86400))
            if world.quiet:
                return
            key, chance = self.rng.choice(world.serials), draw()
            if world.hurry and draw() < 0.4:
                await self.burst(key)
                continue
            if chance < 0.62:
                await self.change([key])
            elif chance < 0.80:
                await self.change(self.rng.sample(world.serials, self.rng.randrange(2, len(world.serials) + 1)))
            elif chance < 0.86:
                await self.burst(key)
            elif chance < 0.91:
                await self.push(key)
                world.urgent[key[0]] += 1
            elif chance < 0.94:
                await self.put([Wish(*key, void=True)], "auto")
            elif chance < 0.96 and world.may_erase:
                await self.erase(key)
            elif chance < 0.98:
                world.revision += 1
                made = template(world.revision)
                await self.publish(made)
            else:
                await self.fresh()

    async def push(self, key: Key) -> None:
        await self.attempt(lambda process: process.issuing.push(*key), f"push {key[1]}")

    async def publish(self, made: Template) -> None:
        await self.attempt(lambda process: process.publishing.publish(made), f"template {made.revision[:8]}")

    async def burst(self, key: Key) -> None:
        """A ticker: far more changes than a phone would bear pushes."""
        paces = ((0.3, 3), (0.3, 12)) if self.world.hurry else ((0.3, 3), (0.3, 12), (20.0, 4), (60.0, 45))
        every, times = self.rng.choice(paces)
        for _ in range(times):
            await self.change([key], push="auto")
            await self.world.loop.sleep(every)

    async def stutter(self, key: Key) -> None:
        """Several changes in a second, again and again: dates run ahead of the clock."""
        for count in range(15):
            await self.change([key], push="auto")
            await self.world.loop.sleep(3.0 if count % 5 == 4 else 0.02)

    async def change(self, keys: list[Key], push: Push | None = None) -> None:
        if self.world.quiet:
            return
        self.points += 1
        # Now and then the same as before, or what it was some time ago.
        points = (
            self.points if self.rng.random() < 0.85 else self.rng.randrange(max(1, self.points - 2), self.points + 1)
        )
        push = push or self.rng.choices(("auto", "now", "none"), (86, 7, 7))[0]
        wishes = [Wish(*key, template=TEMPLATE, data={"points": f"{self.name} {points}"}) for key in keys]
        await self.put(wishes, push)

    async def put(self, wishes: list[Wish], push: Push) -> None:
        ledger, keys = self.world.ledger, [(wish.pass_type, wish.serial) for wish in wishes]
        if push == "now":
            self.world.urgent.update(key[0] for key in keys)
        for key in keys if push == "none" else ():
            ledger.putting[key] = ledger.putting.get(key, 0) + 1
        copy = ledger.copy
        results = await self.attempt(
            lambda process: process.issuing.put_many(wishes, push), f"put {','.join(key[1] for key in keys)} {push}"
        )
        for key in keys if push == "none" else ():
            ledger.putting[key] -= 1
        for key, result in zip(keys, results or (), strict=False):
            if isinstance(result, Issued) and copy == ledger.copy:
                invariants.acknowledged_change(ledger, key, result.number, result.last_modified)

    async def erase(self, key: Key) -> None:
        await self.attempt(lambda process: process.issuing.erase(*key), f"erase {key[1]}")
        await self.world.loop.sleep(self.rng.choice((0.2, 600.0)))
        await self.change([key])
        await self.world.hand_out(key)

    async def fresh(self) -> None:
        """A pass that did not exist, and a phone that takes it."""
        key = (self.rng.choice(TYPES), f"new-{self.name}-{self.points}")
        await self.change([key])
        if await self.world.hand_out(key):
            self.world.serials.append(key)

    async def attempt(self, work: Callable[[Process], Awaitable[Any]], what: str) -> Any:
        """Ask some process. ``None`` when nobody knows what came of it."""
        process = self.world.some_process()
        if process is None:
            return None
        self.world.trace.note("issuer", f"{self.name} {what}")
        try:
            return await process.call(lambda: work(process))
        except (Lost, Unavailable, Refusal) as error:
            self.world.trace.note("issuer", f"{self.name} {what}: {type(error).__name__}")
            return None
