"""Told is not delivered, and history may go back: a phone is told again until it has what it was told of."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx2
import pytest

from journeys.world import PASS_TYPE, World, journey, points, shows, until
from livepass.core.retelling import RETELL_LIMIT
from livepass.core.timeline import Event, Kind
from livepass.core.trip3_ask import read_tag
from livepass.service import recovering


async def retold(world: World, serial: str) -> list[Event]:
    return [event for event in await world.timeline(serial) if event.kind is Kind.RETOLD]


async def time_passes(world: World) -> bool:
    """The fifteen minutes (and their doubles) until a pass is told again are over; whether it was told again."""
    assert world.services.keeper is not None
    await world.services.recorder.settle()
    before = world.sql("SELECT count(*) FROM event WHERE kind = 'retold'")
    await world.alter("UPDATE registration SET retell_at = 1 WHERE retell_at IS NOT NULL")
    await world.services.keeper.retell()
    return world.sql("SELECT count(*) FROM event WHERE kind = 'retold'") != before


class Asker:
    """A phone by hand: it registers and asks, and fetches only when it is told to."""

    def __init__(self, world: World, client: httpx2.AsyncClient) -> None:
        self.world = world
        self.client = client
        self.tag: str | None = None

    async def register(self, serial: str) -> None:
        self.world.apns.register_device("ab" * 32, [PASS_TYPE])
        assert await self.world.register(self.client, "asker", serial, "ab" * 32) == 201

    async def ask(self) -> list[str]:
        query = {"passesUpdatedSince": self.tag} if self.tag else {}
        answer = await self.client.get(f"/v1/devices/asker/registrations/{PASS_TYPE}", params=query)
        await self.world.services.recorder.settle()
        if answer.status_code == 204:
            return []
        listing = json.loads(answer.content)
        self.tag = listing["lastUpdated"]
        serials: list[str] = listing["serialNumbers"]
        return serials

    async def fetch(self, serial: str) -> int:
        headers = await self.world.authorization(serial)
        answer = await self.client.get(f"/v1/passes/{PASS_TYPE}/{serial}", headers=headers)
        await self.world.services.recorder.settle()
        return answer.status_code


def asking(steps: Callable[[World, Asker], Awaitable[None]]) -> Callable[..., object]:
    """A journey with a phone by hand."""

    async def with_asker(world: World) -> None:
        async with world.client() as client:
            await steps(world, Asker(world, client))

    with_asker.__name__, with_asker.__doc__, with_asker.__module__ = steps.__name__, steps.__doc__, steps.__module__
    return journey(with_asker)


@asking
async def test_what_is_never_fetched_is_told_six_times_more(world: World, asker: Asker) -> None:
    """Fails when the tag is believed (the phone has it, not the pass), and when retelling never ends."""
    await world.issue("1", 1)
    await asker.register("1")
    assert await asker.ask() == ["1"]
    assert await asker.ask() == []
    for times in range(1, RETELL_LIMIT + 1):
        mark = world.mark()
        assert await time_passes(world), times
        await until(lambda mark=mark: world.pushed(mark) or _held(world), "a push, or the phone's patience is kept")
        assert await asker.ask() == ["1"], times
        assert await asker.ask() == []
    assert not await time_passes(world)
    assert await asker.ask() == []
    assert [event.detail["times"] for event in await retold(world, "1")] == list(range(1, RETELL_LIMIT + 1))
    assert world.sql("SELECT retell_at FROM registration") == [(None,)]


def _held(world: World) -> bool:
    return bool(world.sql("SELECT 1 FROM event WHERE kind = 'push_held'"))


@asking
async def test_a_fetch_ends_the_retelling(world: World, asker: Asker) -> None:
    """Fails when a pass is told again although the only phone that has it was served."""
    await world.issue("1", 1)
    await asker.register("1")
    assert await asker.ask() == ["1"]
    assert await time_passes(world)
    assert await asker.ask() == ["1"]
    assert await asker.fetch("1") == 200
    assert not await time_passes(world)
    assert await asker.ask() == []
    assert len(await retold(world, "1")) == 1


@asking
async def test_a_new_change_starts_with_a_clean_sheet(world: World, asker: Asker) -> None:
    """Fails when a pass that was given up stays given up: its next change is news like any other."""
    await world.issue("1", 1)
    await asker.register("1")
    await asker.ask()
    for _ in range(RETELL_LIMIT):
        assert await time_passes(world)
        await asker.ask()
    assert not await time_passes(world)
    await world.change("1", 2)
    assert await asker.ask() == ["1"]
    assert await time_passes(world)
    assert await asker.ask() == ["1"]
    assert [event.detail["times"] for event in await retold(world, "1")][-1] == 1


@asking
async def test_a_pass_that_was_left_is_not_told_again(world: World, asker: Asker) -> None:
    """Fails when a DELETE does not end the retelling."""
    await world.issue("1", 1)
    await asker.register("1")
    await asker.ask()
    path = f"/v1/devices/asker/registrations/{PASS_TYPE}/1"
    assert (await asker.client.delete(path, headers=await world.authorization("1"))).status_code == 200
    assert not await time_passes(world)


@journey(content=False)
async def test_a_phone_that_gave_up_is_told_again_and_shows_it(world: World) -> None:
    """Fails when the phone's tag is taken for delivery: it has the tag, has given up, and would never come back."""
    phone = await world.holding("1", 1)
    await world.change("1", 2, push="none")
    [certificate] = world.sql("SELECT promoted_at FROM certificate")
    await world.alter("UPDATE certificate SET promoted_at = NULL")
    await phone.deliver_push(PASS_TYPE)
    await until(lambda: "Unexpected response code 503" in str(phone.wallet.complaints), "the fetch fails")
    await phone.settle()
    given_up = phone.wallet.queue.drop(lambda task: task.kind == "fetch")
    assert [task.serial for task in given_up] == ["1"]
    await world.alter("UPDATE certificate SET promoted_at = ?", *certificate)
    assert [event.kind for event in await world.timeline("1")].count(Kind.FETCH_FAILED) == 1

    assert await time_passes(world)
    await shows(phone, "1", 2)
    assert not await time_passes(world)
    assert len(await retold(world, "1")) == 1


# ── history goes back


async def snapshot(world: World, path: Path) -> None:
    if world.config.on_postgres:
        await world.alter("CREATE SCHEMA old")
        await world.alter(_EVERY_TABLE.format("CREATE TABLE old.%1$I AS TABLE public.%1$I"))
        return
    with closing(sqlite3.connect(world.config.sqlite_path)) as db, closing(sqlite3.connect(path)) as copy:
        db.backup(copy)


async def restore(world: World, path: Path) -> None:
    """Put every table back to the snapshot, under the running service."""
    if world.config.on_postgres:
        put_back = "INSERT INTO public.%1$I OVERRIDING SYSTEM VALUE TABLE old.%1$I"
        await world.alter(_EVERY_TABLE.format(f"DELETE FROM public.%1$I; {put_back}"))
        return
    with closing(sqlite3.connect(world.config.sqlite_path, timeout=10, isolation_level=None)) as db:
        db.execute("ATTACH ? AS old", (str(path),))
        tables = [row[0] for row in db.execute("SELECT name FROM old.sqlite_master WHERE type = 'table'")]
        db.execute("BEGIN IMMEDIATE")
        for table in tables:
            db.execute(f"DELETE FROM main.{table}")
            db.execute(f"INSERT INTO main.{table} SELECT * FROM old.{table}")
        db.execute("COMMIT")


_EVERY_TABLE = """
DO $$
DECLARE one name;
BEGIN
  FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('{}', one);
  END LOOP;
END $$
"""


async def restored(world: World, serial: str, lost: int) -> None:
    """Lose some changes of a pass as a restore would: at rest, and later than the newest of them says it is."""
    backup = world.directory / "backup.db"
    await world.nothing_due()
    await snapshot(world, backup)
    [phone] = world.phones
    for value in range(lost):
        await world.change(serial, 1000 + value, push="now")
        await shows(phone, serial, 1000 + value)
    await world.nothing_due()
    newest = parsedate_to_datetime(str(phone.wallet[serial].last_modified)).timestamp()
    await until(lambda: world.services.clock.now() / 1000 >= newest + 1, "another second than the lost change's")
    await restore(world, backup)


async def epochs(world: World) -> list[Event]:
    await world.services.recorder.settle()
    kinds = [Kind.NEW_EPOCH.value]
    return list(await world.services.store.events(kinds=kinds, pass_type=PASS_TYPE, after=0, limit=100))


@pytest.fixture
def only_phones_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The witness would notice within a second that the database went back, and be first on a busy machine."""
    monkeypatch.setattr(recovering, "LOOK_SECONDS", 3600.0)


@pytest.mark.usefixtures("only_phones_notice")
@journey(books=False)
async def test_a_tag_from_the_future_begins_a_new_epoch(world: World) -> None:
    """Fails when a phone's newer tag hides changes: the list must name everything, under a tag of another epoch."""
    phone = await world.holding("1", 1)
    await restored(world, "1", 2)
    [record] = phone.wallet.records.values()
    tag, key = record.tag, world.services.keys.tag_key
    future = read_tag(tag, PASS_TYPE, key)
    assert future is not None
    assert future.seq > await world.number()
    assert points(phone, "1") == 1001

    phone.wallet.reboot(phone.clock.now())
    phone.wake()
    await shows(phone, "1", 1)
    [event] = await epochs(world)
    assert event.detail["tag"] == future.seq
    renewed = read_tag(record.tag, PASS_TYPE, key)
    assert renewed is not None
    assert renewed.epoch != future.epoch

    await world.change("1", 7, push="now")
    await shows(phone, "1", 7)
    assert len(await epochs(world)) == 1


@journey(books=False)
async def test_a_change_after_the_restore_reaches_the_phone_of_the_future(world: World) -> None:
    """Fails when the new change has a number that the phone has already seen: it would answer that it knows."""
    phone = await world.holding("1", 1)
    await restored(world, "1", 2)
    changed = await world.change("1", 55, push="now")
    await shows(phone, "1", 55)
    [record] = phone.wallet.records.values()
    tag = read_tag(record.tag, PASS_TYPE, world.services.keys.tag_key)
    assert tag is not None
    assert tag.seq >= changed.number
    assert len(await epochs(world)) == 1
