"""A service process: the product's own services, put together as ``wiring`` does, on seams of virtual time.

It can be killed at any await and any statement, and started again. What it remembers in memory goes with it.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import validated
from livepass.core.history import Reason
from livepass.core.trip2_push import Credential, PushAnswer, PushMessage
from livepass.keys.sealing import Secrets
from livepass.outside.authorities import HttpAuthorities
from livepass.service import keeping, pushing, recovering, safekeeping
from livepass.service.admitting import Admitting
from livepass.service.answering import Answering
from livepass.service.building import Builder
from livepass.service.epochs import begin_epochs
from livepass.service.issuing import Issuing
from livepass.service.keeping import Keeper
from livepass.service.lookout import Lookout
from livepass.service.observing import Recorder
from livepass.service.personalizing import Personalizing
from livepass.service.publishing import Publishing
from livepass.service.pushing import Dispatcher
from livepass.service.recovering import Recovering
from livepass.service.rotating import Rotating
from livepass.service.safekeeping import Safekeeping
from livepass.service.seams import Sender
from livepass.web.phone import PhoneApp
from simulation.database import Server, Store
from simulation.loop import Future, Killed, Loop, Lost
from simulation.outside import Shelf, ShelfJournal, ShelfWitness
from simulation.papers import RememberingRing
from simulation.ports import HostClock, SeededChance, VirtualScheduler

T = TypeVar("T")

URL = "https://passes.sim.example/wallet"
SECRET = "A" * 43

SLOWED: Mapping[tuple[Any, str], float] = {
    # A round that finds nothing to do is most of what an idle service does; days of them would be all of the work.
    # What these rounds promise is "not later than the next one", so longer ones lose nothing but time.
    (keeping, "ROUND_SECONDS"): 900.0,
    (keeping, "PRUNE_EVERY_MS"): 21_600_000,
    (pushing, "SWEEP_SECONDS"): 3600.0,
    (pushing, "LEASED_SECONDS"): 15.0,
    (recovering, "LOOK_SECONDS"): 1800.0,
    (safekeeping, "FOLLOW_SECONDS"): 14400.0,
    # Counted in looks, which take so much longer here.
    (recovering, "REST_LOOKS"): 1,
}


@contextlib.contextmanager
def slowed() -> Iterator[None]:
    """While a seed runs, and no longer: other tests of this process go by the product's own times."""
    before = {(module, name): getattr(module, name) for module, name in SLOWED}
    try:
        for (module, name), value in SLOWED.items():
            setattr(module, name, value)
        with validated.once():
            yield
    finally:
        for (module, name), value in before.items():
            setattr(module, name, value)


class Surroundings(Protocol):
    """What all processes of a seed share."""

    loop: Loop
    server: Server
    shelf: Shelf
    clock: HostClock
    seed: int
    secrets: Sequence[str]
    has_witness: bool
    has_journal: bool
    pushes: bool
    retells: bool

    def sender(self, process: Process) -> Sender: ...

    def died(self, process: Process) -> None: ...


class Process:
    """``name`` stays through restarts; ``life`` counts them."""

    def __init__(self, around: Surroundings, name: str, life: int) -> None:
        self.around = around
        self.name = name
        self.life = life
        self.dead = False
        self.open = False
        self.stopped = False
        """Whether it ended as it should, and so left the witness as new as can be."""
        self.fuse: int | None = None
        """How many more points to pass before it is killed."""
        self._calls: dict[Future[Any], None] = {}
        self.keys: RememberingRing
        self.app: PhoneApp

    def __str__(self) -> str:
        return f"{self.name}.{self.life}"

    # ── life and death

    def came_by(self) -> None:
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse <= 0:
                self.kill()

    def kill(self) -> None:
        """kill -9: every task ends where it stands, what is open is rolled back, whoever waits hears nothing."""
        if self.dead:
            return
        self.kill_quietly()
        self.around.died(self)

    def kill_quietly(self) -> None:
        """As ``kill``, and nobody starts another."""
        self.dead, self.open, self.fuse = True, False, None
        calls = list(self._calls)
        self.around.loop.kill(self)
        for call in calls:
            call.fail(Lost(f"{self} died"))
        self.around.server.listeners.pop(getattr(self, "store", None), None)  # type: ignore[arg-type]

    async def _hung_up(self, _: object) -> bool:
        """Whether who makes the request that is answered was seen to go."""
        assert self.around.loop.current is not None
        return bool(self.around.loop.current.exchange.gone)

    async def start(self) -> None:
        """As ``wiring.Services.open`` and ``working``."""
        around = self.around
        chance = SeededChance(f"{around.seed}/{self}")
        scheduler = VirtualScheduler(around.loop, self)
        clock = around.clock
        store = self.store = Store(around.server, self, self._renew)
        secrets = Secrets(around.secrets, random.Random(f"{around.seed}/{self}/seals").randbytes)
        keys = self.keys = RememberingRing(secrets, b"simulated")
        due = scheduler.signal()
        builder = self.builder = Builder(store, keys, clock, scheduler)
        recorder = self.recorder = Recorder(store, scheduler)
        issuing = self.issuing = Issuing(store, keys, builder, clock, chance, due, URL)
        witness = ShelfWitness(around.shelf, self) if around.has_witness else None
        journal = ShelfJournal(around.shelf, self) if around.has_journal else None
        lookout = self.lookout = Lookout(store, clock, chance, witness, lambda: issuing.gave)
        await lookout.open()
        await Safekeeping(store, keys, clock).open()
        self.recovering = Recovering(store, keys, clock, scheduler, lookout, journal)
        self.recovering.replays = True
        self.answering = Answering(store, keys, builder, recorder, clock, chance, lookout=lookout, journal=journal)
        parts = (store, keys, builder, recorder, clock, chance, scheduler)
        personalizing = Personalizing(*parts, issuing)
        self.app = PhoneApp(self.answering, personalizing=personalizing, hung_up=self._hung_up)
        self.publishing = Publishing(store, issuing, clock, scheduler)
        self.rotating = Rotating(store, keys, clock, chance, _unproved)
        self.dispatcher = Dispatcher(
            *(store, around.sender(self), builder, clock, chance, scheduler, due), refused=self.rotating.refused
        )
        self.admitting = Admitting(store, keys, clock, chance, scheduler, HttpAuthorities([]))
        self.keeper = Keeper(store, issuing, clock, scheduler, due)
        if not around.retells:
            self.keeper.retell = _never  # type: ignore[method-assign]
        scheduler.spawn(Safekeeping(store, keys, clock).run(scheduler), "shared-keys")
        scheduler.spawn(self.recovering.run(), "lookout")
        scheduler.spawn(self.keeper.run(), "keeper")
        if around.pushes:
            scheduler.spawn(self.dispatcher.run(), "push-worker")
        self.open = True

    async def stop(self) -> None:
        """As when it is asked to end: drains, and leaves the witness as new as can be."""
        self.open = False
        await self.keeper.stop()
        await self.dispatcher.stop()
        await self.recorder.settle()
        await self.recovering.close()
        self.stopped = True

    # ── what others want of it

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run something in this process, for somebody outside it. Raises ``Lost`` when it dies first."""
        if self.dead:
            raise Lost(f"{self} is dead")
        result: Future[Any] = self.around.loop.future()
        self._calls[result] = None

        async def run() -> None:
            try:
                result.set(await work())
            except Killed:
                raise
            except Exception as error:
                result.fail(error)
            finally:
                self._calls.pop(result, None)

        self.around.loop.spawn(run(), self, "call")
        found: T = await result.get()
        return found

    async def _renew(self, tx: Any) -> None:
        """As ``wiring`` does when the database turns out to be another copy."""
        await new_history(self.around, tx, Reason.OTHER_COPY, self.lookout.lost_modified())


async def new_history(around: Surroundings, tx: Any, reason: Reason, lost: Mapping[str, int]) -> None:
    """New epochs, in a transaction, before anything else is read."""
    chance = SeededChance(f"{around.seed}/copy {around.server.copy}")
    await begin_epochs(tx, await tx.counters(), reason, now=around.clock.now(), chance=chance, lost=lost)


async def _never() -> int:
    return 0


async def _unproved(credential: Credential, message: PushMessage) -> PushAnswer:
    raise AssertionError("nobody proves a certificate here")
