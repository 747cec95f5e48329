"""``livepass pass diff``: two passes beside each other, or a pass as it is beside what it would be."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Coroutine, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from livepass.cli import subjects
from livepass.cli.events import lock_screen, short
from livepass.cli.faults import Exit, Fault, usage
from livepass.cli.preview import show_page, view_options
from livepass.cli.render import Cell, Column, Page, dim, good, text_of, warn
from livepass.cli.root import Verb
from livepass.cli.session import Session, run
from livepass.cli.subjects import Subject

if TYPE_CHECKING:
    from livepass.pkpass.difference import Change, Difference, Side
    from livepass.pkpass.notices import Notice, Say


@click.command(cls=Verb)
@click.argument("words", nargs=-1, required=True, metavar="A [B] [key=value …]")
@view_options[0]
@view_options[1]
@click.option("--html", metavar="FILE", help="Write a page: both drawn, what changed outlined; - is stdout.")
@click.option("--since", type=click.IntRange(1), metavar="N", help="TYPE/SERIAL as it was with number N, on the left.")
@click.option("--until", type=click.IntRange(1), metavar="N", help="And as it was with this number on the right.")
@click.option("--open", "open_", is_flag=True, help="Open that page in a browser.")
@click.pass_obj
def diff(
    session: Session,
    words: tuple[str, ...],
    ios: str,
    language: str,
    html: str | None,
    since: int | None,
    until: int | None,
    open_: bool,
) -> None:
    """What is different in B, and what the lock screen would say of it.

    Exit 0: nothing differs; 1: something does; 3: could not look.

    A and B are each a .pkpass file, a template's folder, or TYPE/SERIAL: the pass as the service has it. A template is
    filled with these values; beside a pass of the service with its values; and else with samples.

    With TYPE/SERIAL and values alone: the pass as it is, beside what it would be with them. Nothing is changed.

    With TYPE/SERIAL and --since N: the pass as it was with that number, beside what it is. livepass pass versions
    TYPE/SERIAL shows the numbers.
    """
    found, data = subjects.parted(words)
    named = [Subject.of(word) for word in found]
    if since is not None or until is not None:
        work = _versions(session, named, data, since, until)
        names = (f"n{since}", "now" if until is None else f"n{until}")
    else:
        pair = _pair(named, data)
        work = _sides(session, pair, data)
        names = (pair[0].word, pair[1].word if len(pair) == 2 else f"{pair[0].word} with {', '.join(data)}")
    with _could_not_look():
        before, after = run(work)
    from livepass.pkpass.difference import difference

    made = difference(before, after, _spoken())
    if html or open_:
        if html == "-" and session.as_json:
            raise usage("the page and --json both want standard output", "name a file")
        from livepass.cli import diff_page

        rows = [(each["where"], each["what"], _cell(each["before"]), _cell(each["after"])) for each in _rows(made)]
        with _could_not_look():
            show_page(diff_page.html(made, rows, (before, after), names, int(ios), language), html, open_=open_)
    if html != "-":
        session.out.show(as_json(made, *names), lambda page: _draw(page, made, *names))
    if not made.same:
        raise click.exceptions.Exit(Exit.PROBLEM)


def _spoken() -> Say:
    """How values are spelt: as they are drawn."""
    from livepass.preview.spoken import spoken

    return spoken


def _pair(found: list[Subject], data: Mapping[str, Any]) -> list[Subject]:
    """One pass of the service and values, or two subjects. Values that nothing would take are a mistake."""
    if len(found) == 1 and found[0].pass_name and data:
        return found
    if len(found) != 2:
        raise usage("diff compares two", f"name two of {subjects.KINDS}, or TYPE/SERIAL and key=value")
    if data and not any(each.folder for each in found):
        raise usage("neither of the two takes values", "only a template's folder does: leave the values out")
    return found


@contextlib.contextmanager
def _could_not_look() -> Iterator[None]:
    """1 means that two passes differ, so a pass that is not there, or a file that is none, is 3."""
    try:
        yield
    except Fault as fault:
        if fault.exit is Exit.PROBLEM:
            fault.exit = Exit.UNCHECKED
        raise


def _versions(
    session: Session, found: list[Subject], data: Mapping[str, Any], since: int | None, until: int | None
) -> Coroutine[Any, Any, tuple[Side, Side]]:
    """Two versions of one pass of the service."""
    name = found[0].pass_name if len(found) == 1 else None
    if name is None or data or since is None:
        raise usage("versions are compared of one pass of the service", "name TYPE/SERIAL alone, and --since N")

    async def work() -> tuple[Side, Side]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return await subjects.version(client, name, since), await subjects.version(client, name, until)

    return work()


async def _sides(session: Session, pair: list[Subject], data: Mapping[str, Any]) -> tuple[Side, Side]:
    async with contextlib.AsyncExitStack() as stack:
        client = None
        if any(each.pass_name for each in pair):
            from livepass.cli.client import connected

            client = await stack.enter_async_context(connected(session))
        first, second = pair[0], pair[-1]
        if client is not None and len(pair) == 1 and first.pass_name is not None:
            now = await subjects.side(client, first, {})
            return now, await subjects.would_be(client, first.pass_name, data)
        if second.folder and not first.folder:
            now = await subjects.side(client, first, data)
            return now, await subjects.like(client, second, first, now, data)
        after = await subjects.side(client, second, data)
        if first.folder and not second.folder:
            return await subjects.like(client, first, second, after, data), after
        return await subjects.side(client, first, data), after


# ── what is shown


def as_json(found: Difference, before: str, after: str) -> dict[str, Any]:
    """The shape that ``--json`` keeps."""
    told = {language: _notice(notice) for language, notice in found.notices.items()}
    return {
        "before": before,
        "after": after,
        "same": found.same,
        "fields": [
            {
                "key": each.key,
                "style": each.style,
                "state": each.state,
                "changes": {change.name: {"before": change.before, "after": change.after} for change in each.changes},
            }
            for each in found.fields
        ],
        "pass_json": _changes("pointer", found.keys),
        "files": _changes("name", found.files),
        "languages": {
            "added": [each.name for each in found.languages if each.before is None],
            "removed": [each.name for each in found.languages if each.after is None],
        },
        "texts": {language: _changes("key", changes) for language, changes in found.texts.items()},
        "renames": [{"before": old, "after": new} for old, new in found.renames],
        "notice": {**told.pop(""), "languages": told},
        "warnings": list(found.warnings),
    }


def _notice(notice: Notice) -> dict[str, Any]:
    return {"kind": notice.kind, "reason": notice.reason, "text": notice.text, "assumed": list(notice.assumed)}


def _changes(name: str, changes: tuple[Change, ...]) -> list[dict[str, Any]]:
    return [{name: each.name, "before": each.before, "after": each.after} for each in changes]


def _draw(page: Page, found: Difference, before: str, after: str) -> None:
    if found.same:
        page.line(good(f"{before} and {after}: nothing changes on a phone"))
        return
    if found.looks_same:
        page.line(warn("the same in other bytes: a phone fetches it and shows nothing new"))
        return
    columns: list[Column] = [
        ("WHERE", "where"),
        ("WHAT", "what"),
        (before, lambda row: _value(row["before"])),
        (after, lambda row: _value(row["after"])),
    ]
    page.table(columns, list(_rows(found)))
    page.facts(*lock_screen(as_json(found, before, after)["notice"]))
    for each in found.warnings:
        page.line(warn(each))


def _rows(found: Difference) -> Iterator[dict[str, Any]]:
    for field in found.fields:
        where = field.key + _STATES[field.state]
        for change in field.changes:
            yield _row(where, change)
            where = ""
    for name, changes in (("pass.json", found.keys), ("file", found.files), ("language", found.languages)):
        yield from (_row(name, change) for change in changes)
    for language, changes in found.texts.items():
        yield from (_row(f"text {language}", change) for change in changes)


_STATES = {"changed": "", "added": " (new)", "removed": " (gone)"}


def _row(where: str, change: Change) -> dict[str, Any]:
    return {"where": where, "what": change.name, "before": change.before, "after": change.after}


def _value(value: object) -> Cell:
    """A value, cut where it would break the table."""
    return dim("-") if value is None else short(_cell(value))


def _cell(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else text_of(value)
