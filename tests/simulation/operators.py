"""What happens to the service: its processes die and are restarted, its database is put back, its clock is wrong."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING

from livepass.core.history import Reason, lost_modified
from livepass.core.unavailable import Unavailable
from livepass.outside.witness import read_witness
from livepass.service.refusals import Refusal
from simulation.database import Store
from simulation.loop import Lost
from simulation.process import Process, new_history

if TYPE_CHECKING:
    from simulation.world import World


class Operator:
    """One kind of event, ``a_day`` times a day."""

    def __init__(self, world: World, kind: str, a_day: float) -> None:
        self.world = world
        self.kind = kind
        self.a_day = a_day
        self.rng = random.Random(f"{world.seed}/{kind}")

    async def work(self) -> None:
        while self.a_day:
            await self.world.loop.sleep(self.rng.expovariate(self.a_day / 86400))
            if self.world.quiet:
                return
            if not self.world.restoring:
                await getattr(self, self.kind)()

    async def crash(self) -> None:
        """kill -9 at one of the next points that it passes: any await, any statement."""
        process = self.rng.choice(self.world.processes)
        if not process.dead:
            process.fuse = int(self.rng.expovariate(1 / self.rng.choice((5, 40, 400)))) + 1

    async def restart(self) -> None:
        """A rolling restart: one is asked to end, and comes again."""
        process = self.rng.choice(self.world.processes)
        if process.dead or not process.open:
            return
        self.world.trace.note("stop", str(process))
        try:
            await process.call(process.stop)
        except Lost:
            return
        process.kill()

    async def restore(self) -> None:
        """An older backup is put back. Now and then it is the wrong one: then the newest follows, or what was there."""
        world, newest = self.world, self.world.backups[-1]
        aside = await self._put_back(self.rng.choice(world.backups), by_copying=0.5)
        if self.rng.random() < 0.5:
            await world.loop.sleep(self.rng.choice((300.0, 1800.0, 7200.0)))
            if not world.quiet and not world.restoring:
                await self._put_back(self.rng.choice((newest, newest, aside)), by_copying=0.9)

    async def _put_back(self, content: bytes, by_copying: float) -> bytes:
        """By the command, which begins a new history, or as a mere copy of the file. Returns what was there before."""
        world = self.world
        world.restoring = True
        copied = world.has_witness and self.rng.random() < by_copying
        hiccups, world.server.hiccups = world.server.hiccups, 0.0
        for process in list(world.processes):
            if process.open:
                try:
                    await process.call(process.stop)
                except Lost:
                    copied = False  # what it saw last is written nowhere
            else:
                copied = copied and process.stopped
            process.kill()
        world.trace.note("!restore", "by copying" if copied else "by command")
        world.counts["restores"] += 1
        aside = world.server.snapshot()
        world.server.restore(content, promoted=False)
        if not copied:
            await self._command()
        world.server.hiccups = hiccups
        world.restoring = False
        for process in list(world.processes):
            world.start_soon(process)
        return aside

    async def _command(self) -> None:
        """As ``livepass backup restore``: what is put back and the new history are one transaction."""
        world = self.world
        tool = Process(world, "tool", world.server.copy)
        store = Store(world.server, tool, world.never)
        lost = lost_modified(read_witness(world.shelf.witness) if world.shelf.witness is not None else None)
        await store.write(lambda tx: new_history(world, tx, Reason.RESTORED, lost))

    async def failover(self) -> None:
        """A standby that is some seconds behind takes over. Connections break, and come again to another copy."""
        world = self.world
        if self.rng.random() < 0.7:
            # What is lost matters most in the middle of something.
            if self.rng.random() < 0.4:
                world.loop.spawn(world.issuers[0].stutter(self.rng.choice(world.serials)), None, "stutter")
            await world.ledger.next_version()
        while world.server.db.in_transaction:
            await world.loop.sleep(0.0)
        content = world.server.snapshot()
        if self.rng.random() < 0.5:
            await world.ledger.next_ask(20.0)
            await world.loop.sleep(self.rng.choice((0.0, 0.5, 1.0)))
        else:
            await world.loop.sleep(self.rng.choice((0.05, 1.0, 2.0, 20.0)))
        if world.restoring or world.quiet:
            return
        world.trace.note("!failover", "")
        world.counts["failovers"] += 1
        world.server.restore(content, promoted=True)

    async def clock_wrong(self) -> None:
        """Behind by no more than 4 minutes: a 410 is believed against a registration that is 5 minutes older."""
        self.world.clock.off = self.rng.choice((-240.0, -30.0, -1.5, 0.0, 0.0, 1.5, 30.0, 3600.0))
        self.world.trace.note("!clock", f"{self.world.clock.off}")

    async def credential_refused(self) -> None:
        topic = self.rng.choice(self.world.types)
        until = self.world.loop.now + self.rng.expovariate(1 / 1800)
        self.world.apple.refused_until[topic] = until
        self.world.trace.note("!refused", topic)

    async def rotate(self) -> None:
        """The next certificate: one that lasts, or one that lapses before its successor comes."""
        world, topic = self.world, self.rng.choice(self.world.types)
        process = world.some_process()
        if process is None:
            return
        hours = self.rng.choice((0, 12, 24))
        world.trace.note("!rotate", f"{topic} {hours}")
        with contextlib.suppress(Lost, Unavailable, Refusal):
            await process.call(lambda: world.certify(process, topic, hours))
