"""``POST /imports`` where carrying rows out fails for a reason that nobody foresaw: what can succeed does, what
cannot is said to have failed, and the import ends. A database that is away is waited for.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import engines
from livepass import wiring
from livepass.core.importing import MOST_TRIES, PAUSES_MS
from livepass.core.unavailable import Unavailable
from livepass.emulators.authority import Issued
from livepass.service import importer
from livepass.service.drafting import Wish
from livepass.service.issuing import Issuing
from web.asgi import OTHER, PASS_TYPE, Api, opened, with_api
from web.import_child import LOT, importer_of, stumbles
from web.test_issuer_imports import (
    ALL,
    child,
    edits,
    look,
    numbered,
    rows_left,
    run,
    small_lots,
    table,
    taken,
    tally,
    through,
    told,
    wrong,
)

__all__ = ["small_lots"]


@pytest.fixture
def on_postgres() -> Iterator[None]:
    engines.choose("postgres")
    yield
    engines.choose("sqlite")


async def failed(api: Api, job: str) -> int:
    found: int = (await told(api, job))["failed"]
    return found


async def past_the_pause(api: Api) -> None:
    await run(api, "UPDATE import_job SET lease_until = 0")


async def to_the_end(api: Api, job: str, most: int = 10 * MOST_TRIES) -> int:
    """Turns until it is over, whatever pauses lie between them; answers how many there were."""
    for turn in range(most):
        if (await told(api, job))["state"] == "finished":
            return turn
        await past_the_pause(api)
        assert await importer_of(api.services).once()
    raise AssertionError(f"it has not ended within {most} turns")


# ── rows that are to blame themselves


@pytest.mark.usefixtures("engine")
@with_api
async def test_a_row_that_fails_stops_neither_the_others_nor_the_import(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    stumbles(monkeypatch.setattr, lambda wish: wish.serial == "n2")
    job = await taken(api, numbered(3))
    await through(api)
    assert await tally(api, job) == ("finished", 2, 0, 0, 0, 0) and await failed(api, job) == 1
    [error] = await wrong(api, job)
    assert (
        error["row"] == 3 and "ZeroDivisionError" in error["problem"] and "rows beside it did not" in error["problem"]
    )
    assert f"row 3 of import {job}" in error["what_to_do"] and "then send it again" in error["what_to_do"]


@with_api
async def test_the_log_says_why_once_for_each_kind(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stumbles(monkeypatch.setattr, lambda wish: wish.serial in ("n2", "n3"))
    await taken(api, numbered(4))
    with caplog.at_level(logging.ERROR, importer.log.name):
        await through(api)
    assert sum(record.exc_info is not None for record in caplog.records) == 1
    assert {record.args[0] for record in caplog.records if "by itself" not in record.msg} == {3, 4}  # type: ignore[index]


@with_api
async def test_who_failed_before_the_fault_was_over_goes_through_after_all(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 3  # the lot, and the first two rows by themselves

    def spoilt(_: Wish) -> bool:
        nonlocal left
        left -= 1
        return left >= 0

    stumbles(monkeypatch.setattr, spoilt)
    job = await taken(api, numbered(4))
    assert await importer_of(api.services).once()
    assert await tally(api, job) == ("finished", 4, 0, 0, 0, 0) and await failed(api, job) == 0


@with_api
async def test_nobody_is_blamed_for_a_fault_that_begins_meanwhile(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stumbles(patch.setattr, lambda wish: wish.serial in ("n1", "n3", "n4"))
        job = await taken(api, numbered(4))
        assert await importer_of(api.services).once()
    assert await tally(api, job) == ("working", 1, 0, 0, 0, 2) and await failed(api, job) == 1, "n1 alone is to blame"
    found = await told(api, job)
    assert (found["tries_in_vain"], found["next_try_at"]) == (0, None)
    await through(api)
    assert await tally(api, job) == ("finished", 3, 0, 0, 0, 0)


@with_api
async def test_a_row_behind_the_last_that_went_through_is_not_tried_for_ever(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    stumbles(monkeypatch.setattr, lambda wish: wish.serial == "n3")
    job = await taken(api, numbered(3))
    assert await to_the_end(api, job) == 1 + MOST_TRIES
    assert await tally(api, job) == ("finished", 2, 0, 0, 0, 0) and await failed(api, job) == 1


@with_api
async def test_rows_by_themselves_end_before_the_lease_does(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "ALONE_SECONDS", -1.0)
    stumbles(monkeypatch.setattr, lambda _: True)
    job = await taken(api, numbered(3))
    await to_the_end(api, job)
    assert await failed(api, job) == 3


# ── what fails with every row


@pytest.mark.usefixtures("engine", "small_lots")
@with_api
async def test_what_fails_with_every_row_is_tried_again_and_given_up_in_the_end(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    stumbles(monkeypatch.setattr, lambda _: True)
    job = await taken(api, numbered(2 * LOT + 1) + b"short\n")
    small = await taken(api, table(f"x,1,{OTHER}", header="serial,points,pass_type"))
    await run(api, f"UPDATE import_job SET turn_at = turn_at + 1000000 WHERE id = '{small}'")
    for vain, pause in enumerate(PAUSES_MS, 1):
        assert await importer_of(api.services).once()
        found = await told(api, job)
        assert (found["state"], found["tries_in_vain"], found["waiting"]) == ("working", vain, 2 * LOT + 1)
        [row] = await look(api, f"SELECT * FROM import_job WHERE id = '{job}'")
        assert row["lease"] is None and abs(row["lease_until"] - row["turn_at"] - pause) < 60_000
        assert found["next_try_at"] is not None and len(await wrong(api, job)) == 1
        await run(api, f"UPDATE import_job SET lease_until = 0 WHERE id = '{job}'")
        await run(api, f"UPDATE import_job SET turn_at = 0 WHERE id = '{job}'")
    assert await importer_of(api.services).once()
    assert await failed(api, job) == LOT, "it goes on with the next lot, without a pause"
    assert (await told(api, job))["next_try_at"] is None
    await run(api, f"UPDATE import_job SET lease_until = 9e15 WHERE id = '{small}'")
    await through(api)
    assert await tally(api, job) == ("finished", 0, 0, 0, 1, 0) and await failed(api, job) == 2 * LOT + 1
    errors = await wrong(api, job)
    assert [each["row"] for each in errors] == list(range(2, 2 * LOT + 4))
    assert all(f"{MOST_TRIES} tries were in vain" in each["problem"] for each in errors[:-1])
    assert await rows_left(api) == 1 and await edits(api) == {}


@pytest.mark.usefixtures("engine", "small_lots")
@with_api
async def test_where_waiting_helped_it_is_waited_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await taken(api, numbered(2 * LOT))
    for lot in (1, 2):
        with monkeypatch.context() as patch:
            stumbles(patch.setattr, lambda _: True)
            for vain in range(1, MOST_TRIES):
                assert await importer_of(api.services).once()
                assert not await importer_of(api.services).once(), "it pauses"
                assert (await told(api, job))["tries_in_vain"] == vain
                await past_the_pause(api)
        assert await importer_of(api.services).once()
        found = await told(api, job)
        assert (found["made"], found["tries_in_vain"], found["failed"]) == (lot * LOT, 0, 0)
    assert found["state"] == "finished" and set((await edits(api)).values()) == {1}


@pytest.mark.usefixtures("engine", "small_lots")
@with_api
async def test_what_can_succeed_does_behind_a_lot_that_was_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no lot behind it is waited for in vain: an import that fails here and there ends."""
    bad = {f"n{number}" for number in (*range(1, LOT + 1), *range(2 * LOT + 1, 3 * LOT + 1))}
    stumbles(monkeypatch.setattr, lambda wish: wish.serial in bad)
    job = await taken(api, numbered(4 * LOT))
    assert await to_the_end(api, job) == MOST_TRIES + 3
    assert await tally(api, job) == ("finished", 2 * LOT, 0, 0, 0, 0) and await failed(api, job) == 2 * LOT
    assert {each["serial"] for each in await wrong(api, job)} == bad and not bad & set(await edits(api))


@pytest.mark.usefixtures("engine")
@with_api
async def test_a_dry_run_that_fails_ends_too(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(Issuing, "rehearse_many", fails)
    job = await taken(api, numbered(3), ALL + "&dry_run=1")
    assert await to_the_end(api, job) == MOST_TRIES
    assert await failed(api, job) == 3


@pytest.mark.usefixtures("engine")
@with_api
async def test_one_that_pauses_is_cancelled_and_its_rows_are_erased(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    stumbles(monkeypatch.setattr, lambda _: True)
    job = await taken(api, numbered(3))
    assert await importer_of(api.services).once()
    assert (await api.call("DELETE", f"/passes/{PASS_TYPE}/n1?erase=1")).status == 204
    assert (await told(api, job))["waiting"] == 2
    assert (await api.call("DELETE", f"/imports/{job}")).status == 204
    found = await told(api, job)
    assert (found["state"], found["waiting"], found["next_try_at"]) == ("cancelled", 0, None)
    await past_the_pause(api)
    assert not await importer_of(api.services).once()


# ── a database that is away


@pytest.mark.usefixtures("engine")
@with_api
async def test_a_database_that_is_away_is_waited_for_and_not_counted(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> Any:
        raise Unavailable("the database cannot be reached")

    job = await taken(api, numbered(3))
    with monkeypatch.context() as patch:
        patch.setattr(Issuing, "put_lot", away)
        for _ in range(2 * MOST_TRIES):
            assert await importer_of(api.services)._one_round() == importer.STUMBLE_SECONDS
            await past_the_pause(api)  # rather, the end of the lease
    found = await told(api, job)
    assert (found["waiting"], found["tries_in_vain"], found["failed"]) == (3, 0, 0)
    await through(api)
    assert await tally(api, job) == ("finished", 3, 0, 0, 0, 0)


@pytest.mark.usefixtures("on_postgres")
@with_api
async def test_a_server_whose_disk_is_full_is_away(api: Api) -> None:
    """As PostgreSQL says it, where a pass is to be written."""
    body = "BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END"
    job = await taken(api, numbered(3))
    await run(api, f"CREATE FUNCTION is_full() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    await run(api, "CREATE TRIGGER full_disk BEFORE INSERT ON pass FOR EACH ROW EXECUTE FUNCTION is_full()")
    for _ in range(MOST_TRIES):
        with pytest.raises(Unavailable, match="No space left"):
            await importer_of(api.services).once()
        await past_the_pause(api)
    await run(api, "DROP TRIGGER full_disk ON pass")
    await through(api)
    assert await tally(api, job) == ("finished", 3, 0, 0, 0, 0)


# ── killed


@pytest.mark.usefixtures("engine", "small_lots")
def test_the_count_outlives_whoever_is_killed(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    """kill -9 of real workers with which every row fails, after the claim (nothing is counted) and after the count; and
    one that is killed right after a lot was given up has said of each row once that it failed.
    """

    async def work() -> None:
        async with opened(tmp_path, certificates) as api:
            job = await taken(api, numbered(2 * LOT))
            await run(api, f"UPDATE import_job SET vain = {MOST_TRIES - 2}")
            for after, vain, gone in ((1, -2, 0), (2, -1, 0), (1, -1, 0), (2, 0, LOT)):
                assert await child(api, after, "fails") == -signal.SIGKILL
                found = await told(api, job)
                assert (found["tries_in_vain"], found["failed"]) == (MOST_TRIES + vain, gone)
                await past_the_pause(api)
            assert await child(api, 0) == 0, "what failed is mended"
            assert await tally(api, job) == ("finished", LOT, 0, 0, 0, 0) and await failed(api, job) == LOT
            assert [each["row"] for each in await wrong(api, job)] == list(range(2, LOT + 2))
            assert set(await edits(api)) == {f"n{number}" for number in range(LOT + 1, 2 * LOT + 1)}

    asyncio.run(work())


@pytest.mark.usefixtures("engine", "small_lots")
def test_who_lost_the_lease_counts_nothing_and_gives_nothing_up(tmp_path: Path, certificates: Sequence[Issued]) -> None:
    """A worker with which every row fails is held up; meanwhile another does the rows, and begins the next lot."""

    async def work() -> None:
        async with opened(tmp_path, certificates) as api, wiring.opened(api.services.config) as other:
            job = await taken(api, numbered(2 * LOT))
            await run(api, f"UPDATE import_job SET vain = {MOST_TRIES - 1}")
            begun, go = asyncio.Event(), asyncio.Event()

            async def held_up(*_: Any) -> Any:
                begun.set()
                await go.wait()
                raise ZeroDivisionError

            other.issuing.put_lot = held_up  # type: ignore[method-assign]
            late = asyncio.create_task(importer_of(other).once())
            await begun.wait()
            await past_the_pause(api)
            assert await importer_of(api.services).once()
            go.set()
            assert await late
            found = await told(api, job)
            assert (found["made"], found["tries_in_vain"], found["failed"]) == (LOT, 0, 0)
            await through(api)
            assert await tally(api, job) == ("finished", 2 * LOT, 0, 0, 0, 0) and not await wrong(api, job)

    asyncio.run(work())


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("engine", "small_lots")
@pytest.mark.parametrize("seed", range(4))
def test_each_row_ends_once_whoever_fails_and_is_killed(
    tmp_path: Path, certificates: Sequence[Issued], seed: int
) -> None:
    """Workers by chance: honest ones, and ones with which every row fails, or every third; each is killed."""
    chance = random.Random(seed)

    async def work() -> None:
        async with opened(tmp_path, certificates) as api:
            count = 6 * LOT
            job = await taken(api, numbered(count))
            for _ in range(100):
                if (await told(api, job))["state"] == "finished":
                    break
                how = chance.choice(["", "fails", "fails", "fails", "third"])
                assert await child(api, chance.randint(1, 6), *filter(None, [how])) in (0, -signal.SIGKILL)
                found = await told(api, job)
                errors = [each["row"] for each in await wrong(api, job)]
                assert len(errors) == len(set(errors)) == found["failed"]
                assert found["made"] + found["failed"] + found["waiting"] == count
                assert len(await edits(api)) == found["made"]
                await past_the_pause(api)
            assert (await told(api, job))["state"] == "finished"
            assert set((await edits(api)).values()) <= {1}

    asyncio.run(work())


def test_who_stumbles_is_told_apart() -> None:
    """The tests above are of something: a lot fails where one of its rows does."""
    patched: list[Any] = []
    spoilt: Callable[[Wish], bool] = lambda wish: wish.serial == "b"  # noqa: E731
    stumbles(lambda *given: patched.append(given), spoilt)
    [(owner, name, put)] = patched
    assert (owner, name) == (Issuing, "put_lot")
    with pytest.raises(ZeroDivisionError):
        asyncio.run(put(None, [Wish("pass.x", "a"), Wish("pass.x", "b")]))
