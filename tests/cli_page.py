"""``docs/reference/cli.md``, made from the command tree. Written by ``python tests/cli_page.py``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from livepass.cli.root import EVERYWHERE, root
from made_pages import REFERENCE, cell

PAGE = REFERENCE / "cli.md"

HEAD = """# The command line

A noun, then a verb. `TYPE/SERIAL` names a pass. Commands work on the database of the environment (see
[configuration](../configuration.md)), or with `--url` and `--key` on a service elsewhere. Exit codes: 0 fine,
also where there was nothing to do; 1 a problem was found; 2 usage; 3 could not check; 4 refused for safety.

"""
FOOT = """
This page is made from the commands themselves: `python tests/cli_page.py` writes it, and a test compares.
"""


def page() -> str:
    context = click.Context(root, info_name="livepass")
    said = [f"Options of every command:\n\n{_table(_everywhere())}"]
    said += [_section(command, at) for command, at in _commands(root, context)]
    return HEAD + "\n".join(said) + FOOT


def _commands(group: click.Group, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Every command below, in the order of ``--help``."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if command.hidden:
            continue
        at = click.Context(command, info_name=name, parent=context)
        yield command, at
        if isinstance(command, click.Group):
            yield from _commands(command, at)


def _section(command: click.Command, at: click.Context) -> str:
    depth = "##" if at.parent is not None and at.parent.parent is None else "###"
    usage = " ".join([at.command_path, *command.collect_usage_pieces(at)])
    lines = [f"{depth} `{at.command_path}`", "", *_paragraphs(command.help or ""), f"    {usage}", ""]
    own = [record for parameter in command.get_params(at) if (record := _option(parameter, at))]
    return "\n".join([*lines, _table(own)] if own else lines)


def _paragraphs(text: str) -> Iterator[str]:
    """Help as it is laid out for a terminal, as Markdown; \\b there begins what is not to be wrapped."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        laid_out = paragraph.startswith("\b")
        said = paragraph.removeprefix("\b\n") if laid_out else " ".join(paragraph.split())
        yield from (
            "\n".join(f"    {line}" for line in said.splitlines()) if laid_out else said.replace("<", "&lt;"),
            "",
        )


def _option(parameter: click.Parameter, at: click.Context) -> tuple[str, str] | None:
    common = (parameter.name or "").startswith("everywhere_") or "--help" in parameter.opts
    if common or not isinstance(parameter, click.Option):
        return None
    return parameter.get_help_record(at)


def _everywhere() -> list[tuple[str, str]]:
    return [
        (f"{option} {more['metavar']}" if "metavar" in more else option, more["help"]) for option, _, more in EVERYWHERE
    ]


def _table(records: list[tuple[str, str]]) -> str:
    rows = "".join(f"| `{name}` | {cell(' '.join(what.split())).replace('<', '&lt;')} |\n" for name, what in records)
    return f"| option | what |\n|---|---|\n{rows}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
