"""``livepass cert``: Pass Type ID certificates."""

from __future__ import annotations

from typing import Any

import click

from livepass.cli import cert_check, cert_in, cert_steps
from livepass.cli.cert_rows import all_of, draw, lapse, named, state
from livepass.cli.render import Column
from livepass.cli.root import noun
from livepass.cli.session import Session, run


@noun("cert")
def cert() -> None:
    """Pass Type ID certificates: they sign passes and push."""


@cert.command("list")
@click.option("--type", "pass_type", metavar="TYPE", help="Only of this pass type.")
@click.pass_obj
def list_(session: Session, pass_type: str | None) -> None:
    """The certificates there are, and how long they last."""
    columns: list[Column] = [
        ("ID", lambda row: str(row.get("id", ""))[:12]),
        ("PASS TYPE", "pass_type"),
        ("TEAM", "team"),
        ("STATE", state),
        ("VALID TO", lapse),
    ]

    async def work() -> list[dict[str, Any]]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return await all_of(client, pass_type)

    rows = run(work())
    session.out.rows(rows, columns, "no certificates: livepass cert import FILE.p12 --password-file FILE")


@cert.command()
@click.argument("id_", metavar="ID")
@click.pass_obj
def show(session: Session, id_: str) -> None:
    """One certificate, by its id or the beginning of it."""

    async def work() -> dict[str, Any]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            return await named(client, id_)

    found = run(work())
    session.out.show(found, lambda page: draw(page, found))


for _verb in (
    *(cert_in.import_, cert_in.csr, cert_check.check),
    *(cert_steps.prove, cert_steps.canary, cert_steps.promote, cert_steps.rollback, cert_steps.retire, cert_steps.plan),
):
    cert.add_command(_verb)
