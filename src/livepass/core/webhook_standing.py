"""How a webhook endpoint stands, what is said of one that needs somebody, and how much of its address is shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from livepass.core.frozen import frozen
from livepass.core.model import DEFAULT_TENANT
from livepass.core.striking import struck
from livepass.core.webhooks import FAILING_MS, HOUR, POLLED, Endpoint

FAILING: Final = "failing"
"""``Endpoint.disabled_why`` of one that was disabled because it answered nothing."""
LONG_MS: Final = 3 * HOUR
"""Failing for so long needs somebody: a message was tried five times by then, and no release of a receiver takes it."""
EARLIER_MS: Final = 24 * HOUR
"""So much earlier events are sent again than the first attempt failed: they wait where no worker runs."""
SHORTEST_SECRET: Final = 8
"""Parts of an address that are shorter are no keys, and stay in what a receiver answered."""


class Standing(StrEnum):
    """The first that holds, in this order."""

    GIVEN_UP = "disabled, it failed for five days"
    DISABLED = "disabled by hand"
    POLLED = "read by livepass listen"
    FAILING = "failing"
    UNTRIED = "has answered nothing yet"
    ANSWERS = "answers"


def standing(endpoint: Endpoint) -> Standing:
    if endpoint.disabled_at is not None:
        return Standing.GIVEN_UP if endpoint.disabled_why == FAILING else Standing.DISABLED
    if endpoint.url == POLLED:
        return Standing.POLLED
    if endpoint.failing_since is not None:
        return Standing.FAILING
    return Standing.UNTRIED if endpoint.answered_at is None else Standing.ANSWERS


@frozen
class Trouble:
    """An endpoint that needs somebody. ``url`` as ``masked`` has it; ``worse``: it hears of nothing any more."""

    tenant: str
    endpoint: str
    url: str
    standing: Standing
    failing_since: int | None
    disabled_at: int | None
    worse: bool
    sentence: str
    remedy: str


def trouble(endpoint: Endpoint, now: int) -> Trouble | None:
    """What is to be said of an endpoint that was disabled because it failed, or has been failing for long."""
    found, since, url = standing(endpoint), endpoint.failing_since, masked(endpoint.url)
    failing = now - (since or now)
    where = "" if endpoint.tenant == DEFAULT_TENANT else f" --tenant {endpoint.tenant}"
    if found is Standing.GIVEN_UP:
        sentence = (
            f"webhook endpoint {endpoint.id} ({url}) answered 2xx to nothing for five days and was disabled: no event "
            "is noted for it any more"
        )
        remedy = (
            f"mend the receiver, then livepass webhook enable {endpoint.id}{where}, and livepass webhook recover "
            f"{endpoint.id} --since {_since(endpoint, now)}{where} for what failed"
        )
    elif found is Standing.FAILING and failing >= LONG_MS:
        sentence = (
            f"webhook endpoint {endpoint.id} ({url}) has answered 2xx to nothing for {failing // HOUR} h: after "
            "five days it is disabled"
        )
        remedy = f"livepass webhook messages {endpoint.id}{where} lists what failed; with MESSAGE, what it answered"
    else:
        return None
    worse = found is Standing.GIVEN_UP
    return Trouble(
        *(endpoint.tenant, endpoint.id, url, found, since, endpoint.disabled_at, worse),
        *(sentence, remedy),
    )


def _since(endpoint: Endpoint, now: int) -> str:
    """What failed is not older, as an instant to name: an event is older than the first attempt to tell of it."""
    failing = endpoint.failing_since
    began = failing if failing is not None else (endpoint.disabled_at or now) - FAILING_MS
    return f"{datetime.fromtimestamp((began - EARLIER_MS) / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def masked(url: str) -> str:
    """An address without its path and query: for many receivers those are the key."""
    host, rest = _parts(url)
    return host + ("/…" if rest.strip("/") else rest)


def said_without(text: str, url: str) -> str:
    """What a receiver answered, without what ``masked`` hides and without what looks like a credential."""
    rest = _parts(url)[1]
    words = [url, rest, *re.split(r"[/?&=]", rest)]
    for word in sorted({*words, *map(_unescaped, words)}, key=lambda one: (-len(one), one)):
        if len(word) >= SHORTEST_SECRET:
            text = text.replace(word, "…")
    return struck(text)


def _parts(url: str) -> tuple[str, str]:
    """(scheme and host, what comes after): an endpoint's address was checked when it was made."""
    scheme, mark, after = url.partition("://")
    host = re.split(r"[/?]", after)[0]
    return f"{scheme}{mark}{host}", after[len(host) :]


def _unescaped(word: str) -> str:
    def raw(found: re.Match[str]) -> str:
        return bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "replace")

    return re.sub(r"(?:%[0-9A-Fa-f]{2})+", raw, word)
