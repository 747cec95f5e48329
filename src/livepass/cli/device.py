"""``livepass device``: the phones that follow a pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from livepass.cli.render import Column, instant
from livepass.cli.root import noun
from livepass.cli.session import Session, run


@noun("device")
def device() -> None:
    """The phones that follow a pass."""


@device.command("list")
@click.option("--type", "pass_type", metavar="TYPE", help="Only of this pass type.")
@click.option("--limit", type=click.IntRange(1), default=100, help="At most so many (default 100).")
@click.pass_obj
def list_(session: Session, pass_type: str | None, limit: int) -> None:
    """Registrations: which phone follows which pass, and what it was last served."""

    async def work() -> list[dict[str, Any]]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return await client.rows("/registrations", limit=limit, pass_type=pass_type)

    columns: list[Column] = [
        ("PHONE", lambda row: str(row.get("device_id", ""))[:12]),
        ("PASS", lambda row: f"{row.get('pass_type')}/{row.get('serial')}"),
        ("REGISTERED", lambda row: instant(row.get("registered_at"))),
        ("SERVED", lambda row: instant(row.get("served_at"))),
        ("LEFT", _left),
    ]
    session.out.rows(run(work()), columns, "no phone follows a pass")


def _left(row: Mapping[str, Any]) -> str:
    """When it left; or that the same phone is here under another device id."""
    return "superseded" if row.get("superseded") and not row.get("left_at") else instant(row.get("left_at"))
