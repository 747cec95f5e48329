"""``livepass help``: the pages that ship with livepass."""

from __future__ import annotations

import sys

import click

from livepass.cli.faults import Exit, Fault, usage
from livepass.cli.render import Page, dim
from livepass.cli.root import COMMANDS, Verb, root
from livepass.cli.session import Session
from livepass.manual import Entry, Manual


@click.command(cls=Verb)
@click.argument("words", nargs=-1, metavar="[TOPIC]")
@click.pass_context
def help_(context: click.Context, words: tuple[str, ...]) -> None:
    """What a finding, a line of a phone's log, a page or a command says.

    TOPIC is a finding (LP303), a sentence of a phone's log (S5), a check of the doctor (NET2), or the name of a page
    (findings). Without one: all topics. Needs no service.
    """
    session = context.ensure_object(Session)
    manual = Manual()
    if words and words[0] in COMMANDS:
        click.echo(_help_of(words))
        return
    if not manual.entries:
        raise Fault("no pages came with this installation", Exit.UNCHECKED, hint="pip install livepass brings them")
    if not words:
        _show_topics(session, manual)
        return
    topic = " ".join(words)
    entry = manual.find(topic)
    if entry is None:
        near = manual.near(topic)
        raise usage(f"there is no page about {topic}", f"did you mean {near}?" if near else "livepass help lists them")
    _show(session, entry)


def _help_of(words: tuple[str, ...]) -> str:
    """What ``livepass WORDS --help`` says, as far as the words name commands."""
    command: click.Command = root
    context = click.Context(root, info_name="livepass", **root.context_settings)
    for word in words:
        found = command.get_command(context, word) if isinstance(command, click.Group) else None
        if found is None:
            raise usage(f"{context.command_path} has no command {word!r}", f"{context.command_path} --help")
        command, context = found, click.Context(found, info_name=word, parent=context)
    return command.get_help(context)


def _show_topics(session: Session, manual: Manual) -> None:
    if session.as_json:
        rows = [{"topic": entry.topic, "title": entry.title(), "path": entry.address} for entry in manual.entries]
        session.out.rows(rows, [])
        return

    def draw(page: Page) -> None:
        for folder, entries in manual.sections():
            page.line(dim(folder or "start here"))
            page.facts(*((entry.topic, entry.title()) for entry in entries))

    session.out.draw(draw)


def _show(session: Session, entry: Entry) -> None:
    text = entry.text()
    if session.as_json:
        page = {"topic": entry.topic, "title": entry.title(), "path": entry.address, "text": text}
        session.out.show(page, lambda _: None)
    elif sys.stdout.isatty() and not session.plain:
        from rich.console import Console
        from rich.markdown import Markdown

        Console(highlight=False).print(Markdown(text, hyperlinks=False))
    else:
        session.out.text(text)
