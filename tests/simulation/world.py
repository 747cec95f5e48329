"""One seed: a service of two processes, some phones, a few issuers, and what goes wrong. Chaos for days, then quiet."""

from __future__ import annotations

import contextlib
import logging
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from livepass.core.change import http_date
from livepass.core.model import Certificate
from livepass.core.trip2_push import PushCredential
from livepass.core.unavailable import Unavailable
from livepass.emulators.iphone import Quirks
from livepass.service.refusals import Refusal
from livepass.service.seams import Sender
from promoting import promote
from simulation import aftermath, diagnosis, invariants
from simulation.apple import Apple, SimulatedSender
from simulation.database import Server
from simulation.faults import PROFILES, Faults, draw, profile_of
from simulation.issuers import Issuer, template
from simulation.ledger import Ledger
from simulation.loop import Loop, Lost, Task
from simulation.network import Broken, Network
from simulation.operators import Operator
from simulation.outside import Shelf
from simulation.papers import START, TYPES, certificate, forget, opened
from simulation.people import Fate
from simulation.phones import Phone
from simulation.ports import HostClock
from simulation.process import SECRET, Process, slowed
from simulation.stranger import NaiveWallet
from simulation.trace import Trace, Violation

Key = tuple[str, str]
DAY = 86400.0
QUIET_DAYS = 4.0
"""At most: a push that nobody followed is repeated after a day, and a phone gives up after half a day."""


@dataclass
class Result:
    seed: int
    profile: str
    digest: str
    violations: list[Violation]
    counts: Counter[str]
    phone_days: float
    trace: Trace = field(repr=False)
    steps: int = 0


class World:
    def __init__(self, seed: int, profile: str = "", days: float = 1.5) -> None:
        self.seed = seed
        rng = self.rng = random.Random(f"{seed}/world")
        drawn = profile_of(rng)
        self.profile = profile or drawn
        assert self.profile in PROFILES
        self.faults, defences = draw(rng, self.profile)
        self.days = days
        self.types = TYPES
        self.secrets: Sequence[str] = (SECRET,)
        self.has_journal, self.has_witness = "journal" in defences, "witness" in defences
        self.pushes, self.retells = "pushes" in defences, "retells" in defences
        forget()
        self.loop = Loop(random.Random(f"{seed}/loop"), START.timestamp(), self._failed)
        self.hurry = rng.random() < 0.2
        """Changes come in bursts, to a machine that is slow: much happens between any two statements."""
        self.loop.drag = 0.4 if self.hurry else rng.choice((0.002, 0.002, 0.05, 0.2))
        self.trace = Trace(lambda: self.loop.now)
        self.clock = HostClock(self.loop)
        self.ledger = Ledger(self.loop, self.trace, self.clock.now)
        self.server = Server(self.loop, random.Random(f"{seed}/server"), self.ledger)
        self.ledger.look = self.server.look
        self.shelf = Shelf(self.loop)
        self.apple = Apple(self.loop, random.Random(f"{seed}/apple"), self.trace, Faults())
        self.apple.started, self.apple.answered = self.ledger.push_starts, self.ledger.push_answered
        self.apple.valid = self._valid
        self.network = Network(self.loop, random.Random(f"{seed}/network"), self.trace, Faults(), self.ledger)
        self.network.processes = lambda: self.processes
        self.network.host_now = self.clock.now
        self.network.stamps, self.network.connections = "stamps" in defences, "connections" in defences
        self.ledger.stamps = self.network.stamps
        self.processes: list[Process] = []
        self.phones: list[Phone] = []
        self.strangers: list[NaiveWallet] = []
        self.serials: list[Key] = []
        self.issuers: list[Issuer] = []
        self.backups: list[bytes] = []
        self.mails: dict[Key, bytes] = {}
        """A copy of each pass that somebody kept, and that grows old."""
        self.counts: Counter[str] = Counter()
        self.urgent: Counter[str] = Counter()
        self.lapse: dict[str, float] = {}
        self.revision = 0
        self.quiet_since = 0.0
        self.quiet = self.restoring = False
        self.may_erase = rng.random() < 0.5
        self.http_date = http_date
        self.quirks = self._quirks(rng)
        self.faulty: list[BaseException] = []
        self.logged: list[str] = []
        self._phone_days = 0.0
        self.trace.note("seed", f"{seed} {self.profile} {self.faults} {sorted(defences)}")

    def _quirks(self, rng: random.Random) -> Quirks:
        """What nobody has confirmed of phones is drawn."""
        quirks = Quirks().but("backoff-schedule", rng.choice(("assumed", "assumed", "doubling", "short")))
        for name in (
            *("new-device-id-on-token-change", "readd-registers", "asks-daily", "restore-keeps-tag"),
            *("restore-keeps-last-modified", "record-outlives-last-pass", "asks-after-reboot"),
            *("second-pass-fetches-directly", "push-while-asking-asks-again", "restore-new-device-id"),
        ):
            if rng.random() < 0.3:
                quirks = quirks.but(name, rng.choice(("yes", "no")))
        return quirks

    # ── processes

    def sender(self, process: Process) -> Sender:
        return SimulatedSender(self.apple, process)

    def died(self, process: Process) -> None:
        self.trace.note("!dead", str(process))
        self.counts["crashes"] += 1
        self.ledger.disorder += 1
        for key in [key for key in self.ledger.refused if key[0] == str(process)]:
            del self.ledger.refused[key]
        if not self.restoring and process in self.processes:
            self.start_soon(process)

    def start_soon(self, dead: Process) -> None:
        """Whoever watches over processes starts another in its place."""
        self.loop.spawn(self._start(dead), None, "start")

    async def _start(self, dead: Process) -> None:
        await self.loop.sleep(self.rng.choice((0.1, 2.0, 30.0, 600.0)) if not self.quiet else 1.0)
        if self.restoring or dead not in self.processes:
            return
        process = Process(self, dead.name, dead.life + 1)
        self.processes[self.processes.index(dead)] = process
        self.trace.note("start", str(process))
        try:
            await process.call(process.start)
        except Lost:
            return
        except Unavailable:
            process.kill()
        else:
            self.ledger.all_there()

    def some_process(self) -> Process | None:
        alive = [process for process in self.processes if process.open]
        return alive[int(self.rng.random() * len(alive))] if alive else None

    async def never(self, tx: Any) -> None:
        raise AssertionError("nobody else may put the database back meanwhile")

    # ── certificates

    async def promote(self, process: Process, pass_type: str, taken: Certificate) -> None:
        now = self.clock.now()
        await process.store.write(lambda tx: promote(tx, pass_type, taken.id, now))

    def _valid(self, credential: PushCredential) -> bool:
        return self.loop.now < self.lapse.get(credential.id, float("inf"))

    def _patience(self, phone: Phone, topic: str) -> None:
        if self.faults.push_late or phone.wallet.quirks["push-budget"] != "assumed":
            return
        lost = self.ledger.disorder + self.server.unrecorded + 4 * (phone.tokens + self.ledger.copy)
        score = phone.wallet.score_of(topic).score
        invariants.patience(self.ledger, str(phone), topic, score, self.urgent[topic] + lost)

    async def certify(self, process: Process, pass_type: str, hours: int) -> None:
        issued = certificate(pass_type, hours)
        imported = await process.admitting.import_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
        self.lapse[imported.certificate.id] = issued.certificate.not_valid_after_utc.timestamp()
        await self.promote(process, pass_type, imported.certificate)

    # ── passes and phones

    async def hand_out(self, key: Key, phone: Phone | None = None) -> bool:
        """Somebody downloads a pass and adds it."""
        process = self.some_process()
        if process is None:
            return False
        try:
            pkpass = await process.call(lambda: process.issuing.pkpass(*key))
        except (Lost, Unavailable, Refusal):
            return False
        phone = phone or self.rng.choice([phone for phone in self.phones if phone.on])
        phone.add(pkpass)
        if key not in self.mails or self.rng.random() < 0.1:
            self.mails[key] = pkpass
        return True

    async def _set_up(self) -> None:
        for name in ("alpha", "beta"):
            process = Process(self, name, 0)
            self.processes.append(process)
            await process.call(process.start)
        first = self.processes[0]
        for pass_type in TYPES:
            await first.call(partial(self.certify, first, pass_type, 0))
        await first.call(lambda: first.publishing.publish(template(0), wait=True))
        issuer = Issuer(self, "first", 1.0)
        rng = self.rng
        self.serials = [
            (TYPES[0 if number < 2 else rng.randrange(2)], f"card-{number}") for number in range(rng.randrange(2, 6))
        ]
        await issuer.change(self.serials, push="auto")
        for number in range(rng.randrange(2, 5)):
            name = f"phone{number}"
            self.phones.append(Phone(name, self.loop, self.network, self.apple, self.trace, self.seed, self.quirks))
            self.phones[-1].pushed = self._patience
            for key in rng.sample(self.serials, rng.randrange(1, min(4, len(self.serials)) + 1)):
                await self.hand_out(key, self.phones[-1])
        if rng.random() < 0.3:
            key = rng.choice(self.serials)
            stranger = NaiveWallet("naive", self.loop, self.network, self.trace, self.seed)
            pkpass = await first.call(lambda: first.issuing.pkpass(*key))
            stranger.add(*key, opened(pkpass).token or "")
            self.strangers.append(stranger)
        self.backups.append(self.server.snapshot())

    # ── the course of things

    def run(self) -> Result:
        with Watching(self), slowed():
            ready = self.loop.future()

            async def set_up() -> None:
                await self._set_up()
                ready.set(True)

            self.loop.spawn(set_up(), None, "set up")
            self.loop.run(self.loop.now + 300)
            if not ready.done:
                raise RuntimeError(f"seed {self.seed} was not set up: {self.faulty}")
            self._begin_chaos()
            self._go_on(self.loop.now + self.days * DAY)
            if not self.ledger.violations:
                self._begin_quiet()
                self._go_on(self.loop.now + QUIET_DAYS * DAY, until_still=True)
            if not self.ledger.violations:
                aftermath.check(self)
                diagnosis.accuses_nobody(self)
            if not self.ledger.violations:
                self._begin_peace()
        self.loop.close()
        self.server.close()
        return Result(
            *(self.seed, self.profile, self.trace.digest, self.ledger.violations, self._counted()),
            *(self._phone_days, self.trace, self.loop.steps),
        )

    def _go_on(self, end: float, until_still: bool = False) -> None:
        while self.loop.now < end and not self.ledger.violations:
            step = min(end, self.loop.now + 3600)
            self._phone_days += len([phone for phone in self.phones if phone.on]) * (step - self.loop.now) / DAY
            self.loop.run(step)
            if self.faulty:
                error = self.faulty[0]
                self.ledger.violate("X1", f"a task of the service ended with {type(error).__name__}: {error}")
            diagnosis.never_calls_stale_current(self)
            if until_still and aftermath.still(self):
                return
            if not until_still and int(self.loop.now // 3600) % 6 == 0 and not self.restoring:
                self.backups.append(self.server.snapshot())

    def _begin_chaos(self) -> None:
        faults = self.apple.faults = self.network.faults = self.faults
        self.server.hiccups, self.server.conflicts = faults.hiccup, faults.conflict
        self.ledger.forgetful = faults.hiccup > 0
        self.ledger.clock_is_right = not faults.clock_wrong
        self.ledger.knows_lost_dates = self.has_witness or not faults.clock_wrong
        several = range(self.rng.randrange(1, 3))
        self.issuers = [Issuer(self, f"issuer{n}", self.rng.choice((2.0, 6.0, 15.0))) for n in several]
        workers: list[Any] = list(self.issuers)
        workers += [Fate(self, kind, getattr(faults, kind)) for kind in ("offline", "reboot", "new_token", "toggled")]
        workers += [Fate(self, "restored_phone", faults.restored_phone), Fate(self, "nosy", 6.0)]
        workers.append(Fate(self, "back_when_refused", faults.toggled / 4))
        for kind in ("crash", "restart", "restore", "failover", "clock_wrong", "credential_refused", "rotate"):
            workers.append(Operator(self, kind, getattr(faults, kind)))
        for worker in workers:
            self.loop.spawn(worker.work(), None, "worker")

    def _begin_quiet(self) -> None:
        """Everything works from now on. Nothing is changed any more: what phones missed they must get by themselves."""
        self.quiet, self.quiet_since = True, self.loop.now
        self.trace.note("!quiet", "")
        self.apple.faults = self.network.faults = Faults()
        self.apple.refused_until.clear()
        self.server.hiccups = self.server.conflicts = 0.0
        self.clock.off = 0.0
        for process in self.processes:
            process.fuse = None
        for pass_type in TYPES:
            self.loop.spawn(self._renewed(pass_type), None, "renewed")
        if not aftermath.brought_back(self):
            self.loop.spawn(self._brought_back(), None, "brought back")
        for phone in self.phones:
            phone.count_anew()
            phone.come_back()

    async def _renewed(self, pass_type: str) -> None:
        """By now, somebody has read the warnings about the certificate. What phones ask for counts from then on."""
        while True:
            await self.loop.sleep(5.0)
            process = self.some_process()
            if process is not None:
                with contextlib.suppress(Lost, Unavailable):
                    await process.call(partial(self.certify, process, pass_type, 0))
                    for phone in self.phones:
                        phone.asks[pass_type] = phone.needed[pass_type] = 0
                    return

    async def _brought_back(self) -> None:
        """Who is missing until the journal was replayed counts from then on."""
        while not aftermath.brought_back(self):
            await self.loop.sleep(10.0)
        for phone in self.phones:
            phone.count_anew()

    def _begin_peace(self) -> None:
        """Nothing is left to do, so nothing is done; and after months, what is dead is forgotten."""
        pushes = self.trace.counts["send"]
        self.loop.run(self.loop.now + aftermath.PEACE_SECONDS)
        aftermath.check_rest(self, self.trace.counts["send"] - pushes)
        for stranger in self.strangers:
            stranger.asleep = True  # else a token that is dead would be forgotten between two of its asks
        self.clock.off += 100 * DAY
        process = self.processes[0]

        async def prune() -> None:
            await process.call(process.keeper.prune)
            aftermath.check_bounds(self)

        self.loop.spawn(prune(), None, "prune")
        self.loop.run(self.loop.now + 10)

    def _counted(self) -> Counter[str]:
        return self.counts + self.ledger.answered + Counter(pushes=self.trace.counts["send"])

    def _failed(self, task: Task, error: BaseException) -> None:
        if not isinstance(error, Unavailable | Lost | Refusal):
            self.faulty.append(error)


class Watching(logging.Handler):
    """Faults of the service that it only logged: what is not the database's absence is a fault of ours."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self.world = world

    def emit(self, record: logging.LogRecord) -> None:
        self.world.logged.append(record.getMessage())
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, Unavailable | Broken | Refusal):
            self.world.faulty.append(error)

    def __enter__(self) -> None:
        log = logging.getLogger("livepass")
        self._before = (log.level, log.propagate)
        log.setLevel(logging.ERROR)
        log.propagate = False
        log.addHandler(self)

    def __exit__(self, *exc: object) -> None:
        log = logging.getLogger("livepass")
        log.removeHandler(self)
        log.setLevel(self._before[0])
        log.propagate = self._before[1]
