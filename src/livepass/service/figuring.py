"""How all registrations stand, pass type by pass type, for ``/metrics``.

It walks them: seconds, where there are a million. Whoever calls this does it beside what phones wait for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from livepass.core.frozen import frozen
from livepass.core.metrics import STANDINGS
from livepass.core.staleness import in_time
from livepass.service.explaining import Explaining

MOST_HELD = 10_000


@frozen
class Figures:
    """``standing``: registrations by (pass type, key of ``STANDINGS``); ``coherence``: without pass types of which no
    registration was served anything yet; ``verdicts``: registrations by code.
    """

    standing: Mapping[tuple[str, str], int]
    unverified: Mapping[str, int]
    coherence: Mapping[str, float]
    held: Mapping[str, int]
    verdicts: Mapping[str, int]


async def figures(explaining: Explaining, now: int) -> Figures:
    """``now``: milliseconds."""
    store = explaining.store
    standing: dict[tuple[str, str], int] = {}
    unverified: dict[str, int] = {}
    coherence: dict[str, float] = {}
    held: dict[str, int] = {}
    types = [row.pass_type for row in await store.pass_types()]
    for pass_type in types:
        stats = await store.stats(pass_type)
        standing |= {(pass_type, state): stats[state] for state in STANDINGS}
        unverified[pass_type] = stats["unverified"]
        heard = stats["registrations"] - stats["unverified"]
        share = in_time(heard, await store.staleness(pass_type, now))
        if share is not None:
            coherence[pass_type] = share
        owed = await store.due_up_to(pass_type, now, most=MOST_HELD)
        held[pass_type] = owed.due - owed.accepted - owed.ready
    verdicts: Counter[str] = Counter()
    for group in (await explaining.everything(types)).groups:
        verdicts[group.verdict.code] += group.people
    return Figures(standing, unverified, coherence, held, verdicts)
