"""A small calm world of the simulation, one operation in it, and a process that dies at the n-th point of that.

A point is what ``Process.came_by`` counts: every step of a task after an await, every statement of a transaction before
it runs, the commit before it is made, and the first step after it, when nobody has been answered yet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from livepass.core.unavailable import Unavailable
from livepass.emulators.iphone import Quirks
from livepass.service.drafting import Wish
from livepass.service.refusals import Refusal
from livepass.store.sqlite import drive
from livepass.store.verify import verify
from livepass.store.whole_sqlite import SqliteSnapshot
from simulation import aftermath
from simulation.database import Look, Server, Statement
from simulation.issuers import TEMPLATE, template
from simulation.loop import Future, Lost
from simulation.network import Exchange
from simulation.papers import TYPES
from simulation.phones import Phone
from simulation.process import SECRET, Process
from simulation.world import World

TYPE = TYPES[0]
FIRST, SECOND = (TYPE, "card-0"), (TYPE, "card-1")
PLENTY = 1_000_000
PATIENCE_DAYS = 4
"""Virtual days after which what has not come to rest never will."""

Facts = Sequence[Sequence[Any]]
"""What an operation is about, as the rows of some plain SELECTs."""


@dataclass(frozen=True)
class Operation:
    """``facts``: SELECTs over what it changes as a whole. ``states``: how many values of them anybody may see, the one
    before and the one after included; more than 2 for what is done in several transactions.
    """

    name: str
    work: Callable[[Scene], Awaitable[Any]]
    facts: tuple[str, ...] = ()
    states: int = 2
    prepare: Callable[[Scene], Awaitable[Any]] | None = None
    after: Callable[[Scene], Awaitable[Any]] | None = None


@dataclass
class Course:
    """How it went: the points that were passed, what was seen of the facts, what was broken."""

    points: int = 0
    acknowledged: bool = False
    states: list[Facts] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


class Scene(World):
    """Two passes, two phones that hold the first one (one of them both), and one process."""

    def __init__(self, operation: Operation, seed: int = 1) -> None:
        super().__init__(seed, "calm")
        self.operation = operation
        self.loop.drag, self.hurry, self.quirks = 0.002, False, Quirks()
        self.quiet = True
        self.course = Course()
        self.armed = False
        self.fuse = PLENTY
        self.wreck: tuple[Facts, bool] | None = None
        self.secrets: Sequence[str] = (SECRET,)
        self._said: list[tuple[str, Future[Exchange]]] = []
        self.server.watcher = self
        self.network.observer = self

    # ── what the operations use

    @property
    def process(self) -> Process:
        return self.processes[0]

    def born(self) -> Process:
        """A new process in the place of the present one, which does the operation."""
        process = Process(self, self.process.name, self.process.life + 1)
        self.processes[0] = process
        if self.armed:
            process.fuse = self.fuse
        return process

    async def do(self, work: Callable[[], Awaitable[Any]]) -> Any:
        return await self.process.call(work)

    async def put(self, *keys: tuple[str, str], points: object, push: Any = "auto") -> None:
        wishes = [Wish(*key, template=TEMPLATE, data={"points": str(points)}) for key in keys]
        if push == "none":
            self.ledger.putting.update(dict.fromkeys(keys, 1))
        await self.do(lambda: self.process.issuing.put_many(wishes, push))
        self.ledger.putting.clear()

    async def answer(self, kind: str) -> Exchange:
        """The next answer of this kind whose last byte leaves the service."""
        future: Future[Exchange] = self.loop.future()
        self._said.append((kind, future))
        return await future.get()

    def phone(self, name: str) -> Phone:
        made = Phone(name, self.loop, self.network, self.apple, self.trace, self.seed, self.quirks)
        self.phones.append(made)
        return made

    # ── who watches

    def before(self, statement: str, parameters: Any, look: Look) -> None:
        self.ledger.before(statement, parameters, look)

    def after(self, statement: str, parameters: Any, look: Look, found: Sequence[Any]) -> None:
        self.ledger.after(statement, parameters, look, found)

    def committed(self, done: Sequence[Statement], look: Look) -> None:
        self.ledger.committed(done, look)
        if self.armed:
            self._saw()

    def put_back(self, look: Look) -> None:
        self.ledger.put_back(look)
        if self.armed:
            self._saw()

    def arriving(self, exchange: Exchange) -> None:
        self.ledger.arriving(exchange)

    def answering(self, exchange: Exchange) -> None:
        self.ledger.answering(exchange)
        heard = [one for one in self._said if one[0] == exchange.kind]
        self._said = [one for one in self._said if one[0] != exchange.kind]
        for _, future in heard:
            future.set(exchange)

    def facts(self) -> Facts:
        return [row for query in self.operation.facts for row in self.server.look(query)]

    def _saw(self) -> None:
        facts = self.facts()
        if not self.course.states or self.course.states[-1] != facts:
            self.course.states.append(facts)

    def died(self, process: Process) -> None:
        if self.armed:
            self.armed = False
            # When all that had been set off is over, and before another process starts.
            self.loop.later(0.0, self._look_at_the_wreck)
        super().died(process)

    def _look_at_the_wreck(self) -> None:
        self.wreck = (self.facts(), self.course.acknowledged)

    # ── the course

    async def _set_up(self) -> None:
        process = Process(self, "alpha", 0)
        self.processes.append(process)
        await process.call(process.start)
        await self.do(lambda: self.certify(process, TYPE, 0))
        await self.do(lambda: process.publishing.publish(template(0), wait=True))
        await self.put(FIRST, SECOND, points="start")
        one, other = self.phone("phone0"), self.phone("phone1")
        for phone, key in ((one, FIRST), (one, SECOND), (other, FIRST)):
            await self.hand_out(key, phone)

    def to_the_end(self, work: Coroutine[Any, Any, Any], what: str) -> None:
        """Run something of the world's own until it is done. Raises what it raises."""
        done = self.loop.future()

        async def run() -> None:
            try:
                done.set(await work)
            except Exception as error:
                done.fail(error)

        self.loop.spawn(run(), None, what)
        for count in range(20_000):
            if done.done:
                break
            self.loop.run(self.loop.now + (1.0 if count < 5000 else 3600.0))
        assert done.done, f"{what} does not end"
        if done._error is not None:
            raise done._error

    def rest(self) -> None:
        """Let everything settle. What goes on for days is broken."""
        for _ in range(PATIENCE_DAYS * 24):
            self.loop.run(self.loop.now + 3600)
            if self.ledger.violations or self.faulty or aftermath.still(self):
                return
        self.ledger.violate("L3", "it does not come to rest")

    def count_asks(self) -> None:
        """From here on: L1 allows a phone two asks until it has what changed."""
        for phone in self.phones:
            phone.asks.clear()
            phone.needed.clear()

    def perform(self, fuse: int | None) -> None:
        """The operation, with a process that dies at its ``fuse``-th point; ``None``: it lives."""
        self.fuse = self.process.fuse = PLENTY if fuse is None else fuse
        self.armed = True
        self._saw()
        over = self.loop.future()

        async def run() -> None:
            try:
                await self.operation.work(self)
            except (Lost, Unavailable, Refusal) as error:
                self.trace.note("operation", type(error).__name__)
            else:
                self.course.acknowledged = True
            over.set(None)

        self.loop.spawn(run(), None, "operation")
        end = self.loop.now + 3600
        while self.armed and not over.done and self.loop.now < end:
            self.loop.run(self.loop.now + 0.02)
        if self.armed:
            assert over.done, f"{self.operation.name} does not end"
            left = self.process.fuse
            self.course.points = self.fuse - left if left is not None else 0
            self.process.fuse = None
            self._saw()
            self.armed = False

    def look_again(self) -> None:
        """What must hold once it is quiet again: every phone has what is current, nothing is owed, all adds up."""
        broken = self.course.broken
        broken += [f"{one.rule} {one.text}" for one in self.ledger.violations]
        broken += [f"X1 {type(error).__name__}: {error}" for error in self.faulty]
        broken += _loose(self.server, self.clock.now())


def _loose(server: Server, now: int) -> list[str]:
    """What ``livepass db verify`` would find."""
    found = drive(verify(SqliteSnapshot(server.db), now=now, sample=100, quick=True))
    return [f"S12 {one.name}: {', '.join(one.first)}" for one in found.findings]
