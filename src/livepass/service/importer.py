"""Works imports off: claim one with a lease, make some of its passes, leave it to whoever takes its next turn.

A row goes in the transaction that makes its pass, fenced by the lease: killed at any moment, or two at once, each row
is done exactly once. After each lot as much time passes as it took, and more while phones are served slowly.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from livepass.core.importing import ImportJob, ImportRow, Progress, RowError
from livepass.core.unavailable import Unavailable
from livepass.service.drafting import Wish
from livepass.service.imports import row_errors, wrong_of
from livepass.service.issuing import BUSY, Issued, Issuing, Push
from livepass.service.presence import STRAINED, Slowest
from livepass.service.refusals import Refusal
from livepass.service.rounds import Rounds
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
UNFORESEEN = "unforeseen"


class _Changed(Exception):
    """Not ours any more, or a row was erased or cancelled meanwhile: nothing of the lot was done."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """An import that is ours until the lease ends."""

    job: ImportJob
    lease: str


Result = Issued | Refusal


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
        except Exception:
            log.exception("the import worker stumbled; it goes on")
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
            refused = await self._carry_out(turn, rows) if rows else []
            await self._store.write(lambda tx: self._leave(tx, turn, refused))
        except _Changed:
            await self._store.write(lambda tx: tx.leave_import(turn.job.id, turn.lease, self._clock.now()))

    async def _carry_out(self, turn: _Turn, rows: Sequence[ImportRow]) -> list[tuple[ImportRow, Refusal]]:
        """Make the passes of rows; answers those that were refused. What nobody thought of is found row by row, so that
        it stops neither the others nor the import.
        """
        try:
            results = await self._put(turn, rows)
        except (_Changed, Unavailable):
            raise
        except Exception:
            log.exception("%d rows of import %s could not be carried out", len(rows), turn.job.id)
            if len(rows) == 1:
                return [(rows[0], _unforeseen())]
            refused = [found for row in rows for found in await self._carry_out(turn, [row])]
            if all(refusal.code == UNFORESEEN for _, refusal in refused) and len(refused) == len(rows):
                raise  # it is not the rows: they wait for another turn
            return refused
        # What others change faster than it can be rendered waits for another turn.
        found = ((row, each) for row, each in zip(rows, results, strict=True) if isinstance(each, Refusal))
        return [(row, each) for row, each in found if each.code != BUSY]

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

    async def _leave(self, tx: Tx, turn: _Turn, refused: Sequence[tuple[ImportRow, Refusal]]) -> None:
        if refused:
            await _advance(tx, turn, [row.number for row, _ in refused], Progress(refused=len(refused)))
            await tx.add_import_rows(turn.job.id, (), [error for each in refused for error in _errors(turn.job, *each)])
        await tx.leave_import(turn.job.id, turn.lease, self._clock.now())


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


def _unforeseen() -> Refusal:
    hint = "the log of the worker says why; then send the row again"
    return Refusal("could not be carried out", hint=hint, code=UNFORESEEN)
