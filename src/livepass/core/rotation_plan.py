"""What comes when: the dates on which certificates of a pass type hand over or end, and what to do before each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from livepass.core.frozen import frozen
from livepass.core.rotation import DAY, GUARD_MS, Link, Stage, signing

AHEAD_MS = 30 * DAY
"""How long before the end the next certificate should sign. Apple gives no renewal, but any number of them."""


@frozen
class Due:
    """A date. ``stops`` and ``goes_on`` say what does from then on; ``do`` "": nothing."""

    at: int
    certificate_id: str | None
    what: str
    stops: str
    goes_on: str
    do: str


NOTHING = "nothing"
ALL = "signing, updates and pushes"
SIGNING_ENDS = "signing: no new pass and no update"
THE_END = f"{SIGNING_ENDS}; and pushes by certificate"
STILL = (
    "passes that phones hold stay, and are shown and scanned as they are; phones register and ask; "
    "changes are kept, and signed and pushed once another certificate is live"
)
_IMPORT = "order the next one in Apple's portal, then: livepass cert import FILE.p12 --password-file FILE"


def plan(lineage: Sequence[Link], now: int, *, by_key: bool = False) -> list[Due]:
    """In order of time. What is over is not told, but for the end that nothing followed. ``by_key``: an APNs key pushes
    for the pass type, so that its pushes do not end with a certificate.
    """
    dates = _plan(lineage, now)
    return [replace(due, stops=SIGNING_ENDS) if by_key and due.stops == THE_END else due for due in dates]


def _plan(lineage: Sequence[Link], now: int) -> list[Due]:
    first = signing(lineage, now)
    if first is None:
        waiting = _best_waiting(lineage, now)
        do = _IMPORT if waiting is None else _next_step(waiting)
        return [Due(now, None, "no certificate is live", THE_END, STILL, do)]
    return sorted(_dates(first, lineage, now), key=lambda due: due.at)


def _dates(used: Link, lineage: Sequence[Link], now: int) -> Iterator[Due]:
    for _ in lineage:
        at = max(now, used.until - GUARD_MS)
        heir = signing(lineage, at)
        if heir is None or heir.id == used.id or not heir.signs_at(at):
            break
        yield Due(at, used.id, f"{heir.id} signs and pushes instead of {used.id}", NOTHING, ALL, "")
        used = heir
    yield from _before_the_end(used, lineage, now)
    ends = "its intermediate ends" if used.intermediate_not_after < used.not_after else "it ends"
    if used.revoked_at is not None:
        yield Due(used.revoked_at, used.id, f"{used.id} is revoked", THE_END, STILL, _IMPORT)
    else:
        yield Due(used.until, used.id, f"{used.id} is the last one live, and {ends}", THE_END, STILL, "")


def _before_the_end(used: Link, lineage: Sequence[Link], now: int) -> Iterator[Due]:
    waiting = _best_waiting(lineage, now)
    at = max(now, used.until - AHEAD_MS)
    if waiting is not None and waiting.until > used.until:
        yield Due(at, waiting.id, f"{waiting.id} should sign by then", NOTHING, ALL, _next_step(waiting))
    else:
        yield Due(at, used.id, "the next certificate should be here by then", NOTHING, ALL, _IMPORT)


def next_step(lineage: Sequence[Link], now: int) -> str:
    """What to do so that signing goes on when the certificate that signs ends, or does not sign any more."""
    used, waiting = signing(lineage, now), _best_waiting(lineage, now)
    if waiting is None or (used is not None and used.signs_at(now) and waiting.until <= used.until):
        return _IMPORT
    return _next_step(waiting)


def _best_waiting(lineage: Sequence[Link], now: int) -> Link | None:
    waiting = [
        link
        for link in lineage
        if link.stage in (Stage.STAGED, Stage.PROVEN) and link.signs_at(max(now, link.not_before))
    ]
    return max(waiting, key=lambda link: (link.stage is Stage.PROVEN, link.until), default=None)


def _next_step(link: Link) -> str:
    if link.stage is Stage.STAGED:
        return f"livepass cert prove {link.id}, then livepass cert promote {link.id}"
    return f"livepass cert promote {link.id}"
