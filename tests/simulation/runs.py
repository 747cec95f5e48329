"""Runs seeds one after the other, or in several processes at once."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterable, Sequence
from functools import partial

from simulation.results import Summary
from simulation.world import World

CHUNK = 5
EVERY = 1000
"""How many seeds a line of progress stands for."""
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
        if summary.seeds % EVERY == 0:
            print(f"{summary.seeds:,} seeds, {len(summary.failures)} violations", file=sys.stderr, flush=True)
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
