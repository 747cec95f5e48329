"""The recorder: in order, a batch to a transaction, one bad note harms nobody, and there is a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from livepass.core.decision import SaveDevice
from livepass.core.timeline import Event, Kind
from livepass.core.unavailable import Unavailable
from livepass.emulators.authority import Issued
from livepass.service import observing
from service.rig import TYPE, Rig, rig


def event(seq: int) -> Event:
    return Event(Kind.ASKED, seq, TYPE, device_id="phone", seq=seq)


def kept(service: Rig) -> list[int]:
    return [row[0] for row in service.elsewhere("SELECT seq FROM event WHERE kind = 'asked' ORDER BY id")]


async def bad(tx: Any) -> Sequence[Event]:
    await tx.apply((SaveDevice(TYPE, "half", "aa", 1),), ())
    raise ValueError("a bad note")


def test_notes_are_written_in_their_order(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            for n in range(1200):
                service.recorder.note((), (event(n),))
                if n % 100 == 0:
                    await asyncio.sleep(0.002)
            assert kept(service) != list(range(1200)), "after the answer, not before it"
            await service.recorder.settle()
            assert kept(service) == list(range(1200))
            assert service.recorder.dropped == 0

    asyncio.run(main())


def test_a_crowd_of_notes_shares_a_transaction(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            real, writes = service.store.write, []

            async def counting(work: Any) -> Any:
                writes.append(work)
                return await real(work)

            monkeypatch.setattr(service.store, "write", counting)
            for n in range(observing.BATCH):
                service.recorder.note((), (event(n),))
            await service.recorder.settle()
            assert len(writes) == 1

    asyncio.run(main())


def test_a_bad_note_is_left_out_alone(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            for n in range(10):
                service.recorder.note((SaveDevice(TYPE, f"d{n}", "aa", 1),), (event(n),))
                if n in (3, 7):
                    service.recorder.later(bad)
            await service.recorder.settle()
            assert kept(service) == list(range(10)), "each once, in order"
            devices = {row[0] for row in service.elsewhere("SELECT device_id FROM device")}
            assert devices == {f"d{n}" for n in range(10)}, "and nothing of the bad ones"
            assert service.recorder.dropped == 2

    asyncio.run(main())
    assert caplog.text.count("an observation could not be written") == 2


class Away:
    """A store that cannot be written to for a while."""

    def __init__(self, service: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tries = 0
        self.rests = 0
        self.away = True
        real = service.store.write

        async def write(work: Any) -> Any:
            self.tries += 1
            if self.away:
                raise Unavailable("it is away")
            return await real(work)

        async def sleep(seconds: float) -> None:
            self.rests += seconds == observing.AWAY_SECONDS
            await asyncio.sleep(0.001)

        monkeypatch.setattr(service.store, "write", write)
        monkeypatch.setattr(service.scheduler, "sleep", sleep)


def test_while_the_database_is_away_notes_wait_in_their_order(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            database = Away(service, monkeypatch)
            for n in range(2 * observing.BATCH):
                service.recorder.note((), (event(n),))
                if n == 3:
                    service.recorder.later(reading(n))
            assert not await service.recorder.settle(0.2)
            assert 1 < database.tries <= database.rests + 1, "a batch is not tried note by note, nor without a rest"
            service.recorder.note((), (event(5000),))
            database.away = False
            assert await service.recorder.settle()
            assert [seq for seq in kept(service) if seq != 9003] == [*range(2 * observing.BATCH), 5000]
            assert 9003 in kept(service)
            assert service.recorder.dropped == 0

    asyncio.run(main())


def reading(n: int) -> Any:
    async def note(tx: Any) -> Any:
        return (), (event(9000 + n),)

    return note


def test_of_what_waits_for_the_database_too_the_oldest_go_first(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "BACKLOG", 50)

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            database = Away(service, monkeypatch)
            for n in range(300):
                service.recorder.note((), (event(n),))
                await asyncio.sleep(0)
            assert not await service.recorder.settle(0.1)
            database.away = False
            await service.recorder.settle()
            assert kept(service) == list(range(250, 300))
            assert service.recorder.dropped == 250

    asyncio.run(main())


def test_when_too_much_waits_the_oldest_are_dropped_and_counted(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "BACKLOG", 50)

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            for n in range(60):
                service.recorder.note((), (event(n),))
            await service.recorder.settle()
            assert kept(service) == list(range(10, 60))
            assert service.recorder.dropped == 10

    asyncio.run(main())


def test_nothing_to_note_wakes_nobody_and_settling_when_idle_returns(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:

            async def never(work: Any) -> Any:
                raise AssertionError("nothing was to be written")

            monkeypatch.setattr(service.store, "write", never)
            service.recorder.note((), ())
            await asyncio.wait_for(service.recorder.settle(), 1)

    asyncio.run(main())


def test_closing_a_process_writes_what_it_has_seen(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            service.recorder.note((), (event(1),))
        assert kept(service) == [1]

    asyncio.run(main())
