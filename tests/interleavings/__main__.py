"""Pairs of units of work on PostgreSQL, statement by statement: ``scripts/interleavings``. 1: a rule was broken."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import engines
from interleavings.running import Found, by_order, chosen, lane
from livepass.emulators.authority import Authority


def show(found: Found) -> None:
    distinct = len(set(found.orders))
    print(f"{found.pair.name:40} {len(found.orders):6} {distinct:8} {len(found.broken):10}", flush=True)
    if found.broken:
        print(found.said(), flush=True)


async def run(asked: argparse.Namespace) -> int:
    violations = orders = 0
    pairs = [pair for pair in chosen(asked.pair) if not asked.exactly or [pair.name] == asked.pair]
    with tempfile.TemporaryDirectory() as folder:
        async with lane(Path(folder), Authority()) as running:
            for pair in pairs:
                if asked.order:
                    await running.prepare(pair)
                    order, texts = await running.run(pair, by_order(asked.order))
                    found = Found(pair, [order], {order: texts} if texts else {})
                else:
                    found = await running.explore(pair, 0 if asked.all else asked.orders, asked.seed)
                show(found)
                violations += len(found.broken)
                orders += len(found.orders)
    print(f"{len(pairs)} pairs, {orders} orders, {violations} violations")
    return 1 if violations else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="interleavings", description=__doc__)
    parser.add_argument("pair", nargs="*", help="words of its name; all without")
    parser.add_argument("--exactly", action="store_true", help="the pair of that name and no other")
    parser.add_argument("--orders", type=int, default=40, help="of each pair; half with few switches, half at random")
    parser.add_argument("--all", action="store_true", help="all orders with few switches, and as many at random")
    parser.add_argument("--order", default="", help="this order alone, as it was printed")
    parser.add_argument("--seed", type=int, default=1, help="which orders, where not all are run")
    asked = parser.parse_args(arguments)
    logging.disable(logging.ERROR)
    engines.choose("postgres")
    return asyncio.run(run(asked))


if __name__ == "__main__":
    sys.exit(main())
