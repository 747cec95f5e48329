"""How canaries stand, read from the database: the same answer for whoever asks, in whichever process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from livepass.core import canary
from livepass.core.canary_standing import Standing, apart, having, running
from livepass.core.frozen import frozen
from livepass.service.seams import Reader


@frozen
class Canaries:
    """All canaries, by pass type; and what is to be said of pass types of which processes disagree."""

    standings: Sequence[Standing]
    apart: Mapping[str, str]


async def canaries(store: Reader, now: int, here: Sequence[str]) -> Canaries:
    """Those that the settings ``here`` name, that a running process has, or of which a pass is left."""
    processes = running(await store.processes(), now)
    have = having(processes)
    names = sorted({*here, *have, *await store.canary_passes()})
    found = [
        await standing(store, name, now, named_by=len(have.get(name, ())), of=len(processes), here=name in here)
        for name in names
    ]
    return Canaries(found, apart(processes))


async def standing(
    store: Reader, pass_type: str, now: int, *, named_by: int = 0, of: int = 0, here: bool = True
) -> Standing:
    """How one canary did."""
    found = [canary.run_of(event) for event in await store.canary_runs(pass_type, limit=canary.MOST_RUNS)]
    runs = [run for run in found if now - run.at <= canary.WINDOW_MS]
    return Standing(pass_type, now, runs, found[0] if found else None, named_by, of, here)
