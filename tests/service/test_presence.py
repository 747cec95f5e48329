"""The table of processes: rows that live as long as their process, and what a worker reads in them."""

from __future__ import annotations

import asyncio
import logging
import math
from pathlib import Path
from typing import Any

import pytest

from livepass.core import budget
from livepass.core.model import Process
from livepass.core.shedding import Level
from livepass.core.unavailable import Unavailable
from livepass.emulators.authority import Issued
from livepass.service.presence import BEAT_SECONDS, FRESH_SECONDS, STRAINED, Fetching, Presence, Role
from livepass.service.pressure import Load
from service.rig import DAY, Rig, rig, until


def presence(service: Rig, role: Role = "serve", pid: int = 7, load: Load | None = None) -> Presence:
    return Presence(
        *(service.store, service.clock, service.chance, service.scheduler, load or service.answering.load),
        host="host-a",
        pid=pid,
        role=role,
        schema=3,
    )


def row(id_: str, service: Rig, **more: Any) -> Process:
    values: dict[str, Any] = {"host": "h", "pid": 1, "role": "serve", "schema": 1, "started_at": 1, "fetch_ms": None}
    return Process(id=id_, **(values | {"heard_at": service.clock.now(), "shedding": 0} | more))


async def put(service: Rig, process: Process) -> None:
    await service.store.write(lambda tx: tx.put_process(process))


def test_a_row_lives_as_long_as_its_process(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            one, other = presence(service, "serve+worker"), presence(service, "worker", 8)
            started = service.clock.now()
            await other.beat()
            running = asyncio.create_task(one.run())
            async with asyncio.timeout(10):
                while len(await service.store.processes()) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            found = {process.pid: process for process in await service.store.processes()}
            assert found[7] == Process(one.id, "host-a", 7, "serve+worker", 3, started, started, None, 0)
            assert found[8].id == other.id != one.id
            await one.stop()
            await asyncio.wait_for(running, 5)
            assert [process.pid for process in await service.store.processes()] == [8]

    asyncio.run(main())


def test_a_row_says_how_long_fetches_take_and_what_is_given_up(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            load, shown = service.answering.load, presence(service)
            running = asyncio.create_task(shown.run())
            number = load.fetch_begins()
            service.clock.pass_(1234)
            load.fetch_ends(number, counts=True)
            load.level = int(Level.ASK)
            shown.changed()

            def told() -> bool:
                return service.elsewhere("SELECT fetch_ms, shedding, heard_at FROM process") == [
                    (1234, 3, service.clock.now())
                ]

            await until(told, "a change is told at once, long before the next beat", BEAT_SECONDS - 1)
            await shown.stop()
            await running

    asyncio.run(main())


def test_a_silent_process_is_forgotten_after_a_day(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await put(service, row("silent", service))
            service.clock.pass_(DAY)
            await put(service, row("alive", service))
            await service.keeper.prune()
            assert len(await service.store.processes()) == 2
            service.clock.pass_(1)
            await service.keeper.prune()
            assert [process.id for process in await service.store.processes()] == ["alive"]

    asyncio.run(main())


def test_a_database_that_is_away_ends_nothing(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            real, away = service.store.write, True

            async def write(work: Any) -> Any:
                if away:
                    raise Unavailable("gone")
                return await real(work)

            service.store.write = write  # type: ignore[method-assign]
            shown = presence(service)
            running = asyncio.create_task(shown.run())
            await until(lambda: "could not say that it runs" in caplog.text)
            away = False
            shown.changed()
            await until(lambda: service.elsewhere("SELECT count(*) FROM process") == [(1,)])
            away = True
            await shown.stop()
            await running
            assert "could not say goodbye" in caplog.text
            service.store.write = real  # type: ignore[method-assign]

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())


# ── what a worker reads in it


def test_the_slowest_process_counts_wherever_it_is(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            load = service.answering.load
            fetching = Fetching(service.store, service.clock, load)
            assert await fetching.slowest() is None
            await put(service, row("a", service, fetch_ms=300))
            await put(service, row("b", service, fetch_ms=900))
            await put(service, row("c", service))
            assert await fetching.slowest() == 0.9
            await put(service, row("a", service, fetch_ms=20))
            await put(service, row("b", service, fetch_ms=20))
            await put(service, row("c", service, shedding=int(Level.LOG)))
            assert await fetching.slowest() == STRAINED > budget.Pace().slow_fetch * budget.QUICK, "no haste"
            assert not budget.Pace(moved_at=0.0).after(STRAINED, 1.0, 250).eased, "and no retreat"
            load.fetch_begins()
            service.clock.pass_(1500)
            assert await fetching.slowest() == 1.5, "its own counts too"
            await put(service, row("c", service, shedding=int(Level.READ)))
            assert await fetching.slowest() == 1.5
            await put(service, row("c", service, shedding=int(Level.ASK)))
            assert await fetching.slowest() == math.inf, "whom we push would be sent away there"

    asyncio.run(main())


def test_a_row_that_does_not_move_says_nothing_whatever_its_clock_shows(
    tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            fetching = Fetching(service.store, service.clock, Load(service.clock))
            fresh, ahead = int(FRESH_SECONDS * 1000), 5 * DAY
            await put(service, row("wrong clock", service, heard_at=service.clock.now() - ahead, fetch_ms=700))
            assert await fetching.slowest() == 0.7
            service.clock.pass_(fresh - 1)
            assert await fetching.slowest() == 0.7
            await put(service, row("wrong clock", service, heard_at=service.clock.now() - ahead, fetch_ms=800))
            service.clock.pass_(fresh - 1)
            assert await fetching.slowest() == 0.8, "it moved"
            service.clock.pass_(fresh)
            assert await fetching.slowest() is None, "it died"
            await put(service, row("wrong clock", service, heard_at=service.clock.now() + ahead, fetch_ms=900))
            assert await fetching.slowest() == 0.9, "it is back"

    asyncio.run(main())
