"""Runs seeds: ``scripts/simulate``. Leaves with 1 when a rule was broken."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterable, Sequence
from functools import partial

from simulation.faults import PROFILES
from simulation.results import Summary, show, show_figures
from simulation.world import World

CHUNK = 5
Job = tuple[int, str]
"""A seed and its profile; without one, the seed draws it."""


def run_chunk(days: float, jobs: Sequence[Job]) -> Summary:
    summary = Summary()
    for seed, profile in jobs:
        summary.add(World(seed, profile, days).run())
    return summary


def run(jobs: Sequence[Job], days: float, processes: int = 1, *, most_failures: int = 20) -> Summary:
    """Run seeds, several processes at once; ends early when far too much is broken."""
    chunks = [jobs[start : start + CHUNK] for start in range(0, len(jobs), CHUNK)]
    summary = Summary()
    for part in _parts(chunks, days, processes):
        summary.join(part)
        if len(summary.failures) >= most_failures:
            break
    return summary


def _parts(chunks: Sequence[Sequence[Job]], days: float, processes: int) -> Iterable[Summary]:
    work = partial(run_chunk, days)
    if processes == 1:
        yield from map(work, chunks)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(work, chunks)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="simulate", description="Years of phones and failures in minutes.")
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--from", type=int, default=1, dest="first", help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--days", type=float, default=1.5, help="virtual days of chaos")
    parser.add_argument("--replay", type=int, metavar="SEED", help="one seed, with its history when it fails")
    parser.add_argument("--profile", choices=PROFILES, default="", help="instead of the one that a seed draws")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    asked = parser.parse_args(arguments)
    seeds = [asked.replay] if asked.replay is not None else range(asked.first, asked.first + asked.seeds)
    began = time.monotonic()
    summary = run([(seed, asked.profile) for seed in seeds], asked.days, asked.jobs)
    for failure in summary.failures:
        show(failure)
    if asked.replay is not None:
        print(f"seed {asked.replay}: trace {summary.digests[asked.replay]}")
    show_figures(summary.figures(time.monotonic() - began), asked.json)
    return 1 if summary.failures else 0


if __name__ == "__main__":
    sys.exit(main())
