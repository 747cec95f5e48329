"""How a process ends: nothing is claimed any more, whatever its chores are at, and no database is waited for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import engines
from livepass import wiring
from livepass.config import Config
from livepass.core.timeline import Event, Kind
from livepass.core.unavailable import Unavailable
from service.rig import TYPE


def config(tmp_path: Path) -> Config:
    return Config(
        engines.new_database(tmp_path / "a.db"), "https://passes.example.com", ("A" * 43,), "admin-key-of-16-x"
    )


def test_no_push_is_claimed_while_the_chores_see_their_page_through(tmp_path: Path, engine: str) -> None:
    async def main() -> None:
        async with wiring.opened(config(tmp_path)) as services, services.working():
            assert services.keeper is not None
            assert services.dispatcher is not None
            dispatcher, real = services.dispatcher, services.keeper.stop

            async def slowly() -> None:
                async with asyncio.timeout(20):
                    while not dispatcher._stopping:  # noqa: ASYNC110 - what it does is what is looked at
                        await asyncio.sleep(0.01)
                await real()

            services.keeper.stop = slowly  # type: ignore[method-assign]

    asyncio.run(main())


def test_a_database_that_is_away_does_not_keep_a_process_from_ending(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wiring, "SETTLE_SECONDS", 0.2)

    async def away(work: object) -> None:
        raise Unavailable("it is away")

    async def main() -> None:
        async with asyncio.timeout(60), wiring.opened(config(tmp_path)) as services:
            monkeypatch.setattr(services.store, "write", away)
            services.recorder.note((), (Event(Kind.ASKED, 1, TYPE, device_id="phone"),))

    asyncio.run(main())
    assert "observations were not written" in caplog.text
