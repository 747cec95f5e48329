"""``livepass cert``: Pass Type ID certificates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from livepass.cli.cert_in import csr, import_
from livepass.cli.faults import Fault
from livepass.cli.render import Cell, Column, Page, bad, dim, good, instant, text_of, warn
from livepass.cli.root import noun
from livepass.cli.session import Session, run

SOON_DAYS = 30
ROOTS: Mapping[str, Cell] = {
    "apple": good("Apple's, by its fingerprint"),
    "claims-apple": warn("Apple's by name, which nothing here proves"),
    "foreign": warn("not Apple's: no phone takes its passes"),
    "unreadable": bad("the stored chain is damaged: import the certificate again"),
}


@noun("cert")
def cert() -> None:
    """Pass Type ID certificates: they sign passes and push."""


cert.add_command(import_)
cert.add_command(csr)


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
    rows = run(_all(session, pass_type))
    session.out.rows(rows, columns, "no certificates: livepass cert import FILE.p12 --password-file FILE")


@cert.command()
@click.argument("id_", metavar="ID")
@click.pass_obj
def show(session: Session, id_: str) -> None:
    """One certificate, by its id or the beginning of it."""
    found = [row for row in run(_all(session, None)) if str(row.get("id", "")).startswith(id_)]
    if len(found) != 1:
        title = f"{len(found)} certificates have an id that starts with {id_}"
        raise Fault(title, hint="livepass cert list shows them", code="not_found")
    session.out.show(found[0], lambda page: draw_facts(page, found[0]))


def state(row: Mapping[str, Any]) -> Cell:
    """``live``, ``proven``, ``staged`` or ``retired``."""
    said = str(row.get("state"))
    return good(said) if said == "live" else dim(said)


def lapse(row: Mapping[str, Any]) -> Cell:
    """The last instant, and how far away it is."""
    said = instant(row.get("not_after"))
    days = days_left(row)
    if days is None:
        return said
    if days < 0:
        return bad(f"{said} (lapsed)")
    return warn(f"{said} ({days} d)") if days < SOON_DAYS else f"{said} ({days} d)"


def days_left(row: Mapping[str, Any]) -> int | None:
    """Whole days until the certificate lapses."""
    try:
        last = datetime.fromisoformat(str(row.get("not_after")))
    except ValueError:
        return None
    return (last - datetime.now(UTC)).days


def draw_facts(page: Page, row: Mapping[str, Any]) -> None:
    """What a certificate says, for a person."""
    page.facts(
        ("certificate", text_of(row.get("id"))),
        ("pass type", text_of(row.get("pass_type"))),
        (
            "team",
            f"{row.get('team')} ({row.get('organization')})" if row.get("organization") else text_of(row.get("team")),
        ),
        ("state", state(row)),
        ("NFC", "yes" if row.get("nfc") else "no"),
        ("valid from", instant(row.get("not_before"))),
        ("valid to", lapse(row)),
        ("issuer", _issuer(row)),
        ("issuer valid to", instant(row.get("intermediate_not_after"))),
        ("key", f"RSA {row.get('key_bits')}"),
        ("root", ROOTS.get(str(row.get("root")), text_of(row.get("root")))),
    )


def _issuer(row: Mapping[str, Any]) -> str:
    generation = row.get("generation")
    return f"{generation} ({row.get('issuer')})" if generation else text_of(row.get("issuer"))


async def _all(session: Session, pass_type: str | None) -> list[dict[str, Any]]:
    from livepass.cli.client import connected

    async with connected(session) as client:
        return await client.rows("/certificates", limit=10_000, pass_type=pass_type)
