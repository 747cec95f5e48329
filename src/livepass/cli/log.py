"""``livepass log``: what phones complain about."""

from __future__ import annotations

from typing import Any

import click

from livepass.cli.faults import Exit
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
@click.argument("text")
@click.pass_obj
def explain(session: Session, text: str) -> None:
    """What one line of a phone's log means; needs no service. Exit 1 for a sentence nobody knows."""
    from livepass.core.testimony import read_line

    read = read_line(text)
    facts = {
        "code": read.code,
        "meaning": read.meaning,
        "about": read.trip.value,
        "level": read.level,
        "pass_type": read.pass_type,
        "serial": read.serial,
        "device_id": read.device_id,
        "url": read.url,
        "shape": read.shape,
    }

    def draw(page: Page) -> None:
        page.line(read.meaning)
        page.facts(
            ("code", read.code),
            ("about", read.trip.value),
            *((name, value) for name, value in facts.items() if name in _NAMED and isinstance(value, str)),
        )

    session.out.show(facts, draw)
    if read.code == "?":
        raise click.exceptions.Exit(Exit.PROBLEM)


_NAMED = ("level", "pass_type", "serial", "device_id", "url")
