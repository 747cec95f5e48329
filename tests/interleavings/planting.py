"""Plants one mistake into a copy of the product, and runs its pair over that copy until an order shows it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interleavings.plants import PLANTS, Plant
from planted_copy import planted

SECONDS = 300


@dataclass(frozen=True)
class Found:
    """``orders``: how many it took; 0: it was not found. ``text``: what was broken."""

    plant: Plant
    orders: int
    text: str


def find(one: Plant, most: int, seed: int) -> Found:
    """Run its pair over a product with this mistake, in another interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        environment = planted(Path(folder), one.edits)
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
