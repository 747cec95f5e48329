"""What a database had that another has not: registrations, passes, versions, enrolments. Both are walked in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

from livepass.store.rows import Row
from livepass.store.whole import Batches, Snapshot


class Lost(StrEnum):
    """What is gone."""

    REGISTRATION = "registration"
    PASS = "pass"
    VERSION = "version"
    ENROLMENT = "enrolment"


@dataclass(frozen=True, slots=True)
class Loss:
    """A phone that follows the pass no more, a pass that is not there, one that went back to an older version, or what
    somebody gave for it.
    """

    what: Lost
    pass_type: str
    serial: str
    device_id: str | None = None


async def losses(old: Snapshot, new: Snapshot) -> AsyncIterator[Loss]:
    """What ``old`` has and ``new`` has not. Phones that had left, or were another record of one that stays, do not
    count.
    """
    async for row, match in _matched(old.stream("followed", {}), new.stream("followed", {}), (0, 2, 1)):
        if match is None:
            yield Loss(Lost.REGISTRATION, row[0], row[1], row[2])
    async for row, match in _matched(old.stream("versions", {}), new.stream("versions", {}), (0, 1)):
        if match is None:
            yield Loss(Lost.PASS, row[0], row[1])
        elif tuple(row[2:]) > tuple(match[2:]):
            yield Loss(Lost.VERSION, row[0], row[1])
    async for row, match in _matched(old.stream("given", {}), new.stream("given", {}), (0, 1)):
        if match is None:
            yield Loss(Lost.ENROLMENT, row[0], row[2])


async def _matched(old: Batches, new: Batches, key: tuple[int, ...]) -> AsyncIterator[tuple[Row, Row | None]]:
    """Each row of ``old`` with the row of ``new`` that has the same key; both come in its order."""
    others = _each(new)
    other = await anext(others, None)
    async for row in _each(old):
        mine = [row[place] for place in key]
        while other is not None and [other[place] for place in key] < mine:
            other = await anext(others, None)
        same = other is not None and [other[place] for place in key] == mine
        yield row, other if same else None


async def _each(batches: Batches) -> AsyncIterator[Row]:
    async for rows in batches:
        for row in rows:
            yield row
