"""The page of findings says what the catalogue says, and names only commands that exist."""

from __future__ import annotations

import re

import click
import pytest

from findings_page import PAGE, page
from livepass.cli.root import COMMANDS, root
from livepass.core.findings import FINDINGS, Finding


def test_the_page_is_the_catalogue() -> None:
    assert PAGE.read_text("utf-8") == page(), "python tests/findings_page.py"


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
