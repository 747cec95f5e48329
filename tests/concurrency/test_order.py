"""Order under concurrency: processes change passes while phones ask, and no phone misses a change."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import engines
from concurrency import ledger
from concurrency.nursery import Child, Nursery
from concurrency.office import OTHER_TYPE, PASS_TYPE, settings, stock
from livepass.emulators.authority import Authority

PASSES = {PASS_TYPE: [f"p{number}" for number in range(500)], OTHER_TYPE: [f"q{number}" for number in range(10)]}
WRITERS, POLLERS = 8, 2
CHANGES = 20_000
PATIENCE = 300
"""Seconds until a process counts as stuck. It takes a tenth of that where nobody else computes."""

pytestmark = [pytest.mark.alone, pytest.mark.timeout(2 * PATIENCE)]


@dataclass
class Company:
    """The processes, and where they work."""

    url: str
    end: Path
    writers: list[Child]
    phones: list[Child]
    keeper: Child

    def work(self) -> None:
        """Until the writers are done, and each phone has asked once after it."""
        try:
            for writer in self.writers:
                writer.well(PATIENCE)
        finally:
            self.end.touch()
        for other in (*self.phones, self.keeper):
            other.well(PATIENCE)

    def faults(self) -> list[str]:
        issuers = [writer.said() for writer in self.writers]
        return ledger.faults(ledger.History.of(self.url), issuers, [phones.said() for phones in self.phones])


def company(
    nursery: Nursery,
    directory: Path,
    authority: Authority,
    changes: int,
    *,
    passes: Mapping[str, Sequence[str]] = PASSES,
    big: int = 20,
    small: int = 30,
    writer: str = "",
    phones: str = "",
) -> Company:
    """Stock a database and start processes on it: first the phones, and when they are there, the writers.

    ``big``: phones that follow all passes between them; ``small``: further ones in each process, that follow two
    each. ``writer`` and ``phones`` are roles, by default the honest ones.
    """
    shared = settings(directory)
    asyncio.run(stock(shared, authority, passes))
    for pass_type in passes if "sequence" in writer else ():
        [(seq,)] = engines.run(shared["database_url"], "SELECT seq FROM counter WHERE pass_type = ?", pass_type)
        engines.run(shared["database_url"], f'CREATE SEQUENCE "{pass_type}" START {seq + 1}')
    end = directory / "the writers are done"
    common: dict[str, Any] = {"settings": shared, "passes": passes}

    def asking(number: int) -> Child:
        crowd = {"devices": list(range(number, big, POLLERS)), "stride": big, "small": small}
        role = phones or "concurrency.roles:phones"
        return nursery.start(role, name=f"phones{number}", until=str(end), **crowd, **common)

    def changing(number: int) -> Child:
        role = writer or "concurrency.roles:writer"
        return nursery.start(role, name=f"writer{number}", changes=changes // WRITERS, **common)

    asked = [asking(number) for number in range(POLLERS)]
    keeper = nursery.start("concurrency.roles:keeper", settings=shared, until=str(end))
    for one in asked:
        one.says("ready", PATIENCE)
    writers = [changing(number) for number in range(WRITERS)]
    return Company(shared["database_url"], end, writers, asked, keeper)


def test_no_change_is_untold_and_no_tag_covers_what_cannot_be_seen(
    nursery: Nursery, tmp_path: Path, authority: Authority, engine: str
) -> None:
    made = company(nursery, tmp_path, authority, CHANGES)
    made.work()
    assert made.faults() == []
    assert engines.run(made.url, "SELECT count(*) FROM event WHERE kind = 'changed'") == [(CHANGES,)]
    tags = {line[4] for phones in made.phones for line in phones.said() if line[0] == "asked"}
    assert len(tags) > 100, "phones did ask while passes changed"
    if engine == "postgres":
        assert engines.run(made.url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [
            (0,)
        ]


FEW = {"passes": {PASS_TYPE: PASSES[PASS_TYPE][:60], OTHER_TYPE: PASSES[OTHER_TYPE]}, "big": 4, "small": 2}
SHOWS_TOO_LITTLE = "although that changed with"


@pytest.mark.nightly
@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_numbers_from_a_sequence_would_be_noticed(
    nursery: Nursery, tmp_path: Path, authority: Authority, engine: str
) -> None:
    """A number that is given away before its change can be seen: the fault that the counter row is there to prevent."""
    sequence = {"writer": "concurrency.broken:writer_by_sequence", "phones": "concurrency.broken:phones_by_sequence"}
    made = company(nursery, tmp_path, authority, 800, **FEW, **sequence)
    made.work()
    assert [fault for fault in made.faults() if SHOWS_TOO_LITTLE in fault]


@pytest.mark.nightly
def test_a_list_and_a_tag_from_two_statements_would_be_noticed(
    nursery: Nursery, tmp_path: Path, authority: Authority, engine: str
) -> None:
    torn = "concurrency.broken:phones_in_two_statements"
    changes = {"sqlite": 4000, "postgres": 800}[engine]  # so that there is time for some asks
    made = company(nursery, tmp_path, authority, changes, **FEW, phones=torn)
    made.work()
    assert [fault for fault in made.faults() if SHOWS_TOO_LITTLE in fault]
