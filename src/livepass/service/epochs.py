"""Begins new epochs: one transaction for every pass type, because a database goes back as a whole."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from livepass.core.change import floor_of_a_new_epoch
from livepass.core.decision import NewEpoch
from livepass.core.model import Counter
from livepass.core.timeline import TAKEN, Event, Kind
from livepass.service.seams import Chance, Tx

log = logging.getLogger(__name__)

Alarm = tuple[NewEpoch, Event]
"""A new epoch of one pass type, and what is written down of it."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A new epoch: it began with ``number``, and the counter stood at ``before``."""

    pass_type: str
    epoch: str
    before: int
    number: int


def new_epoch(chance: Chance) -> str:
    """48 random bits, in the alphabet that phones do not escape."""
    return chance.token_bytes(6).hex()


async def begin_epochs(
    tx: Tx,
    counters: Sequence[Counter],
    reason: str,
    *,
    now: int,
    chance: Chance,
    lost: Mapping[str, int],
    alarm: Alarm | None = None,
) -> tuple[Begun, ...]:
    """Begin a new epoch for each of ``counters`` that still stands in the epoch it was read with; answers which.

    ``lost`` is the newest ``last_modified`` known to have been given away, by pass type. ``alarm`` is decided already.
    """
    alarms = [_alarm(counter, reason, now, chance, lost.get(counter.pass_type, 0)) for counter in counters]
    if alarm is not None:
        floor = floor_of_a_new_epoch(now, lost.get(alarm[0].pass_type, 0))
        decided = (replace(alarm[0], modified_floor=floor), alarm[1])
        alarms = [decided, *(one for one in alarms if one[0].pass_type != alarm[0].pass_type)]
    numbers = await tx.apply([write for write, _ in alarms], [event for _, event in alarms])
    if numbers or not alarms:  # or somebody else began them, and ended these
        await tx.end_console_access()  # who signed out, and which links were used, may be among what was lost
    return tuple(
        Begun(write.pass_type, write.epoch, numbers[write.pass_type] - 1, numbers[write.pass_type])
        for write, _ in alarms
        if write.pass_type in numbers
    )


def say_loudly(begun: Sequence[Begun], reason: str) -> None:
    """What the operator must read, once for each time it happens."""
    if begun:
        log.error(
            "the database went back in time (%s): new epochs for %d pass types; phones are told everything again, and"
            " registrations may be missing (livepass db recover, livepass db lost)",
            reason,
            len(begun),
        )


def _alarm(counter: Counter, reason: str, now: int, chance: Chance, lost: int) -> Alarm:
    epoch = new_epoch(chance)
    detail = {"reason": reason, "from": counter.epoch, "epoch": epoch, "counter": counter.seq}
    return (
        NewEpoch(counter.pass_type, counter.epoch, epoch, floor_of_a_new_epoch(now, lost)),
        Event(Kind.NEW_EPOCH, now, counter.pass_type, seq=TAKEN, detail=detail),
    )
