"""A notice of a new push is a hint: it saves waiting, and nothing is lost where it does not come."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

import engines
from concurrency.nursery import Nursery
from crashes.scene import PATIENCE, Scene, scene
from livepass.emulators.authority import Authority
from livepass.service.pushing import SWEEP_SECONDS
from livepass.store import postgres

PHONES = 3
LISTENING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'"

on_postgres = pytest.mark.parametrize("engine", ["postgres"], indirect=True)


async def pushed_after(made: Scene, number: int) -> float:
    """Seconds until it was pushed."""
    started = time.monotonic()
    await made.until_pushed(number)
    return time.monotonic() - started


def test_a_change_in_one_process_wakes_a_worker_in_another(
    nursery: Nursery, tmp_path: Path, authority: Authority, engine: str
) -> None:
    """Fails when the worker finds it only by its sweep."""

    async def main() -> None:
        async with scene(tmp_path, authority, PHONES) as made:
            worker = nursery.start("crashes.roles:worker", settings=made.settings)
            await asyncio.to_thread(worker.says, "ready", PATIENCE)
            await asyncio.sleep(0.5)  # it has looked, and sleeps
            for _ in range(3):
                assert await pushed_after(made, await made.change()) < SWEEP_SECONDS / 3
            worker.signal(signal.SIGTERM)
            await asyncio.to_thread(worker.well, PATIENCE)

    asyncio.run(main())


@on_postgres
def test_a_worker_whose_listening_connection_is_ended_listens_again(
    nursery: Nursery, tmp_path: Path, authority: Authority, engine: str
) -> None:
    async def main() -> None:
        async with scene(tmp_path, authority, PHONES) as made:
            worker = nursery.start("crashes.roles:worker", settings=made.settings)
            await asyncio.to_thread(worker.says, "ready", PATIENCE)
            before = await listener(made, None)
            engines.run(made.url, "SELECT pg_terminate_backend(?)", before)
            # Changed while nobody listens: what was said meanwhile is looked for once somebody does.
            assert await pushed_after(made, await made.change()) < SWEEP_SECONDS / 3
            assert await listener(made, before) != before
            assert await pushed_after(made, await made.change()) < SWEEP_SECONDS / 3
            worker.signal(signal.SIGTERM)
            await asyncio.to_thread(worker.well, PATIENCE)

    asyncio.run(main())


async def listener(made: Scene, gone: int | None) -> int:
    """The process of the server that the worker listens to, another one than ``gone``."""
    deadline = time.monotonic() + PATIENCE
    while not (found := [pid for (pid,) in engines.run(made.url, LISTENING) if pid != gone]):
        assert time.monotonic() < deadline, "nobody listens"
        await asyncio.sleep(0.05)
    pid: int = found[0]
    return pid


@on_postgres
def test_without_any_notice_the_sweep_finds_what_is_due(
    nursery: Nursery, tmp_path: Path, authority: Authority, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when a push waits for a notice that is lost."""
    monkeypatch.setattr(postgres, "_NOTIFY", "SELECT 1")

    async def main() -> None:
        async with scene(tmp_path, authority, PHONES) as made:
            worker = nursery.start("crashes.roles:worker", settings=made.settings, sweep=1.0)
            await asyncio.to_thread(worker.says, "ready", PATIENCE)
            for _ in range(3):
                await made.until_pushed(await made.change())
            worker.signal(signal.SIGTERM)
            await asyncio.to_thread(worker.well, PATIENCE)

    asyncio.run(main())
