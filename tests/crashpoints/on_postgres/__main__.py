"""Kills a process at points of every operation on PostgreSQL: ``scripts/crash-points --postgres``. Leaves with 1 when a
rule was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from crashpoints.on_postgres.operations import OPERATIONS, Operation
from crashpoints.on_postgres.running import Found, laboratory, sampled

SHOWN = 3
SAMPLE = 8


def show(found: Found) -> None:
    print(
        f"{found.operation.name:32} {found.points:6} {found.runs:6} {found.states:6} {len(found.broken):10}", flush=True
    )
    for point, broken in list(found.broken.items())[:SHOWN]:
        print(f"    point {point}: {'; '.join(broken)}")
        print(f'    again: scripts/crash-points --postgres "{found.operation.name}" --point {point}', flush=True)


def chosen(words: Sequence[str]) -> list[Operation]:
    exact = [one for one in OPERATIONS if one.name in words]
    found = exact or [one for one in OPERATIONS if not words or any(word in one.name for word in words)]
    if not found:
        raise SystemExit(f"there are {', '.join(one.name for one in OPERATIONS)}")
    return found


def points(asked: argparse.Namespace, operation: Operation, course: Sequence[str]) -> Sequence[int]:
    if asked.point:
        return [point for point in asked.point if point]
    return sampled(course, None if asked.all else asked.sample, f"{asked.seed} {operation.name}")


async def explored(asked: argparse.Namespace) -> list[Found]:
    all_found = []
    with tempfile.TemporaryDirectory() as folder:
        async with laboratory(Path(folder)) as made:
            for operation in chosen(asked.operations):
                all_found.append(await made.explore(operation, partial(points, asked, operation)))
                show(all_found[-1])
    return all_found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="crash-points --postgres", description="kill -9 at points of operations.")
    parser.add_argument("operations", nargs="*", help="words of their names; all without")
    parser.add_argument("--point", type=int, action="append", help="only this one; may be given again")
    parser.add_argument("--sample", type=int, default=SAMPLE, help=f"points of each operation (default {SAMPLE})")
    parser.add_argument("--all", action="store_true", help="every point of each operation")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="draws the sample; default: another")
    asked = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    print(f"seed {asked.seed}")
    print(f"{'operation':32} {'points':>6} {'runs':>6} {'states':>6} {'violations':>10}", flush=True)
    all_found = asyncio.run(explored(asked))
    violations = sum(len(found.broken) for found in all_found)
    points, runs = sum(found.points for found in all_found), sum(found.runs for found in all_found)
    print(f"{len(all_found)} operations, {points} points, {runs} runs, {violations} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
