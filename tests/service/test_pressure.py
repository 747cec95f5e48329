"""What a process counts of its own work, and what follows: levels, log lines, and nothing for a hiccup."""

from __future__ import annotations

import asyncio
import logging

import pytest

from livepass.core.shedding import DOWN_AFTER, Level, Rung
from livepass.runtime import AsyncScheduler, WallClock
from livepass.service.pressure import ENOUGH, RECENT_SECONDS, Load, Watch
from service.rig import SetClock

pytestmark = pytest.mark.alone

RUNGS = (Rung(Level.LOG, 2, 0.1, 0.5), Rung(Level.ASK, 4, 0.2, 1.0))


@pytest.fixture(autouse=True)
def on_every_engine() -> None:
    """Nothing here touches a database."""


def fetched(load: Load, clock: SetClock, ms: int, count: int = 1) -> None:
    for _ in range(count):
        number = load.fetch_begins()
        clock.pass_(ms)
        load.fetch_ends(number, counts=True)


def test_the_slowest_twentieth_of_the_last_seconds() -> None:
    clock = SetClock(1000)
    load = Load(clock)
    assert load.fetch_p95() is None
    for ms in range(100):
        fetched(load, clock, ms)
    assert load.fetch_p95() == pytest.approx(0.095)
    assert load.fetch_p95() == pytest.approx(0.095), "looking changes nothing: several look"
    clock.pass_(int(RECENT_SECONDS * 1000) + 1)
    assert load.fetch_p95() is None


def test_a_fetch_that_hangs_is_slow_already() -> None:
    clock = SetClock(1000)
    load = Load(clock)
    fetched(load, clock, 10, 10)
    hanging = load.fetch_begins()
    assert load.fetch_p95() == pytest.approx(0.01), "it has only just begun, and makes the others no faster"
    clock.pass_(3000)
    assert load.fetch_p95() == pytest.approx(3.0)
    load.fetch_ends(hanging, counts=False)
    assert load.fetch_p95() == pytest.approx(0.01)


def test_a_strangers_fetch_does_not_count() -> None:
    clock = SetClock(1000)
    load = Load(clock)
    fetched(load, clock, 2000)
    for _ in range(1000):
        load.fetch_ends(load.fetch_begins(), counts=False)
    assert load.fetch_p95() == pytest.approx(2.0)


def test_a_few_fetches_say_nothing_about_pressure() -> None:
    clock = SetClock(1000)
    load = Load(clock)
    fetched(load, clock, 200, ENOUGH - 1)
    assert load.fetch_p95(ENOUGH) is None and load.fetch_p95() is not None
    load.fetch_begins()
    assert load.fetch_p95(ENOUGH) is not None


def test_the_level_follows_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = SetClock(1000)
    load, told = Load(clock), []
    watch = Watch(load, clock, AsyncScheduler(1), lambda: told.append(load.level), RUNGS)
    load.asking = 4
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            watch.look(0.0)
        load.shed[Level.ASK] += 7
        load.asking = 0
        for _ in range(3 * DOWN_AFTER):
            watch.look(0.0)
    assert told == [Level.ASK, Level.READ, Level.LOG, Level.NONE]
    first, second, *_, last = [record.getMessage() for record in caplog.records]
    assert first == (
        "pressure rises (4 in flight, 0 ms late, fetches -): given up now: log records, issuer reads and share pages, "
        "asks and shared files; 0 requests since the last change"
    )
    assert "pressure falls" in second and "7 requests since" in second
    assert "given up now: nothing; 0 requests" in last


def test_fetches_count_as_in_flight_and_hanging_ones_as_slow() -> None:
    clock = SetClock(1000)
    load = Load(clock)
    watch = Watch(load, clock, AsyncScheduler(1), rungs=RUNGS)
    numbers = [load.fetch_begins() for _ in range(2)]
    watch.look(0.0)
    watch.look(0.0)
    assert (load.in_flight, load.level) == (2, Level.LOG)
    numbers += [load.fetch_begins() for _ in range(ENOUGH)]
    clock.pass_(1500)
    watch = Watch(load, clock, AsyncScheduler(1), rungs=(Rung(Level.ASK, 10_000, 9.0, 1.0),))
    watch.look(0.0)
    watch.look(0.0)
    assert load.level == Level.ASK


def test_it_notices_by_itself_that_the_loop_is_late() -> None:
    async def main() -> None:
        load = Load(WallClock())
        noticed = asyncio.Event()
        watch = Watch(load, WallClock(), AsyncScheduler(1), noticed.set, (Rung(Level.LOG, 10_000, 0.2, 99.0),))
        running = asyncio.create_task(watch.run())

        async def hog() -> None:
            while not noticed.is_set():
                WallClock().stopwatch()
                await asyncio.sleep(0)
                _busy(0.6)

        await asyncio.wait_for(hog(), 30)
        assert load.level == Level.LOG
        watch.stop()
        await asyncio.wait_for(running, 5)
        assert load.level == Level.NONE

    asyncio.run(main())


def _busy(seconds: float) -> None:
    clock = WallClock()
    until = clock.stopwatch() + seconds
    while clock.stopwatch() < until:
        pass
