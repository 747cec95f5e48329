"""How far the witness may be behind: five seconds or a thousand numbers, and never a phone's answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from livepass.core.history import Witness
from livepass.core.unavailable import Unavailable
from livepass.emulators.authority import Issued
from livepass.outside.witness import JsonWitness
from livepass.service.lookout import Lookout
from livepass.service.recovering import Recovering
from service.rig import SECOND, TYPE, Rig, rig


class Shelf(JsonWitness):
    """The file, and how often it was written."""

    writes = 0

    async def write(self, witness: Witness) -> None:
        self.writes += 1
        await super().write(witness)


@asynccontextmanager
async def looking_out(directory: Path, issued: Issued) -> AsyncIterator[tuple[Rig, Lookout, Shelf]]:
    async with rig(directory, issued) as service:
        await service.issue("1")
        shelf = Shelf(directory / "witness")
        # One that has been looking out all along.
        first = Lookout(service.store, service.clock, service.chance, shelf, dict)
        await first.renew("asked_for")
        shelf.writes = 0
        yield service, first, shelf


def test_nothing_new_is_not_written(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with looking_out(tmp_path, pass_certificate) as (service, lookout, shelf):
            for _ in range(5):
                service.clock.pass_(60 * SECOND)
                assert await lookout.look() == ()
            assert shelf.writes == 0

    asyncio.run(main())


def test_something_new_is_written_five_seconds_after_the_last_time(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with looking_out(tmp_path, pass_certificate) as (service, lookout, shelf):
            for number in range(10):
                await service.change("1", 10 + number)
                await lookout.look()
                service.clock.pass_(SECOND)
            assert shelf.writes == 1
            await lookout.look()
            assert shelf.writes == 2
            witness = await shelf.read()
            assert witness is not None
            counter = await service.store.counter(TYPE)
            assert counter is not None
            assert witness.marks[TYPE].seq == counter.seq

    asyncio.run(main())


def test_a_thousand_numbers_do_not_wait(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with looking_out(tmp_path, pass_certificate) as (service, lookout, shelf):
            service.elsewhere("UPDATE counter SET seq = seq + 999")
            await lookout.look()
            assert shelf.writes == 0
            service.elsewhere("UPDATE counter SET seq = seq + 1")
            await lookout.look()
            assert shelf.writes == 1

    asyncio.run(main())


def test_what_another_process_gave_away_is_kept(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with looking_out(tmp_path, pass_certificate) as (service, lookout, shelf):
            other = Lookout(service.store, service.clock, service.chance, shelf, lambda: {TYPE: 99_000_000_000})
            await other.open()
            await other.keep()
            other_heard = service.clock.now()
            other.registered(TYPE, "phone", other_heard)
            await service.register("1")
            await other.look()
            await other.keep()
            await lookout.look()
            await lookout.keep()
            witness = await shelf.read()
            assert witness is not None
            assert witness.marks[TYPE].modified == 99_000_000_000
            assert witness.heard is not None
            assert witness.heard.at == other_heard
            assert lookout.lost_modified()[TYPE] == 99_000_000_000

    asyncio.run(main())


@pytest.mark.parametrize("close", [False, True], ids=["looking", "closing"])
def test_a_witness_that_is_ahead_of_the_database_is_not_written_over(
    tmp_path: Path, pass_certificate: Issued, close: bool
) -> None:
    """Another process saw more, wrote it down and ended; then the database went back to what this one has seen."""

    async def main() -> None:
        async with looking_out(tmp_path, pass_certificate) as (service, lookout, shelf):
            other = Lookout(service.store, service.clock, service.chance, shelf, lambda: {TYPE: 99_000_000_000})
            service.elsewhere("UPDATE counter SET seq = seq + 5")
            await other.open()
            await other.keep()
            service.elsewhere("UPDATE counter SET seq = seq - 4")
            before = await service.store.counter(TYPE)
            assert before is not None
            service.clock.pass_(6 * SECOND)
            begun = await (lookout.keep() if close else lookout.look())
            assert [(one.pass_type, one.before) for one in begun] == [(TYPE, before.seq)]
            after, witness = await service.store.counter(TYPE), await shelf.read()
            assert after is not None and witness is not None
            assert (witness.marks[TYPE].epoch, witness.marks[TYPE].seq) == (after.epoch, after.seq)
            assert after.epoch != before.epoch
            assert after.modified_floor > 99_000_000_000, "what the other one gave away is known as well"
            assert await lookout.keep() == () == await lookout.look()

    asyncio.run(main())


def test_a_registration_that_another_process_wrote_down_is_missed(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with looking_out(tmp_path, pass_certificate) as (service, lookout, shelf):
            await service.register("1")
            other = Lookout(service.store, service.clock, service.chance, shelf, dict)
            await other.open()
            other.registered(TYPE, "phone", service.clock.now() + 1)
            service.elsewhere("UPDATE device SET token_registered_at = token_registered_at + 1")
            await other.keep()
            service.elsewhere("UPDATE device SET token_registered_at = token_registered_at - 1")
            assert len(await lookout.keep()) == 1

    asyncio.run(main())


def test_a_witness_of_another_installation_is_written_over(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with looking_out(tmp_path, pass_certificate) as (_, lookout, shelf):
            ours = await shelf.read()
            assert ours is not None
            marks = {name: replace(mark, seq=mark.seq + 9) for name, mark in ours.marks.items()}
            await shelf.write(replace(ours, uuid="another", marks=marks))
            assert await lookout.keep() == ()
            assert await shelf.read() == ours

    asyncio.run(main())


def test_a_database_that_is_away_is_said_once_and_looked_for_again(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with looking_out(tmp_path, pass_certificate) as (service, lookout, _):
            away = True
            recheck, looks = service.store.recheck, 0

            async def rechecked() -> None:
                nonlocal looks
                looks += 1
                if away:
                    raise Unavailable("it is away")
                await recheck()

            service.store.recheck = rechecked  # type: ignore[method-assign]
            recovering = Recovering(service.store, service.keys, service.clock, service.scheduler, lookout, None)
            service.scheduler.spawn(recovering.run(), "lookout")
            async with asyncio.timeout(10):
                while looks < 5:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                assert caplog.text.count("it is away") == 1
                away, looks = False, 0
                while looks < 5:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert caplog.text.count("it is away") == 1

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
