"""The witness file: whole or not there, held by one process at a time, and never believed when it is garbled."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest

from livepass.core.history import Heard, Mark, Witness
from livepass.outside.files import locked
from livepass.outside.witness import JsonWitness, read_witness, write_witness

WITNESS = Witness(
    "u", {"pass.test.a": Mark("e1", 3, 150, 900), "pass.test.b": Mark("e2", 0, 1)}, Heard("t", "phone", 7)
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    async def main() -> None:
        file = JsonWitness(tmp_path / "w")
        assert await file.read() is None
        for witness in (WITNESS, Witness("u", {})):
            await file.write(witness)
            assert await file.read() == witness
        assert (tmp_path / "w").stat().st_mode & 0o077 == 0, "for its owner only"

    asyncio.run(main())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'"version"',
        write_witness(WITNESS)[:-30],
        write_witness(WITNESS).replace(b'"version": 1', b'"version": 2'),
        write_witness(WITNESS).replace(b"150", b'"150"'),
        write_witness(WITNESS).replace(b'"e1"', b"1"),
        write_witness(WITNESS).replace(b'"began"', b'"begun"'),
        write_witness(WITNESS).replace(b'"at": 7', b'"at": []'),
        write_witness(WITNESS).replace(b'"at": 7', b'"at": 1e999'),
        b"[" * 5000,
    ],
)
def test_garbage_is_nothing_and_is_named(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError):
        read_witness(content)
    (tmp_path / "w").write_bytes(content)
    with caplog.at_level(logging.ERROR):
        assert asyncio.run(JsonWitness(tmp_path / "w").read()) is None
    assert str(tmp_path / "w") in caplog.text


def test_a_write_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    async def main() -> None:
        file = JsonWitness(tmp_path / "w")
        await file.write(WITNESS)
        (tmp_path / "w.new").mkdir()  # where the new one is made before it takes the old one's place
        with pytest.raises(OSError):
            await file.write(Witness("u", {}))
        assert await file.read() == WITNESS

    asyncio.run(main())


def test_one_process_holds_it_at_a_time(tmp_path: Path) -> None:
    async def main() -> None:
        order: list[str] = []

        async def hold(name: str) -> None:
            async with JsonWitness(tmp_path / "w").held():
                order.append(name)
                await asyncio.sleep(0.05)
                order.append(name)

        await asyncio.gather(*(hold(name) for name in "abc"))
        assert order[::2] == order[1::2], order

    asyncio.run(main())


def test_a_lock_that_nobody_gives_back_is_not_waited_for_longer_than_said(tmp_path: Path) -> None:
    async def main() -> None:
        async with locked(tmp_path / "lock", 0.0) as first, locked(tmp_path / "lock", 0.1) as second:
            assert (first, second) == (True, False)
        async with locked(tmp_path / "lock", 0.0) as again:
            assert again

    asyncio.run(main())


def test_a_process_that_dies_gives_its_lock_back(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        lock = locked(tmp_path / "lock", 0.0)
        asyncio.new_event_loop().run_until_complete(lock.__aenter__())
        os._exit(0)
    os.waitpid(child, 0)

    async def main() -> None:
        async with locked(tmp_path / "lock", 0.0) as ours:
            assert ours

    asyncio.run(main())


def test_without_its_folder_it_can_be_held_and_not_written(tmp_path: Path) -> None:
    async def main() -> None:
        file = JsonWitness(tmp_path / "gone" / "w")
        async with file.held():
            assert await file.read() is None
            with pytest.raises(FileNotFoundError):
                await file.write(WITNESS)

    asyncio.run(main())
