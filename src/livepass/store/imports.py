"""Imports as rows: the job, what waits, and what was wrong. A row goes in the transaction that makes its pass, so each
is done exactly once (ADR 0040).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from livepass.core.importing import ABANDONED_MS, KEPT_MS, ImportJob, ImportRow, ImportState, Progress, RowError

if TYPE_CHECKING:
    from livepass.store.reading import Connection
    from livepass.store.rows import Row


class ImportReading:
    """``service.import_seams.ImportReader`` over a connection."""

    _db: Connection

    async def import_job(self, tenant: str, job_id: str) -> ImportJob | None:
        found = await self._db.rows("import_job", {"tenant": tenant, "id": job_id})
        return _job(found[0]) if found else None

    async def import_jobs(self, tenant: str, *, before: tuple[int, str], limit: int) -> Sequence[ImportJob]:
        page = {"tenant": tenant, "created_before": before[0], "id": before[1], "limit": limit}
        return [_job(row) for row in await self._db.rows("import_jobs", page)]

    async def import_rows(self, job_id: str, *, limit: int) -> Sequence[ImportRow]:
        return [ImportRow(*row) for row in await self._db.rows("import_rows", {"job": job_id, "limit": limit})]

    async def import_errors(self, job_id: str, *, after: tuple[int, int], limit: int) -> Sequence[RowError]:
        page = {"job": job_id, "number": after[0], "part": after[1], "limit": limit}
        return [RowError(*row) for row in await self._db.rows("import_errors", page)]

    async def import_is_due(self, now: int) -> bool:
        return bool(await self._db.rows("import_is_due", {"now": now}))

    async def imports_under_way(self, tenant: str) -> int:
        [(count,)] = await self._db.rows("imports_under_way", {"tenant": tenant})
        return int(count)


class ImportWriting(ImportReading):
    """``service.import_seams.ImportTx`` inside a write transaction."""

    made_due: bool

    async def begin_import(self, job: ImportJob) -> None:
        names = ("tenant", "id", "caller", "created_at", "push")
        columns = {name: getattr(job, name) for name in names}
        told = {"dry_run": int(job.dry_run), "columns": json.dumps(dict(job.columns))}
        await self._db.run("begin_import", {**columns, **told})

    async def add_import_rows(self, job_id: str, rows: Sequence[ImportRow], errors: Sequence[RowError]) -> None:
        await self._db.run_many("add_import_row", [{"job": job_id, **asdict(row), "text": row.body} for row in rows])
        await self._db.run_many("add_import_error", [{"job": job_id, **asdict(error)} for error in errors])

    async def open_import(self, job: ImportJob) -> bool:
        lists = {"pass_types": json.dumps(job.pass_types), "unused": json.dumps(job.unused)}
        known = {"id": job.id, "state": job.state.value, "total": job.rows, "refused": job.refused}
        self.made_due = True  # wakes whoever works imports off
        return await self._db.run("open_import", {**known, **lists}) > 0

    async def abandon_import(self, job_id: str) -> None:
        await self._db.run("abandon_import", {"id": job_id})

    async def drop_import_rows(self, job_id: str, limit: int) -> int:
        return await self._db.run("drop_import_rows", {"job": job_id, "limit": limit})

    async def claim_import(self, lease: str, now: int, lease_until: int) -> ImportJob | None:
        found = await self._db.rows("claim_import", {"lease": lease, "now": now, "lease_until": lease_until})
        return _job(found[0]) if found else None

    async def advance_import(self, job_id: str, lease: str, numbers: Sequence[int], progress: Progress) -> bool:
        if not await self._db.run("advance_import", {"id": job_id, "lease": lease, **asdict(progress)}):
            return False
        gone = await self._db.run("remove_import_rows", {"job": job_id, "numbers": self._db.array(numbers)})
        return gone == len(numbers)

    async def leave_import(self, job_id: str, lease: str, now: int, *, vain: int, until: int = 0) -> None:
        left = {"id": job_id, "lease": lease, "now": now, "vain": vain, "until": until}
        await self._db.run("leave_import", left)

    async def cancel_import(self, tenant: str, job_id: str, now: int) -> bool:
        return await self._db.run("cancel_import", {"tenant": tenant, "id": job_id, "now": now}) > 0

    async def erase_imported(self, pass_type: str, serial: str) -> int:
        """What is kept of a pass here; answers how many rows waited to make it."""
        key = {"pass_type": pass_type, "serial": serial}
        await self._db.run("erase_import_errors", key)
        return await self._db.run("erase_import_rows", key)

    async def remove_imports(self, tenant: str) -> None:
        """All of a tenant, which goes."""
        await self._db.run("remove_import_rows_of", {"tenant": tenant})
        await self._db.run("remove_import_errors_of", {"tenant": tenant})
        await self._db.run("remove_imports_of", {"tenant": tenant})

    async def prune_imports(self, before: int, limit: int) -> int:
        """Of imports that ended before then; rows that nobody waits for, and what was not acknowledged, much sooner."""
        page = {"before": before, "created_before": before + KEPT_MS - ABANDONED_MS, "limit": limit}
        gone = await self._db.run("prune_import_rows", page) or await self._db.run("prune_import_errors", page)
        return gone or await self._db.run("prune_import_jobs", page)


def _job(row: Row) -> ImportJob:
    pass_types, unused = (tuple(json.loads(listed)) for listed in row[7:9])
    told = bool(row[5]), json.loads(row[6]), pass_types, unused, ImportState(row[9])
    return ImportJob(row[0], row[1], row[2], row[3], row[4], *told, *row[10:])
