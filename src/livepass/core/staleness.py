"""How old is what registrations wait for, and how long their last round trips took: figures of all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from livepass.core.frozen import frozen
from livepass.core.trip2_push import DAY, HOUR, MINUTE

AGES = (MINUTE, 15 * MINUTE, HOUR, DAY)
"""Bounds of the steps (ms): step 0 is younger than the first one, step 4 as old as the last one or older."""
WORDS = ("under 1 min", "1 to 15 min", "15 to 60 min", "1 to 24 h", "24 h or more")
TARGET_SHARE, LATE = 0.99, 2
"""What is aimed at: that so many are served what is current within 15 minutes. From this step on it is later."""


@frozen
class Waiting:
    """Registrations that were not served what is current. ``step``: how old that is, in ``AGES``; ``since``: when it
    became current for the first of them (ms). ``unverified``: they were served nothing yet that we saw.
    """

    step: int
    unverified: bool
    people: int
    since: int


@frozen
class Spread:
    """How long something took (ms): the median, and what 95 of 100 stay within; of so many."""

    of: int
    p50: int
    p95: int


@frozen
class Legs:
    """Round trips of some registrations. ``None``: of none of them both ends were seen in order."""

    sample: int
    push_to_ask: Spread | None
    ask_to_fetch: Spread | None


Instants = tuple[int | None, int | None, int | None]
"""When APNs accepted the last push for a phone, when it asked last, and when it was served last (ms)."""


def added(lots: Iterable[Waiting]) -> list[Waiting]:
    """Lots of several pass types as those of all, in order."""
    together: dict[tuple[int, bool], Waiting] = {}
    for lot in lots:
        key = (lot.step, lot.unverified)
        one = together.get(key)
        together[key] = lot if one is None else Waiting(*key, one.people + lot.people, min(one.since, lot.since))
    return [together[key] for key in sorted(together)]


def in_time(heard: int, lots: Iterable[Waiting]) -> float | None:
    """The share of the registrations that were ever served something (``heard``) which have what is current, or have
    waited for it for less than 15 minutes. ``None``: there are none.
    """
    late = sum(lot.people for lot in lots if lot.step >= LATE and not lot.unverified)
    return (heard - late) / heard if heard > 0 else None


def legs(seen: Sequence[Instants]) -> Legs:
    """What the last instants of each say. Only the last ones are kept: a push after the ask, or an ask after the fetch,
    says nothing of how long the one before it took, and is left out.
    """
    asked = [ask - push for push, ask, _ in seen if push is not None and ask is not None and ask >= push]
    fetched = [fetch - ask for _, ask, fetch in seen if ask is not None and fetch is not None and fetch >= ask]
    return Legs(len(seen), _spread(asked), _spread(fetched))


def _spread(taken: list[int]) -> Spread | None:
    """By nearest rank: each figure is one that was seen."""
    if not taken:
        return None
    taken = sorted(taken)
    p50, p95 = (taken[-(-len(taken) * percent // 100) - 1] for percent in (50, 95))
    return Spread(len(taken), p50, p95)
