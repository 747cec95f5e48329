"""What README and docs tell people to type exists: every command, every option, and no more arguments than it takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import click
import pytest

from livepass.cli.root import root
from livepass.pytest_plugin import OPTIONS as PYTEST_OPTIONS

TOP = Path(__file__).parents[2]
PAGES = sorted([*TOP.glob("*.md"), *TOP.glob("docs/**/*.md")])
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"^ *\$ (.+)$", re.MULTILINE)
SPAN = re.compile(r"`((?:[^`\n]|\n(?!\n))+)`")
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
BETWEEN = {"|", "||", "&&", ";", ">", ">>", "<"}


def typed(text: str) -> Iterator[str]:
    """What follows a prompt, and what stands in the running text as code."""
    for block in FENCE.findall(text):
        yield from PROMPT.findall(block)
    yield from SPAN.findall(FENCE.sub("", text))


def commands(line: str) -> Iterator[list[str]]:
    """The words after ``livepass``, of each time that a line calls it."""
    try:
        words = list(shlex.shlex(line, posix=True, punctuation_chars=True))
        words = shlex.split(line, comments=True) if not BETWEEN & set(words) else words
    except ValueError:
        return  # half a quotation: no command
    for apart, group in groupby(words, BETWEEN.__contains__):
        call = list(group)
        if not apart and call[0] == "livepass":
            yield call[1:]


def wrong(words: list[str]) -> str:
    """What is wrong with a call of ``livepass``; ``""``: nothing."""
    context = click.Context(root, info_name="livepass")
    command: click.Command = root
    given = 0
    rest = iter(words)
    for word in rest:
        options = {
            name: each
            for each in command.get_params(context)
            if isinstance(each, click.Option)
            for name in [*each.opts, *each.secondary_opts]
        }
        if word.startswith("-") and word != "-":
            name, equals, _ = word.partition("=")
            if name not in options:
                return f"{context.command_path} has no option {name}"
            if not (options[name].is_flag or options[name].count or equals):
                next(rest, None)
        elif isinstance(command, click.Group):
            found = command.get_command(context, word)
            if found is None:
                return f"{context.command_path} has no command {word}"
            command, context = found, click.Context(found, info_name=word, parent=context)
        else:
            given += 1
            takes = [each.nargs for each in command.params if isinstance(each, click.Argument)]
            if -1 not in takes and given > sum(takes):
                return f"{context.command_path} takes {sum(takes)} arguments"
    return ""


def all_options(command: click.Command, context: click.Context) -> Iterator[str]:
    for each in command.get_params(context):
        yield from each.opts if isinstance(each, click.Option) else ()
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from all_options(below, click.Context(below, info_name=name, parent=context))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_what_a_page_says_to_type_exists(page: Path) -> None:
    found = [wrong(words) for line in typed(page.read_text()) for words in commands(line)]
    assert [each for each in found if each] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_what_a_page_links_to_is_there(page: Path) -> None:
    targets = {target for _, target in LINK.findall(FENCE.sub("", page.read_text())) if ":" not in target}
    assert [target for target in targets if not (page.parent / target.partition("#")[0]).exists()] == []


def test_options_that_are_named_alone_exist() -> None:
    known = {*all_options(root, click.Context(root)), *(name for name, _ in PYTEST_OPTIONS)}
    text = "\n".join(FENCE.sub("", page.read_text()) for page in PAGES)
    named = {span.split()[0].partition("=")[0] for span in SPAN.findall(text) if re.match("--[a-z]", span)}
    assert len(named) >= 5 and named <= known, named - known


def test_there_is_something_to_look_at() -> None:
    """Fails when a page is written in a way that nothing is found in."""
    calls = [words for page in PAGES for line in typed(page.read_text()) for words in commands(line)]
    assert len(calls) > 40
    assert ["pass", "batch", "-"] in calls and ["db", "recover", "--since", "2026-11-24T02:00Z"] in calls


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("livepass db recover --since 2026-11-24T02:00Z   # only from then on", ""),
        ("livepass backup - | age -r KEY > /backups/a.age", ""),
        ("make | livepass pass batch - --push none", ""),
        ("livepass init gym && cd gym", ""),
        ("livepass db recovr", "livepass db has no command recovr"),
        ("livepass db recover --until now", "livepass db recover has no option --until"),
        ("true && livepass restore a.zip b.zip", "livepass restore takes 1 arguments"),
        ("livepass: shared key tags-1: sealed with", None),
        ("livepass.toml", None),
    ],
)
def test_what_is_wrong_is_seen(line: str, expected: str | None) -> None:
    [*found] = [wrong(words) for words in commands(line)]
    assert found == ([] if expected is None else [expected])


def test_a_command_may_go_on_in_the_next_line() -> None:
    assert [*typed("See `livepass pass\ntimeline NAME`, and a ` alone.\n\nThen `livepass why`.")] == [
        "livepass pass\ntimeline NAME",
        "livepass why",
    ]
