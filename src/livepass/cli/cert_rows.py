"""Certificates as every verb of ``livepass cert`` finds and shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from livepass.cli.faults import Fault
from livepass.cli.render import Cell, Page, bad, dim, good, instant, text_of, warn

if TYPE_CHECKING:
    from livepass.cli.client import Client

SOON_DAYS = 30
ROOTS: Mapping[str, Cell] = {
    "apple": good("Apple's, by its fingerprint"),
    "claims-apple": warn("Apple's by name, which nothing here proves"),
    "foreign": warn("not Apple's: no phone takes its passes"),
    "unreadable": bad("the stored chain is damaged: import the certificate again"),
}


def state(row: Mapping[str, Any]) -> Cell:
    """``signs`` for the one of the live ones that does; else ``live``, ``proven``, ``staged`` or ``retired``."""
    said = "live, signs" if row.get("signs") else str(row.get("state"))
    if row.get("revoked_at"):
        return bad(f"{said}, revoked")
    if row.get("canary_percent"):
        return warn(f"{said}, signs {row['canary_percent']} %")
    return good(said) if row.get("signs") else dim(said)


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
    """Whole days until the certificate or its intermediate lapses."""
    days = row.get("days_left")
    return days if isinstance(days, int) else None


def draw(page: Page, row: Mapping[str, Any]) -> None:
    """One certificate."""
    team, organization = text_of(row.get("team")), row.get("organization")
    page.facts(
        ("certificate", text_of(row.get("id"))),
        ("pass type", text_of(row.get("pass_type"))),
        ("team", f"{team} ({organization})" if organization else team),
        ("state", state(row)),
        ("NFC", "yes" if row.get("nfc") else "no"),
        ("valid from", instant(row.get("not_before"))),
        ("valid to", lapse(row)),
        ("issuer", _issuer(row)),
        ("issuer valid to", instant(row.get("intermediate_not_after"))),
        ("key", f"RSA {row.get('key_bits')}"),
        ("root", ROOTS.get(str(row.get("root")), text_of(row.get("root")))),
        ("proven", instant(row.get("proven_at")) if row.get("proven_at") else None),
        ("promoted", instant(row.get("promoted_at")) if row.get("promoted_at") else None),
        ("revoked", instant(row.get("revoked_at")) if row.get("revoked_at") else None),
    )


def _issuer(row: Mapping[str, Any]) -> str:
    generation = row.get("generation")
    return f"{generation} ({row.get('issuer')})" if generation else text_of(row.get("issuer"))


async def all_of(client: Client, pass_type: str | None = None) -> list[dict[str, Any]]:
    return await client.rows("/certificates", limit=10_000, pass_type=pass_type)


async def named(client: Client, id_: str) -> dict[str, Any]:
    """A certificate by its id or the beginning of it."""
    found = [row for row in await all_of(client) if str(row.get("id", "")).startswith(id_)]
    if len(found) != 1:
        title = f"{len(found)} certificates have an id that starts with {id_}"
        raise Fault(title, hint="livepass cert list shows them", code="not_found")
    return found[0]
