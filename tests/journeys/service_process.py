"""The service as processes of its own, started by the command line that operators use, so that they can be killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self

from journeys.world import World


class Process:
    """One ``livepass`` command that runs until it is ended. Leaving the context kills it.

    ``stderr``: a descriptor for what it says meanwhile.
    """

    def __init__(self, world: World, *arguments: str, stderr: int = asyncio.subprocess.DEVNULL) -> None:
        self._world = world
        self._arguments = arguments
        self._stderr = stderr
        self._environment = environment(world)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> Self:
        """Start it, and wait for the line that says it is ready."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "livepass", *self._arguments, "--json"),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._stderr,
        )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 30)
        assert line, f"livepass {' '.join(self._arguments)} ended at once"
        assert json.loads(line)["ready"] is True
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def kill(self) -> None:
        """kill -9: no drain, no goodbye."""
        assert self._process is not None
        self._world.ended = True
        self._process.kill()
        assert await self._process.wait() == -signal.SIGKILL

    async def stop(self) -> None:
        """SIGTERM: finish what is under way, and end well."""
        assert self._process is not None
        self._world.ended = True
        self._process.terminate()
        assert await asyncio.wait_for(self._process.wait(), 30) == 0

    async def __aenter__(self) -> Self:
        try:
            return await self.start()
        except BaseException:  # nobody leaves what was not entered
            await self.__aexit__()
            raise

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            await gone(self._process)


def serve(world: World, *more: str, stderr: int = asyncio.subprocess.DEVNULL) -> Process:
    """``livepass serve`` at the address that stands in the passes of that world, or behind its proxy."""
    certificate, key = world.tls_files()
    tls = () if world.proxied else ("--tls-cert", str(certificate), "--tls-key", str(key))
    return Process(world, "serve", "--host", "127.0.0.1", "--port", str(world.port), *tls, *more, stderr=stderr)


def worker(world: World) -> Process:
    """``livepass worker``."""
    return Process(world, "worker")


def environment(world: World) -> Mapping[str, str]:
    """The settings of that world, as its processes get them."""
    config = world.config
    settings: dict[str, Any] = {
        "DATABASE_URL": config.database_url,
        "PUBLIC_URL": config.public_url,
        "SECRET_KEY": ",".join(config.secret_key),
        "ADMIN_KEY": config.admin_key,
        "APNS_URL": config.apns_url,
        "APNS_CA_FILE": config.apns_ca_file,
        "REGISTRATION_JOURNAL": config.registration_journal or "",
        "WITNESS_FILE": config.witness_file,
        "PUBLIC_CA_FILE": config.public_ca_file or "",
        "CONNECTION_HEADER": config.connection_header,
        "OTHER_URLS": ",".join(config.other_urls),
        "WEBHOOK_LOOPBACK": "on" if config.webhook_loopback else "off",
        "WEBHOOK_CA_FILE": config.webhook_ca_file or "",
        "CANARY": ",".join(config.canary),
        "CANARY_WITHIN": config.canary_within,
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIVEPASS_")}
    return inherited | {f"LIVEPASS_{name}": str(value) for name, value in settings.items()}


async def gone(process: asyncio.subprocess.Process) -> None:
    """No process stays behind whose journey was too long: what is left of it would fail whatever test comes next."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def command(world: World, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a ``livepass`` command to its end: its exit code and the object that it showed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "livepass", *arguments, "--json"),
        env=environment(world),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    finally:
        await gone(process)
    assert process.returncode is not None
    shown = out or err.splitlines()[-1]
    found: dict[str, Any] = json.loads(shown)
    return process.returncode, found
