"""What the journeys of this folder share: a service at any port, a change from beside it, and what ``why`` says."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any
from unittest.mock import patch

from journeys.service_process import Process, environment
from journeys.world import PASS_TYPE, World
from livepass import wiring
from livepass.cli.running import run
from livepass.service.drafting import Wish
from livepass.service.explaining import Explaining


def listening(world: World, port: int) -> Process:
    """``livepass serve`` with the settings that the world has now."""
    certificate, key = world.tls_files()
    tls = ("--tls-cert", str(certificate), "--tls-key", str(key))
    return Process(world, "serve", "--host", "127.0.0.1", "--port", str(port), *tls)


async def command(world: World, *words: str) -> tuple[int, dict[str, Any]]:
    """A ``livepass`` command with the settings that the world has now, without the start of a process: its exit code
    and the object that it showed, or its fault.
    """
    out, err = StringIO(), StringIO()

    def run_it() -> int:
        with redirect_stdout(out), redirect_stderr(err):
            return run([*words, "--json"])

    with patch.dict(os.environ, environment(world), clear=True):
        code = await asyncio.to_thread(run_it)
    shown = out.getvalue() or err.getvalue().splitlines()[-1]
    found: dict[str, Any] = json.loads(shown)
    return code, found


async def change(world: World, serial: str, points: int) -> None:
    """Through another process than those that serve, with the settings that the world has now."""
    async with wiring.opened(world.config) as here:
        wish = Wish(PASS_TYPE, serial, data={"points": points}, patch=True)
        assert (await here.issuing.put(wish, "now")).changed


async def said(world: World, serial: str) -> set[str]:
    """The codes of what ``why`` finds."""
    async with wiring.opened(world.config) as here:
        explaining = Explaining(here.store, here.clock, world.config.web_service_url, world.config.other_urls)
        return {verdict.code for verdict in (await explaining.explain(PASS_TYPE, serial)).verdicts}
