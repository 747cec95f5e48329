"""What goes to the terminal: one renderer for people, one for programs.

With ``--json``: one object, or one object a line, on stdout and nothing else there. For people: lines, facts and
tables; through rich when stdout is a terminal, as plain text otherwise. Everything shown is stripped of control
characters first, because serials, log lines and titles may come from strangers.
"""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any

from livepass.cli.faults import Fault

ASCII = {"✓": "ok", "✗": "x", "·": "-", "→": "->", "…": "...", "“": '"', "”": '"', "’": "'", "–": "-", "—": "-"}
"""What stands for a character where the terminal has none."""

STYLES = {"good": "green", "bad": "bold red", "warn": "yellow", "dim": "dim", "name": "bold"}

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class Mark:
    """Text with a meaning: ``good``, ``bad``, ``warn``, ``dim`` or ``name``."""

    text: str
    style: str


Cell = str | Mark
Column = tuple[str, str | Callable[[Mapping[str, Any]], Cell]]
"""A table's column: its title, and the key of a row or how to say it."""


def good(text: str = "") -> Mark:
    return Mark(f"✓ {text}".rstrip(), "good")


def bad(text: str = "") -> Mark:
    return Mark(f"✗ {text}".rstrip(), "bad")


def warn(text: str) -> Mark:
    return Mark(f"! {text}", "warn")


def dim(text: str) -> Mark:
    return Mark(text, "dim")


@dataclass(slots=True)
class Page:
    """What is to be shown to a person, in order."""

    blocks: list[tuple[str, list[list[Cell]]]] = field(default_factory=list)

    def line(self, *cells: Cell) -> None:
        """One line; its cells are joined by spaces."""
        self.blocks.append(("line", [list(cells)]))

    def facts(self, *pairs: tuple[str, Cell | None]) -> None:
        """Names and values below each other. A value of ``None`` leaves its line out."""
        self.blocks.append(("facts", [[dim(name), value] for name, value in pairs if value is not None]))

    def table(self, columns: Sequence[Column], rows: Iterable[Mapping[str, Any]], nothing: str = "none") -> None:
        """Rows under titles; ``nothing`` is shown instead of an empty table."""
        cells = [[_cell(row, column[1]) for column in columns] for row in rows]
        if not cells:
            self.line(dim(nothing))
            return
        self.blocks.append(("table", [[dim(column[0]) for column in columns], *cells]))


class Output:
    """Stdout and stderr of one command."""

    def __init__(self, *, as_json: bool = False, plain: bool = False) -> None:
        self.as_json = as_json
        self.plain = plain

    def show(self, document: Mapping[str, Any], draw: Callable[[Page], None]) -> None:
        """One object, or what ``draw`` makes of it."""
        if self.as_json:
            _write(sys.stdout, to_json(document))
        else:
            self.draw(draw)

    def rows(self, items: Sequence[Mapping[str, Any]], columns: Sequence[Column], nothing: str = "none") -> None:
        """One object a line, or a table."""
        if self.as_json:
            for item in items:
                _write(sys.stdout, to_json(item))
        else:
            self.draw(lambda page: page.table(columns, items, nothing))

    def draw(self, draw: Callable[[Page], None]) -> None:
        """For people only: nothing with ``--json``."""
        if self.as_json:
            return
        page = Page()
        draw(page)
        if sys.stdout.isatty() and not self.plain:
            _draw_rich(page)
        else:
            for kind, cells in page.blocks:
                for text in _plain_lines(kind, cells):
                    _write(sys.stdout, text)

    def text(self, text: str) -> None:
        """Some lines, as they are; nothing with ``--json``."""
        if not self.as_json:
            _write(sys.stdout, clean(text.rstrip("\n")))

    def note(self, text: str) -> None:
        """A remark beside the result, on stderr; nothing with ``--json``."""
        if not self.as_json:
            _write(sys.stderr, clean(text))

    def fault(self, fault: Fault) -> None:
        """What was wrong, where, and the next command."""
        if self.as_json:
            _write(sys.stderr, to_json(fault.as_json()))
            return
        _write(sys.stderr, clean(f"livepass: {fault.title}"))
        for each in fault.where:
            place = f"{each.pointer}: " if each.pointer else ""
            remedy = f" ({each.remedy})" if each.remedy else ""
            _write(sys.stderr, clean(f"  {place}{each.message}{remedy}"))
        if fault.hint:
            _write(sys.stderr, clean(f"hint: {fault.hint}"))


def to_json(document: Mapping[str, Any]) -> str:
    """One line of JSON, in which nothing can steer a terminal."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(document, ensure_ascii=False, default=str))


def clean(text: str) -> str:
    """The text without what could steer a terminal or turn its lines around."""
    return _UNSAFE.sub("\ufffd", text)


def instant(value: object) -> str:
    """An RFC 3339 time, or milliseconds since the epoch, to the second, in UTC; ``-`` for none."""
    if value is None or value == "":
        return "-"
    if isinstance(value, int | float):
        return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%d %H:%M:%SZ}"
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def text_of(value: object) -> str:
    """Any JSON value on one line, as people read it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(text_of(each) for each in value) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{key}={text_of(each)}" for key, each in value.items()) or "-"
    return str(value)


def _cell(row: Mapping[str, Any], what: str | Callable[[Mapping[str, Any]], Cell]) -> Cell:
    return text_of(row.get(what)) if isinstance(what, str) else what(row)


# ── plain text


def _plain_lines(kind: str, cells: list[list[Cell]]) -> list[str]:
    texts = [[_one_line(cell) for cell in row] for row in cells]
    if kind == "line":
        return [" ".join(text for text in row if text) for row in texts]
    widths = [max(map(_width, column)) for column in zip(*texts, strict=True)]
    lead = "  " if kind == "facts" else ""
    return [
        lead + "  ".join(text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in texts
    ]


def _text(cell: Cell) -> str:
    return clean(cell.text if isinstance(cell, Mark) else cell)


def _one_line(cell: Cell) -> str:
    return " ".join(_text(cell).splitlines())


def _width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def _write(stream: IO[str], text: str) -> None:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        text = "".join(ASCII.get(each, each) for each in text).encode("ascii", "backslashreplace").decode()
    stream.write(text + "\n")
    stream.flush()


# ── rich


def _draw_rich(page: Page) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False, emoji=False, no_color=bool(os.environ.get("NO_COLOR")) or None)

    def styled(cell: Cell) -> Text:
        text = _one_line(cell)
        if (console.encoding or "utf-8").lower().replace("-", "") != "utf8":
            text = "".join(ASCII.get(each, each) for each in text)
        return Text(text, style=STYLES.get(cell.style, "") if isinstance(cell, Mark) else "")

    for kind, cells in page.blocks:
        if kind == "line":
            console.print(Text(" ").join(styled(cell) for cell in cells[0]))
            continue
        table = Table(box=None, show_header=False, pad_edge=kind == "facts", padding=(0, 2, 0, 0))
        for _ in cells[0]:
            table.add_column(overflow="fold")
        for row in cells:
            table.add_row(*map(styled, row))
        console.print(table)
