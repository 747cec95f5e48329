"""Pairs of units of work in some of the orders of their statements: after each, all rules hold."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

import engines
from interleavings.pairs import PAIRS, Pair
from interleavings.running import Lane, by_order, lane
from livepass.emulators.authority import Authority

ORDERS = int(os.environ.get("LIVEPASS_TEST_SCHEDULES", "8"))
SEED = int(os.environ.get("LIVEPASS_TEST_SEED", "1"))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[tuple[asyncio.Runner, Lane]]:
    engines.choose("postgres")
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        opened = runner.run(stack.enter_async_context(lane(tmp_path_factory.mktemp("lane"), authority)))
        yield runner, opened
        runner.run(stack.aclose())
    engines.choose("sqlite")


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_every_order_of_statements_adds_up(running: tuple[asyncio.Runner, Lane], pair: Pair) -> None:
    runner, opened = running
    found = runner.run(opened.explore(pair, ORDERS, SEED))
    assert not found.broken, found.said()


def test_an_order_is_played_as_it_was_printed(running: tuple[asyncio.Runner, Lane]) -> None:
    runner, opened = running
    pair = next(pair for pair in PAIRS if pair.name == "change x register")
    found = runner.run(opened.explore(pair, 6, SEED))
    again = [runner.run(opened.run(pair, by_order(order)))[0] for order in found.orders]
    assert again == found.orders
    assert len(set(again)) > 3
