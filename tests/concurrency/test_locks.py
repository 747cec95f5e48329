"""Everything that writes, at once, on PostgreSQL: nobody waits in a circle, and what is left fits together."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import engines
from concurrency import ledger
from concurrency.office import ICON, PASS_TYPE, TEAM, Settings, config, document, settings, stock
from livepass import wiring
from livepass.core.history import Reason
from livepass.core.model import Prunable
from livepass.core.trip2_push import PushAnswer, PushCredential, PushMessage
from livepass.emulators.authority import Authority
from livepass.pkpass import Template
from livepass.service.drafting import Wish
from livepass.service.epochs import begin_epochs
from livepass.service.issuing import Issued
from livepass.service.keeping import Keeper
from livepass.service.pushing import Dispatcher
from livepass.service.refusals import Conflict, NotFound
from livepass.service.seams import Tx
from livepass.store import owing
from promoting import promote

SERIALS = [f"p{number}" for number in range(20)]
DEVICES = [f"device-{number}" for number in range(25)]
PUSH_TOKENS = [f"{number:02x}" * 32 for number in range(12)]
"""Fewer than phones: some share one, and so their rows."""
AT_ONCE, ROUNDS = 24, 40
FEW = 2
"""Push targets that are made due at once: fewer than follow a pass, so that most changes are put off in part."""

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]


class MoodySender:
    """APNs with every kind of answer."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    async def send(
        self, credential: PushCredential, messages: Sequence[PushMessage], answered: Callable[[PushAnswer], None]
    ) -> None:
        await asyncio.sleep(self.rng.random() * 0.02)
        for message in messages:
            kind = (200, ""), (200, ""), (200, ""), (410, "Unregistered"), (429, "TooManyRequests"), (0, "")
            status, reason = self.rng.choice(kind)
            answered(PushAnswer(message, status, reason, 2**50 if status == 410 else None, message.apns_id))

    async def retire(self, credential_id: str) -> None:
        return None

    async def close(self) -> None:
        return None


class Process:
    """One process's services, and everything that it may do to the database."""

    def __init__(self, services: wiring.Services, url: str, certificates: Sequence[str], rng: random.Random) -> None:
        self.services = services
        self.url = url
        self.certificates = certificates
        self.rng = rng
        self.done: Counter[str] = Counter()
        common = (services.clock, services.chance, services.scheduler, services.due)
        self.dispatcher = Dispatcher(services.store, MoodySender(rng), services.builder, *common)
        self.keeper = Keeper(services.store, services.issuing, services.clock, services.scheduler, services.due)

    async def work(self, rounds: int) -> None:
        for _ in range(rounds):
            act = self.rng.choice(ACTS)
            try:
                await act(self)
                self.done[act.__name__] += 1
            except (Conflict, NotFound) as refused:
                self.done[f"{act.__name__}: {refused.code}"] += 1

    def serials(self, most: int) -> list[str]:
        """Some passes, in any order."""
        return self.rng.sample(SERIALS, self.rng.randint(1, most))

    async def allowed(self, serial: str) -> str:
        row = await self.services.store.pass_(PASS_TYPE, serial)
        if row is None:
            raise NotFound("erased", hint="", code="erased")
        return f"ApplePass {self.services.keys.token('default', PASS_TYPE, serial, row.token)}"

    # ── phones

    async def register(self) -> None:
        serial, device = self.rng.choice(SERIALS), self.rng.choice(DEVICES)
        body = json.dumps({"pushToken": self.rng.choice(PUSH_TOKENS)}).encode()
        allowed = await self.allowed(serial)
        reply = await self.services.answering.register(PASS_TYPE, serial, device, allowed, body)
        assert reply.status in (200, 201, 401), reply

    async def unregister(self) -> None:
        serial, device = self.rng.choice(SERIALS), self.rng.choice(DEVICES)
        reply = await self.services.answering.unregister(PASS_TYPE, serial, device, await self.allowed(serial))
        assert reply.status in (200, 401), reply

    async def ask(self) -> None:
        """Many phones, which the recorder writes down together; and fetches, some by phones that had left."""
        for device in self.rng.sample(DEVICES, 8):
            reply = await self.services.answering.ask(PASS_TYPE, device, None, device)
            told = json.loads(reply.body)["serialNumbers"] if reply.status == 200 else []
            for serial in told[:2]:
                allowed = await self.allowed(serial)
                fetched = await self.services.answering.fetch(PASS_TYPE, serial, allowed, None, device, body=False)
                fetched.written()
                fetched = await self.services.answering.fetch(PASS_TYPE, serial, allowed, None, device)
                fetched.written()
                assert fetched.reply.status in (200, 401, 503), fetched.reply.status

    # ── issuers

    async def change(self) -> None:
        value = str(self.rng.random())
        wishes = [Wish(PASS_TYPE, serial, template="membership", data={"value": value}) for serial in self.serials(8)]
        for result in await self.services.issuing.put_many(wishes, self.rng.choice(("auto", "now"))):
            assert isinstance(result, Issued | Conflict), result

    async def erase(self) -> None:
        await self.services.issuing.erase(PASS_TYPE, self.rng.choice(SERIALS))

    async def push(self) -> None:
        await self.services.issuing.push(PASS_TYPE, self.rng.choice((None, *SERIALS)))

    async def publish(self) -> None:
        files = {"pass.json": document(str(self.rng.random())), "icon.png": ICON, "icon@2x.png": ICON}
        await self.services.publishing.publish(Template.from_files("membership", files), wait=False)
        await self.services.issuing.follow_all()

    async def promote(self) -> None:
        chosen, now = self.rng.choice(self.certificates), self.services.clock.now()
        await self.services.store.write(lambda tx: promote(tx, PASS_TYPE, chosen, now))

    # ── workers

    async def send(self) -> None:
        await self.dispatcher.work_once()

    async def retell(self) -> None:
        self._age("UPDATE registration SET retell_at = 1 WHERE retell_at IS NOT NULL AND {}", "registration")
        await self.keeper.retell()

    async def prune(self) -> None:
        """With everything old that nothing under way can touch any more."""
        self._age("UPDATE device SET token_registered_at = 1 WHERE {}", "device")
        self._age("UPDATE push_target SET token_registered_at = 1 WHERE {}", "push_target")
        self._age("UPDATE push_target SET dead_at = 1 WHERE dead_at IS NOT NULL AND {}", "push_target")
        self._age("UPDATE registration SET left_at = 1 WHERE left_at IS NOT NULL AND {}", "registration")
        now = self.services.clock.now()
        for what in Prunable:
            before = now - (1000 if what is Prunable.EVENTS else 60_000)
            await self.services.store.write(lambda tx, what=what, before=before: tx.prune(what, before, 50))

    async def new_epoch(self) -> None:
        counters, now, chance = await self.services.store.counters(), self.services.clock.now(), self.services.chance
        await self.services.store.write(
            lambda tx: begin_epochs(tx, counters, Reason.ASKED_FOR, now=now, chance=chance, lost={})
        )
        await self.spread()

    async def spread(self) -> None:
        now = self.services.clock.now()
        while await self.services.store.write(lambda tx: tx.spread_epoch(now, 5)):
            pass

    async def fan_out(self) -> None:
        now = self.services.clock.now()
        while await self.services.store.write(lambda tx: tx.fan_out(now, FEW)):
            pass

    def _age(self, statement: str, table: str) -> None:
        """Let some rows be old: without waiting for anybody, so that this is no part of what is tested."""
        some = f"SELECT ctid FROM {table} WHERE random() < 0.3 FOR UPDATE SKIP LOCKED"
        engines.run(self.url, statement.format(f"ctid IN ({some})"))


ACTS: Sequence[Callable[[Process], Awaitable[None]]] = (
    *[Process.register] * 6,
    *[Process.unregister] * 2,
    *[Process.ask] * 4,
    *[Process.change] * 6,
    *[Process.send] * 3,
    *(Process.erase, Process.push, Process.publish, Process.promote),
    *(Process.retell, Process.prune, Process.new_epoch, Process.spread, Process.fan_out),
)


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_nobody_waits_in_a_circle_and_what_is_left_fits_together(
    tmp_path: Path, authority: Authority, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owing, "AT_ONCE", FEW)

    async def main() -> None:
        shared = settings(tmp_path)
        url = shared["database_url"]
        await stock(shared, authority, {PASS_TYPE: SERIALS})
        async with AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(wiring.opened(config(shared))) for _ in range(3)]
            other = authority.pass_certificate(PASS_TYPE, TEAM)
            await opened[0].admitting.import_pem(other.certificate_pem, other.key_pem, other.intermediate_pem)
            certificates = [one.id for one in await opened[0].store.certificates(PASS_TYPE)]
            processes = [
                Process(opened[number % 3], url, certificates, random.Random(number)) for number in range(AT_ONCE)
            ]
            async with asyncio.TaskGroup() as group:
                for process in processes:
                    group.create_task(process.work(ROUNDS))
            for services in opened:
                await services.recorder.settle()
                assert services.recorder.dropped == 0
            done = sum((process.done for process in processes), Counter())
            assert all(done[act.__name__] for act in ACTS), done
        # A process takes our hand in the ages of phones for a loss, and may have begun an epoch meanwhile.
        async with wiring.opened(config(shared)) as services:
            last = Process(services, url, certificates, random.Random())
            await last.spread()
            await last.fan_out()
        assert engines.run(url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]
        assert ledger.loose_ends(url) == []

    asyncio.run(main())


class Stage:
    """Two passes, ``1`` and ``2``, and two processes."""

    def __init__(self, shared: Settings, one: wiring.Services, other: wiring.Services) -> None:
        self.url = shared["database_url"]
        self.one = one
        self.other = other

    async def register(self, device: str, push_token: str, serial: str = "1") -> int:
        row = await self.one.store.pass_(PASS_TYPE, serial)
        assert row is not None
        allowed = f"ApplePass {self.one.keys.token('default', PASS_TYPE, serial, row.token)}"
        body = json.dumps({"pushToken": push_token}).encode()
        return (await self.one.answering.register(PASS_TYPE, serial, device, allowed, body)).status

    def hold_up(self, services: wiring.Services | None = None) -> tuple[asyncio.Event, asyncio.Event]:
        """Let the next transaction (of ``one``) wait before its commit. Answers (it waits, it may go on)."""
        store = (services or self.one).store
        waits, may_go_on, write = asyncio.Event(), asyncio.Event(), store.write

        async def held_up(work: Callable[[Tx], Awaitable[Any]]) -> Any:
            async def slowly(tx: Tx) -> Any:
                result = await work(tx)
                waits.set()
                await may_go_on.wait()
                return result

            store.write = write  # type: ignore[method-assign]
            return await write(slowly)

        store.write = held_up  # type: ignore[method-assign]
        return waits, may_go_on

    def deadlocks(self) -> int:
        sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        found: int = engines.run(self.url, sql)[0][0]
        return found


def staged(directory: Path, authority: Authority, play: Callable[[Stage], Awaitable[None]]) -> None:
    async def main() -> None:
        shared = settings(directory)
        await stock(shared, authority, {PASS_TYPE: ["1", "2"]})
        async with wiring.opened(config(shared)) as one, wiring.opened(config(shared)) as other:
            await play(Stage(shared, one, other))

    asyncio.run(main())


on_postgres = pytest.mark.parametrize("engine", ["postgres"], indirect=True)


@on_postgres
def test_a_phone_that_changes_its_token_while_its_pass_changes_is_owed_the_push(
    tmp_path: Path, authority: Authority, engine: str
) -> None:
    """Fails when the change makes the old token due, which is gone by then, and the phone took along what it was owed
    before the change.
    """

    async def play(stage: Stage) -> None:
        await stage.register("phone", "aa")
        waits, may_go_on = stage.hold_up()
        registering = asyncio.create_task(stage.register("phone", "bb"))
        await waits.wait()
        changing = asyncio.create_task(stage.other.issuing.put(Wish(PASS_TYPE, "1", data={"value": "x"}, patch=True)))
        await asyncio.sleep(0.3)  # as far as it gets
        may_go_on.set()
        assert await registering == 200
        number = (await changing).number
        assert engines.run(stage.url, "SELECT push_token, wanted FROM push_target") == [("bb", number)]

    staged(tmp_path, authority, play)


@on_postgres
def test_a_phone_that_takes_the_token_of_another_locks_both_in_order(
    tmp_path: Path, authority: Authority, engine: str
) -> None:
    """Fails when it touches the new token, which others have too, before it has the old one, which is less."""

    async def play(stage: Stage) -> None:
        await stage.register("phone", "aa")
        await stage.register("other", "ff", "2")
        lock = "SELECT 1 FROM push_target WHERE push_token = $1 FOR UPDATE"
        somebody = await asyncpg.connect(stage.url)
        async with somebody.transaction():
            await somebody.execute(lock.replace("$1", "'aa'"))
            registering = asyncio.create_task(stage.register("phone", "ff"))
            await asyncio.sleep(0.3)  # as far as it gets
            await somebody.execute(lock.replace("$1", "'ff'"))
        await somebody.close()
        assert await registering == 200
        assert stage.deadlocks() == 0
        assert engines.run(stage.url, "SELECT push_token FROM push_target") == [("ff",)]

    staged(tmp_path, authority, play)


@on_postgres
def test_a_pass_is_erased_in_the_order_of_locks(tmp_path: Path, authority: Authority, engine: str) -> None:
    """Fails when registrations are locked as they lie in the table, where the one that came last lies last."""

    async def play(stage: Stage) -> None:
        await stage.register("b", "bb")
        await stage.register("a", "aa")
        engines.run(stage.url, "ANALYZE registration")  # which is known to be small now, and walked from its beginning
        lock = "SELECT 1 FROM registration WHERE device_id = $1 FOR UPDATE"
        somebody = await asyncpg.connect(stage.url)
        async with somebody.transaction():
            await somebody.execute(lock.replace("$1", "'a'"))
            erasing = asyncio.create_task(stage.other.issuing.erase(PASS_TYPE, "1"))
            await asyncio.sleep(0.3)  # as far as it gets
            await somebody.execute(lock.replace("$1", "'b'"))
        await somebody.close()
        await erasing
        assert stage.deadlocks() == 0
        assert engines.run(stage.url, "SELECT device_id FROM registration") == []

    staged(tmp_path, authority, play)


@on_postgres
def test_who_tidies_up_waits_for_nobody(tmp_path: Path, authority: Authority, engine: str) -> None:
    """Fails when old events are deleted in one order, and those of a pass that is erased in another."""

    async def play(stage: Stage) -> None:
        waits, may_go_on = stage.hold_up()
        erasing = asyncio.create_task(stage.one.issuing.erase(PASS_TYPE, "1"))
        await waits.wait()
        at = stage.other.clock.now() + 1000
        try:
            for what in Prunable:
                await stage.other.store.write(lambda tx, what=what: tx.prune(what, at, 100))
            assert not erasing.done()
        finally:
            may_go_on.set()
        await erasing

    staged(tmp_path, authority, play)


@on_postgres
def test_a_phone_that_comes_back_while_it_is_pruned_is_registered_anew(
    tmp_path: Path, authority: Authority, engine: str
) -> None:
    """Fails when it has read that it is known, and is told so, though nothing of it is left."""

    async def play(stage: Stage) -> None:
        await stage.register("phone", "aa")
        engines.run(stage.url, "UPDATE push_target SET dead_at = 1, dead_reason = 'Unregistered'")
        waits, may_go_on = stage.hold_up(stage.other)
        pruning = asyncio.create_task(stage.other.store.write(lambda tx: tx.prune(Prunable.DEAD, 2, 100)))
        await waits.wait()
        registering = asyncio.create_task(stage.register("phone", "aa"))
        await asyncio.sleep(0.3)  # as far as it gets
        may_go_on.set()
        pruned, status = await pruning, await registering
        assert pruned == 1 and status in (200, 201), "known or not, joining writes the row anew"
        assert engines.run(stage.url, "SELECT device_id, serial FROM registration") == [("phone", "1")]
        assert ledger.loose_ends(stage.url) == []

    staged(tmp_path, authority, play)


@on_postgres
def test_a_phone_that_comes_back_while_its_pass_is_erased_is_refused(
    tmp_path: Path, authority: Authority, engine: str
) -> None:
    async def play(stage: Stage) -> None:
        await stage.register("phone", "aa")
        waits, may_go_on = stage.hold_up(stage.other)
        erasing = asyncio.create_task(stage.other.issuing.erase(PASS_TYPE, "1"))
        await waits.wait()
        registering = asyncio.create_task(stage.register("phone", "aa"))
        await asyncio.sleep(0.3)  # as far as it gets
        may_go_on.set()
        await erasing
        assert await registering == 401
        assert engines.run(stage.url, "SELECT device_id FROM device") == []

    staged(tmp_path, authority, play)
