"""Imports that are worked off later: taking their rows in, telling how far they are, ending them early.

Nothing is acknowledged before every row of it is in the database. Rows come in through several transactions, because
phones wait for each; only the last one lets anybody work on them. ``service.importer`` does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from livepass.core.importing import ImportJob, ImportRow, ImportState, RowError
from livepass.service.access import Caller
from livepass.service.building import Builder
from livepass.service.idempotency import ADMIN
from livepass.service.issuing import Push
from livepass.service.refusals import Conflict, Fault, NotFound, Refusal, TooLarge
from livepass.service.seams import Chance, Clock, Store, Tx
from livepass.service.tenants import require_tenant

MOST_ROWS = 100_000
MOST_UNDER_WAY = 20
"""Imports of a tenant that are not over: each keeps its rows in the database meanwhile."""
STORED = 1000
"""Rows that one transaction takes in."""
AT_A_STRETCH = 25
"""Rows read before phones get their turn."""
MOST_PARTS = 10
SHOWN = 20
MOST_IN_VAIN = 10_000
"""Rows at the beginning that are all refused: what follows is not looked at."""
NEWEST = ((1 << 63) - 1, "")
"""A list begins before it: no instant is later."""
LONGEST_NAME, LONGEST_SAID = 400, 1000

Taken = tuple[str, ImportRow | Sequence[RowError]]
"""A row as it was read, after its pass type (empty: none that the caller may know of): it waits, or is refused."""
Keep = Callable[[ImportJob], Callable[[Tx], Awaitable[None]] | None]
"""What else goes into the transaction that acknowledges an import."""


@dataclass(slots=True)
class _Read:
    """What was read, and of that what is not stored yet."""

    rows: int = 0
    refused: int = 0
    pass_types: set[str] = field(default_factory=set)
    fit: list[ImportRow] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)

    def take(self, pass_type: str, taken: ImportRow | Sequence[RowError]) -> None:
        self.rows += 1
        if pass_type:
            self.pass_types.add(pass_type)
        if isinstance(taken, ImportRow):
            self.fit.append(taken)
        else:
            self.refused += 1
            self.errors += taken


class Imports:
    """One object per process."""

    def __init__(self, store: Store, builder: Builder, clock: Clock, chance: Chance) -> None:
        self._store = store
        self._builder = builder
        self._clock = clock
        self._chance = chance

    async def take(
        self,
        caller: Caller,
        rows: Iterator[Taken],
        unused: set[str],
        keep: Keep,
        *,
        columns: Mapping[str, str],
        push: Push = "auto",
        dry_run: bool = False,
    ) -> ImportJob:
        """Take rows in, all or none: durable when this returns. ``unused`` names columns that fill nothing, once the
        rows were read. Raises ``Refusal`` for what is too much, or nothing.
        """
        job_id = f"imp_{self._chance.token_bytes(9).hex()}"
        now = self._clock.now()
        job = ImportJob(caller.tenant, job_id, caller.key_id or ADMIN, now, push, dry_run, columns)
        read = _Read()
        await self._gather(rows, read)
        while read.refused == read.rows:  # nothing to be done in it so far
            if read.rows >= MOST_IN_VAIN or not await self._gather(rows, read):
                raise _nothing_fits(read)
        await self._store.write(lambda tx: self._begin(tx, job))
        try:
            while read.fit or read.errors:
                fit, errors, read.fit, read.errors = read.fit, read.errors, [], []
                await self._store.write(
                    lambda tx, fit=fit, errors=errors: tx.add_import_rows(job.id, fit, errors)  # type: ignore[misc]
                )
                await self._gather(rows, read)
            return await self._open(_known(job, read, unused), keep)
        except BaseException:
            await self._store.write(lambda tx: tx.abandon_import(job.id))
            await self._drop_rows(job.id)
            raise

    async def _gather(self, rows: Iterator[Taken], read: _Read) -> bool:
        """Read on, up to what one transaction takes in; whether there was more."""
        began = read.rows
        for pass_type, taken in rows:
            read.take(pass_type, taken)
            if read.rows > MOST_ROWS:
                raise TooLarge(f"more than {MOST_ROWS:,} rows in one import", hint="send the rest as another import")
            if read.rows % AT_A_STRETCH == 0:
                await self._builder.breathe()
            if read.rows - began >= STORED:
                break
        return read.rows > began

    async def _begin(self, tx: Tx, job: ImportJob) -> None:
        await require_tenant(tx, job.tenant)
        if await tx.imports_under_way(job.tenant) >= MOST_UNDER_WAY:
            raise Conflict(
                f"{MOST_UNDER_WAY} imports are under way already",
                hint="wait until one is over, or cancel one: DELETE /imports/{id}",
                code="imports_under_way",
            )
        await tx.begin_import(job)

    async def _open(self, job: ImportJob, keep: Keep) -> ImportJob:
        then = keep(job)

        async def work(tx: Tx) -> None:
            if not await tx.open_import(job):
                raise Conflict("the import took so long that it was given up", hint="send it again", code="given_up")
            if then is not None:
                await then(tx)

        await self._store.write(work)
        return job

    async def job(self, caller: Caller, job_id: str) -> ImportJob:
        """An import that the caller may see. Raises ``NotFound``."""
        job = await self._store.import_job(caller.tenant, job_id)
        if job is None or not may_see(caller, job):
            raise NotFound(f"there is no import {job_id}", hint="imports are forgotten a week after their end")
        return job

    async def jobs(self, caller: Caller, *, limit: int, before: tuple[int, str] = NEWEST) -> list[ImportJob]:
        """Those that the caller may see, newest first, before (created_at, id)."""
        found: list[ImportJob] = []
        while len(found) < limit:
            read = await self._store.import_jobs(caller.tenant, before=before, limit=limit)
            found += [job for job in read if may_see(caller, job)]
            if len(read) < limit:
                break
            before = read[-1].created_at, read[-1].id
        return found[:limit]

    async def cancel(self, caller: Caller, job_id: str) -> None:
        """Rows that wait are not done any more; those that are done stay. Of one that is over, nothing."""
        job = await self.job(caller, job_id)
        now = self._clock.now()
        await self._store.write(lambda tx: tx.cancel_import(job.tenant, job.id, now))
        await self._drop_rows(job.id)

    async def _drop_rows(self, job_id: str) -> None:
        """Some at a time, because phones wait for each transaction; what a crash leaves is pruned."""
        while await self._store.write(lambda tx: tx.drop_import_rows(job_id, STORED)):
            await self._builder.breathe()


def may_see(caller: Caller, job: ImportJob) -> bool:
    """One's own; or, for a key that is limited to pass types, those of nothing but these."""
    if caller.tenant != job.tenant:
        return False
    own = job.caller == (caller.key_id or ADMIN)
    return own or caller.pass_types is None or (bool(job.pass_types) and all(map(caller.sees, job.pass_types)))


def row_errors(number: int, pass_type: object, serial: object, wrong: Sequence[tuple[str, str, str]]) -> list[RowError]:
    """What was wrong with a row, as (column, problem, what to do), in bounds that any text has to keep."""
    names = _plain(pass_type, LONGEST_NAME), _plain(serial, LONGEST_NAME)
    return [
        RowError(number, part, *names, _plain(column, LONGEST_NAME), *(_plain(text, LONGEST_SAID) for text in said))
        for part, (column, *said) in enumerate(wrong[:MOST_PARTS])
    ]


def wrong_of(refusal: Refusal, columns: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """A refusal by the columns that its places came from; ``columns``: what is called otherwise."""
    found = [(_column(fault.pointer, columns), fault.message, fault.remedy or refusal.hint) for fault in refusal.faults]
    return found or [("", refusal.title, refusal.hint)]


def _column(pointer: str, columns: Mapping[str, str]) -> str:
    """The column of a variable's value, or of what else a row says of a pass; other places as they are."""
    name = pointer.removeprefix("/data/").removeprefix("/")
    return pointer if "/" in name else columns.get(name, name)


def _known(job: ImportJob, read: _Read, unused: set[str]) -> ImportJob:
    return replace(
        job,
        pass_types=tuple(sorted(read.pass_types)),
        unused=tuple(sorted(_plain(name, LONGEST_NAME) for name in unused)),
        state=ImportState.WORKING,
        rows=read.rows,
        refused=read.refused,
        waiting=read.rows - read.refused,
    )


def _nothing_fits(read: _Read) -> Refusal:
    if not read.rows:
        return Refusal("there is no row in it", hint="send CSV with a header and rows, or a JSON object a line")
    faults = [Fault(f"row {each.number} {each.column}".strip(), each.problem, each.remedy) for each in read.errors]
    hint = "nothing was taken in; the first of them are in errors"
    first = "the first " if read.rows >= MOST_IN_VAIN else ""
    return Refusal(f"none of {first}{read.rows:,} rows can be taken in", hint=hint, faults=faults[:SHOWN], code="rows")


def _plain(value: object, longest: int) -> str:
    """Text of others as both databases and JSON take it."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    return text[:longest].encode("utf-8", "replace").decode().replace("\0", "\ufffd")
