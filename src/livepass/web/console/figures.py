"""Figures of all registrations, as the overview and the page of jobs show them. Gathering them walks whole tables: it
happens beside the pages, and what it found last is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from livepass.core.staleness import AGES, TARGET_SHARE, WORDS, Instants, Legs, Spread, Waiting, added, in_time, legs
from livepass.core.trip2_push import DAY
from livepass.service.seams import Reader
from livepass.web.issuer_answers_events import maybe_at

SAMPLE, LEAST = 20_000, 500
"""Registrations looked at for how long round trips took: of all pass types together, and of each at least."""


async def gathered(
    store: Reader, types: Sequence[str], now: int, *, heard: int, first: str, secrets: Sequence[str]
) -> Mapping[str, Mapping[str, Any]]:
    """Of these pass types. ``heard``: how many registrations were ever served something; ``first``: a device id by
    chance, where the sample begins; ``secrets``: the names of the secret keys, the sealing one first.
    """
    waiting: list[Waiting] = []
    seen: list[Instants] = []
    each = max(LEAST, SAMPLE // max(1, len(types)))
    for pass_type in types:
        waiting += await store.staleness(pass_type, now)
        seen += await store.served_lately(pass_type, since=now - DAY, first=first, limit=each)
    sealed = [
        {"kind": one.kind.value, "secret": one.secret, "count": one.count, "state": _state(one.secret, secrets)}
        for one in await store.sealed_counts()
    ]
    lots = added(waiting)
    return {
        "staleness": staleness(lots),
        "target": target(heard, lots),
        "legs": legs_of(legs(seen)),
        "sealed": {"rows": sealed, "to_reseal": sum(row["count"] for row in sealed if row["state"] == "old")},
    }


def staleness(lots: Sequence[Waiting]) -> dict[str, Any]:
    """Registrations by how old it is what they wait for; ``oldest`` and ``people`` are of those we have heard of."""

    def people(step: int, *, unverified: bool) -> int:
        return sum(lot.people for lot in lots if (lot.step, lot.unverified) == (step, unverified))

    steps = [
        {"age": words, "people": people(step, unverified=False), "unverified": people(step, unverified=True)}
        for step, words in enumerate(WORDS)
    ]
    oldest = min((lot.since for lot in lots if not lot.unverified), default=None)
    return {"steps": steps, "people": sum(step["people"] for step in steps), "oldest": maybe_at(oldest)}


def target(heard: int, lots: Sequence[Waiting]) -> dict[str, Any]:
    """What is aimed at, and whether it is so now. ``share`` in percent; ``None``: nobody was served anything yet."""
    share = in_time(heard, lots)
    return {
        "percent": round(100 * TARGET_SHARE),
        "minutes": AGES[1] // 60_000,
        "share": None if share is None else 100 * share,
        "met": None if share is None else share >= TARGET_SHARE,
    }


def legs_of(found: Legs) -> dict[str, Any]:
    def spread(one: Spread | None) -> dict[str, int] | None:
        return None if one is None else {"of": one.of, "p50_ms": one.p50, "p95_ms": one.p95}

    return {
        "sample": found.sample,
        "push_to_ask": spread(found.push_to_ask),
        "ask_to_fetch": spread(found.ask_to_fetch),
    }


def _state(secret: str, secrets: Sequence[str]) -> str:
    if secret == secrets[0]:
        return "current"
    return "old" if secret in secrets else "unknown"
