"""The part of ``service.seams.Reader`` and ``Tx`` that imports need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livepass.core.importing import ImportJob, ImportRow, Progress, RowError


class ImportReader(Protocol):
    """Reads. Each is one statement, so one snapshot."""

    async def import_job(self, tenant: str, job_id: str) -> ImportJob | None:
        """One that was acknowledged."""

    async def import_jobs(self, tenant: str, *, before: tuple[int, str], limit: int) -> Sequence[ImportJob]:
        """Those that were acknowledged, newest first, before (created_at, id)."""

    async def import_rows(self, job_id: str, *, limit: int) -> Sequence[ImportRow]:
        """Rows that wait, in order."""

    async def import_errors(self, job_id: str, *, after: tuple[int, int], limit: int) -> Sequence[RowError]:
        """In order, after (number, part)."""

    async def import_is_due(self, now: int) -> bool:
        """Whether there is one that nobody works on."""

    async def imports_under_way(self, tenant: str) -> int:
        """How many are not over."""


class ImportTx(ImportReader, Protocol):
    """Writes. Locks passes before jobs, and jobs before rows."""

    async def begin_import(self, job: ImportJob) -> None:
        """One that is being taken in."""

    async def add_import_rows(self, job_id: str, rows: Sequence[ImportRow], errors: Sequence[RowError]) -> None: ...

    async def open_import(self, job: ImportJob) -> bool:
        """It is taken in: with what is known of it now, it may be worked on. False: it was given up meanwhile."""

    async def abandon_import(self, job_id: str) -> None:
        """It is not taken in, unless it was already."""

    async def drop_import_rows(self, job_id: str, limit: int) -> int:
        """Rows of one that was cancelled or abandoned, so many at most; answers how many went."""

    async def claim_import(self, lease: str, now: int, lease_until: int) -> ImportJob | None:
        """The one that waited longest for its turn, which nobody else gets until ``lease_until``."""

    async def advance_import(self, job_id: str, lease: str, numbers: Sequence[int], progress: Progress) -> bool:
        """These rows are done with. False: the import is not ours any more, or a row is gone; then undo all of it."""

    async def leave_import(self, job_id: str, lease: str, now: int, *, vain: int, until: int = 0) -> None:
        """Its turn is over; without rows, so is the import. ``vain``: tries in vain so far; nobody gets it ``until``
        then.
        """

    async def cancel_import(self, tenant: str, job_id: str, now: int) -> bool:
        """Its rows are not done any more, and may be dropped. False: it is over, or there is none."""
