"""A process dies at every point of every operation: what it acknowledged is there, and phones get what is current."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crashpoints.operations import OPERATIONS
from crashpoints.running import explore
from crashpoints.scene import Operation
from planted_copy import planted

PLANTED = (
    # An operation, and a mistake in it: its file, the text there, and what stands in its place.
    (
        "register, new",  # answered before it is written
        "service/answering.py",
        "            decision = await self._store.write(work)\n",
        "            decision = await decide(self._store)\n"
        "            self._recorder.note(decision.writes, decision.events)\n",
    ),
    (
        "sign-up, first",  # the pass is changed, and what was given is not kept
        "service/personalizing.py",
        "    await tx.put_enrolment(replace(enrolment, number=number))\n    return number, last_modified\n",
        "    return number, last_modified\n",
    ),
    (
        "pushed, asked, fetched",  # a push counts as done when it is claimed
        "store/queries.sql",
        "sending = wanted, next_at = :lease_until\n",
        "sending = wanted, acked = wanted, next_at = :lease_until\n",
    ),
    (
        "template, published",  # nobody ends a roll-out whose process died
        "service/keeping.py",
        "        await self._issuing.follow_all(lambda: self._rounds.stopping or self._clock.stopwatch() > until)\n",
        "",
    ),
)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    yield
    logging.disable(before)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_a_death_at_any_point_loses_nothing(operation: Operation) -> None:
    found = explore(operation)
    assert found.points > 1
    assert found.broken == {}


def test_every_planted_mistake_still_fits_the_product(tmp_path: Path) -> None:
    for number, (_, file, old, new) in enumerate(PLANTED):
        planted(tmp_path / str(number), [(file, old, new)])


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("operation", "file", "old", "new"),
    PLANTED,
    ids=["answered-first", "given-and-lost", "done-when-claimed", "nobody-ends-it"],
)
def test_planted_mistakes_are_found(tmp_path: Path, operation: str, file: str, old: str, new: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crashpoints", operation],
        env=planted(tmp_path, [(file, old, new)]),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.endswith(" violations\n"), done.stdout + done.stderr
