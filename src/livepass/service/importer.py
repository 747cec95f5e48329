"""Works imports off: claim one with a lease, make some of its passes, leave it to whoever takes its next turn.

A row goes in the transaction that makes its pass, fenced by the lease: killed at any moment, or two at once, each row
is done exactly once. After each lot as much time passes as it took, and more while phones are served slowly.

A database that is away is waited for. What else fails without having been foreseen is tried again, and given up in the
end (``core.importing.tried``); the count stands where the rows do.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from livepass.core.importing import MOST_TRIES, ImportJob, ImportRow, Progress, RowError, Tried, tried
from livepass.core.unavailable import Unavailable
from livepass.service.drafting import Wish
from livepass.service.imports import row_errors, wrong_of
from livepass.service.issuing import BUSY, Issued, Issuing, Push
from livepass.service.presence import STRAINED, Slowest
from livepass.service.refusals import Refusal
from livepass.service.rounds import Rounds, stumbled
from livepass.service.seams import Chance, Clock, Scheduler, Store, Tx

log = logging.getLogger(__name__)

LEASE_MS = 60_000
"""Longer than a lot takes by far; what a process that died was at is taken over after it."""
LOT = 200
"""Rows of one turn: their passes share a number and a transaction."""
SWEEP_SECONDS = 5.0
BREATH_SECONDS = 0.1
LONGEST_REST_SECONDS = 5.0
STUMBLE_SECONDS = 1.0
ALONE_SECONDS = LEASE_MS / 2000
"""For the rows of a lot that failed, each by itself: what takes longer loses its lease, and was for nothing."""


class _Changed(Exception):
    """Not ours any more, or a row was erased or cancelled meanwhile: nothing of the lot was done."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """An import that is ours until the lease ends."""

    job: ImportJob
    lease: str


Result = Issued | Refusal
Failed = tuple[ImportRow, Exception]


@dataclass(slots=True)
class _Came:
    """What came of a lot. ``went_through``: whether a pass is stored as a row has it. ``failed``: others went through
    meanwhile; ``vain``: none did.
    """

    went_through: bool = False
    refused: list[tuple[ImportRow, Refusal]] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    vain: list[Failed] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    """Of errors whose traceback is in the log."""

    def note(self, rows: Sequence[ImportRow], results: Sequence[Result]) -> bool:
        """Whether one of them went through. What others change faster than it is rendered waits for another turn."""
        refused = [(row, each) for row, each in zip(rows, results, strict=True) if isinstance(each, Refusal)]
        self.refused += [(row, each) for row, each in refused if each.code != BUSY]
        self.went_through |= len(refused) < len(rows)
        return len(refused) < len(rows)


class Importer:
    """The import worker of a process."""

    def __init__(
        self, store: Store, issuing: Issuing, clock: Clock, chance: Chance, scheduler: Scheduler, slowest: Slowest
    ) -> None:
        self._store = store
        self._issuing = issuing
        self._clock = clock
        self._chance = chance
        self._scheduler = scheduler
        self._slowest = slowest
        self._rounds = Rounds(scheduler)

    async def run(self) -> None:
        """Work until ``stop``, then see the lot at hand through."""
        self._store.on_commit(self._rounds.wake)
        with self._rounds.going():
            while not self._rounds.stopping:
                rest = await self._one_round()
                if rest is None:
                    await self._rounds.wait(SWEEP_SECONDS)
                await self._scheduler.sleep(rest or BREATH_SECONDS)

    async def stop(self, seconds: float = 20.0) -> None:
        await self._rounds.stop(seconds)

    async def _one_round(self) -> float | None:
        """A lot; for how long to rest then. ``None``: there is nothing to do, until a signal comes."""
        began = self._clock.stopwatch()
        try:
            if not await self.once():
                return None
            slowest = await self._slowest()
        except Exception as error:
            stumbled(log, "the import worker", error)
            return STUMBLE_SECONDS
        if slowest is not None and slowest >= STRAINED:
            return LONGEST_REST_SECONDS
        return min(max(self._clock.stopwatch() - began, BREATH_SECONDS), LONGEST_REST_SECONDS)

    async def once(self) -> bool:
        """One lot of the import whose turn it is; whether there was one."""
        now = self._clock.now()
        if not await self._store.import_is_due(now):
            return False
        lease = self._chance.token_bytes(8).hex()
        job = await self._store.write(lambda tx: tx.claim_import(lease, now, now + LEASE_MS))
        if job is None:
            return False
        await self._take(_Turn(job, lease))
        return True

    async def _take(self, turn: _Turn) -> None:
        rows = _lot(await self._store.import_rows(turn.job.id, limit=LOT))
        try:
            came = await self._carry_out(turn, rows) if rows else _Came()
            after = await self._store.write(lambda tx: self._leave(tx, turn, came))
            _tell(turn.job, len(came.vain), after)
        except _Changed:
            now = self._clock.now()
            await self._store.write(lambda tx: tx.leave_import(turn.job.id, turn.lease, now, vain=turn.job.vain))

    async def _carry_out(self, turn: _Turn, rows: Sequence[ImportRow]) -> _Came:
        """Make the passes of rows. What nobody foresaw is found row by row, so that it stops neither the others nor the
        import.
        """
        came = _Came()
        try:
            came.note(rows, await self._put(turn, rows))
        except (_Changed, Unavailable):
            raise
        except Exception as error:
            log.exception("%d rows of import %s failed; each is tried by itself", len(rows), turn.job.id)
            came.kinds.add(type(error).__name__)
            await self._one_by_one(turn, rows, came)
        return came

    async def _one_by_one(self, turn: _Turn, rows: Sequence[ImportRow], came: _Came) -> None:
        """A row that fails where a later one goes through, and then once more, is to blame itself. Of those behind the
        last one that went through nobody knows: they are the first of another turn.
        """
        began = self._clock.stopwatch()
        blamed: list[ImportRow] = []
        since: list[Failed] = []
        for row in rows:
            error = await self._alone(turn, row, came)
            if isinstance(error, Exception):
                since.append((row, error))
            elif error:
                blamed += [failed for failed, _ in since]
                since = []
            if self._clock.stopwatch() - began > ALONE_SECONDS:
                break
        if not came.went_through:
            came.vain = since
        for row in blamed:
            error = await self._alone(turn, row, came)
            if isinstance(error, Exception):
                came.failed.append((row, error))

    async def _alone(self, turn: _Turn, row: ImportRow, came: _Came) -> bool | Exception:
        """Whether it went through; or what nobody foresaw."""
        try:
            return came.note([row], await self._put(turn, [row]))
        except (_Changed, Unavailable):
            raise
        except Exception as error:
            name = type(error).__name__
            shown = None if name in came.kinds else error
            log.error("row %d of import %s failed: %s", row.number, turn.job.id, name, exc_info=shown)
            came.kinds.add(name)
            return error

    async def _put(self, turn: _Turn, rows: Sequence[ImportRow]) -> Sequence[Result]:
        wishes = [_wish(row) for row in rows]

        async def together(tx: Tx, issued: Mapping[int, Issued]) -> None:
            numbers = [rows[index].number for index in issued]
            await _advance(tx, turn, numbers, _progress(list(issued.values())))

        if not turn.job.dry_run:
            push: Push = "none" if turn.job.push == "none" else "auto"
            return await self._issuing.put_lot(wishes, push, together)
        results = await self._issuing.rehearse_many(wishes)
        would = {index: each for index, each in enumerate(results) if isinstance(each, Issued)}
        if would:
            await self._store.write(lambda tx: together(tx, would))
        return results

    async def _leave(self, tx: Tx, turn: _Turn, came: _Came) -> Tried:
        job = turn.job
        after = tried(job.vain, went_through=came.went_through, failed=bool(came.vain))
        failed = [*came.failed, *(came.vain if after.over else ())]
        ended = [*came.refused, *((row, _unforeseen(job, row, error, after.over)) for row, error in failed)]
        if ended:
            progress = Progress(refused=len(came.refused), failed=len(failed))
            await _advance(tx, turn, [row.number for row, _ in ended], progress)
            await tx.add_import_rows(job.id, (), [error for each in ended for error in _errors(job, *each)])
        now = self._clock.now()
        until = now + after.pause_ms if after.pause_ms else 0
        await tx.leave_import(job.id, turn.lease, now, vain=after.vain, until=until)
        return after


async def _advance(tx: Tx, turn: _Turn, numbers: Sequence[int], progress: Progress) -> None:
    if not await tx.advance_import(turn.job.id, turn.lease, numbers, progress):
        raise _Changed


def _lot(rows: Sequence[ImportRow]) -> list[ImportRow]:
    """Those of the first one's pass type, up to where a pass stands for the second time: the last one counts."""
    lot: list[ImportRow] = []
    serials: set[str] = set()
    for row in rows:
        if row.pass_type != rows[0].pass_type:
            continue
        if row.serial in serials:
            break
        serials.add(row.serial)
        lot.append(row)
    return lot


def _wish(row: ImportRow) -> Wish:
    body = json.loads(row.body)
    given = (body.get("template"), body.get("data"), body.get("content"), body.get("revision"))
    return Wish(row.pass_type, row.serial, *given)


def _progress(issued: Sequence[Issued]) -> Progress:
    became = Counter("made" if each.created else "changed" if each.changed else "unchanged" for each in issued)
    return Progress(**became)


def _errors(job: ImportJob, row: ImportRow, refusal: Refusal) -> list[RowError]:
    return row_errors(row.number, row.pass_type, row.serial, wrong_of(refusal, job.columns))


def _unforeseen(job: ImportJob, row: ImportRow, error: Exception, in_vain: bool) -> Refusal:
    name = type(error).__name__
    others = (
        f"like every row beside it; {MOST_TRIES} tries were in vain" if in_vain else "twice, and rows beside it did not"
    )
    hint = (
        f"the other rows went on; the worker's log says why (row {row.number} of import {job.id}): then send it again"
    )
    return Refusal(f"failed with an unexpected error ({name}), {others}", hint=hint, code="unforeseen")


def _tell(job: ImportJob, rows: int, after: Tried) -> None:
    if after.over:
        log.error("%d rows of import %s are given up: %d tries were in vain", rows, job.id, MOST_TRIES)
    elif after.pause_ms:
        seconds = after.pause_ms // 1000
        log.warning(
            "import %s is tried again in %d s: try %d of %d was in vain", job.id, seconds, after.vain, MOST_TRIES
        )
