"""A phone's script (register, ask, fetch) beside the web services that others wrote: one process each, over SQLite."""

from __future__ import annotations

import asyncio
import http.client
import json
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop
from scaling.databases import MANY

from beside import building, children, load, peers
from beside.device import Known, fetches, free_port, learn, served
from beside.rows import Row
from livepass import wiring
from livepass.core.model import DEFAULT_TENANT

if TYPE_CHECKING:
    from beside.measures import Bench

PASSES = 1_000
STEPS = 3


def device_peers(bench: Bench, name: str) -> Row:
    """Whole scripts a second of the service's CPU: each phone is new, asks without a tag, and fetches its pass."""
    database, plan, row = bench.database("sqlite"), bench.plan, Row(name, "scripts/CPU-s")
    known = learn(database, PASSES, anew=True)
    with tempfile.TemporaryDirectory(prefix="livepass-bench-") as temporary:
        folder = Path(temporary)
        given = _given(folder, _packages(bench, known), known)
        for _ in range(plan.rounds):
            found = {}
            for peer, start in PEERS.items():
                with _running(start(given), given) as pid:
                    found[peer] = _rate(given["port"], pid, known, plan.seconds)
            with served("serve", **bench.opened(database)) as (port, pid):
                # Theirs have packages that were built before; after this, so have ours.
                uvloop.run(load.all_of(port, fetches(known), 200))
                row.add(_rate(port, pid, known, plan.seconds), **found)
    row.note = f"{PASSES:,} passes; ours in a database of {database.size:,} registrations, theirs in an empty one."
    return row


def _rate(port: int, pid: int, known: Known, seconds: float) -> float:
    return uvloop.run(load.measure(port, pid, lambda _: _script(known), seconds, (200, 201))).per_cpu_second / STEPS


def _script(known: Known) -> Iterator[bytes]:
    """One phone after the other."""
    for _ in count():
        number, device = secrets.randbelow(len(known.passes)), secrets.token_hex(16)
        one, token, _ = known.passes[number]
        listed = f"/wallet/v1/devices/{device}/registrations/{MANY}"
        body = b'{"pushToken":"%064x"}' % secrets.randbits(256)
        yield load.request("POST", f"{listed}/{one}", authorization=token, body=body)
        yield load.request("GET", listed)
        yield load.request("GET", f"/wallet/v1/passes/{MANY}/{one}", authorization=token)


def _packages(bench: Bench, known: Known) -> Sequence[bytes]:
    """The passes as ours serves them: theirs serve the same bytes."""

    async def built() -> list[bytes]:
        async with wiring.opened(bench.database("sqlite").config) as services:
            rows = [await services.store.pass_(MANY, one) for one, _, _ in known.passes]
            return [await services.builder.pkpass(row, DEFAULT_TENANT) for row in rows if row is not None]

    return asyncio.run(built())


def _given(folder: Path, packages: Sequence[bytes], known: Known) -> dict[str, Any]:
    building.write_keys(folder)
    passes = []
    for (one, token, _), package in zip(known.passes, packages, strict=True):
        (folder / f"{one}.pkpass").write_bytes(package)
        passes.append({"serial": one, "token": token})
    (folder / "passes.json").write_text(json.dumps(passes))
    return {"folder": str(folder), "port": free_port(), "pass_type": MANY, "team": building.TEAM}


def _django(given: dict[str, Any]) -> list[str]:
    python, script = peers.python("django_device.py", "django")
    one = [
        "-w",
        "1",
        "--chdir",
        str(Path(script).parent),
        "-b",
        f"127.0.0.1:{given['port']}",
        "--log-level",
        "critical",
    ]
    return [
        python,
        "-m",
        "gunicorn",
        *one,
        "--keep-alive",
        "60",
        "-k",
        "gthread",
        "--threads",
        "4",
        "django_device:application",
    ]


def _express(given: dict[str, Any]) -> list[str]:
    return peers.node("express_device.mjs")


PEERS: dict[str, Callable[[dict[str, Any]], list[str]]] = {"django-walletpass": _django, "express": _express}


@contextmanager
def _running(command: list[str], given: dict[str, Any]) -> Iterator[int]:
    """A service with nothing registered, that answers; its process id."""
    folder = Path(given["folder"])
    for left in folder.glob("peer.db*"):
        left.unlink()
    (folder / "given.json").write_text(json.dumps(given))
    process = subprocess.Popen(
        command,
        env={"PATH": "/usr/bin:/bin", "GIVEN": str(folder / "given.json")},
        stdout=subprocess.PIPE,
        text=True,
        **children.pinned(children.MEASURED),
    )
    with children.ended(process):
        _wait(given["port"], process)
        yield process.pid


def _wait(port: int, process: subprocess.Popen[str]) -> None:
    """Until it answers: gunicorn listens long before its worker does."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        client = http.client.HTTPConnection("localhost", port, timeout=30)
        try:
            client.request("GET", "/")
            client.getresponse().read()
            return
        except OSError:
            time.sleep(0.05)
        finally:
            client.close()
    raise SystemExit(f"{process.args!r} did not start")
