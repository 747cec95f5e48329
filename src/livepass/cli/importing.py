"""What all imports share: rows in, a thousand at a time, errors into a file, and how far it has come."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import IO, Any

from livepass.cli.faults import Exit, Fault, Where, unchecked
from livepass.cli.import_state import State, Tally
from livepass.cli.progress import Line
from livepass.cli.render import Page, bad, dim, good
from livepass.cli.session import Session, interruptible
from livepass.service.import_rows import Row, Wrong

TOGETHER = 1000
"""Passes of one number and one transaction."""
TOGETHER_BYTES = 800 * 1024
SHOWN = 20
ERROR_COLUMNS = ("row", "pass_type", "serial", "column", "problem", "what_to_do")


Result = Mapping[str, Any]
"""A line of the answer of ``passes:batch``."""
Put = Callable[[Sequence[Row]], Awaitable[Sequence[Result]]]


class Import:
    """One run. ``total``: bytes of the source, where that is known."""

    def __init__(self, session: Session, state: State, errors: Path | None, total: int = 0) -> None:
        self._session = session
        self._state = state
        self._errors_path = errors
        self._errors: IO[str] | None = None
        self._total = total
        self._line = Line(shown=not session.as_json)
        self._first = state.tally.rows
        self.wrong: list[Where] = []

    @property
    def tally(self) -> Tally:
        return self._state.tally

    async def run(self, rows: Iterator[Row], put: Put) -> None:
        """Take in all rows behind those that an earlier run has done."""
        done = self._state.tally.rows
        try:
            self._truncate()
            lot: list[Row] = []
            size = seen = 0
            while (row := _next(rows)) is not None:
                seen += 1
                if seen <= done:
                    continue
                lot.append(row)
                size += row.size
                if len(lot) >= TOGETHER or size >= TOGETHER_BYTES:
                    await self._lot(lot, put)
                    lot, size = [], 0
            if lot:
                await self._lot(lot, put)
            self._state.forget()
        finally:
            self._line.over()
            if self._errors is not None:
                self._errors.close()

    async def _lot(self, lot: Sequence[Row], put: Put) -> None:
        fit = [row for row in lot if row.wrong is None]
        results = iter(await put(fit) if fit else ())
        tally = self._state.tally
        for row in lot:
            tally.rows += 1
            result = None if row.wrong is not None else next(results)
            if result is None or not result["ok"]:
                tally.refused += 1
                for wrong in [row.wrong] if row.wrong is not None else _wrongs(row, result or {}):
                    self._refuse(row, wrong)
            elif result["created"]:
                tally.new += 1
            elif result["changed"]:
                tally.changed += 1
            else:
                tally.unchanged += 1
        if self._errors is not None:
            self._errors.flush()
            self._state.errors_bytes = self._errors.tell()
        self._state.save()
        self._say(lot[-1].at)

    # ── errors

    def _truncate(self) -> None:
        """What stands behind the last note is of rows that come once more."""
        if self._errors_path is None:
            return
        try:
            if self._state.errors_bytes and self._errors_path.exists():
                self._errors = self._errors_path.open("r+", encoding="utf-8", newline="")
                self._errors.truncate(self._state.errors_bytes)
                self._errors.seek(0, 2)
            else:
                self._errors_path.unlink(missing_ok=True)
        except OSError as error:
            raise unchecked(f"{self._errors_path} cannot be written: {error}", "--errors FILE names another") from error

    def _refuse(self, row: Row, wrong: Wrong) -> None:
        if len(self.wrong) < SHOWN:
            place = f"row {row.number}" + (f", {wrong.column}" if wrong.column else "")
            self.wrong.append(Where(place, wrong.problem, wrong.remedy))
        if self._errors_path is None:
            return
        values = (row.number, row.body.get("pass_type", ""), row.body.get("serial", ""), wrong.column, wrong.problem)
        if self._errors is None:
            try:
                self._errors = self._errors_path.open("w", encoding="utf-8", newline="")
            except OSError as error:
                hint = "--errors FILE names another"
                raise unchecked(f"{self._errors_path} cannot be written: {error.strerror}", hint) from error
            self._errors.write(_csv_line(ERROR_COLUMNS))
        self._errors.write(_csv_line((*values, wrong.remedy)))

    # ── progress

    def _say(self, at: int) -> None:
        def text(seconds: float) -> str:
            tally = self._state.tally
            share = min(1.0, at / self._total) if self._total else None
            bar = "" if share is None else f"[{'#' * int(24 * share):24}] {share:4.0%}  "
            refused = f", {tally.refused:,} refused" if tally.refused else ""
            return f"{bar}{tally.rows:,} rows{refused}, {(tally.rows - self._first) / seconds:,.0f} a second"

        self._line.say(text)

    # ── the end

    def document(self, **more: Any) -> dict[str, Any]:
        """What became of it, to be shown."""
        errors = str(self._errors_path) if self.tally.refused and self._errors_path else None
        return {**asdict(self.tally), "resumed_at": self._first, "errors": errors, **more}

    def refuse(self) -> None:
        """Raise for the rows that were refused, if there are any."""
        if not self.tally.refused:
            return
        where = f"; all of them: {self._errors_path}" if self._errors_path else ""
        raise Fault(
            f"{self.tally.refused:,} of {self.tally.rows:,} rows were refused",
            hint=f"mend them and import the file again: what is done already changes nothing{where}",
            where=self.wrong,
            code="import",
        )


def stopped(tally: Tally, why: str, exit_: Exit, fault: Fault | None = None) -> Fault:
    """How far it got, and that the same command goes on from there."""
    hint = "the same command goes on from there, and nothing comes twice"
    return Fault(
        f"{why}; {tally.rows:,} rows are done, {tally.refused:,} of them refused",
        exit_,
        hint=f"{hint}; {fault.hint}" if fault and fault.hint else hint,
        where=fault.where if fault else (),
        code=fault.code if fault else "",
    )


@contextlib.contextmanager
def resumable(tally: Tally) -> Iterator[None]:
    """Whatever ends an import early says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise stopped(tally, "interrupted", Exit.INTERRUPTED) from None
    except Fault as fault:
        if tally.rows:
            raise stopped(tally, fault.title, fault.exit, fault) from fault
        raise


def draw(page: Page, document: Mapping[str, Any]) -> None:
    """For people."""
    if document.get("dry_run"):
        page.line(good(f"{document['rows']:,} rows looked at, and nothing changed"))
    else:
        page.line(good(f"{document['rows'] - document['refused']:,} passes are here"))
    if document["resumed_at"]:
        page.line(dim(f"an earlier run had done {document['resumed_at']:,} rows"))
    would = "would be " if document.get("dry_run") else ""
    page.facts(
        (f"{would}new", f"{document['new']:,}"),
        (f"{would}changed", f"{document['changed']:,}"),
        ("as they are", f"{document['unchanged']:,}"),
        ("refused", bad(f"{document['refused']:,}") if document["refused"] else "0"),
        ("errors", document["errors"]),
    )


def _wrongs(row: Row, result: Result) -> list[Wrong]:
    """The places that the service names, by the column that each came from."""
    problem = result["problem"]
    title, hint = str(problem["detail"] or problem["title"]), str(problem.get("hint") or "")
    found = [
        Wrong(row.columns.get(each["pointer"], each["pointer"]), each["message"], each.get("remedy") or hint)
        for each in problem["errors"]
    ]
    return found or [Wrong("", title, hint)]


def _next(rows: Iterator[Row]) -> Row | None:
    with interruptible():
        return next(rows, None)


def _csv_line(values: Sequence[object]) -> str:
    line = StringIO()
    csv.writer(line).writerow([_harmless(value) for value in values])
    return line.getvalue()


def _harmless(value: object) -> object:
    """Text of others, opened in a spreadsheet: nothing that it would take for a formula."""
    text = value if isinstance(value, str) else None
    return f"'{text}" if text and text[0] in "=+-@\t\r" else value
