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

    ``rows`` were read; ``waiting`` of them are still to be done. Of a row that is none of made, changed, unchanged,
    refused and waiting, the pass was erased, or the import was cancelled, before its turn. ``turn_at``: when somebody
    took it up last.
    """

    tenant: str
    id: str
    caller: str
    created_at: int
    push: str
    dry_run: bool
    columns: Mapping[str, str] = field(default_factory=dict)
    pass_types: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    state: ImportState = ImportState.RECEIVING
    rows: int = 0
    made: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    turn_at: int = 0
    ended_at: int | None = None
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
