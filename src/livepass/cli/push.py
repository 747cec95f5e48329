"""``livepass push``: pushes that are due or were sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from livepass.cli.render import Cell, Column, bad, dim, good, instant, text_of, warn
from livepass.cli.root import noun
from livepass.cli.session import Session, run


@noun("push")
def push() -> None:
    """Pushes that are due or were sent. Sending at once: livepass pass push TYPE/SERIAL."""


@push.command("list")
@click.option("--due", is_flag=True, help="Only those that are still owed.")
@click.option("--type", "pass_type", metavar="TYPE", help="Only of this pass type.")
@click.option("--limit", type=click.IntRange(1), default=100, help="At most so many (default 100).")
@click.pass_obj
def list_(session: Session, due: bool, pass_type: str | None, limit: int) -> None:
    """One line for each phone and pass type: what it was pushed, and what it is owed."""

    async def work() -> list[dict[str, Any]]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return await client.rows("/pushes", limit=limit, pass_type=pass_type, due=1 if due else None)

    columns: list[Column] = [
        ("PHONE", lambda row: str(row.get("device_id", ""))[:12]),
        ("PASS TYPE", "pass_type"),
        ("STATE", _state),
        ("WANTED", "wanted"),
        ("PUSHED", "pushed"),
        ("ACKED", "acked"),
        ("TRIES", "attempts"),
        ("NEXT", lambda row: instant(row.get("next_at"))),
    ]
    nothing = "no push is due" if due else "no phone was ever registered"
    session.out.rows(run(work()), columns, f"{nothing} for {pass_type}" if pass_type else nothing)


def _state(row: Mapping[str, Any]) -> Cell:
    if row.get("dead_at"):
        return bad(f"dead: {text_of(row.get('dead_reason'))}")
    if not row.get("due"):
        return good("nothing owed")
    return warn("due") if row.get("pushed", 0) < row.get("wanted", 0) else dim("pushed, not asked yet")
