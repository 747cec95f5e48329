"""The registration journal: durable before it is acknowledged, unreadable to others, and read as far as it goes."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import resource
import secrets
import shutil
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from livepass.core.replay import Act, Entry, Unreadable
from livepass.core.unavailable import Unavailable
from livepass.keys.sealing import Secrets
from livepass.outside import journal as writing
from livepass.outside.journal_folder import JournalFolder

DAY = 86_400_000
T0 = 20_000 * DAY + 5000
KEY, OTHER_KEY = secrets.token_urlsafe(32), secrets.token_urlsafe(32)


def entry(number: int, at: int = T0) -> Entry:
    return Entry(Act.REGISTER, at + number, "pass.test.a", f"serial-{number}", "phone", "f00", f"{number:064x}")


@asynccontextmanager
async def journal(folder: Path, *keys: str, name: str = "host-1") -> AsyncIterator[JournalFolder]:
    opener = Secrets(keys or (KEY,), secrets.token_bytes)
    numbers = itertools.count()
    made = JournalFolder(
        folder,
        lambda text: opener.seal(text, "journal"),
        lambda sealed: opener.unseal(sealed, "journal"),
        name=name,
        fresh=lambda: f"{next(numbers):02}-{secrets.token_hex(2)}",
    )
    try:
        yield made
    finally:
        await made.close()


async def everything(
    kept: JournalFolder, places: dict[str, int] | None = None, since: int | None = None
) -> tuple[list[Entry], list[Unreadable]]:
    entries: list[Entry] = []
    unreadable: list[Unreadable] = []
    async for page in kept.pages({} if places is None else places, since):
        entries += page.entries
        unreadable += page.unreadable
    return entries, unreadable


async def written(folder: Path, numbers: Sequence[int] = range(3), *keys: str) -> Path:
    """A closed journal with these entries; its file."""
    async with journal(folder, *keys) as kept:
        for number in numbers:
            await kept.append(entry(number))
    return files(folder)[0]


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.journal"))


def test_what_is_appended_is_read_in_order_of_time_across_files_and_days(tmp_path: Path) -> None:
    async def main() -> None:
        async with journal(tmp_path, name="a") as first, journal(tmp_path, name="b") as second:
            for number, kept in ((5, first), (1, second), (3, first), (2, second)):
                await kept.append(entry(number))
            await first.append(entry(0, T0 - DAY))
            await first.append(entry(9, T0))
            await second.append(entry(0, T0 + DAY))
            entries, unreadable = await everything(first)
            assert [one.at for one in entries] == [T0 - DAY, *(T0 + n for n in (1, 2, 3, 5, 9)), T0 + DAY]
            assert unreadable == []
            since, _ = await everything(first, since=T0 + 3)
            assert [one.at for one in since] == [T0 + 3, T0 + 5, T0 + 9, T0 + DAY]
        names = [file.name for file in files(tmp_path)]
        assert all(re.fullmatch(r"2024-10-0\d\.[ab]\.\d\d-\w{4}\.journal", name) for name in names), names

    asyncio.run(main())


def test_nothing_personal_can_be_read_without_the_secret_key(tmp_path: Path) -> None:
    file = asyncio.run(written(tmp_path))
    content = file.read_bytes()
    for secret in (f"{1:064x}", "serial", "phone", "pass.test"):
        assert secret.encode() not in content
    assert file.stat().st_mode & 0o077 == 0


def test_what_is_read_once_is_not_read_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with journal(tmp_path) as kept:
            places: dict[str, int] = {}
            await kept.append(entry(1))
            assert [one.at - T0 for one in (await everything(kept, places))[0]] == [1]
            await kept.append(entry(2))
            assert [one.at - T0 for one in (await everything(kept, places))[0]] == [2]
            assert await everything(kept, places) == ([], [])

    asyncio.run(main())


def test_lines_that_come_together_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    really = os.fsync

    def counted(file: int) -> None:
        syncs.append(file)
        really(file)

    async def main() -> None:
        async with journal(tmp_path) as kept:
            await kept.append(entry(0))
            monkeypatch.setattr(writing.os, "fsync", counted)
            await asyncio.gather(*(kept.append(entry(number)) for number in range(1, 500)))
            assert len((await everything(kept))[0]) == 500
        assert 2 <= len(syncs) < 100

    asyncio.run(main())


def test_a_line_that_was_cut_off_is_none_and_what_follows_has_a_file_of_its_own(tmp_path: Path) -> None:
    file = asyncio.run(written(tmp_path))
    file.write_bytes(file.read_bytes()[:-20])

    async def main() -> None:
        async with journal(tmp_path) as kept:
            await kept.append(entry(7))
            entries, unreadable = await everything(kept)
            assert [one.at - T0 for one in entries] == [0, 1, 7]
            assert unreadable == []

    asyncio.run(main())


def test_lines_that_were_altered_are_named(tmp_path: Path) -> None:
    file = asyncio.run(written(tmp_path, range(6)))
    lines = file.read_bytes().split(b"\n")
    lines[1] = lines[1].replace(b"A", b"B")
    lines[3] = b"\x00\r\x00"
    file.write_bytes(b"\n".join(lines))

    async def main() -> None:
        async with journal(tmp_path) as kept:
            entries, unreadable = await everything(kept)
            assert [one.at - T0 for one in entries] == [0, 2, 4, 5]
            assert unreadable == [Unreadable(file.name, 2, 2, "damaged")]

    asyncio.run(main())


def test_a_secret_key_that_was_dropped_is_named(tmp_path: Path) -> None:
    file = asyncio.run(written(tmp_path))

    async def main() -> None:
        async with journal(tmp_path, OTHER_KEY) as kept:
            await kept.append(entry(7))
            entries, [unreadable] = await everything(kept)
            assert [one.at - T0 for one in entries] == [7]
            assert (unreadable.file, unreadable.line, unreadable.count) == (file.name, 1, 3)
            assert Secrets((KEY,), secrets.token_bytes).first in unreadable.why
            assert KEY not in unreadable.why
        async with journal(tmp_path, OTHER_KEY, KEY) as kept:
            assert len((await everything(kept))[0]) == 4

    asyncio.run(main())


# ── a journal that cannot be written


@contextmanager
def a_full_disk(left: int) -> Iterator[None]:
    """No file grows beyond that many bytes: what a full disk does to a file, without filling one."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_is_said_and_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    async def main() -> None:
        async with journal(tmp_path) as kept:
            await kept.append(entry(0))
            [file] = files(tmp_path)
            with a_full_disk(file.stat().st_size + 100), pytest.raises(Unavailable, match="registration journal"):
                await kept.append(entry(1))
            assert file.read_bytes()[-1:] != b"\n", "a part of the line is there"
            await kept.append(entry(2))
            assert [one.at - T0 for one in (await everything(kept))[0]] == [0, 2]

    asyncio.run(main())


@pytest.mark.parametrize("instead", ["nothing", "a file", "another folder"])
def test_a_folder_that_vanishes_is_noticed(tmp_path: Path, instead: str) -> None:
    """A file whose folder went away can still be written: its disk is there, and nobody will ever find it."""
    folder = tmp_path / "journal"
    folder.mkdir()

    async def main() -> None:
        async with journal(folder) as kept:
            await kept.append(entry(0))
            shutil.rmtree(folder)
            if instead == "a file":
                folder.write_text("")
            elif instead == "another folder":
                folder.mkdir()
            with pytest.raises(Unavailable):
                await kept.append(entry(1))
            if instead == "nothing":
                with pytest.raises(Unavailable):
                    await kept.append(entry(1))
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink(missing_ok=True)
            folder.mkdir()
            await kept.append(entry(2))
            assert [one.at - T0 for one in (await everything(kept))[0]] == [2]

    asyncio.run(main())


def test_whatever_goes_wrong_is_answered(tmp_path: Path) -> None:
    """The thread must not die with phones waiting for it."""

    def seal(_: bytes) -> bytes:
        raise RuntimeError("no key")

    async def main() -> None:
        kept = JournalFolder(tmp_path, seal, seal, name="x", fresh=lambda: "1")
        for _ in range(2):
            with pytest.raises(Unavailable, match="no key"):
                await kept.append(entry(0))
        await kept.close()

    asyncio.run(main())


# ── replaying is one process's turn


def test_one_process_replays_at_a_time_and_the_others_see_that_it_did(tmp_path: Path) -> None:
    async def main() -> None:
        async with journal(tmp_path, name="a") as first, journal(tmp_path, name="b") as second:
            assert await first.replayed() is None
            async with first.turn(0.0) as ours, second.turn(0.0) as theirs:
                assert (ours, theirs) == (True, False)
                await first.mark_replayed({"pass.test.a": "e2"})
            async with second.turn(0.0) as theirs:
                assert theirs
                assert await second.replayed() == {"pass.test.a": "e2"}

    asyncio.run(main())


@pytest.mark.parametrize("content", [b"", b"[]", b'{"epochs": 7}', b"\xff", b"[" * 5000])
def test_a_garbled_note_of_what_was_replayed_means_to_do_it_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "replayed.json").write_bytes(content)

    async def main() -> None:
        async with journal(tmp_path) as kept:
            assert await kept.replayed() is None

    asyncio.run(main())
