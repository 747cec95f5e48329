"""Pairs of units of work on PostgreSQL, statement by statement: ``scripts/interleavings``. 1: a rule was broken."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import engines
import livepass
from interleavings import planting
from interleavings.pairs import Pair
from interleavings.running import Found, Lane, by_order, chosen, lane
from livepass.emulators.authority import Authority


def show(found: Found) -> None:
    print(
        f"{found.pair.name:40} {len(found.orders):6} {len(set(found.orders)):8} {len(found.broken):10}",
        found.said(),
        sep="\n" if found.broken else "",
        flush=True,
    )


async def run(asked: argparse.Namespace) -> list[Found]:
    all_found = []
    with tempfile.TemporaryDirectory() as folder:
        async with lane(Path(folder), Authority()) as running:
            for pair in chosen(asked.words, exactly=asked.exactly):
                if asked.order:
                    found = await one_order(running, pair, asked.order)
                else:
                    most = 0 if asked.all else asked.orders
                    found = await running.explore(pair, most, asked.seed, until_found=asked.until_found)
                if not asked.until_found:
                    show(found)
                all_found.append(found)
    return all_found


async def one_order(running: Lane, pair: Pair, order: str) -> Found:
    await running.prepare(pair)
    played, texts = await running.run(pair, by_order(order))
    return Found(pair, [played], {played: texts} if texts else {})


def look_for_planted(asked: argparse.Namespace) -> int:
    missed = 0
    for plant in planting.chosen(asked.words):
        found = planting.find(plant, asked.orders, asked.seed)
        planting.show(found)
        missed += not found.orders
    print(f"{missed} not found")
    return 1 if missed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="interleavings", description=__doc__)
    add = parser.add_argument
    add("words", nargs="*", help="words of a pair's name; all pairs without")
    add("--exactly", action="store_true", help="the pair of that name and no other")
    add("--orders", type=int, default=40, help="of each pair; two thirds with few switches, the rest at random")
    add("--all", action="store_true", help="all orders with two switches at most, and half as many at random")
    add("--order", default="", help="this order alone, as it was printed")
    add("--seed", type=int, default=1, help="which orders, where not all are run")
    add("--planted", action="store_true", help="mistakes planted into the product; words: their names")
    add("--until-found", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    engines.choose("postgres")
    if asked.planted:
        return look_for_planted(asked)
    if not asked.until_found:
        print(f"{'pair':40} {'orders':>6} {'distinct':>8} {'violations':>10}")
    all_found = asyncio.run(run(asked))
    violations = sum(len(found.broken) for found in all_found)
    if asked.until_found:
        [found] = all_found
        text = next(iter(found.broken.values()), [""])[0]
        print(json.dumps({"livepass": str(Path(livepass.__file__).resolve()), "orders": found.first, "text": text}))
    else:
        print(f"{len(all_found)} pairs, {sum(len(one.orders) for one in all_found)} orders, {violations} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
