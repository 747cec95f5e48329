"""The registration journal: nobody is told that it is registered before both are durable, and what a restore lost comes
back from it, exactly.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import engines
from history.house import OTHER, TYPE, House, Process, house
from livepass.core.timeline import Kind
from livepass.core.unavailable import Unavailable
from livepass.emulators.authority import Authority
from livepass.service.replaying import Gone, Replayed
from livepass.web.phone import PhoneApp
from service.rig import until


@asynccontextmanager
async def journalled(directory: Path, authority: Authority) -> AsyncIterator[tuple[House, Path]]:
    folder = directory / "journal"
    folder.mkdir()
    async with house(directory, authority, registration_journal=folder) as one:
        yield one, folder


async def recovered(process: Process, since: int | None = None) -> Replayed:
    done = await process.services.recovering.recover("asked_for", since)
    assert done.trouble == ""
    assert done.replayed is not None
    return done.replayed


def test_a_replay_brings_back_exactly_what_was_lost(tmp_path: Path, authority: Authority) -> None:
    async def main() -> None:
        async with journalled(tmp_path, authority) as (one, _):
            async with one.process() as process:
                await process.issue("2")
                await process.register("stays", token="a0")
                await process.register("renews", token="a1")
                await process.register("goes", token="a2")
                await process.register("went", token="a3")
                await process.unregister("went")
            saved = one.save()
            async with one.process() as process:
                await process.register("new", token="b0")
                await process.register("new", "2", token="b0")
                await process.register("other", token="b4", pass_type=OTHER)
                await process.register("renews", token="b1")
                await process.unregister("goes")
                await process.register("came and went", token="b2")
                await process.unregister("came and went")
                await process.register("back", token="b3")
                await process.unregister("back")
                await process.register("back", token="b5")
                await process.register("went", token="b6")
            before = one.registrations()
            one.put_back(saved)
            assert one.registrations() != before
            async with one.process() as process:
                await until(lambda: one.registrations() == before, "they are back by themselves", 30)
                again = await recovered(process)
                assert (again.replayed, again.lost, again.unreadable) == (0, [], [])
                assert one.registrations() == before
                for phone, serials in {"new": ["1", "2"], "stays": ["1"], "back": ["1"]}.items():
                    assert (await process.ask(phone))[0] == serials
                assert await process.services.recovering.lost_phones() == []

    asyncio.run(main())


def test_they_are_pushed_under_the_token_they_brought(tmp_path: Path, authority: Authority) -> None:
    async def main() -> None:
        async with journalled(tmp_path, authority) as (one, _):
            saved = one.save()
            async with one.process() as process:
                await process.register("phone", token="bb")
            one.put_back(saved)
            async with one.process() as process:
                await until(lambda: one.registrations() != {}, "it is back", 30)
                due = await process.services.store.targets(pass_type=TYPE, due_only=True, after=("", ""), limit=9)
                assert [target.push_token for _, target in due] == ["bb"]
                assert due[0][1].next_at <= process.services.clock.now(), "it is not about to ask by itself"
                [event] = await process.events(Kind.REGISTERED)
                assert event.device_id == "phone"

    asyncio.run(main())


def test_what_a_phone_says_in_the_new_history_is_never_beaten_by_the_old_one(
    tmp_path: Path, authority: Authority
) -> None:
    async def main() -> None:
        async with journalled(tmp_path, authority) as (one, _):
            async with one.process() as process:
                for name in ("a", "b", "c"):
                    await process.register(name, token="10")
            saved = one.save()
            async with one.process() as process:
                await process.register("a", token="20")
                await process.unregister("b")
                await process.register("d", token="24")
            one.put_back(saved)
            # Phones come before the replay, and to a process that keeps no journal of its own.
            async with one.process(registration_journal=None) as process:
                await process.register("a", token="30")
                await process.register("b", token="31")
                await process.unregister("c")
                await process.register("d", token="34")
            async with one.process() as process:
                report = await recovered(process)
                assert one.registrations() == {("a", "1"): "30", ("b", "1"): "31", ("d", "1"): "34"}
                assert report.replayed == 0

    asyncio.run(main())


def test_an_older_token_of_the_same_phone_never_returns(tmp_path: Path, authority: Authority) -> None:
    """Its second pass is lost; but the phone has registered its first one since, with a newer token."""

    async def main() -> None:
        async with journalled(tmp_path, authority) as (one, _):
            async with one.process() as process:
                await process.issue("2")
                await process.register("phone", token="10")
            saved = one.save()
            async with one.process() as process:
                await process.register("phone", "2", token="10")
            one.put_back(saved)
            async with one.process(registration_journal=None) as process:
                await process.register("phone", token="20")
            async with one.process() as process:
                await recovered(process)
                assert one.registrations() == {("phone", "1"): "20", ("phone", "2"): "20"}

    asyncio.run(main())


def test_what_a_phone_left_long_ago_stays_left(tmp_path: Path, authority: Authority) -> None:
    """Its tombstone is gone, and it has registered another pass since: only the journal knows that it left this one."""

    async def main() -> None:
        async with journalled(tmp_path, authority) as (one, _), one.process() as process:
            await process.issue("2")
            await process.register("phone", "1")
            await process.unregister("phone", "1")
            await process.register("phone", "2")
            engines.run(one.url, "DELETE FROM registration WHERE left_at IS NOT NULL")
            report = await recovered(process)
            assert (report.replayed, report.already_there, report.overtaken) == (0, 2, 1)
            assert set(one.registrations()) == {("phone", "2")}

    asyncio.run(main())


def test_only_what_came_since_an_instant(tmp_path: Path, authority: Authority) -> None:
    async def main() -> None:
        async with journalled(tmp_path, authority) as (one, _):
            saved = one.save()
            async with one.process() as process:
                await process.register("early", token="10")
                await asyncio.sleep(0.01)
                since = process.services.clock.now()
                await process.register("late", token="20")
            one.put_back(saved)
            async with one.process(registration_journal=None):
                pass
            async with one.process() as process:
                process.services.recovering.replays = False
                report = await recovered(process, since)
                assert (report.entries, report.replayed) == (1, 1)
                assert set(one.registrations()) == {("late", "1")}
                assert (await recovered(process)).replayed == 1
                assert set(one.registrations()) == {("early", "1"), ("late", "1")}

    asyncio.run(main())


def test_registrations_whose_pass_is_gone_are_named(tmp_path: Path, authority: Authority) -> None:
    async def main() -> None:
        async with journalled(tmp_path, authority) as (one, _):
            saved = one.save()
            async with one.process() as process:
                await process.issue("lost")
                await process.issue("made-anew")
                for serial in ("lost", "made-anew"):
                    await process.register("phone", serial)
                    await process.register("left", serial, token="bb")
                    await process.unregister("left", serial)
            one.put_back(saved)
            async with one.process() as process:
                await process.issue("made-anew")
                report = await recovered(process)
                found = [(lost.serial, lost.device_id, lost.why) for lost in report.lost]
                assert found == [("lost", "phone", Gone.NO_PASS), ("made-anew", "phone", Gone.OTHER_PASS)]
                assert one.registrations() == {}

    asyncio.run(main())


def test_a_journal_of_a_dropped_secret_key_is_named_and_read_once_it_is_back(
    tmp_path: Path, authority: Authority
) -> None:
    async def main() -> None:
        async with journalled(tmp_path, authority) as (one, _):
            old, new = one.config.secret_key[0], secrets.token_urlsafe(32)
            saved = one.save()
            async with one.process() as process:
                await process.register("phone")
                await process.services.recovering.recover("asked_for")
            one.put_back(saved)
            async with one.process(secret_key=(new, old)) as process:
                await process.services.safekeeping.reseal()
                await process.unregister("phone")
            async with one.process(secret_key=(new,)) as process:
                report = await recovered(process)
                [unreadable] = report.unreadable
                assert (unreadable.count, "not configured" in unreadable.why) == (1, True)
                assert report.replayed == 0
            async with one.process(secret_key=(new, old)) as process:
                assert (await recovered(process)).unreadable == []

    asyncio.run(main())


def test_several_processes_replay_once(tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with journalled(tmp_path, authority) as (one, _):
            saved = one.save()
            async with one.process() as process:
                for number in range(20):
                    await process.register(f"phone-{number}", token=f"a{number:02}")
            before = one.registrations()
            one.put_back(saved)
            async with one.process() as process, one.process(), one.process():
                await until(lambda: one.registrations() == before, "they are back", 30)
                # Each has looked again since.
                await until(lambda: caplog.text.count("was replayed: 20 entries") == 1, "it is said once", 30)
                await asyncio.sleep(2.5)
                assert caplog.text.count("was replayed") == 1
                assert len(await process.events(Kind.REGISTERED)) == 20

    asyncio.run(main())


def test_a_delete_that_is_answered_while_the_journal_is_read_is_heard(tmp_path: Path, authority: Authority) -> None:
    async def main() -> None:
        async with journalled(tmp_path, authority) as (one, _):
            saved = one.save()
            async with one.process() as process:
                for number in range(30):
                    await process.register(f"phone-{number:02}", token=f"a{number:02}")
            one.put_back(saved)
            async with one.process() as process:
                process.services.recovering.replays = False
                replaying = asyncio.ensure_future(recovered(process))
                await until(lambda: ("phone-00", "1") in one.registrations(), "it is reading", 30)
                # Not known yet, or no more: the phone leaves all the same.
                assert await process.unregister("phone-29") == 200
                await replaying
                assert ("phone-29", "1") not in one.registrations()
                assert len(one.registrations()) == 29

    asyncio.run(main())


# ── durable in both, or not acknowledged


async def called(app: PhoneApp, method: str, path: str, allowed: str, body: bytes) -> int:
    """The status that a phone gets."""
    statuses: list[int] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            assert isinstance(message["status"], int)
            statuses.append(message["status"])

    headers = [(b"authorization", allowed.encode())]
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b""}
    await app(scope, receive, send)  # type: ignore[arg-type]
    return statuses[0]


@pytest.mark.parametrize("broken", ["gone", "a file", "full"])
def test_a_journal_that_cannot_be_written_is_503_and_the_phones_next_try_is_kept(
    tmp_path: Path, authority: Authority, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with journalled(tmp_path, authority) as (one, folder):
            saved = one.save()
            async with one.process() as process:
                app = PhoneApp(process.services.answering)
                path, body = f"/v1/devices/phone/registrations/{TYPE}/1", json.dumps({"pushToken": "ab"}).encode()
                allowed = await process.allowed("1")
                shutil.rmtree(folder)
                if broken == "a file":
                    folder.write_text("")
                elif broken == "full":
                    folder.symlink_to("/proc/self/fdinfo")  # a folder in which nothing can be made
                for method in ("POST", "DELETE"):
                    assert await called(app, method, path, allowed, body) == 503
                assert "registration journal cannot be written" in caplog.text
                assert await called(app, "POST", path, "ApplePass wrong", body) == 401, "a refusal keeps nothing"
                if broken != "gone":
                    folder.unlink()
                folder.mkdir()
                assert await called(app, "DELETE", path, allowed, b"") == 200
                assert await called(app, "POST", path, allowed, body) in (200, 201)
            one.put_back(saved)
            async with one.process():
                await until(lambda: one.registrations() == {("phone", "1"): "ab"}, "it is back", 30)

    asyncio.run(main())


def test_a_registration_waits_for_the_journal(tmp_path: Path, authority: Authority) -> None:
    """Fails when the answer goes out while the entry is still on its way to the disk."""

    async def main() -> None:
        async with journalled(tmp_path, authority) as (one, folder), one.process() as process:
            await asyncio.gather(*(process.register(f"phone-{n}", token=f"a{n}") for n in range(9)))
            lines = sum(file.read_bytes().count(b"\n") for file in folder.glob("*.journal"))
            assert lines == 9
            shutil.rmtree(folder)
            with pytest.raises(Unavailable):
                await process.register("phone-0", token="b0")

    asyncio.run(main())


def test_without_a_journal_the_report_says_so(tmp_path: Path, authority: Authority) -> None:
    async def main() -> None:
        async with house(tmp_path, authority) as one, one.process() as process:
            done = await process.services.recovering.recover("restored")
            assert (done.replayed, done.trouble) == (None, "")
            assert [(begun.pass_type, begun.number - begun.before) for begun in done.pass_types] == [
                (TYPE, 1),
                (OTHER, 1),
            ]
            assert one.begun() == ["restored"]

    asyncio.run(main())


def test_a_journal_that_cannot_be_read_does_not_stop_the_rest(tmp_path: Path, authority: Authority) -> None:
    async def main() -> None:
        async with journalled(tmp_path, authority) as (one, folder), one.process() as process:
            shutil.rmtree(folder)
            done = await process.services.recovering.recover()
            assert (done.replayed, one.begun()) == (None, ["asked_for"])
            assert "cannot be replayed" in done.trouble

    asyncio.run(main())
