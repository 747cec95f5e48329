"""``livepass pass versions``: what a pass was, number by number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from livepass.cli.events import changed_fields, lock_screen
from livepass.cli.names import PassName, pass_argument
from livepass.cli.render import Cell, Column, Page, dim, instant, text_of, warn
from livepass.cli.root import Verb
from livepass.cli.session import Session, run


@click.command(cls=Verb)
@pass_argument()
@click.pass_obj
def versions(session: Session, name: PassName) -> None:
    """What a pass was: its numbers, what came with each, and what the lock screen was to say.

    It goes as far back as changes are kept. livepass pass diff TYPE/SERIAL --since N compares one of them with now.
    """

    async def work() -> dict[str, Any]:
        from livepass.cli.client import address, connected

        async with connected(session) as client:
            return await client.get(address("passes", *name, "versions"))

    found = run(work())
    session.out.show(found, lambda page: _draw(page, found))


def _draw(page: Page, found: Mapping[str, Any]) -> None:
    page.table(_COLUMNS, found.get("data") or [])
    if found.get("ends"):
        page.line(dim(str(found["ends"])))


def _said(row: Mapping[str, Any]) -> Cell:
    if row.get("notice") is None:
        return ""
    [(_, said)] = lock_screen({"kind": row["notice"], "text": row.get("lock_screen"), "reason": row.get("because")})
    return said


_COLUMNS: list[Column] = [
    ("N", lambda row: text_of(row.get("number"))),
    ("AT", lambda row: dim(instant(row.get("at")))),
    ("", lambda row: str(row.get("kind") or "")),
    ("WHAT", lambda row: ", ".join(f"{key} {moved}" for key, moved in changed_fields(row.get("fields") or ()))),
    ("LOCK SCREEN", _said),
    ("", lambda row: warn(str(row["unknown"])) if row.get("unknown") else ""),
]
