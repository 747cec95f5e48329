"""Plants one mistake into a copy of the product, and runs its pair over that copy until an order shows it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interleavings.plants import PLANTS, Plant
from simulation.planting import SOURCE, TESTS

SECONDS = 300


@dataclass(frozen=True)
class Found:
    """``orders``: how many it took; 0: it was not found. ``text``: what was broken."""

    plant: Plant
    orders: int
    text: str


def plant(one: Plant, package: Path) -> None:
    """Put it there. Raises ``ValueError`` when it does not fit the product any more."""
    for file, old, new in one.edits:
        text = (package / file).read_text("utf-8")
        if text.count(old) != 1:
            raise ValueError(f"{one.name}: its text stands {text.count(old)} times in {file}")
        (package / file).write_text(text.replace(old, new), "utf-8")


def find(one: Plant, most: int, seed: int) -> Found:
    """Run its pair over a product with this mistake, in another interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "src"
        shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        plant(one, copy / "livepass")
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(copy), str(TESTS))),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        limits = ["--orders", str(most), "--seed", str(seed)]
        done = subprocess.run(
            [sys.executable, "-m", "interleavings", one.pair, "--exactly", "--until-found", *limits],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        try:
            said = json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            raise RuntimeError(f"{one.name}: the lane itself broke: {done.stderr[-2000:]}") from None
        assert Path(said["livepass"]).is_relative_to(Path(folder).resolve()), "the product itself was run, not its copy"
    return Found(one, said["orders"], said["text"])


def chosen(names: Sequence[str]) -> list[Plant]:
    known = {one.name: one for one in PLANTS}
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"nothing is planted as {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(PLANTS)


def show(found: Found) -> None:
    by = f"found in order {found.orders}" if found.orders else "NOT FOUND"
    print(f"{found.plant.name:28} {found.plant.pair:34} {by:18} {found.text[:100]}", flush=True)
