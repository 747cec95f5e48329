"""A database that is away is no fault of the workers: they wait for it, and fill no log with how they found out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any

import pytest

from livepass.core.unavailable import Unavailable
from livepass.runtime import AsyncScheduler, SystemChance, WallClock
from livepass.service import importer, pushing, telling
from livepass.store import sqlite


def test_workers_wait_for_a_database_that_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "livepass.db"
    sqlite.upgrade(path, uuid="u1", now=1)

    async def work() -> list[float | None]:
        store, clock, chance, scheduler = sqlite.SqliteStore(path), WallClock(), SystemChance(), AsyncScheduler()
        path.rename(tmp_path / "elsewhere")
        with contextlib.suppress(Unavailable):
            await store.recheck()
        rest: Any = None
        workers = (
            importer.Importer(store, rest, clock, chance, scheduler, rest),
            pushing.Dispatcher(store, rest, rest, clock, chance, scheduler, scheduler.signal()),
            telling.Teller(store, rest, rest, clock, chance, scheduler),
        )
        try:
            return [await worker._one_round() for worker in workers]
        finally:
            await store.close()

    rests = asyncio.run(work())
    assert rests == [importer.STUMBLE_SECONDS, pushing.STUMBLE_SECONDS, telling.STUMBLE_SECONDS]
    said = [record for record in caplog.records if record.levelno in (logging.WARNING, logging.ERROR)]
    assert [record.getMessage().partition(" waits for the database: ")[0] for record in said] == [
        "the import worker",
        "the push worker",
        "the webhook worker",
    ]
    assert not any(record.exc_info for record in said)
