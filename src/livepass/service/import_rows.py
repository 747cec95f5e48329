"""Reads what passes are imported from: CSV with a header, or NDJSON, bit by bit.

Which column fills which variable: by name, or as the caller maps it. A value of a CSV file is text, and becomes what
the template's variable wants; an empty cell says nothing.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import IO, Any

OWN = ("pass_type", "serial", "template", "revision", "authentication_token", "web_service_url")
"""Columns that say more of a pass than a variable's value."""
OBJECTS = ("data", "content")
LONGEST = 1 << 20
_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a row is not taken, and what to do. ``column``: where; empty: the row as a whole."""

    column: str
    problem: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One pass to be taken in, as a line of ``passes:batch``. ``at``: how far its source is read (bytes)."""

    number: int
    body: Mapping[str, Any] = field(repr=False)
    wrong: Wrong | None = None
    size: int = 0
    at: int = 0
    columns: Mapping[str, str] = field(default_factory=dict, repr=False)
    """JSON pointer → the column that its value came from."""


class BadHeader(ValueError):
    """No row can be read: the header is not what the caller says of it. ``hint``: what to do."""

    def __init__(self, title: str, hint: str) -> None:
        super().__init__(title)
        self.title = title
        self.hint = hint


class CannotConvert(ValueError):
    """A cell does not hold what the variable wants. Says what it wants."""


@dataclass(frozen=True, slots=True)
class Columns:
    """How columns become passes. ``given``: values for what has no column; ``columns``: name → its column; ``types``:
    the variables of each template. ``to_map``, ``to_give``: how the caller says so, for a column and for all rows.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    to_map: str = "--map {}=COLUMN"
    to_give: str = "--type TYPE"

    def column(self, name: str) -> str:
        return self.columns.get(name, name)


@dataclass
class Source:
    """A file of passes. ``open``: from its beginning; ``unused``: columns that fill nothing, known once it was read."""

    open: Callable[[], IO[bytes]]
    how: Columns
    kind: str
    unused: set[str] = field(default_factory=set)

    def rows(self) -> Iterator[Row]:
        """From the beginning, each time. Raises ``BadHeader`` before the first."""
        with self.open() as file:
            yield from _csv(file, self) if self.kind == "csv" else _ndjson(file, self)


def kind_of(name: str, head: bytes) -> str:
    """``csv`` or ``ndjson``: by the name, or else by the first character."""
    suffix = PurePath(name).suffix.lower()
    if suffix in (".csv", ".tsv", ".txt"):
        return "csv"
    if suffix in (".ndjson", ".jsonl"):
        return "ndjson"
    return "ndjson" if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else "csv"


# ── CSV


def _csv(file: IO[bytes], source: Source) -> Iterator[Row]:
    lines = _lines(file)
    header_text = next(lines, "").removeprefix("\ufeff")
    delimiter = max(",;\t", key=header_text.count)
    try:
        header = next(csv.reader([header_text], delimiter=delimiter), [])
    except csv.Error as error:
        raise BadHeader("the first line is not CSV", "write CSV (RFC 4180), or one JSON object a line") from error
    if not any(map(str.strip, header)):
        raise BadHeader("the file is empty, or its first line is", "the first line names the columns")
    _check_header(header, source)
    reader = csv.reader(lines, delimiter=delimiter)
    number = 1  # as spreadsheets count: the header is the first
    while True:
        number += 1
        before = file.tell()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(number, {}, Wrong("", f"cannot be read: {error}", "write it as CSV (RFC 4180)"), at=before)
            continue
        if cells:  # an empty line counts, as in a spreadsheet, and holds nothing
            yield _csv_row(number, cells, header, source, file.tell(), file.tell() - before)


def _lines(file: IO[bytes]) -> Iterator[str]:
    while line := file.readline(LONGEST):
        yield line.decode("utf-8", "surrogateescape")


def _check_header(header: list[str], source: Source) -> None:
    if not _is_text("".join(header)):
        raise BadHeader("the header is not UTF-8", "save the file as UTF-8")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise BadHeader(f"the header names {', '.join(twice)} twice", "give each column a name of its own")
    how = source.how
    missing = [f"{name}={column}" for name, column in how.columns.items() if column not in header]
    if missing:
        raise BadHeader(f"there is no such column: {', '.join(missing)}", f"the header names {', '.join(header)}")
    for name in ("serial", "pass_type", "template"):
        if how.column(name) not in header and name not in how.given and name != "template":
            option = how.to_give if name == "pass_type" else how.to_map.format("serial")
            raise BadHeader(f"there is no column {name}", f"name it: {option}; the header names {', '.join(header)}")


def _csv_row(number: int, cells: list[str], header: list[str], source: Source, at: int, size: int) -> Row:
    if len(cells) != len(header):
        wrong = Wrong("", f"has {len(cells)} cells, and the header {len(header)}", "quote cells that hold a delimiter")
        return Row(number, {}, wrong, size, at)
    broken = [name for name, cell in zip(header, cells, strict=True) if not _is_text(cell)]
    if broken:
        return Row(number, {}, Wrong(broken[0], "is not UTF-8", "save the file as UTF-8"), size, at)
    how, record = source.how, dict(zip(header, cells, strict=True))
    body: dict[str, Any] = dict(how.given)
    columns: dict[str, str] = {}
    used: set[str] = set()
    for name in OWN:
        column = how.column(name)
        if column in record:
            used.add(column)
            columns[f"/{name}"] = column
            if record[column] != "":
                body[name] = record[column]
    types = how.types.get(str(body.get("template", "")), {})
    data: dict[str, Any] = {}
    for name, kind in types.items():
        column = how.column(name)
        if column not in record or (column in used and name not in how.columns):
            continue
        used.add(column)
        columns[f"/data/{name}"] = column
        try:
            if record[column] != "":
                data[name] = _converted(record[column], kind)
        except CannotConvert as error:
            wrong = Wrong(column, f"{record[column][:60]!r} is not {error}", f"write {error}, or leave the cell empty")
            return Row(number, body, wrong, size, at)
    source.unused |= record.keys() - used
    return Row(number, {**body, "data": data}, None, size + 200, at, columns)


def _is_text(cell: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in cell) and "\0" not in cell


def _converted(text: str, kind: str) -> object:
    if kind in ("number", "integer"):
        try:
            found = json.loads(text.strip())
        except ValueError:
            found = None
        if isinstance(found, bool) or not isinstance(found, int | float) or (kind == "integer" and found % 1):
            raise CannotConvert("a whole number" if kind == "integer" else "a number, as in 12.5")
        return found
    if kind == "boolean":
        word = text.strip().lower()
        if word not in _TRUE | _FALSE:
            raise CannotConvert("true or false")
        return word in _TRUE
    return text


# ── NDJSON


def _ndjson(file: IO[bytes], source: Source) -> Iterator[Row]:
    number = 0
    while line := file.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST)
            yield Row(
                number, {}, Wrong("", "is longer than a megabyte", "images belong in the template"), at=file.tell()
            )
        elif line.strip():
            yield _ndjson_row(number, line, source, file.tell())


def _ndjson_row(number: int, line: bytes, source: Source, at: int) -> Row:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Row(number, {}, Wrong("", f"is not JSON: {error}", "write one object a line"), len(line), at)
    if not isinstance(record, dict):
        return Row(number, {}, Wrong("", "is no object", "write one object a line"), len(line), at)
    how, used = source.how, set(OBJECTS)
    body: dict[str, Any] = dict(how.given)
    columns: dict[str, str] = {}
    for name in OWN:
        column = how.column(name)
        used.add(column)
        columns[f"/{name}"] = column
        if record.get(column) is not None:
            body[name] = record[column]
    data = dict(record["data"]) if isinstance(record.get("data"), dict) else {}
    for name in how.types.get(str(body.get("template", "")), {}):
        column = how.column(name)
        if column in record and (column not in used or name in how.columns):
            used.add(column)
            columns[f"/data/{name}"] = column
            data[name] = record[column]
    source.unused |= record.keys() - used
    kept = {name: record[name] for name in OBJECTS if record.get(name) is not None}
    missing = next((name for name in ("pass_type", "serial") if not isinstance(body.get(name), str)), None)
    if missing:
        return Row(
            number,
            body,
            Wrong(how.column(missing), "is missing", f"{how.to_map.format(missing)} names it"),
            len(line),
            at,
        )
    return Row(number, {**body, **kept, "data": data}, None, len(line) + 100, at, columns)
