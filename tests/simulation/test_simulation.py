"""A few seeds of the simulation in the ordinary suite. CI runs thousands: ``scripts/simulate``."""

from __future__ import annotations

from simulation.__main__ import run_chunk


def test_the_same_seed_gives_the_same_history() -> None:
    jobs = [(seed, "") for seed in (1, 2, 3)]
    assert run_chunk(1.5, jobs).digests == run_chunk(1.5, jobs).digests
