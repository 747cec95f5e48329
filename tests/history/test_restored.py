"""An older copy of the database is put in its place: it is noticed before anybody is answered, and phones are told."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path

import pytest

import engines
from history.house import OTHER, TYPE, TYPES, House, Process, house
from livepass.core.timeline import Kind
from livepass.core.unavailable import Unavailable
from livepass.emulators.authority import Authority
from livepass.outside.witness import JsonWitness
from service.rig import until

Noticed = {"sqlite": "witness_ahead", "postgres": "other_copy"}


async def lose_a_change(one: House) -> tuple[str, str, int]:
    """A phone is told of a change, and the database forgets it: (the copy, the phone's tag, the lost last_modified)."""
    async with one.process() as process:
        await process.register("phone")
        await process.ask("phone")
    saved = one.save()
    async with one.process() as process:
        changed = await process.change("1", 7)
        serials, tag = await process.ask("phone")
        assert serials == ["1"]
        assert tag is not None
    return saved, tag, changed.last_modified


@pytest.mark.parametrize("unnoticed", [False, True], ids=["", "the server does not say"])
def test_a_restored_database_begins_a_new_epoch_for_every_pass_type(
    tmp_path: Path, authority: Authority, engine: str, unnoticed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with house(tmp_path, authority) as one:
            saved, tag, lost = await lose_a_change(one)
            before = one.epochs()
            one.put_back(saved, unnoticed=unnoticed)
            async with one.process() as process:
                for pass_type in TYPES:
                    assert one.begun(pass_type) == ["witness_ahead" if unnoticed else Noticed[engine]]
                    assert one.epochs()[pass_type] != before[pass_type]
                assert "went back in time" in caplog.text
                assert one.counter()["modified_floor"] > lost
                # What nobody remembers is told again, whatever the phone holds and whatever was taken since.
                for points in range(3):
                    await process.change("1", 100 + points)
                serials, newer = await process.ask("phone", tag)
                assert serials == ["1"]
                assert newer != tag
            async with one.process():
                assert [len(one.begun(pass_type)) for pass_type in TYPES] == [1, 1], "noticed once"

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())


def test_what_stays_as_it_was_begins_nothing(tmp_path: Path, authority: Authority) -> None:
    async def main() -> None:
        async with house(tmp_path, authority) as one:
            for points in range(3):
                async with one.process() as first, one.process() as second:
                    await first.register("phone")
                    await second.change("1", points)
                    assert await first.look() == await second.look() == {}
            assert one.begun() == []

    asyncio.run(main())


def test_a_copy_that_took_other_numbers_meanwhile_is_noticed_too(tmp_path: Path, authority: Authority) -> None:
    """Its counter is ahead again, so no number tells: only the epoch does, which the copy never heard of."""

    async def main() -> None:
        async with house(tmp_path, authority) as one:
            saved = one.save()
            async with one.process() as process:
                await process.services.recovering.recover("asked_for")
                await process.register("phone")
                _, tag = await process.ask("phone")
            one.put_back(saved, unnoticed=True)
            async with one.process(witness_file="off") as process:
                for points in range(9):
                    await process.change("1", 100 + points)
            assert one.begun() == []
            async with one.process() as process:
                assert one.begun() == ["witness_ahead"]
                await process.register("phone")
                assert (await process.ask("phone", tag))[0] == ["1"]

    asyncio.run(main())


def test_of_several_processes_that_start_at_once_one_begins_it(tmp_path: Path, authority: Authority) -> None:
    async def main() -> None:
        async with house(tmp_path, authority) as one:
            saved, _, _ = await lose_a_change(one)
            one.put_back(saved)
            processes = [one.process() for _ in range(4)]
            await asyncio.gather(*(process.__aenter__() for process in processes))
            for process in processes:
                await process.__aexit__(None, None, None)
            assert [len(one.begun(pass_type)) for pass_type in TYPES] == [1, 1]

    asyncio.run(main())


def test_hosts_with_a_witness_each_begin_one(tmp_path: Path, authority: Authority) -> None:
    """The second finds a database behind its witness, and in it the epoch that the first began because of that."""

    async def main() -> None:
        async with house(tmp_path, authority) as one:
            async with one.process(witness_file=str(tmp_path / "elsewhere")):
                assert one.begun() == ["witness_missing"], "a host that has never seen this database"
            saved, _, _ = await lose_a_change(one)
            async with one.process(witness_file=str(tmp_path / "elsewhere")):
                pass
            one.put_back(saved, unnoticed=True)
            async with one.process():
                assert one.begun() == ["witness_missing", "witness_ahead"]
            async with one.process(witness_file=str(tmp_path / "elsewhere")):
                assert one.begun() == ["witness_missing", "witness_ahead"]

    asyncio.run(main())


# ── the witness itself


@pytest.mark.parametrize("spoiled", ["missing", "garbage", "empty", "of another installation"])
def test_a_witness_that_cannot_speak_is_a_doubt(tmp_path: Path, authority: Authority, spoiled: str) -> None:
    async def main() -> None:
        async with house(tmp_path, authority) as one:
            if spoiled == "missing":
                one.witness.unlink()
            elif spoiled == "of another installation":
                one.witness.write_text(one.witness.read_text().replace('"installation": "', '"installation": "x'))
            else:
                one.witness.write_bytes(b"" if spoiled == "empty" else os.urandom(200))
            async with one.process():
                assert [one.begun(pass_type) for pass_type in TYPES] == [["witness_missing"]] * 2
            async with one.process():
                assert len(one.begun()) == 1, "there is one now"

    asyncio.run(main())


def test_it_is_written_while_there_is_something_new_and_at_the_end(tmp_path: Path, authority: Authority) -> None:
    def number(one: House) -> int:
        found: int = json.loads(one.witness.read_text())["pass_types"][TYPE]["number"]
        return found

    async def main() -> None:
        async with house(tmp_path, authority) as one:
            async with one.process() as process:
                before = number(one)
                changed = await process.change("1", 1)
                await until(lambda: number(one) > before, "the witness is written", 30)
                assert number(one) == changed.number
                changed = await process.change("1", 2)
            assert number(one) == changed.number
            document = json.loads(one.witness.read_text())
            assert document["pass_types"][TYPE]["last_modified"] == changed.last_modified

    asyncio.run(main())


def test_a_witness_that_cannot_be_written_is_said_and_stops_nothing(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with house(tmp_path, authority) as one:
            one.witness.with_name("witness.new").mkdir()
            async with one.process() as process:
                await process.change("1", 1)
                await process.services.recovering._lookout.keep()
                await process.services.recovering._lookout.keep()
                assert await process.register("phone") == 201
            assert caplog.text.count("cannot be written") == 1
            assert one.begun() == []

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())


def test_it_may_be_switched_off(tmp_path: Path, authority: Authority, engine: str) -> None:
    async def main() -> None:
        async with house(tmp_path, authority) as one:
            saved, tag, _ = await lose_a_change(one)
            one.put_back(saved, unnoticed=True)
            async with one.process(witness_file="off") as process:
                assert one.begun() == []
                serials, _ = await process.ask("phone", tag)
                assert serials == ["1"], "the phone itself says so"
                assert [one.begun(pass_type) for pass_type in TYPES] == [["tag_ahead"], ["tag_ahead"]]

    asyncio.run(main())


# ── what phones say


def test_tags_of_a_lost_history_begin_one_epoch_however_many_phones_bring_them(
    tmp_path: Path, authority: Authority
) -> None:
    """Also where they come from phones whose registration went with it, and who get nothing for an answer."""

    async def main() -> None:
        async with house(tmp_path, authority) as one:
            saved = one.save()
            tags = {}
            async with one.process() as process:
                for number in range(5):
                    await process.register(f"phone-{number}", token=f"a{number}")
                    _, tags[f"phone-{number}"] = await process.ask(f"phone-{number}")
            one.put_back(saved, unnoticed=True)
            async with one.process(witness_file="off") as process, one.process(witness_file="off") as another:
                for at in (process, another):
                    told = await asyncio.gather(*(at.ask(phone, tag) for phone, tag in tags.items()))
                    assert [serials for serials, _ in told] == [[]] * 5
                assert [one.begun(pass_type) for pass_type in TYPES] == [["tag_ahead"], ["tag_ahead"]]
                [alarm] = await process.events(Kind.NEW_EPOCH)
                assert alarm.device_id in tags
                assert alarm.detail["tag"] > alarm.detail["counter"]
                lost = await process.services.recovering.lost_phones()
                assert [(phone.pass_type, phone.device_id) for phone in lost] == [(TYPE, name) for name in sorted(tags)]
                # One that comes back by itself is not lost any more.
                await process.register("phone-3", token="a3")
                lost = await process.services.recovering.lost_phones()
                assert "phone-3" not in [phone.device_id for phone in lost]
                assert len(lost) == 4

    asyncio.run(main())


def test_strangers_are_not_lost_phones(tmp_path: Path, authority: Authority) -> None:
    async def main() -> None:
        async with house(tmp_path, authority) as one, one.process() as process:
            await process.ask("stranger", "v1.e0.9.AAAAAAAA")
            await process.ask("nobody")
            assert await process.services.recovering.lost_phones() == []

    asyncio.run(main())


# ── under a running process


def test_a_running_process_notices_that_what_it_saw_is_gone(tmp_path: Path, authority: Authority, engine: str) -> None:
    async def main() -> None:
        async with house(tmp_path, authority) as one:
            saved, tag, _ = await lose_a_change(one)
            async with one.process(witness_file="off") as process:
                one.put_back(saved)
                if engine == "sqlite":
                    await it_refuses(process)
                else:
                    serials, newer = await process.ask("phone", tag)
                    assert serials == ["1"], "told by the first answer"
                    assert newer != tag
                    assert one.begun() == ["other_copy"]
                    assert await process.look() == {}
            async with one.process() as process:
                assert len(one.begun()) == 1
                assert (await process.ask("phone", tag))[0] == ["1"]
            engines.require_sound(one.url)

    asyncio.run(main())


async def it_refuses(process: Process) -> None:
    """Whatever it would write, nobody would ever see it again."""
    with pytest.raises(Unavailable, match="restart livepass"):
        await process.register("new")
    with pytest.raises(Unavailable, match="restart livepass"):
        await process.ask("phone")
    assert "restart livepass" in (await process.services.ready())["database"]


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_snapshot_of_the_storage_under_a_running_server(tmp_path: Path, authority: Authority) -> None:
    """The same server, the same timeline: only what a process remembers tells."""

    async def main() -> None:
        async with house(tmp_path, authority) as one:
            saved, tag, _ = await lose_a_change(one)
            async with one.process(witness_file="off") as process, one.process(witness_file="off") as another:
                one.put_back(saved, unnoticed=True)
                await process.look()
                assert await another.look() == {}, "found begun"
                assert await process.look() == {}
                assert [one.begun(pass_type) for pass_type in TYPES] == [["witness_ahead"]] * 2
                assert (await process.ask("phone", tag))[0] == ["1"]

    asyncio.run(main())


def test_a_repeated_registration_is_missed_too(tmp_path: Path, authority: Authority) -> None:
    """It brings the newest push token. Who forgets it pushes in vain."""

    async def main() -> None:
        async with house(tmp_path, authority) as one:
            async with one.process() as process:
                await process.register("phone", token="aa")
            saved = one.save()
            async with one.process() as process:
                assert await process.register("phone", token="bb") == 200
            one.put_back(saved, unnoticed=True)
            async with one.process():
                assert one.begun() == ["witness_ahead"]
            async with one.process():
                assert len(one.begun()) == 1, "what is lost is lost once"
            assert one.begun(OTHER) == ["witness_ahead"]

    asyncio.run(main())


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_registration_that_is_lost_under_a_running_process_is_missed_once(
    tmp_path: Path, authority: Authority
) -> None:
    async def main() -> None:
        async with house(tmp_path, authority) as one:
            async with one.process() as process:
                await process.register("phone", token="aa")
            saved = one.save()
            async with one.process() as process:
                await process.register("phone", token="bb")
                await process.look()
                one.put_back(saved, unnoticed=True)
                for _ in range(3):
                    await process.look()
                assert one.begun() == ["witness_ahead"]
                assert await process.register("phone", token="bb") == 200
                for _ in range(3):
                    await process.look()
            async with one.process():
                assert one.begun() == ["witness_ahead"]

    asyncio.run(main())


def test_nobody_writes_the_witness_while_another_process_holds_it(tmp_path: Path, authority: Authority) -> None:
    """Else what one has read before could be written after what another has read since: backwards."""

    async def main() -> None:
        async with house(tmp_path, authority) as one, one.process() as process:
            before = one.witness.read_bytes()
            async with JsonWitness(one.witness).held():
                changed = await process.change("1", 1)
                keeping = asyncio.ensure_future(process.services.recovering._lookout.keep())
                opening = asyncio.ensure_future(one.process().__aenter__())
                await asyncio.sleep(0.3)
                assert one.witness.read_bytes() == before
                assert not opening.done(), "nor looks at it"
                changed = await process.change("1", 2)
            await keeping
            assert json.loads(one.witness.read_text())["pass_types"][TYPE]["number"] == changed.number
            await (await opening).services.close()

    asyncio.run(main())
