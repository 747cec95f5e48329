"""The chores: telling again, finishing roll-outs, forgetting what is old, and going on when one fails."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from livepass.core.decision import Join, NewEpoch, SaveDevice
from livepass.core.model import Prunable
from livepass.core.retelling import RETELL_FIRST_MS, RETELL_LIMIT
from livepass.core.timeline import Event, Kind
from livepass.emulators.authority import Issued
from livepass.service import keeping
from livepass.service.keeping import DEAD_KEPT_MS, EVENTS_KEPT_MS, TOMBSTONES_KEPT_MS
from livepass.store import owing
from service.rig import DAY, TYPE, rig, template, until
from store.hand import put


def test_told_is_not_delivered(tmp_path: Path, pass_certificate: Issued) -> None:
    """A phone that took the tag and never the pass is told again, whatever its tag, and woken for it."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1")
            _, tag = await service.ask()
            waits = []
            for _ in range(RETELL_LIMIT):
                wait = RETELL_FIRST_MS * 2 ** len(waits)
                service.clock.pass_(wait - 1)
                assert await service.keeper.retell() == 0
                service.clock.pass_(1)
                assert await service.keeper.retell() == 1
                waits.append(wait)
                assert await service.due.wait(0), "the worker is woken"
                [(_, due_at)] = await service.store.due()
                service.clock.pass_(max(0, due_at - service.clock.now()))
                await service.dispatcher.work_once()
                service.sender.taken()
                serials, newer = await service.ask(tag=tag)
                assert (serials, newer != tag) == (["1"], True)
                tag = newer
            service.clock.pass_(30 * DAY)
            assert await service.keeper.retell() == 0, "bounded"
            assert await service.ask(tag=tag) == ([], tag)
            await service.fetch("1")
            assert (await service.kinds("1")).count("retold") == RETELL_LIMIT

    asyncio.run(main())


def test_what_was_told_by_a_process_that_died_at_once_is_told_again(tmp_path: Path, pass_certificate: Issued) -> None:
    """The answer left and nothing of it was written down; the phone took the tag, and its fetch failed for good."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1")
            _, tag = await service.ask()
            await service.fetch("1")
            await service.change("1", 5)
            service.recorder.note, note = lambda *_: None, service.recorder.note  # type: ignore[method-assign]
            serials, newer = await service.ask(tag=tag)
            assert serials == ["1"]
            service.recorder.note = note  # type: ignore[method-assign]
            service.clock.pass_(60_000)
            assert await service.ask(tag=newer) == ([], newer), "pushed once more, it asks again and has heard it all"
            service.clock.pass_(RETELL_FIRST_MS)
            assert await service.keeper.retell() == 1
            assert (await service.ask(tag=newer))[0] == ["1"]

    asyncio.run(main())


def test_a_roll_out_that_takes_long_gives_the_other_chores_their_turn(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            pages = []

            async def follow(tenant: str, name: str) -> int:
                pages.append(name)
                service.clock.pass_(round(keeping.ROUND_SECONDS * 400))
                return 500 if len(pages) < 4 else 0

            monkeypatch.setattr(service.issuing, "follow", follow)
            await service.announce(template(colour=1))
            assert await service.keeper.once() is True
            assert len(pages) == 3
            assert await service.keeper.once() is False
            assert len(pages) == 4

    asyncio.run(main())


def test_chores_of_a_process_that_is_to_end_stop_between_two_pages(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            pages = []

            async def follow(tenant: str, name: str) -> int:
                pages.append(name)
                assert len(pages) < 20, "it never ends by itself"
                if len(pages) == 3:
                    await service.keeper.stop()
                return 500

            monkeypatch.setattr(service.issuing, "follow", follow)
            await service.announce(template(colour=1))
            await service.keeper.once()
            assert len(pages) == 3

    asyncio.run(main())


def test_a_pass_with_many_phones_is_pushed_to_all_of_them_and_says_so(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a process that comes after the one that changed it, and died."""
    monkeypatch.setattr(owing, "AT_ONCE", 2)
    monkeypatch.setattr(keeping, "FAN_OUT", 2)
    tokens = [f"{n:02x}" for n in range(9)]

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            for token in tokens:
                await service.register("1", f"phone-{token}", token)
                await service.ask(f"phone-{token}")
            await service.recorder.settle()
            assert (await service.change("1", 5)).pushes_due == len(tokens)
            assert service.elsewhere("SELECT count(*) FROM push_target WHERE wanted > acked") == [(2,)]
            clock = service.clock
        async with rig(tmp_path, None, clock=clock, publish=False) as successor:
            await successor.keeper.fan_out()
            assert await successor.due.wait(0), "the worker is woken"
            await successor.dispatcher.work_once()
            assert sorted(successor.sender.taken()) == tokens
            await successor.keeper.fan_out()
            assert not await successor.due.wait(0)

    asyncio.run(main())


def test_a_new_history_is_spread_to_every_pass_type_in_one_round(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also to those without a phone, and those with more than are made due at once."""
    monkeypatch.setattr(keeping, "SPREAD", 2)
    types = {f"pass.test.{n}": n for n in range(5)}

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            for pass_type, phones in types.items():
                await service.store.write(lambda tx, one=pass_type: tx.ensure_pass_type(one, "default", "T", "e1", 0))
                writes = [SaveDevice(pass_type, f"d{n}", f"{n:02x}", 1) for n in range(phones)]
                joins = [Join(pass_type, f"d{n}", "1", 1, 1) for n in range(phones)]
                await service.store.write(lambda tx, one=pass_type: put(tx, "1", pass_type=one))
                await service.store.write(lambda tx, all=(*writes, *joins): tx.apply(all, ()))
            service.elsewhere("UPDATE push_target SET acked = wanted")
            epochs = [NewEpoch(pass_type, "e1", "e2", 0) for pass_type in types]
            await service.store.write(lambda tx: tx.apply(epochs, ()))
            await service.keeper.spread_epochs()
            assert service.elsewhere("SELECT count(*) FROM counter WHERE spread IS NOT NULL") == [(0,)]
            assert dict(
                service.elsewhere("SELECT pass_type, count(*) FROM push_target WHERE wanted > acked GROUP BY 1")
            ) == {pass_type: phones for pass_type, phones in types.items() if phones}
            assert await service.due.wait(0)

    asyncio.run(main())


def test_what_was_delivered_is_not_told_again(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1")
            await service.ask(connection="c")
            await service.fetch("1", connection="c")
            service.clock.pass_(DAY)
            assert await service.keeper.retell() == 0
            assert not await service.due.wait(0)


def test_who_is_told_again_shows_by_a_condition_what_it_has(tmp_path: Path, pass_certificate: Issued) -> None:
    """A first fetch that names no version, over no connection that asked, may be a newcomer's: so the phone is told
    again, once, and fetches with the condition that only somebody who has that version can name.
    """

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1")
            _, tag = await service.ask()
            has = dict((await service.fetch("1")).headers)[b"last-modified"].decode()
            service.clock.pass_(RETELL_FIRST_MS)
            assert await service.keeper.retell() == 1
            told, _ = await service.ask(tag=tag)
            assert told == ["1"]
            assert (await service.fetch("1", since=has)).status == 304
            service.clock.pass_(DAY)
            assert await service.keeper.retell() == 0

    asyncio.run(main())

    asyncio.run(main())


def test_a_roll_out_that_a_crash_cut_off_is_finished(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            newer = template(description="Newer")
            stored = await service.store.template("default", "membership", None)
            assert stored is not None
            await service.publishing.publish(newer)
            await service.scheduler.close()  # the process dies before the passes followed
            clock = service.clock
        async with rig(tmp_path, None, clock=clock, publish=False) as successor:
            await successor.keeper.once()
            assert (await successor.document("1"))["description"] == "Newer"

    asyncio.run(main())


def test_what_is_old_is_forgotten_within_its_bounds(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            for device, token in (("left", "aa"), ("dead", "bb"), ("here", "cc")):
                await service.register("1", device, token)
            await service.answering.unregister(TYPE, "1", "left", await service.allowed("1"))
            service.sender.answers["bb"] = (400, "BadDeviceToken")
            await service.issuing.push(TYPE, None)
            await service.dispatcher.work_once()

            def devices() -> set[str]:
                return {row[0] for row in service.elsewhere("SELECT device_id FROM registration")}

            start = service.clock.now()
            service.clock.at = start + TOMBSTONES_KEPT_MS
            await service.keeper.prune()
            assert devices() == {"left", "dead", "here"}
            service.clock.pass_(1)
            await service.keeper.prune()
            assert devices() == {"dead", "here"}
            service.clock.at = start + DEAD_KEPT_MS
            await service.keeper.prune()
            assert devices() == {"dead", "here"}
            assert service.elsewhere("SELECT count(*) > 0 FROM event") == [(1,)]
            service.clock.at = start + max(DEAD_KEPT_MS, EVENTS_KEPT_MS) + 1
            await service.keeper.prune()
            assert devices() == {"here"}
            assert service.elsewhere("SELECT count(*) FROM event") == [(0,)]
            assert await service.document("1"), "passes are not history"

    asyncio.run(main())


def old_events(count: int) -> list[Event]:
    return [Event(Kind.TESTIFIED, 1, TYPE, "1") for _ in range(count)]


def test_what_is_old_goes_in_many_transactions_until_nothing_is_left(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "PRUNED", 3)

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            service.elsewhere("DELETE FROM event")
            events = old_events(10)
            await service.store.write(lambda tx: tx.add_events(events))
            write, sizes = service.store.write, []

            async def counted(work: Any) -> Any:
                result = await write(work)
                sizes.append(result)
                return result

            monkeypatch.setattr(service.store, "write", counted)
            assert await service.keeper.prune() == 10
            assert sizes == [3, 3, 3, 1, *[0] * (len(Prunable) - 1)]

    asyncio.run(main())


def test_pruning_ends_when_the_keeper_is_told_to_stop(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "PRUNED", 3)

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            service.elsewhere("DELETE FROM event")
            events = old_events(10)
            await service.store.write(lambda tx: tx.add_events(events))

            async def told_to_stop(_: float) -> None:
                service.keeper._rounds.stopping = True

            monkeypatch.setattr(service.scheduler, "sleep", told_to_stop)
            assert await service.keeper.prune() == 3

    asyncio.run(main())


def test_the_keeper_goes_on_after_a_chore_failed_and_stops_when_told(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            rounds = []

            async def failing() -> int:
                rounds.append(1)
                raise ValueError("a chore")

            monkeypatch.setattr(service.keeper, "retell", failing)
            running = asyncio.create_task(service.keeper.run())
            await until(lambda: rounds)
            assert not running.done()
            service.keeper._rounds.wake()
            await until(lambda: len(rounds) > 1)
            await service.keeper.stop()
            await asyncio.wait_for(running, 5)

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert "a chore failed" in caplog.text
