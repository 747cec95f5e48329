"""Somebody else's project, with livepass's plugin found as our wheel announces it, in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import livepass

ROOT = Path(__file__).parents[2]


def announce(site: Path) -> None:
    """Make ``site`` what an installation leaves: the entry points of the wheel."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    folder = site / "livepass_here-0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: livepass-here\nVersion: 0\n")
    lines = "\n".join(f"{name} = {value}" for name, value in points.items())
    (folder / "entry_points.txt").write_text(f"[pytest11]\n{lines}\n")


def pytest_in(folder: Path, site: Path, *words: str, **environ: str) -> tuple[int, str]:
    """The exit code of pytest in that folder, and what it said."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "LIVEPASS"))}
    source = Path(livepass.__file__).parents[1]
    kept["PYTHONPATH"] = os.pathsep.join([str(site), str(source), str(folder)])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", *words],
        cwd=folder, env=kept | environ, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr
