"""Kills a process at every point of every operation: ``scripts/crash-points``. Leaves with 1 when a rule was broken."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from crashpoints.operations import OPERATIONS
from crashpoints.running import Found, explore
from crashpoints.scene import Operation

SHOWN = 3


def show(found: Found) -> None:
    print(f"{found.operation.name:32} {found.points:6} {found.states:6} {len(found.broken):10}", flush=True)
    for point, broken in list(found.broken.items())[:SHOWN]:
        print(f"    point {point}: {'; '.join(broken)}", flush=True)


def chosen(words: Sequence[str]) -> list[Operation]:
    found = [one for one in OPERATIONS if not words or any(word in one.name for word in words)]
    if not found:
        raise SystemExit(f"there are {', '.join(one.name for one in OPERATIONS)}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="crash-points", description="kill -9 at every point of every operation.")
    parser.add_argument("operations", nargs="*", help="words of their names; all without")
    parser.add_argument("--point", type=int, action="append", help="only this one; may be given again")
    asked = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    print(f"{'operation':32} {'points':>6} {'states':>6} {'violations':>10}")
    all_found = []
    for operation in chosen(asked.operations):
        all_found.append(explore(operation, asked.point))
        show(all_found[-1])
    violations = sum(len(found.broken) for found in all_found)
    print(f"{len(all_found)} operations, {sum(found.points for found in all_found)} points, {violations} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
