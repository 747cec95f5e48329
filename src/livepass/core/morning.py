"""What is wrong with all passes at once: what ``why`` says of some of those who wait stands for all who wait like them.

The store counts the registrations that were not served what is current, by where they stand, and names some of each
lot. A lot that was looked at as a whole is counted, the others are estimated from their share.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from livepass.core.frozen import frozen
from livepass.core.timeline import Stand
from livepass.core.verdict import Sure, Verdict

EXAMPLES = 10


@frozen
class Behind:
    """Registrations of a pass type that stand alike. ``ended``: APNs' reason, where it ended their push tokens ("":
    it did not). ``some``: (serial, device id) of a few, by device id, which is random. ``counted``: else ``people`` is
    an estimate.
    """

    pass_type: str
    stand: Stand
    ended: str
    people: int
    some: Sequence[tuple[str, str]]
    counted: bool = True


@frozen
class Example:
    """Somebody of whom a verdict was given. Without a phone it is about the pass type."""

    pass_type: str
    serial: str
    device_id: str | None


@frozen
class Group:
    """A finding, and how many registrations it is true of. ``exact``: counted, else estimated.

    ``verdict`` is that on the first of ``examples``, but as sure as the least sure of all that were looked at.
    """

    verdict: Verdict
    sure: Sure
    people: int
    exact: bool
    pass_types: tuple[str, ...]
    examples: tuple[Example, ...]


@frozen
class Share:
    """A verdict, and for how many it stands."""

    verdict: Verdict
    people: int
    exact: bool
    example: Example


def extrapolated(lots: Sequence[Behind], people: int) -> list[Behind]:
    """The same lots of ``people``, of whom these were looked at; as they are when there are no more (0: not known)."""
    seen = sum(lot.people for lot in lots)
    if people <= seen:
        return list(lots)
    found, before = [], 0
    for lot in lots:
        # From the sums, so that what is rounded off here is not lost there.
        share = (before + lot.people) * people // seen - before * people // seen
        found.append(replace(lot, people=share, counted=False))
        before += lot.people
    return found


def shares(lot: Behind, verdicts: Sequence[tuple[Example, Verdict]]) -> list[Share]:
    """What the verdicts on some of a lot say of all of it: their people add up to the lot's. None, none."""
    if not verdicts:
        return []
    exact = lot.counted and len(verdicts) >= lot.people
    each, rest = divmod(lot.people, len(verdicts))
    return [Share(verdict, each + (place < rest), exact, example) for place, (example, verdict) in enumerate(verdicts)]


def grouped(found: Iterable[Share]) -> tuple[Group, ...]:
    """By finding: what somebody must act on first, then by how many it is true of."""
    by_code: dict[str, list[Share]] = {}
    for share in found:
        by_code.setdefault(share.verdict.code, []).append(share)
    groups = [
        Group(
            several[0].verdict,
            max((one.verdict.sure for one in several), key=_DOUBT.index),
            sum(one.people for one in several),
            all(one.exact for one in several),
            tuple(sorted({one.example.pass_type for one in several})),
            tuple(one.example for one in several[:EXAMPLES]),
        )
        for several in by_code.values()
    ]
    return tuple(sorted(groups, key=lambda one: (not one.verdict.problem, -one.people, one.verdict.code)))


_DOUBT = (Sure.CERTAIN, Sure.LIKELY, Sure.POSSIBLE)
