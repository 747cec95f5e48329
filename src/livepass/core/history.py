"""Whether the database went back in time: what was seen of it, held against what it says now.

Numbers only rise and epochs that end are remembered, so in a database that never went back everything seen before is
still covered: the same epoch with a number at least as high, or another one after it. Anything else is a doubt, and
any doubt begins a new epoch: that costs each phone one list, where believing a lost history loses changes silently.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

from livepass.core.frozen import frozen
from livepass.core.model import Counter


class Reason(StrEnum):
    """Why a new epoch was begun; stands in the event."""

    TAG_AHEAD = "tag_ahead"
    OTHER_COPY = "other_copy"
    WITNESS_AHEAD = "witness_ahead"
    WITNESS_MISSING = "witness_missing"
    RESTORED = "restored"
    ASKED_FOR = "asked_for"


@frozen
class Mark:
    """The newest number seen of a pass type, its epoch, and the number that this began with. ``modified`` is the newest
    ``last_modified`` known to have been given away (seconds; 0: none).
    """

    epoch: str
    began: int
    seq: int
    modified: int = 0


@frozen
class Heard:
    """The newest registration that was acknowledged. One that is repeated takes no number, so numbers say nothing of
    it; but the row of its phone holds an instant that only rises.
    """

    pass_type: str
    device_id: str
    at: int


@frozen
class Witness:
    """What was seen of a database: which installation it is, and how far it had come."""

    uuid: str
    marks: Mapping[str, Mark]
    heard: Heard | None = None


@frozen
class Present:
    """What the database says, read after the witness. ``ended`` holds, for the pass types of ``unclear``, the epochs
    that it remembers to have ended; ``heard_at`` is when the phone of ``Witness.heard`` registered last.
    """

    uuid: str
    counters: Sequence[Counter]
    ended: Mapping[str, Collection[str]]
    heard_at: int | None = None


def doubt(witness: Witness | None, present: Present) -> Reason | None:
    """Why the database cannot be taken for the one that was seen; ``None``: it can. ``None`` for a witness: there is
    none, or it cannot be read.
    """
    if witness is None or witness.uuid != present.uuid:
        return Reason.WITNESS_MISSING if any(counter.seq for counter in present.counters) else None
    now = {counter.pass_type: counter for counter in present.counters}
    for pass_type, mark in witness.marks.items():
        if not _covers(now.get(pass_type), mark, present.ended.get(pass_type, ())):
            return Reason.WITNESS_AHEAD
    return Reason.WITNESS_AHEAD if _unheard(witness, now, present.heard_at) else None


def unclear(witness: Witness | None, counters: Sequence[Counter]) -> list[str]:
    """Pass types with another epoch than what was seen: the database has to say which epochs it remembers. When ours is
    among them, somebody began the present one after it.
    """
    marks = witness.marks if witness is not None else {}
    return [
        counter.pass_type
        for counter in counters
        if (mark := marks.get(counter.pass_type)) is not None and counter.epoch != mark.epoch
    ]


def witnessed(old: Witness | None, present: Present, gave: Mapping[str, int], heard: Heard | None) -> Witness:
    """What has been seen now that ``old`` turned out to be covered: the numbers of the database, and the newest of what
    it does not say itself. ``gave`` is the newest ``last_modified`` by pass type.
    """
    marks = {
        counter.pass_type: Mark(
            counter.epoch,
            counter.began,
            counter.seq,
            max(gave.get(counter.pass_type, 0), lost_modified(old).get(counter.pass_type, 0)),
        )
        for counter in present.counters
    }
    known = [one for one in (heard, _same_history(old, present)) if one is not None and one.pass_type in marks]
    return Witness(present.uuid, marks, max(known, key=lambda one: one.at, default=None))


def lost_modified(witness: Witness | None) -> dict[str, int]:
    """The newest ``last_modified`` that was given away, by pass type: a new history starts above it."""
    return {pass_type: mark.modified for pass_type, mark in witness.marks.items()} if witness is not None else {}


def _covers(counter: Counter | None, mark: Mark, ended: Collection[str]) -> bool:
    if counter is None:
        return False
    if counter.epoch == mark.epoch:
        return counter.seq >= mark.seq
    # Not by its numbers: a backup of a history before ours may have come further than ours.
    return mark.epoch in ended


def _unheard(witness: Witness, now: Mapping[str, Counter], heard_at: int | None) -> bool:
    """A phone whose row says an earlier instant than the one we acknowledged. One without a row may have been erased,
    and a registration of a history that has ended since is known to be lost.
    """
    heard = witness.heard
    if heard is None or heard_at is None or heard_at >= heard.at:
        return False
    mark = witness.marks.get(heard.pass_type)
    return mark is not None and now[heard.pass_type].epoch == mark.epoch


def _same_history(old: Witness | None, present: Present) -> Heard | None:
    if old is None or old.heard is None or old.uuid != present.uuid:
        return None
    mark = old.marks.get(old.heard.pass_type)
    here = [counter.epoch for counter in present.counters if counter.pass_type == old.heard.pass_type]
    return old.heard if mark is not None and here == [mark.epoch] else None
