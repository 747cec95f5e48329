"""Plants one mistake into a copy of the product, and lets seeds run over that copy until one of them finds it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from planted_copy import planted
from simulation.planted import PLANTED, Plant

SECONDS = 1800


@dataclass(frozen=True)
class Found:
    """``rule`` is empty when it was not found."""

    plant: Plant
    rule: str
    seeds: int
    text: str


def find(plant: Plant, most: int, days: float) -> Found:
    """Run seeds over a product with this mistake, in another interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        environment = planted(Path(folder), [(plant.file, plant.old, plant.new)])
        command = [sys.executable, "-m", "simulation", "--until-found", "--seeds", str(most), "--days", str(days)]
        done = subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    try:
        said = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise RuntimeError(f"{plant.name}: the simulation itself broke: {done.stderr[-2000:]}") from None
    assert Path(said["livepass"]).is_relative_to(Path(folder).resolve()), "the product itself was run, not its copy"
    if said["rule"] == "X1":
        raise RuntimeError(f"{plant.name}: it breaks the product altogether: {said['text']}")
    return Found(plant, said["rule"], said["seeds"], said["text"])


def chosen(names: Sequence[str]) -> list[Plant]:
    known = {plant.name: plant for plant in PLANTED}
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"nothing is planted as {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(PLANTED)


def find_all(plants: Sequence[Plant], most: int, days: float, jobs: int) -> Iterator[Found]:
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda plant: find(plant, most, days), plants)


def show(found: Found) -> None:
    by = f"{found.rule} after {found.seeds} seeds" if found.rule else f"NOT FOUND in {found.seeds} seeds"
    print(f"{found.plant.name:32} {by:24} {found.text[:100]}", flush=True)
