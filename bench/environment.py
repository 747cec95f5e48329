"""The environment of the benchmarks: the repository's own, made where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def enter() -> None:
    """Go on in ``.venv``, unless this Python knows livepass. What tests and benchmarks share can be imported then."""
    sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests")]
    try:
        import livepass.wiring  # noqa: F401
    except ImportError:
        python = ROOT / ".venv/bin/python"
        if Path(sys.executable) == python:
            raise
        made = subprocess.run(["sh", "-c", "pins=dev; . scripts/_venv", "scripts/bench"], cwd=ROOT)
        if made.returncode:
            sys.exit(made.returncode)
        os.execv(python, [str(python), *sys.argv])
