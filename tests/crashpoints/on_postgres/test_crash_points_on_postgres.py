"""A real process dies at points of operations on a real PostgreSQL; and mistakes that this must find."""

from __future__ import annotations

import asyncio
import logging
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from crashpoints.on_postgres.operations import OPERATIONS
from crashpoints.on_postgres.running import laboratory, sampled
from planted_copy import planted
from servers.postgres import require

SEED = 1
AT_COMMITS = ("register, new", "push, 200")
"""A run of the tests has time for their ends and each of their commits; the others die once."""


def at_commits(points: Sequence[str]) -> list[int]:
    return sampled(points, 0, f"{SEED}")


def once(points: Sequence[str]) -> list[int]:
    return random.Random(SEED).choices(range(1, len(points) + 1))


PLANTED = (
    # An operation, and a mistake in it: its file, the text there, what stands in its place, the rule that tells.
    (
        "register, new",  # answered before it is written
        "service/answering.py",
        "            decision = await self._store.write(work)\n",
        "            decision = await decide(self._store)\n"
        "            self._recorder.note(decision.writes, decision.events)\n",
        "S7 it was acknowledged, and is not there",
    ),
    (
        "push, 200",  # a push counts as done when it is claimed
        "store/queries.postgres.sql",
        "sending = g.wanted, next_at = :lease_until\n",
        "sending = g.wanted, acked = g.wanted, next_at = :lease_until\n",
        "L1 phone0 holds an old",
    ),
    (
        "template, rolled out",  # nobody ends a roll-out whose process died
        "service/keeping.py",
        "        await self._issuing.follow_all(lambda: self._rounds.stopping or self._clock.stopwatch() > until)\n",
        "",
        "L3 half done: ['behind its template'",
    ),
    (
        "batch",  # what is promised as one is written one by one
        "service/issuing.py",
        "            outcome = await (self._rehearse_type(group) if push is None else self._put_type(group, push))\n",
        '            outcome = [(await self._put_type([wish], push or "auto"))[0] for wish in group]\n',
        "S7 it is seen in 4 states, not in 2",
    ),
)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)


@pytest.mark.timeout(400)
def test_a_death_loses_nothing(tmp_path: Path) -> None:
    """``scripts/crash-points --postgres`` has more points, of all."""
    require()  # or it is skipped

    async def main() -> dict[str, dict[int, list[str]]]:
        broken = {}
        async with laboratory(tmp_path) as made:
            for operation in OPERATIONS:
                found = await made.explore(operation, at_commits if operation.name in AT_COMMITS else once)
                assert found.points
                if found.broken:
                    broken[operation.name] = found.broken
        return broken

    assert asyncio.run(main()) == {}


def test_a_sample_holds_the_ends_and_each_commit() -> None:
    points = ["BEGIN", "SELECT 1", "COMMIT", "committed", "SELECT 2", "SELECT 3", "SELECT 4"]
    assert sampled(points, 0, "1") == [1, 3, 4, 7]
    assert sampled(points, None, "1") == [1, 2, 3, 4, 5, 6, 7]
    assert sampled(points, 5, "1") == sampled(points, 5, "1")
    assert len(sampled(points, 5, "1")) == 5


def test_every_planted_mistake_still_fits_the_product(tmp_path: Path) -> None:
    for number, (_, file, old, new, _) in enumerate(PLANTED):
        planted(tmp_path / str(number), [(file, old, new)])


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("operation", "file", "old", "new", "rule"),
    PLANTED,
    ids=["answered-first", "done-when-claimed", "nobody-ends-it", "one-by-one"],
)
def test_planted_mistakes_are_found(tmp_path: Path, operation: str, file: str, old: str, new: str, rule: str) -> None:
    require()
    done = subprocess.run(
        [sys.executable, "-m", "crashpoints.on_postgres", operation, "--sample", "0", "--seed", "1"],
        env=planted(tmp_path, [(file, old, new)]),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert rule in done.stdout, done.stdout + done.stderr
    assert f'again: scripts/crash-points --postgres "{operation}" --point' in done.stdout
