"""One clock for all hosts: the database's, carried on between two looks by a clock that nobody sets."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import engines
from history.house import house
from livepass import runtime
from livepass.emulators.authority import Authority
from livepass.runtime import SharedClock
from store.hand import opened

HOUR = 3_600_000
pytestmark = pytest.mark.usefixtures("engine")
once = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize("engine", ["postgres"], indirect=True)


class Host:
    """A host's two clocks, and a database that is some way off."""

    def __init__(self, wall: int = 0, trips: tuple[tuple[float, int], ...] = ()) -> None:
        self.wall = wall
        self.steady = 100.0
        self._trips: Iterator[tuple[float, int]] = iter(trips)
        self.clock = SharedClock(lambda: self.wall, lambda: self.steady)

    async def ask(self) -> int | None:
        took, told = next(self._trips)
        self.steady += took
        return told

    async def measure(self, times: int = 1) -> int:
        await self.clock.measure(self.ask, times)
        return self.clock.now()


@once
def test_it_is_the_databases_at_the_middle_of_the_round_trip() -> None:
    host = Host(trips=((0.2, 50_000),))
    assert asyncio.run(host.measure()) == 50_100
    host.steady += 1.5
    assert host.clock.now() == 51_600


@once
def test_the_shortest_round_trip_counts() -> None:
    host = Host(trips=((1.0, 50_000), (0.02, 51_010), (2.0, 99_000)))
    asyncio.run(host.measure(3))
    assert host.clock.now() == 51_010 + 10 + 2000


@once
def test_setting_the_hosts_clock_changes_nothing() -> None:
    host = Host(wall=50_000, trips=((0.0, 50_000),))
    asyncio.run(host.measure())
    host.wall += HOUR
    assert host.clock.now() == 50_000


@once
def test_before_the_first_look_it_is_the_hosts_own() -> None:
    host = Host(wall=777)
    assert host.clock.now() == 777

    async def nothing() -> int | None:
        return None

    asyncio.run(host.clock.measure(nothing))
    assert host.clock.now() == 777


@once
def test_a_database_that_is_away_leaves_it_going() -> None:
    host = Host(trips=((0.0, 50_000),))

    async def away() -> int | None:
        raise OSError("away")

    async def main() -> None:
        await host.measure()
        with pytest.raises(OSError):
            await host.clock.measure(away)
        host.steady += 2
        assert host.clock.now() == 52_000

    asyncio.run(main())


@once
def test_a_host_whose_clock_is_wrong_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    host = Host(wall=50_000 - HOUR, trips=((0.0, 50_000),) * 3 + ((0.0, 51_000),))

    async def main() -> None:
        for _ in range(3):
            await host.measure()
        assert caplog.text.count("3600.0 s behind") == 1
        host.wall = 51_900
        await host.measure()
        assert caplog.text.count("agrees with the database's again") == 1

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())


@once
@pytest.mark.parametrize("off", [-1900, 0, 1900])
def test_two_seconds_are_nothing_to_speak_of(off: int, caplog: pytest.LogCaptureFixture) -> None:
    host = Host(wall=50_000 + off, trips=((0.0, 50_000),))
    asyncio.run(host.measure())
    assert caplog.text == ""


# ── on a database


@once
def test_a_file_has_no_clock_of_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            assert await hand.store.database_time() is None

    asyncio.run(main())


@on_postgres
@pytest.mark.parametrize("off", [-HOUR, HOUR], ids=["an hour behind", "an hour ahead"])
def test_claims_hold_whatever_one_hosts_clock_says(tmp_path: Path, off: int) -> None:
    """By its own clock, the host ahead would take the other's lease for run out; the one behind would find nothing due,
    and its leases would have run out before they began.
    """

    async def main() -> None:
        async with opened(tmp_path) as hand:
            other = await engines.open_store(hand.url)
            right, wrong = SharedClock(), SharedClock(lambda: SharedClock().now() + off)
            for clock, store in ((right, hand.store), (wrong, other)):
                await clock.measure(store.database_time)
            assert abs(right.now() - wrong.now()) < 1000

            async def claim(clock: SharedClock, store: object) -> list[str]:
                hand.store, kept = store, hand.store
                try:
                    now = clock.now()
                    found = await hand.claim(f"l{now}-{id(store)}", now=now, lasting=60_000, limit=5)
                finally:
                    hand.store = kept
                return [target.push_token for target in found]

            now = right.now()
            await hand.put("a", now=now)
            tokens = [f"a{number}" for number in range(10)]
            for token in tokens:
                await hand.join(token, "a", token=token, at=now - 60_000)
            first, second = await claim(right, hand.store), await claim(wrong, other)
            assert len(first) == len(second) == 5
            assert sorted(first + second) == tokens, "each is claimed once, also by the host whose clock is wrong"
            assert await claim(right, hand.store) == await claim(wrong, other) == [], "leases hold"
            leases = [row["lease_until"] for row in hand.rows("push_target")]
            assert all(abs(until - right.now() - 60_000) < 10_000 for until in leases)
            await other.close()

    asyncio.run(main())


@on_postgres
def test_a_process_goes_by_the_databases_clock(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Numbers, leases and times to push are all told by it; the host's own is an hour ahead."""
    really = time.time_ns
    monkeypatch.setattr(runtime.time, "time_ns", lambda: really() + HOUR * 1_000_000)

    async def main() -> None:
        async with house(tmp_path, authority) as one, one.process() as process:
            now = really() // 1_000_000
            assert abs(process.services.clock.now() - now) < 10_000
            await process.register("phone")
            [row] = engines.look(one.url, "SELECT * FROM push_target")
            assert abs(row["next_at"] - now - 60_000) < 10_000
            assert "3600." in caplog.text

    asyncio.run(main())
