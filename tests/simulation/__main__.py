"""Runs seeds: ``scripts/simulate``. Leaves with 1 when a rule was broken."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import livepass
from simulation import planting
from simulation.faults import PROFILES
from simulation.regressions import REGRESSIONS
from simulation.results import show, show_figures
from simulation.runs import Job, run
from simulation.trace import Violation
from simulation.world import World


def until_found(jobs: Sequence[Job], days: float) -> int:
    """For a planted mistake: one line of JSON about the first seed that breaks a rule."""
    logging.disable(logging.WARNING)
    said: dict[str, object] = {"rule": "", "seeds": len(jobs), "text": "", "livepass": livepass.__file__}
    for count, (seed, profile) in enumerate(jobs, 1):
        try:
            violations = World(seed, profile, days).run().violations
        except Exception as error:
            violations = [Violation("X2", f"the service does not work at all: {error!r}", (), 0.0)]
        if violations:
            said |= {"rule": violations[0].rule, "seeds": count, "text": violations[0].text}
            break
    print(json.dumps(said))
    return 0


def plant(names: Sequence[str], most: int, days: float, jobs: int) -> int:
    missed = 0
    for found in planting.find_all(planting.chosen(names), most, days, jobs):
        planting.show(found)
        missed += not found.rule
    print(f"{missed} not found")
    return 1 if missed else 0


def determinism(jobs: Sequence[Job], days: float) -> int:
    """The same seeds in other interpreters, under other hash seeds."""
    script = f"from simulation.runs import run_chunk; print(run_chunk({days}, {list(jobs)}).digests)"
    seen = set()
    for hash_seed in ("0", "1", "random", "random"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        seen.add(done.stdout)
    print(f"{len(jobs)} seeds under four hash seeds: {'the same' if len(seen) == 1 else 'DIFFERENT'} histories")
    return 0 if len(seen) == 1 else 1


def chosen(asked: argparse.Namespace) -> Sequence[int]:
    """The seeds that were asked for."""
    if asked.replay is not None:
        return [asked.replay]
    first, many = asked.first, asked.seeds
    if asked.fresh:
        first = seed_of_the_source()
    if asked.nightly:
        first, many = int(time.strftime("%Y%m%d", time.gmtime())) * 1_000_000, 100_000
    print(f"seeds {first} to {first + many - 1}", file=sys.stderr)
    return range(first, first + many)


def seed_of_the_source() -> int:
    """The same wherever the product is the same, and another one after any change of it."""
    digest = hashlib.sha256()
    for file in sorted(Path(livepass.__file__).parent.rglob("*")):
        if file.suffix in (".py", ".sql"):
            digest.update(file.read_bytes())
    return int.from_bytes(digest.digest()[:5], "big")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="simulate", description="Years of phones and failures in minutes.")
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--from", type=int, default=1, dest="first", help="the first seed")
    parser.add_argument("--fresh", action="store_true", help="seeds of this very source, which others never saw")
    parser.add_argument("--nightly", action="store_true", help="100,000 seeds of today")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--days", type=float, default=1.5, help="virtual days of chaos")
    parser.add_argument("--replay", type=int, metavar="SEED", help="one seed, with its history when it fails")
    parser.add_argument("--profile", choices=PROFILES, default="", help="instead of the one that a seed draws")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--regressions", action="store_true", help="the seeds that found something")
    parser.add_argument("--determinism", type=int, metavar="N", help="N seeds, each under three hash seeds")
    parser.add_argument("--planted", nargs="*", metavar="NAME", help="plant mistakes, and show what finds them")
    parser.add_argument("--most", type=int, default=1000, help="the most seeds for a planted mistake")
    parser.add_argument("--until-found", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.planted is not None:
        return plant(asked.planted, asked.most, asked.days, asked.jobs)
    jobs: Sequence[Job] = [(one.seed, one.profile) for one in REGRESSIONS]
    if not asked.regressions:
        jobs = [(seed, asked.profile) for seed in chosen(asked)]
    if asked.until_found:
        return until_found(jobs, asked.days)
    if asked.determinism is not None:
        return determinism(jobs[: asked.determinism], asked.days)
    began = time.monotonic()
    summary = run(jobs, asked.days, asked.jobs)
    for failure in summary.failures:
        show(failure, asked.days)
    if asked.replay is not None:
        print(f"seed {asked.replay}: trace {summary.digests[asked.replay]}")
    show_figures(summary.figures(time.monotonic() - began), asked.json)
    return 1 if summary.failures else 0


if __name__ == "__main__":
    sys.exit(main())
