"""The parts of imports by themselves: pages of another database, progress, and errors in a spreadsheet."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import engines
from livepass.cli import progress
from livepass.cli.foreign import PAGE, foreign
from livepass.cli.import_django import PASSES, PHONES
from livepass.cli.import_state import State
from livepass.cli.import_tokens import shared
from livepass.cli.importing import Import
from livepass.cli.session import Session
from livepass.service.import_rows import Row, Wrong

TABLES = (
    "CREATE TABLE django_walletpass_pass (id INTEGER PRIMARY KEY, pass_type_identifier TEXT, serial_number TEXT,"
    " authentication_token TEXT, data TEXT)",
    "CREATE TABLE django_walletpass_registration (id INTEGER PRIMARY KEY, device_library_identifier TEXT,"
    " push_token TEXT, pazz_id INTEGER)",
)


def test_another_database_is_read_page_by_page_and_never_written(tmp_path: Path, engine: str) -> None:
    url = engines.new_database(tmp_path / "theirs.db")
    for statement in TABLES:
        engines.run(url, statement)
    count = 2 * PAGE + 3
    values = ",".join(f"({n}, 't', 's{n}', 'k{n}', 'f')" for n in range(count))
    engines.run(url, f"INSERT INTO django_walletpass_pass VALUES {values}")
    engines.run(url, "INSERT INTO django_walletpass_registration VALUES (1, 'd', 'aa', 7)")
    with foreign(url) as theirs:
        assert [row[2] for row in theirs.pages(PASSES)] == [f"s{n}" for n in range(count)]
        assert [tuple(row) for row in theirs.pages(PHONES)] == [(1, "t", "s7", "d", "aa")]
        with pytest.raises(theirs.errors):
            list(theirs.pages("INSERT INTO django_walletpass_registration VALUES (2, 'd', 'aa', 7)"))


async def taken(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [{"ok": True, "created": True, "changed": True} for _ in rows]


def test_progress_is_a_line_now_and_then_and_a_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [Row(number, {}, at=number) for number in range(1, 2501)]
    monkeypatch.setattr(progress, "SAY_SECONDS", 0.0)
    asyncio.run(Import(Session(), State(None, ""), None, 2500).run(iter(rows), taken))
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" rows")[0].split()[-1] for line in lines] == ["1,000", "2,000", "2,500"]
    assert lines[-1].startswith("[########################] 100%")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    asyncio.run(Import(Session(), State(None, ""), None, 2500).run(iter(rows), taken))
    assert capsys.readouterr().err.count("\n") == 0
    monkeypatch.setattr(progress, "SAY_SECONDS", 1e9)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    asyncio.run(Import(Session(), State(None, ""), None, 2500).run(iter(rows), taken))
    assert capsys.readouterr().err == ""


def test_what_stands_in_an_error_is_no_formula(tmp_path: Path) -> None:
    row = Row(2, {"serial": "=HYPERLINK(1)"}, Wrong("+col", "@sum", "mend it"))
    asyncio.run(Import(Session(), State(None, ""), tmp_path / "e.csv").run(iter([row]), taken))
    with (tmp_path / "e.csv").open(newline="") as file:
        [_, found] = csv.reader(file)
    assert found == ["2", "", "'=HYPERLINK(1)", "'+col", "'@sum", "mend it"]


def test_a_pass_that_comes_twice_shares_its_token_with_nobody() -> None:
    with shared() as tokens:
        tokens.note([("a", "p1"), ("a", "p1"), ("b", "p2"), ("b", "p3"), ("b", "p2")])
        assert ["a" in tokens, "b" in tokens, "c" in tokens] == [False, True, False]
