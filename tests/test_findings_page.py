"""Each finding has a page whose head says what the catalogue says, and where somebody explained it; commands exist."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import click
import pytest

import made_pages
from findings_page import catalogue, sure
from livepass.cli.root import COMMANDS, root
from livepass.core.findings import FINDINGS, Finding
from made_pages import MARK, Catalogue


def test_every_finding_is_explained() -> None:
    assert list(catalogue().wrong()) == []


def test_the_runbook_leads_on_from_every_finding() -> None:
    text = (made_pages.REFERENCE.parent / "runbooks" / "my-pass-stopped-updating.md").read_text("utf-8")
    missing = {finding.code for finding in FINDINGS} - set(re.findall(r"findings/(LP\d{3})\.md", text))
    assert not missing, f"its table says of {sorted(missing)} neither what it means nor what to do next"


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.code)
def test_what_is_to_be_typed_exists(finding: Finding) -> None:
    context = click.Context(root)
    for noun, verb in re.findall(r"\blivepass ([a-z]+)(?: ([a-z]+)\b)?", finding.remedy):
        if noun not in COMMANDS:
            assert noun == "unchanged", noun  # "through to livepass unchanged"
            continue
        command = root.get_command(context, noun)
        if isinstance(command, click.Group):
            assert verb in command.list_commands(context), (noun, verb)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("LP000", "certain or likely"),
        ("LP002", "certain"),
        ("LP103", "possible"),
        ("LP105", "certain or likely"),
        ("LP303", "certain, likely or possible"),
        ("LP351", "likely or possible"),
        ("LP501", "certain"),
    ],
)
def test_how_sure_a_finding_can_be_is_read_off_its_rule(code: str, said: str) -> None:
    assert sure(code) == said


# ── what is wrong with a page is seen


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """Two pages, both well."""
    monkeypatch.setattr(made_pages, "REFERENCE", tmp_path)
    made = Catalogue("things", "tests/things.py", "# Things\n", {"A1": "# A1\n", "B2": "# B2\n"}, ("Why",), 120)
    made.write()
    for name in made.heads:
        with made.page(name).open("a") as page:
            page.write("## Why\n\n" + "because " * 120)
    assert list(made.wrong()) == []
    return made


def test_a_page_is_made_for_a_row_and_waits_for_words(pages: Catalogue) -> None:
    more = replace(pages, heads={**pages.heads, "C3": "# C3\n"})
    assert list(more.wrong()) == ["C3 has no page: python tests/things.py, then write below its mark"]
    more.write()
    assert list(more.wrong()) == ["C3.md explains nothing: write Why below its mark"]


def test_what_was_written_by_hand_stays(pages: Catalogue) -> None:
    before = pages.page("A1").read_text()
    newer = replace(pages, heads={**pages.heads, "A1": "# A1 renamed\n"}, index="# Other things\n")
    assert list(newer.wrong()) == [
        "things.md is not the catalogue any more: python tests/things.py",
        "the head of A1.md is not the catalogue any more: python tests/things.py",
    ]
    newer.write()
    assert list(newer.wrong()) == []
    assert newer.page("A1").read_text() == before.replace("# A1\n", "# A1 renamed\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"# A1\n\n{MARK}\n## Why\n\nbecause\n", "A1.md explains in 1 words, not in 120 to 300"),
        (f"# A1\n\n{MARK}\n## How\n\n{'so ' * 120}\n", "A1.md has the sections ['How'], not ['Why']"),
        ("# A1\n", "the head of A1.md is not the catalogue any more: python tests/things.py"),
    ],
)
def test_a_page_that_was_not_written_well(pages: Catalogue, text: str, said: str) -> None:
    pages.page("A1").write_text(text)
    assert said in list(pages.wrong())


def test_a_page_about_nothing(pages: Catalogue) -> None:
    fewer = replace(pages, heads={"A1": "# A1\n"})
    assert list(fewer.wrong()) == ["B2.md is about nothing in the catalogue: delete it, or put its row back"]
