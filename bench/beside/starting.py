"""How long one waits for the first answer, and for the help."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from scaling.serving import environment

from beside import children
from beside.device import free_port
from beside.rows import Row

if TYPE_CHECKING:
    from beside.measures import Bench

COMMAND = [sys.executable, "-m", "livepass"]
PATIENCE = 30.0


def start(bench: Bench, name: str) -> Row:
    """Seconds from typing ``livepass serve`` until ``/livez`` answers."""
    database, row = bench.database("sqlite"), Row(name, "s", divisor="")
    bench.folder.make_due(database, 0)  # or the end waits for answers to pushes that other rows left, and get none here
    config = database.config
    for _ in range(bench.plan.rounds):
        port, began = free_port(), time.perf_counter()
        command = [*COMMAND, "serve", "--port", str(port)]
        with children.ended(
            subprocess.Popen(
                command, env=environment(config), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        ):
            _answered(port)
            row.add(time.perf_counter() - began)
    return row


def _answered(port: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.005)
    raise SystemExit("livepass serve did not answer")


def help_(bench: Bench, name: str) -> Row:
    """Seconds of ``livepass --help``; beside it, a Python that does nothing."""
    row = Row(name, "s", divisor="")
    for _ in range(2 * bench.plan.rounds):
        row.add(_seconds([*COMMAND, "--help"]), python=_seconds([sys.executable, "-c", "pass"]))
    return row


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began
