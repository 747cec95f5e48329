"""An import that is worked off in steps: what is kept of it, until when, and what its states mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from livepass.core.frozen import frozen

KEPT_MS = 7 * 86_400_000
"""After its end: what became of it, and its rows' errors. The rows themselves go as they are done."""
ABANDONED_MS = 3_600_000
"""What was never acknowledged, because the process that was taking it in died."""


PAUSES_MS = (5_000, 30_000, 180_000, 600_000, 1_800_000, 3_600_000)
"""What fails with every row is tried again after each of these, an hour and three quarters in all: long enough to be
woken, and to mend it.
"""
MOST_TRIES = len(PAUSES_MS) + 1


class ImportState(StrEnum):
    RECEIVING = "receiving"
    """Not acknowledged yet: nobody works on it, and nobody is shown it."""
    WORKING = "working"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    """Not taken in: what there is of it goes."""


@frozen
class ImportJob:
    """An import. ``caller``: the API key's id. ``pass_types``: of its rows; ``unused``: columns that fill nothing;
    ``columns``: what is called otherwise in it, by its name here.

    ``rows`` were read; ``waiting`` of them are still to be done. ``refused``: what they say cannot be; ``failed``: the
    fault is ours. Of a row that is none of made, changed, unchanged, refused, failed and waiting, the pass was erased,
    or the import was cancelled, before its turn. ``vain``: tries of which ``tried`` says more; ``turn_at``: when
    somebody took it up last; ``retry_at``: until when it pauses, after a try in vain.
    """

    tenant: str
    id: str
    caller: str
    created_at: int
    push: str
    dry_run: bool
    columns: Mapping[str, str]
    pass_types: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    state: ImportState = ImportState.RECEIVING
    rows: int = 0
    made: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    failed: int = 0
    vain: int = 0
    turn_at: int = 0
    ended_at: int | None = None
    retry_at: int | None = None
    waiting: int = 0


@frozen
class ImportRow:
    """A row that waits for its turn. ``number`` as a spreadsheet counts; ``body``: JSON, what the pass shall be."""

    number: int
    pass_type: str
    serial: str
    body: str = field(repr=False)


@frozen
class RowError:
    """One thing that was wrong with a row; ``part`` counts those of a row. Empty names: the row has none."""

    number: int
    part: int
    pass_type: str
    serial: str
    column: str
    problem: str
    remedy: str


@frozen
class Progress:
    """What became of some rows."""

    made: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    failed: int = 0


@frozen
class Tried:
    """``vain``: tries in vain now. ``pause_ms``: until the next one. ``over``: rows that failed are given up."""

    vain: int
    pause_ms: int = 0
    over: bool = False


def tried(vain: int, *, went_through: bool, failed: bool) -> Tried:
    """After a turn of an import with so many tries in vain: whether a row ``went_through``, or one ``failed`` for a
    reason that nobody foresaw, and none went through.

    Waiting is worth it as long as it helped: then the next fault is waited out as well. What was waited for in vain
    once stays so to the end of the import: the rows behind it get one try each, or an import would take months to end.
    """
    if went_through:
        return Tried(vain if vain >= MOST_TRIES else 0)
    if not failed:
        return Tried(vain)
    if vain + 1 >= MOST_TRIES:
        return Tried(MOST_TRIES, over=True)
    return Tried(vain + 1, PAUSES_MS[vain])
