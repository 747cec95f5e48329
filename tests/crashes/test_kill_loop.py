"""Two hundred kill -9 on each engine. For more: scripts/kill-loop --count N."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from concurrency.nursery import Nursery
from crashes.kill_loop import run
from livepass.emulators.authority import Authority

pytestmark = pytest.mark.alone

KILLS = 200


@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_and_every_due_push_is_delivered(
    engine: str, tmp_path: Path, authority: Authority
) -> None:
    with Nursery(tmp_path, "crashes.kill_roles", "livepass.store.postgres") as nursery:
        ruins = asyncio.run(run(tmp_path, nursery, authority, KILLS))
    assert ruins.faults == []
    assert sum(ruins.kills.values()) == KILLS
    assert ruins.changed > KILLS / 8
    assert ruins.joined > KILLS / 8
