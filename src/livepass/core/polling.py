"""Wallets that poll: they fetch a pass with its token, and never register, ask or are pushed.

Several wallets for Android and for Linux do (FossWallet's and PassAndroid's own words: they update by fetching). Such a
fetch is served like any other, and says nothing about a phone that registered. What tells it from a phone's: the
scheme of its ``Authorization``, and what it calls itself. Both are the caller's own words, and only whoever holds the
pass's token is believed; a phone behind a proxy that puts another name in its place is taken for a phone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from livepass.core.authorization import APPLE, TO_FETCH, scheme_of
from livepass.core.frozen import frozen
from livepass.core.timeline import Event

NOTED_MS = 3_600_000
"""Of each wallet family, version and answer one fetch an hour is written down, with how many there were: a wallet that
polls every minute would push out of sight what phones did.
"""

# What they send is not documented; as read in their sources and in servers' logs, and it changes with their versions.
# iPhones call themselves passd/… CFNetwork/… Darwin/…, and stand in no row.
_FAMILIES: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"CFNetwork/|Darwin/|passd/", re.IGNORECASE), ""),
    (re.compile(r"FossWallet|PassAndroid|WalletUnion|okhttp/|ktor|Dalvik/|Android", re.IGNORECASE), "android"),
    (re.compile(r"Itinerary|KPkPass|\bKDE\b", re.IGNORECASE), "kde"),
    (re.compile(r"libsoup/|gnome", re.IGNORECASE), "gnome"),
    (re.compile(r"^(curl|Wget|python|Go-http-client|Java|node|axios)\b", re.IGNORECASE), "script"),
)


def family_of(authorization: str | None, user_agent: str | None) -> str:
    """The family of a wallet that polls; empty: it may well be a phone."""
    for pattern, family in _FAMILIES if user_agent else ():
        if pattern.search(user_agent or ""):
            return family
    return "android" if scheme_of(authorization) in TO_FETCH - {APPLE} else ""


@frozen
class Polling:
    """What was seen of one family lately: when last, the newest number that it was handed (0: none), and how many of
    its fetches were answered and refused.
    """

    wallet: str
    last_at: int
    served: int
    fetches: int
    refused: int


def polling(events: Iterable[Event]) -> tuple[Polling, ...]:
    """By family, from ``polled`` events."""
    found: dict[str, Polling] = {}
    for event in events:
        wallet, count = str(event.detail.get("wallet", "")), event.detail.get("fetches", 1)
        count = count if isinstance(count, int) else 1
        before = found.get(wallet, Polling(wallet, 0, 0, 0, 0))
        refused = event.detail.get("status") == 401
        found[wallet] = Polling(
            wallet,
            max(before.last_at, event.at),
            max(before.served, event.seq),
            before.fetches + (0 if refused else count),
            before.refused + (count if refused else 0),
        )
    return tuple(found[wallet] for wallet in sorted(found))
