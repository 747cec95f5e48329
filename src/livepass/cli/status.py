"""``livepass status``: one screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from livepass.cli.cert import SOON_DAYS, days_left, lapse, state
from livepass.cli.faults import Exit
from livepass.cli.render import Cell, Column, Page, bad, good, text_of, warn
from livepass.cli.root import Verb
from livepass.cli.session import Session, run


@click.command(cls=Verb)
@click.pass_obj
def status(session: Session) -> None:
    """One screen: passes, phones, pushes, certificates. Exit 1 when something needs a person."""

    async def work() -> tuple[dict[str, Any], list[dict[str, Any]]]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return await client.get("/stats"), await client.rows("/certificates", limit=10_000)

    stats, certificates = run(work())
    attention = list(_attention(certificates))
    document = {"stats": stats, "certificates": certificates, "attention": attention}
    session.out.show(document, lambda page: _draw(page, stats, certificates, attention))
    if attention:
        raise click.exceptions.Exit(Exit.PROBLEM)


def _draw(page: Page, stats: Mapping[str, Any], certificates: list[dict[str, Any]], attention: list[str]) -> None:
    page.facts(*_counts(stats))
    columns: list[Column] = [("PASS TYPE", "pass_type"), ("CERTIFICATE", state), ("VALID TO", lapse)]
    page.table(columns, certificates, "no certificates: livepass cert import FILE.p12 --password-file FILE")
    for text in attention:
        page.line(bad(text) if "lapsed" in text else warn(text))
    if not attention:
        page.line(good("nothing needs a person"))


def _counts(stats: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    """Every number there is, with the name of what it counts; a nested one under its group's name."""
    for name, value in stats.items():
        said = name.replace("_", " ")
        if isinstance(value, dict):
            yield from ((f"{said} {each}", text_of(count)) for each, count in value.items())
        else:
            yield said, text_of(value)


def _attention(certificates: list[dict[str, Any]]) -> Iterator[str]:
    for row in certificates:
        days = days_left(row)
        if row.get("live") and days is not None and days < SOON_DAYS:
            said = "has lapsed" if days < 0 else f"lapses in {days} days"
            yield f"the certificate of {row.get('pass_type')} {said}: livepass cert import the next one"
