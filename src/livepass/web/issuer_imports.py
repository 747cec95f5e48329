"""Imports: a file of passes is taken in by one call, and worked off afterwards.

What cannot be read is refused in the answer, row by row where some can; what can be read is in the database before the
answer says so. Here nothing is made: ``service.importer`` does that, a few hundred passes at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Annotated, Any, Literal
from urllib.parse import quote

import msgspec
from msgspec import Meta, Struct

from livepass.core.importing import KEPT_MS, ImportJob, ImportRow, ImportState, RowError
from livepass.service.import_rows import BadHeader, Columns, Row, Source, Wrong, kind_of
from livepass.service.imports import MOST_ROWS, NEWEST, Taken, row_errors, wrong_of
from livepass.service.refusals import Fault, Refusal, no_pass
from livepass.web.bodies import decoded
from livepass.web.issuer_answers_events import Instant, at, maybe_at
from livepass.web.issuer_lists import linked
from livepass.web.issuer_requests import BatchLine, PageQuery, PassType, TemplateName
from livepass.web.once import with_effect
from livepass.web.operations import BASE, LARGEST_UPLOAD, NDJSON, Answer, Body, Call, Operation
from livepass.web.paging import Cursor, page

CSV = "text/csv"
_IMPORTS = Cursor("imports", tuple[int, str])
_ERRORS = Cursor("import-errors", tuple[int, int])
_LINE = msgspec.json.Decoder(BatchLine)
_NO_TOKEN = Wrong(
    "authentication_token",
    "an import takes no tokens: its rows wait in the database, where no token stands unsealed",
    "send passes that phones hold already to POST /passes:batch, or use livepass import passes",
)

# ── queries and answers


class ImportQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """How rows become passes."""

    pass_type: Annotated[PassType, Meta(description="Of rows that name none")] | None = None
    template: Annotated[TemplateName, Meta(description="Of rows that name none; new passes need one")] | None = None
    map: Annotated[
        str,
        Meta(
            max_length=4000,
            pattern=r"^[^\u0000]*$",
            description="Which column fills what, where it is called otherwise: `serial=Number,points=Punkte`",
        ),
    ] = ""
    push: Annotated[
        Literal["auto", "none"],
        Meta(description="`auto`: within the phone's budget; `none`: phones hear of it when they ask"),
    ] = "auto"
    dry_run: Annotated[bool, Meta(description="Say what would change, and change nothing")] = False


class Import(Struct, frozen=True):
    """An import, and what became of its rows so far (`dry_run`: would become). `rows` were read. `refused`: what a row
    says cannot be; `failed`: it was given up after an error of the service. What is missing in the sum of `made`,
    `changed`, `unchanged`, `refused`, `failed` and `waiting` was erased or cancelled before its turn. `tries_in_vain`:
    tries of which every row ended in such an error, `next_try_at`: when the next one is. `turn_at`: when it was worked
    on last. `kept_until`: then it is forgotten, with its errors.
    """

    id: str
    state: Literal["waiting", "working", "finished", "cancelled"]
    dry_run: bool
    push: Literal["auto", "none"]
    rows: int
    made: int
    changed: int
    unchanged: int
    refused: int
    failed: int
    waiting: int
    tries_in_vain: int
    next_try_at: Instant | None
    unused_columns: list[str]
    created_at: Instant
    turn_at: Instant | None
    ended_at: Instant | None
    kept_until: Instant | None

    @classmethod
    def of(cls, job: ImportJob) -> Import:
        begun = job.turn_at > job.created_at
        waits = job.state is ImportState.WORKING and not begun
        return cls(
            id=job.id,
            state="waiting" if waits else job.state.value,  # type: ignore[arg-type]  # nobody is shown one in receipt
            dry_run=job.dry_run,
            push="none" if job.push == "none" else "auto",
            rows=job.rows,
            made=job.made,
            changed=job.changed,
            unchanged=job.unchanged,
            refused=job.refused,
            failed=job.failed,
            tries_in_vain=job.vain,
            next_try_at=maybe_at(job.retry_at),
            waiting=job.waiting,
            unused_columns=list(job.unused),
            created_at=at(job.created_at),
            turn_at=at(job.turn_at) if begun else None,
            ended_at=maybe_at(job.ended_at),
            kept_until=maybe_at(job.ended_at and job.ended_at + KEPT_MS),
        )


class ImportPage(Struct, frozen=True):
    """A page of imports, newest first."""

    data: list[Import]
    next_cursor: str | None


class ImportProblem(Struct, frozen=True):
    """What was wrong with a row. `row` as a spreadsheet counts; `column` empty: the row as a whole."""

    row: int
    pass_type: str
    serial: str
    column: str
    problem: str
    what_to_do: str

    @classmethod
    def of(cls, error: RowError) -> ImportProblem:
        return cls(error.number, error.pass_type, error.serial, error.column, error.problem, error.remedy)


class ImportProblemPage(Struct, frozen=True):
    """A page of what was wrong, by row. Complete once the import is over."""

    data: list[ImportProblem]
    next_cursor: str | None


# ── handlers


async def create(call: Call) -> Answer:
    """Take a file in, to be worked off: CSV with a header, or NDJSON, as `livepass import passes` reads them.

    The answer says that its rows are in the database, and where to see what becomes of them. Rows that cannot be read
    are among the import's errors and hold up none of the others; where none can, nothing is taken in. Passes are made a
    few hundred at a time, each row exactly once, whoever is killed meanwhile.
    """
    query: ImportQuery = call.query
    templates = await call.services.store.templates(call.caller.tenant)
    types = {row.name: row.variables for row in templates}
    if query.template is not None and query.template not in types:
        raise Refusal(f"there is no template {query.template}", hint="livepass template list shows them")
    given = {"pass_type": query.pass_type, "template": query.template}
    how = Columns(
        {name: value for name, value in given.items() if value},
        _mapped(query.map),
        types,
        to_map="?map={}=COLUMN",
        to_give="?pass_type=TYPE",
    )
    source = Source(lambda: BytesIO(call.body), how, _kind(call))
    try:
        job = await call.services.imports.take(
            call.caller,
            _taking(call, source),
            source.unused,
            lambda job: with_effect(call, _accepted(job)),
            columns=how.columns,
            push=query.push,
            dry_run=query.dry_run,
        )
    except BadHeader as error:
        raise Refusal(error.title, hint=error.hint, code="columns") from error
    return _accepted(job)


def _accepted(job: ImportJob) -> Answer:
    return Answer(202, Import.of(job), headers={"location": f"{BASE}/imports/{quote(job.id)}"})


async def list_(call: Call) -> Answer:
    """Imports, newest first: those under way, and those that ended within a week."""
    query: PageQuery = call.query
    before = _IMPORTS.read(query.cursor, NEWEST)
    found = await call.services.imports.jobs(call.caller, before=before, limit=query.limit + 1)
    shown, cursor = page(found, query.limit, _IMPORTS, lambda job: (job.created_at, job.id))
    return linked(call, ImportPage([Import.of(job) for job in shown], cursor), cursor)


async def get(call: Call) -> Answer:
    """How far an import is."""
    return Answer(200, Import.of(await call.services.imports.job(call.caller, call.path["id"])))


async def errors(call: Call) -> Answer:
    """What was wrong with the rows of an import that were refused, or failed."""
    query: PageQuery = call.query
    job = await call.services.imports.job(call.caller, call.path["id"])
    after = _ERRORS.read(query.cursor, (0, 0) if query.cursor else (-1, -1))
    found = await call.services.store.import_errors(job.id, after=after, limit=query.limit + 1)
    shown, cursor = page(found, query.limit, _ERRORS, lambda error: (error.number, error.part))
    return linked(call, ImportProblemPage([ImportProblem.of(error) for error in shown], cursor), cursor)


async def cancel(call: Call) -> Answer:
    """End an import: rows that wait are dropped, what is made stays. One that is over stays as it is."""
    await call.services.imports.cancel(call.caller, call.path["id"])
    return Answer(204)


# ── reading


def _kind(call: Call) -> str:
    media = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media in (CSV, "application/csv"):
        return "csv"
    return kind_of("", call.body[:4096]) if media in ("", "text/plain") else "ndjson"


def _mapped(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for word in filter(None, text.split(",")):
        name, equals, column = word.partition("=")
        if not equals or not name or not column or name in found:
            why = "names something twice" if name in found else f"holds {word[:100]!r}, which is not NAME=COLUMN"
            fault = Fault("?map", why, "write map=points=Punkte,serial=Nummer, percent-encoded")
            raise Refusal(f"map {why}", hint="write map=points=Punkte,serial=Nummer", faults=[fault])
        found[name] = column
    return found


def _taking(call: Call, source: Source) -> Iterator[Taken]:
    for row in source.rows():
        pass_type = row.body.get("pass_type")
        known = pass_type if isinstance(pass_type, str) and call.caller.sees(pass_type) else ""
        wrong = _wrong(call, row, source.how.columns)
        if wrong:
            yield known, row_errors(row.number, pass_type, row.body.get("serial"), wrong)
        else:
            body = {name: value for name, value in row.body.items() if name not in ("pass_type", "serial")}
            yield known, ImportRow(row.number, row.body["pass_type"], row.body["serial"], json.dumps(body))


def _wrong(call: Call, row: Row, columns: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """What can be said of a row without making its pass; the rest is said when it is its turn."""
    wrong = row.wrong or (_NO_TOKEN if row.body.get("authentication_token") else None)
    if wrong is not None:
        return [(wrong.column, wrong.problem, wrong.remedy)]
    try:
        line: BatchLine = decoded(_LINE, BatchLine, json.dumps(row.body).encode())
        if not call.caller.sees(line.pass_type):
            raise no_pass(line.pass_type, line.serial)
    except Refusal as refusal:
        return wrong_of(refusal, columns)
    return []


def _operation(method: str, path: str, name: str, summary: str, handler: Any, answers: Any, **more: Any) -> Operation:
    scopes: Any = ("passes:read",) if method == "GET" else ("passes:write",)
    return Operation(method, path, name, summary, handler, scopes, answers, group="imports", **more)


_ONE = "/imports/{id}"

OPERATIONS = (
    _operation(
        *("POST", "/imports", "importPasses", f"Import up to {MOST_ROWS:,} passes from a file, in the background"),
        create,
        {202: (Import,)},
        query=ImportQuery,
        body=Body(
            (NDJSON, CSV, "application/ndjson", "application/jsonl", "application/csv", "text/plain"),
            LARGEST_UPLOAD,
            too_large="send the file in parts, an import each; or livepass import passes, which reads it bit by bit",
        ),
    ),
    _operation("GET", "/imports", "listImports", "Imports, newest first", list_, {200: (ImportPage,)}, query=PageQuery),
    _operation("GET", _ONE, "getImport", "How far an import is", get, {200: (Import,)}),
    _operation(
        *(
            "GET",
            f"{_ONE}/errors",
            "listImportErrors",
            "Rows of an import that were refused or failed, and why",
            errors,
        ),
        {200: (ImportProblemPage,)},
        query=PageQuery,
    ),
    _operation("DELETE", _ONE, "cancelImport", "End an import before its last row", cancel, {204: None}),
)
