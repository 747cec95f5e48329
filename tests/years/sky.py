"""A clock that all processes of a journey share, and that the journey moves: libfaketime reads it from a file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from servers.postgres import without

DAY = 86_400
LIBRARIES = (
    *Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"),
    *Path("/usr/lib").glob("faketime/libfaketimeMT.so.1"),
)


class Sky:
    """Moves time forward. Only the time of day: what waits for seconds to pass waits for real ones."""

    def __init__(self) -> None:
        self._file = Path(os.environ["FAKETIME_TIMESTAMP_FILE"])
        self.days = 0.0

    def move(self, days: float) -> None:
        self.days += days
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"+{int(self.days * DAY)}")
        fresh.replace(self._file)


def travel(scene: str, directory: Path, *more: str, seconds: float = 290) -> None:
    """Run a scene of ``scenes`` in a process of its own, under a sky of its own. What it says comes with a failure."""
    if not LIBRARIES:
        without("libfaketime is not here: apt-get install libfaketime")
    clock = directory / "sky"
    clock.write_text("+0")
    environment = os.environ | {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    command: Sequence[str] = (sys.executable, "-m", "years", scene, str(directory), *more)
    tests = Path(__file__).parents[1]
    environment["PYTHONPATH"] = os.pathsep.join([str(tests), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
