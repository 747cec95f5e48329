"""``livepass import list``, ``show`` and ``cancel``: imports over the API, which the service works off by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from livepass.cli.faults import Exit
from livepass.cli.render import Cell, Column, Page, bad, dim, good, instant, text_of, warn
from livepass.cli.root import Verb
from livepass.cli.session import Session, run

Row = Mapping[str, Any]
COUNTED = ("made", "changed", "unchanged", "refused", "failed")


@click.command("list", cls=Verb)
@click.option("--limit", default=50, type=click.IntRange(1, 10_000), help="How many at most (default 50).")
@click.pass_obj
def list_(session: Session, limit: int) -> None:
    """Imports over the API, newest first: those under way, and those that ended within a week."""

    async def work() -> list[dict[str, Any]]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return await client.rows("/imports", limit=limit)

    columns: list[Column] = [
        *(("ID", "id"), ("SINCE", lambda row: instant(row["created_at"])), ("ROWS", "rows")),
        *((name.upper(), name) for name in (*COUNTED, "waiting")),
        ("", _state),
    ]
    session.out.rows(run(work()), columns, "no imports over the API: livepass help import-passes-over-the-api")


@click.command(cls=Verb)
@click.argument("id_", metavar="ID")
@click.option("--limit", default=20, type=click.IntRange(1, 100_000), help="How many errors at most (default 20).")
@click.pass_obj
def show(session: Session, id_: str, limit: int) -> None:
    """How far an import over the API is, and what was wrong with its rows. Exit 1 when a row was refused or failed."""

    async def work() -> dict[str, Any]:
        from livepass.cli.client import address, connected

        async with connected(session) as client:
            found: dict[str, Any] = await client.get(address("imports", id_))
            return {**found, "errors": await client.rows(address("imports", id_, "errors"), limit=limit)}

    found = run(work())
    session.out.show(found, lambda page: _draw(page, found, limit))
    if found["refused"] or found["failed"]:
        raise click.exceptions.Exit(Exit.PROBLEM)


@click.command(cls=Verb)
@click.argument("id_", metavar="ID")
@click.pass_obj
def cancel(session: Session, id_: str) -> None:
    """End an import over the API: rows that wait are dropped, passes that are made stay."""

    async def work() -> Any:
        from livepass.cli.client import address, connected

        async with connected(session) as client:
            await client.request("DELETE", address("imports", id_))
            return await client.get(address("imports", id_))

    found = run(work())
    what = "is cancelled" if found["state"] == "cancelled" else "was over before"
    stay = f"passes that it made or changed stay: {found['made'] + found['changed']:,}"
    left = "it was a dry run" if found["dry_run"] else stay
    session.out.show(found, lambda page: page.line(good(f"{id_} {what}; {left}")))


def _draw(page: Page, found: Row, limit: int) -> None:
    page.line(found["id"], _state(found))
    page.facts(
        ("rows", text_of(found["rows"])),
        *((name, text_of(found[name])) for name in (*COUNTED, "waiting")),
        ("since", instant(found["created_at"])),
        ("worked on last", instant(found["turn_at"])),
        ("over", instant(found["ended_at"])),
        ("kept until", instant(found["kept_until"])),
    )
    if found["dry_run"]:
        page.line(dim("a dry run: this is what would change"))
    if found["unused_columns"]:
        page.line(warn(f"these columns fill nothing: {text_of(found['unused_columns'])}"))
    for error in found["errors"]:
        place = " ".join(filter(None, (f"row {error['row']}", error["serial"], error["column"])))
        page.line(bad(f"{place}: {error['problem']}"))
        if error["what_to_do"]:
            page.line(dim(f"    {error['what_to_do']}"))
    if len(found["errors"]) == limit:
        page.line(dim("there may be more: --limit N"))


def _state(row: Row) -> Cell:
    if row["next_try_at"]:
        return warn(f"failed {row['tries_in_vain']} times; next try {instant(row['next_try_at'])}")
    match row["state"]:
        case "finished":
            return warn("over; not all rows went through") if row["refused"] or row["failed"] else good("over")
        case "cancelled":
            return warn("cancelled")
        case "waiting":
            return dim("waits for a worker")
    return dim("under way")
