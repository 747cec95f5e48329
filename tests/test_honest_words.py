"""What people read claims of phones no more than was seen: “registered”, “accepted by APNs”, “served”, “stopped
listening”. Words that say more need a reason, in the table below.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import click
import pytest

from livepass.cli.root import COMMANDS, root
from livepass.core.findings import FINDINGS
from livepass.core.testimony import SENTENCES
from livepass.web.issuer import OPERATIONS
from livepass.web.openapi import document
from tree_rules import PACKAGE

TOP = Path(__file__).parents[1]

CLAIM = re.compile(
    r"\b(?:(?:un|re|pre|not )?install(?:ed|s|ing)?|(?:un)?deliver(?:ed|s|y|ies|ing)?|"
    r"(?:removed|deleted) from (?:the|a|its|their|his|her) (?:phone|wallet|device)s?|"
    r"(?:phones?|devices?|holders?|wallets?) (?:has |have )?(?:received|got|saw|seen) "
    r"(?:it|the (?:push|new|newest|pass)))\b",
    re.IGNORECASE,
)

ALLOWED: Mapping[str, str] = {
    # what stands around the word → why it claims nothing of a phone
    r"(?:pip |\")install[\" ]|install livepass|driver is not installed|nothing to install": "software on this machine",
    r"helm install ": "software on a cluster",
    r"installs Apple's Wallet logging profile": "what a holder does to their phone, to collect a log",
    r"told is not delivered|(?:evidence of|proves no) delivery|delivery\s+evidence": "says that it is not known",
    r"\"Sent\", \"delivered\", \"installed\" are what one would like to know": "says that it is not known",
    r"DELETE means that the pass was removed from the phone": "a myth, which is denied below",
    r"Nothing\s+says that the phone got it|Read it as \"the holder saw it\"": "says that it is not known",
    r"^delivery$|^DELIVERY$": "a column of the emulated APNs, which knows what became of a push",
}


def claims(text: str) -> list[str]:
    """Where a text says too much, with some words around."""
    spans = [found.span() for pattern in ALLOWED for found in re.finditer(pattern, text, re.MULTILINE)]
    return [
        " ".join(text[max(0, found.start() - 50) : found.end() + 50].split())
        for found in CLAIM.finditer(text)
        if not any(start <= found.start() and found.end() <= end for start, end in spans)
    ]


# ── where people read


def of_catalogues() -> Iterator[tuple[str, str]]:
    for finding in FINDINGS:
        yield finding.code, f"{finding.name}. {finding.sentence} {finding.remedy}"
    for sentence in SENTENCES:
        yield sentence.code, sentence.meaning


def of_commands(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from of_commands(below, click.Context(below, info_name=name, parent=context))


def of_strings() -> Iterator[tuple[str, str]]:
    """Every text in the code that may be printed: all but docstrings, and but the phone that we emulate ourselves."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.is_relative_to(PACKAGE / "emulators"):
            continue
        tree = ast.parse(path.read_text("utf-8"))
        silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node.value


def of_pages() -> Iterator[tuple[str, str]]:
    names = ("README.md", "CHANGELOG.md", "SECURITY.md")
    for path in [*(TOP / name for name in names), *sorted((TOP / "docs").rglob("*.md"))]:
        if path.exists():
            yield str(path.relative_to(TOP)), path.read_text("utf-8")


def of_the_api() -> Iterator[tuple[str, str]]:
    """Every text of the OpenAPI document, descriptions above all."""
    waiting: list[tuple[str, object]] = [("", json.loads(document(OPERATIONS)))]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{where}/{name}", each) for name, each in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{where}/{place}", each) for place, each in enumerate(value)]
        else:
            yield f"openapi{where}", str(value)


SOURCES = {
    "catalogues": of_catalogues,
    "commands": lambda: of_commands(root, click.Context(root, info_name="livepass")),
    "strings": of_strings,
    "pages": of_pages,
    "api": of_the_api,
}


@cache
def texts(source: str) -> tuple[tuple[str, str], ...]:
    """(where, text) of one source."""
    return tuple(SOURCES[source]())


@pytest.mark.parametrize("source", SOURCES)
def test_it_says_no_more_than_was_seen(source: str) -> None:
    assert len(texts(source)) >= len(COMMANDS), "there is something to look at"
    found = [f"{where}: …{claim}…" for where, text in texts(source) for claim in claims(text)]
    assert found == [], "say what was seen, or add a reason to ALLOWED:\n" + "\n".join(found)


@pytest.mark.parametrize("pattern", ALLOWED)
def test_every_allowance_is_used(pattern: str) -> None:
    assert any(re.search(pattern, text, re.MULTILINE) for source in SOURCES for _, text in texts(source))


@pytest.mark.parametrize(
    ("text", "too_much"),
    [
        ("The pass is installed on 3 phones.", True),
        ("delivered to the phone", True),
        ("It was uninstalled, or undelivered.", True),
        ("taken: the pass was removed from the phone", True),
        ("The phone has received the push.", True),
        ("Accepted by APNs; the phone stopped listening.", False),
        ("the driver is not installed", False),
        ("pip install livepass; not installed", True),
    ],
)
def test_what_says_too_much_is_seen(text: str, too_much: bool) -> None:
    assert bool(claims(text)) == too_much
