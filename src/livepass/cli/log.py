"""``livepass log``: what phones complain about."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import click

from livepass.cli.faults import Exit, usage
from livepass.cli.render import Column, Page, dim, instant
from livepass.cli.root import noun
from livepass.cli.session import Session, run


@noun("log")
def log() -> None:
    """What phones complain about."""


@log.command("list")
@click.option("--type", "pass_type", metavar="TYPE", help="Only of this pass type.")
@click.option("--limit", type=click.IntRange(1), default=100, help="At most so many (default 100).")
@click.pass_obj
def list_(session: Session, pass_type: str | None, limit: int) -> None:
    """The lines that phones posted, with what they mean."""

    async def work() -> list[dict[str, Any]]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return await client.rows("/device-logs", limit=limit, pass_type=pass_type)

    columns: list[Column] = [
        ("AT", lambda row: dim(instant(row.get("at")))),
        ("CODE", "code"),
        ("ABOUT", "about"),
        ("PASS", lambda row: f"{row.get('pass_type')}/{row.get('serial') or '-'}"),
        ("MEANING", "meaning"),
    ]
    session.out.rows(run(work()), columns, "no phone has complained")


@log.command()
@click.argument("text", required=False, metavar="[LINE]")
@click.pass_obj
def explain(session: Session, text: str | None) -> None:
    """What lines of a phone's log mean; needs no service. Exit 1 for a sentence nobody knows.

    Without LINE, or with -, they come from stdin: one a line, or the body of a log call.
    """
    lines = _lines(text)
    if not lines:
        raise usage("there is no line to explain", 'livepass log explain "LINE", or lines on stdin')
    found = [_explained(line) for line in lines]
    for one in found:
        session.out.show(one, partial(_draw, one=one, several=len(found) > 1))
    if any(one["code"] == "?" for one in found):
        raise click.exceptions.Exit(Exit.PROBLEM)


def _lines(text: str | None) -> list[str]:
    """What is to be explained: the argument, or all of stdin; a log call's own JSON is taken apart."""
    from livepass.core.testimony import lines_of

    if text in (None, "-"):
        data = b"" if text is None and sys.stdin.isatty() else sys.stdin.buffer.read()
    else:
        data = str(text).encode("utf-8", "surrogateescape")
    return [*lines_of(data)] or [line for line in data.decode("utf-8", "replace").splitlines() if line.strip()]


def _explained(line: str) -> dict[str, Any]:
    """A line, read. What it quotes may be a credential, so of the line itself only its shape is shown."""
    from livepass import manual
    from livepass.core import testimony
    from livepass.core.why import leads_to

    read = testimony.read_line(line)
    begins = _BEGINS.search(line)
    if read.code == "?" and begins:  # copied out of another log, with something before it
        read = testimony.read_line(line[begins.start() :])
    return {
        "code": read.code,
        "meaning": read.meaning,
        "about": read.trip.value,
        "level": read.level,
        "task": read.task,
        "status": read.status,
        "pass_type": read.pass_type,
        "serial": read.serial,
        "device_id": read.device_id,
        "url": read.url,
        "shape": read.shape,
        "finding": leads_to(read.code, read.trip, read.status, read.task),
        "docs": manual.of_sentence(read.code),
    }


_BEGINS = re.compile(r"(?:Register|Unregister|Get serial #s|Get pass|Personalize pass) task \(|Web service error for ")


def _draw(page: Page, one: Mapping[str, Any], several: bool) -> None:
    known = one["code"] != "?"
    name = f"{one['pass_type']}/{one['serial']}" if one["pass_type"] and one["serial"] else "TYPE/SERIAL"
    if several:
        page.line(dim(one["shape"]))
    page.line(one["meaning"])
    page.facts(
        ("code", one["code"]),
        ("about", one["about"]),
        *((key, one[key]) for key in ("level", "task", "pass_type", "serial", "device_id", "url") if one[key]),
        ("why", f"{one['finding']}, while that lasts: livepass why {name}" if one["finding"] else None),
        ("shape", None if known else one["shape"]),
        ("do", None if known else _what_to_do(one, name)),
        ("read", f"livepass help {one['code'] if known else 'device-log'}"),
    )


def _what_to_do(one: Mapping[str, Any], name: str) -> str:
    """With a sentence that nobody knows."""
    if one["level"] == "warning":
        return "see what Wallet may not like in the pass: livepass pass lint FILE.pkpass"
    if one["task"] or one["url"]:
        return f"see what reached the service at that time: livepass pass timeline {name}"
    return "give the whole line: phones' lines name a task (“Get pass task (…”) or begin with “Web service error for”"
