"""A small real world: PostgreSQL, an emulated APNs over TLS, two emulated phones, and what must hold in it."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncpg

from concurrency.ledger import DANGLING, NUMBERED, UNDUE, History, gaps
from concurrency.office import OTHER_TYPE, PASS_TYPE, Settings
from crashpoints.on_postgres.phones import Phone
from crashpoints.on_postgres.serving import AheadClock, Process, serving
from livepass.emulators.apns.server import ApnsServer
from livepass.emulators.authority import Authority
from livepass.service.drafting import Wish
from livepass.store.verify import verify
from livepass.store.whole_postgres import WholePostgres

FIRST, SECOND, OTHER = (PASS_TYPE, "1"), (PASS_TYPE, "2"), (OTHER_TYPE, "1")
ROUNDS = 100
"""Rounds after which what has not come to rest never will: each ends at the next instant at which something is due."""
GLANCE = 0.01
PATIENCE = 30.0
MOST_ASKS = 2
CLIENTS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
INSTANTS = """
SELECT retell_at FROM registration WHERE left_at IS NULL AND retell_at IS NOT NULL
UNION SELECT lease_until FROM push_target WHERE lease IS NOT NULL
"""
STILL_DUE = "SELECT push_token, lease IS NOT NULL FROM push_target WHERE wanted > acked AND dead_at IS NULL"
HALF_DONE = (
    "SELECT 'fan-out', count(*) FROM fan_out HAVING count(*) > 0",
    "SELECT 'epoch to spread', count(*) FROM counter WHERE spread IS NOT NULL HAVING count(*) > 0",
    "SELECT 'behind its template', count(*) FROM pass p JOIN template t ON t.name = p.template"
    " WHERE p.revision <> t.revision AND p.pinned = 0 HAVING count(*) > 0",
)


@dataclass
class World:
    """``settings`` name the database. ``heard``: the newest push that reached its phone. ``physical``: how
    the storage is called where it is known; empty: not known yet.
    """

    settings: Settings
    authority: Authority
    apns: ApnsServer
    phones: list[Phone]
    folder: Path
    ahead_ms: int = 0
    heard: int = 0
    pkpasses: dict[tuple[str, str], bytes] = field(default_factory=dict)
    now: float = 0.0
    physical: str = ""

    @property
    def url(self) -> str:
        url: str = self.settings["database_url"]
        return url

    def copied(self, url: str) -> World:
        """This world on a copy of its database. What APNs heard until now is over."""
        entries = self.apns.history()
        return replace(
            self,
            settings={**self.settings, "database_url": url},
            phones=[phone.copied() for phone in self.phones],
            heard=entries[-1].number if entries else 0,
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Process]:
        async with serving(self.settings, self.ahead_ms) as process:
            self.look_at_the_clock(process)
            yield process
            self.ahead_ms = AheadClock.ahead_ms

    def look_at_the_clock(self, process: Process) -> None:
        self.now = process.services.clock.now() / 1000

    def forward(self, process: Process, ms: int) -> None:
        AheadClock.ahead_ms += ms
        self.look_at_the_clock(process)

    # ── issuers and phones

    async def put(self, process: Process, *keys: tuple[str, str], value: str, push: Any = "auto") -> None:
        await process.services.issuing.put_many(
            [Wish(*key, template="membership", data={"value": value}) for key in keys], push
        )

    def due(self) -> list[dict[str, Any]]:
        """What phones send now; their push tokens are known to APNs before."""
        for phone in self.phones:
            for token in phone.tokens - {phone.wallet.push_token}:
                self.apns.kill_device(token)
            phone.tokens = {phone.wallet.push_token}
            self.apns.register_device(phone.wallet.push_token, [PASS_TYPE, OTHER_TYPE])
        return [request for phone in self.phones for request in phone.due(self.now)]

    def answered(self, number: int, status: int, headers: Any, body: bytes) -> None:
        [phone] = [one for one in self.phones if number in one.under_way]
        phone.take(number, status, headers, body, self.now)

    async def exchange(self, process: Process) -> bool:
        """Phones send what is due now, and get their answers; whether there was anything."""
        self.look_at_the_clock(process)
        requests = self.due()
        await replace(process, requests=requests, answered=self.answered).answer()
        return bool(requests)

    def deliver(self) -> Counter[str]:
        """What APNs took goes to the phones; how often it took one for each token."""
        taken: Counter[str] = Counter()
        for entry in self.apns.history(after=self.heard):
            self.heard = entry.number
            if entry.status == 200:
                taken[entry.token] += 1
                for phone in self.phones:
                    if phone.wallet.push_token == entry.token:
                        phone.wallet.push(entry.topic, self.now)
        return taken

    # ── settling

    async def rest(self, process: Process, look: Any) -> tuple[Counter[str], list[str]]:
        """Let everything settle, in virtual time; the pushes that took, and what is broken when it does not end."""
        pushes: Counter[str] = Counter()
        for _ in range(ROUNDS):
            await process.keeper.once()
            worked = await process.dispatcher.work_once()
            pushes += self.deliver()
            talked = await self.exchange(process)
            await process.services.recorder.settle()
            if worked or talked:
                continue
            instant = await self._next_instant(process, look)
            if instant is None:
                return pushes, []
            self.forward(process, instant - process.services.clock.now() + 1)
        return pushes, ["L3 it does not come to rest"]

    async def _next_instant(self, process: Process, look: Any) -> int | None:
        """When something is due that was not to be had yet (ms)."""
        instants = [due_at for _, due_at in await process.services.store.due()]
        instants += [round(due * 1000) + 1 for phone in self.phones if (due := phone.wallet.next_due()) is not None]
        leases = [row[0] for row in await look.fetch(INSTANTS)]
        now = process.services.clock.now()
        return min((instant for instant in (*instants, *leases) if instant > now), default=None)

    async def until_alone(self, look: Any) -> None:
        """PostgreSQL has noticed that its clients are dead, and has undone what they had begun."""
        for _ in range(round(PATIENCE / GLANCE)):
            if not await look.fetchval(CLIENTS):
                return
            await asyncio.sleep(GLANCE)
        raise AssertionError("PostgreSQL keeps the connections of a process that is dead")

    # ── what must hold

    async def broken(self, look: Any, *, gapless: bool) -> list[str]:
        """At rest: every phone holds what is current and did not ask for long, nothing is owed, all adds up."""
        found = [*await self._incoherent(look)]
        for phone in self.phones:
            for count in phone.needed.values():
                if count > MOST_ASKS:
                    found.append(f"L1 {phone.name} had what changed after {count} asks")
        found += [f"L2 a push is still due: {list(row)}" for row in await look.fetch(STILL_DUE)]
        for query in HALF_DONE:
            found += [f"L3 half done: {list(row)}" for row in await look.fetch(query)]
        found += [f"S12 dangling: {list(row)}" for row in await look.fetch(DANGLING)]
        found += [f"S12 owed and not wanted: {list(row)}" for row in await look.fetch(UNDUE)]
        if gapless:
            found += [f"S6 {gap}" for gap in gaps(await _history(look))]
        async with WholePostgres(self.url).snapshot() as snapshot:
            checked = await verify(snapshot, now=round(self.now * 1000), sample=100, quick=True)
        return found + [f"S12 {one.name}: {', '.join(one.first)}" for one in checked.findings]

    async def _incoherent(self, look: Any) -> Sequence[str]:
        current = {
            (row[0], row[1]): row[2] for row in await look.fetch("SELECT pass_type, serial, manifest_sha FROM pass")
        }
        found = []
        for phone in self.phones:
            for key, held in phone.wallet.passes.items():
                manifest = hashlib.sha256(held.package.files["manifest.json"]).hexdigest()
                if key in current and manifest != current[key]:
                    found.append(f"L1 {phone.name} holds an old {'/'.join(key)}")
                if key in current and not held.registered:
                    found.append(f"S7 {phone.name} is not registered for {'/'.join(key)}")
        return found


async def _history(look: Any) -> History:
    """Only the numbers that were taken."""
    taken: dict[str, list[int]] = defaultdict(list)
    query = "SELECT DISTINCT pass_type, seq FROM event WHERE kind = ANY ($1) ORDER BY seq"
    for pass_type, seq in await look.fetch(query, list(NUMBERED)):
        taken[pass_type].append(seq)
    counters = {row[0]: row[1] for row in await look.fetch("SELECT pass_type, seq FROM counter")}
    return History(counters, {}, taken, {}, {})


@asynccontextmanager
async def looking(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else, who looks."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()
