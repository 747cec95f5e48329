"""Too many phones on one pass: what is forgotten, and how loudly.

A pass that a person carries is on a few phones; one that is on more than ``cap`` was shared, or somebody makes up
device ids. We cannot tell the two apart, so nobody is refused and no phone that was ever heard asking is forgotten: a
registration cannot be asked for again. What goes is what registered and then never asked, which a phone does at once.
"""

from __future__ import annotations

from livepass.core.decision import Forget, Write
from livepass.core.frozen import frozen
from livepass.core.snapshots import Crowd
from livepass.core.timeline import Event, Kind

PHONES_PER_PASS = 64
"""The default cap."""

SAY_EVERY_MS = 3_600_000
"""A crowded pass is looked through, and said to be crowded, this often at most."""

SILENT_MS = 3_600_000
"""A phone asks within seconds of registering, and is pushed a minute later if it did not."""

AT_ONCE = 1000
"""The most that are counted over the cap, looked at, and forgotten at once."""


@frozen
class CrowdFacts:
    """``cap`` 0: no cap."""

    pass_type: str
    serial: str
    crowd: Crowd
    cap: int
    now: int


def crowded(phones: int, cap: int) -> bool:
    """Whether one more phone is one too many."""
    return 0 < cap <= phones


def thin_out(facts: CrowdFacts) -> tuple[tuple[Write, ...], tuple[Event, ...]]:
    """Forget phones that never asked, the oldest first, as many as there are too many; and say so."""
    crowd, now = facts.crowd, facts.now
    excess = crowd.phones - facts.cap
    said_lately = crowd.said_at is not None and now - crowd.said_at < SAY_EVERY_MS
    if facts.cap == 0 or excess <= 0 or said_lately:
        return (), ()
    # A repeated registration is a sign of life as well.
    silent = sorted(
        (one for one in crowd.silent if now - one.heard_at > SILENT_MS),
        key=lambda one: (one.registered_at, one.device_id),
    )[:excess]
    writes = tuple(
        Forget(facts.pass_type, one.device_id, facts.serial, one.push_token, one.heard_at, told=0) for one in silent
    )
    detail = {"phones": crowd.phones, "cap": facts.cap, "never_asked": len(silent)}
    return writes, (Event(Kind.TOO_MANY_PHONES, now, facts.pass_type, facts.serial, detail=detail),)
