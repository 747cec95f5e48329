"""Two hosts with a journal folder each: what a phone said to one of them is not undone by what the other one has."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import engines
from history.house import TYPE, House, Process, house
from livepass.core.replay import Act, Entry
from livepass.core.timeline import Kind
from livepass.emulators.authority import Authority
from livepass.service.keeping import DAY_MS, EVENTS_KEPT_MS
from livepass.service.replaying import Replayed
from livepass.store.reading import Reading

ORDERS = pytest.mark.parametrize("order", ["ab", "ba"])


class Hosts:
    """Hosts ``a`` and ``b`` of one installation."""

    def __init__(self, one: House, directory: Path) -> None:
        self.one = one
        self.folders = {name: directory / f"journal-{name}" for name in "ab"}
        for folder in self.folders.values():
            folder.mkdir()

    async def said(self, host: str, what: str, device: str = "phone", token: str = "aa") -> None:
        """A phone registers (+) or unregisters (-) through a host."""
        async with self.one.process(registration_journal=self.folders[host]) as process:
            process.services.recovering.replays = False
            status = await (process.register(device, token=token) if what == "+" else process.unregister(device))
            assert status in (200, 201)

    async def replay(self, order: str) -> Sequence[Replayed]:
        """A new epoch, and each host's replay."""
        reports = []
        for host in order:
            async with self.one.process(registration_journal=self.folders[host]) as process:
                process.services.recovering.replays = False
                done = await process.services.recovering.recover()
                assert done.replayed is not None
                reports.append(done.replayed)
        return reports

    def days_pass(self) -> None:
        """Housekeeping forgets the tombstones."""
        engines.run(self.one.url, "DELETE FROM registration WHERE left_at IS NOT NULL")


async def lines(process: Process) -> list[int]:
    return [event.at for event in await process.events(Kind.UNREGISTERED)]


@ORDERS
def test_after_a_failover_without_any_loss_who_has_left_stays_away(
    tmp_path: Path, authority: Authority, order: str
) -> None:
    async def main() -> None:
        async with house(tmp_path, authority) as one:
            hosts = Hosts(one, tmp_path)
            await hosts.said("a", "+")
            await hosts.said("b", "-")
            await hosts.said("a", "+", "stays", "bb")
            hosts.days_pass()
            reports = await hosts.replay(order)
            assert one.registrations() == {("stays", "1"): "bb"}
            assert [report.replayed for report in reports] == [0, 0]
            assert sum(report.overtaken for report in reports) == 1

    asyncio.run(main())


@ORDERS
@pytest.mark.parametrize("known", ["nothing", "the registration", "an older leaving", "an older leaving, forgotten"])
def test_a_leaving_that_was_lost_counts_in_either_order(
    tmp_path: Path, authority: Authority, order: str, known: str
) -> None:
    async def main() -> None:
        async with house(tmp_path, authority) as one:
            hosts = Hosts(one, tmp_path)
            if known.startswith("an older leaving"):
                await hosts.said("a", "+")
                await hosts.said("a", "-")
            if known.endswith("forgotten"):
                hosts.days_pass()
            if known == "the registration":
                await hosts.said("a", "+")
            saved = one.save()
            await hosts.said("a", "+")
            await hosts.said("b", "-")
            one.put_back(saved)
            await hosts.replay(order)
            assert one.registrations() == {}
            hosts.days_pass()
            for report in await hosts.replay(order + order[::-1]):
                assert report.replayed == 0
            assert one.registrations() == {}

    asyncio.run(main())


@ORDERS
def test_who_came_back_after_leaving_is_brought_back(tmp_path: Path, authority: Authority, order: str) -> None:
    async def main() -> None:
        async with house(tmp_path, authority) as one:
            hosts = Hosts(one, tmp_path)
            saved = one.save()
            await hosts.said("a", "+")
            await hosts.said("b", "-")
            await hosts.said("a", "+", token="bb")
            one.put_back(saved)
            await hosts.replay(order)
            assert one.registrations() == {("phone", "1"): "bb"}

    asyncio.run(main())


def test_a_leaving_is_written_down_once_with_its_own_instant_and_only_as_far_as_the_diary_goes(
    tmp_path: Path, authority: Authority
) -> None:
    async def main() -> None:
        async with house(tmp_path, authority) as one:
            hosts = Hosts(one, tmp_path)
            async with one.process(registration_journal=hosts.folders["b"]) as process:
                process.services.recovering.replays = False
                assert await process.unregister("new") == 200
                await process.services.recorder.settle()
                journal = process.services.journal
                assert journal is not None
                [page] = [page async for page in journal.pages({}, None)]
                [entry] = page.entries
                ages = {"old": EVENTS_KEPT_MS - DAY_MS, "too old": EVENTS_KEPT_MS + DAY_MS}
                old = [replace(entry, device_id=name, at=entry.at - age) for name, age in ages.items()]
                for each in old:
                    await journal.append(each)
                for _ in range(2):
                    done = await process.services.recovering.recover()
                    assert done.replayed is not None
                    assert (done.replayed.replayed, done.replayed.already_there) == (0, 3)
                assert await lines(process) == [entry.at, old[0].at]
                [_, event] = await process.events(Kind.UNREGISTERED)
                assert (event.device_id, event.serial, event.pass_type) == ("old", "1", TYPE)

    asyncio.run(main())


def test_a_leaving_of_a_pass_that_is_gone_leaves_no_line(tmp_path: Path, authority: Authority) -> None:
    async def main() -> None:
        async with house(tmp_path, authority) as one:
            hosts = Hosts(one, tmp_path)
            async with one.process(registration_journal=hosts.folders["b"]) as process:
                journal = process.services.journal
                assert journal is not None
                now = process.services.clock.now()
                await journal.append(Entry(Act.UNREGISTER, now, TYPE, "gone", "phone", "f00"))
                await journal.append(Entry(Act.UNREGISTER, now, TYPE, "1", "phone", "f00"))
            [report] = await hosts.replay("b")
            assert (report.entries, report.lost) == (2, [])
            assert engines.look(one.url, "SELECT detail FROM event WHERE kind = 'unregistered'") == []

    asyncio.run(main())


def test_what_is_there_costs_no_look_into_the_diary(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with house(tmp_path, authority) as one:
            hosts = Hosts(one, tmp_path)
            for device in ("one", "two"):
                await hosts.said("a", "+", device, device.encode().hex())
            await hosts.said("a", "-", "two")

            async def never(*_: object) -> None:
                raise AssertionError("looked")

            monkeypatch.setattr(Reading, "last_left", never)
            [report] = await hosts.replay("a")
            assert (report.already_there, report.overtaken) == (2, 1)

    asyncio.run(main())


def test_a_device_id_that_a_phone_had_used_up_does_not_come_back_for_it(tmp_path: Path, authority: Authority) -> None:
    """The same phone under two device ids: it left under the newer one, and never will under the older."""

    async def main() -> None:
        async with house(tmp_path, authority) as one:
            hosts = Hosts(one, tmp_path)
            await hosts.said("a", "+", "older")
            await hosts.said("a", "+", "newer")
            await hosts.said("a", "-", "newer")
            hosts.days_pass()
            [report] = await hosts.replay("a")
            assert (report.replayed, one.registrations()) == (0, {})

    asyncio.run(main())
