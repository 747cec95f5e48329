"""Certificates as every verb of ``livepass cert`` finds and shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from livepass.cli.faults import Fault
from livepass.cli.render import Cell, Page, bad, dim, good, instant, text_of, warn

if TYPE_CHECKING:
    from livepass.cli.client import Client

SOON_DAYS = 30


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
    try:
        last = min(datetime.fromisoformat(str(row.get(end))) for end in ("not_after", "intermediate_not_after"))
    except ValueError:
        return None
    return (last - datetime.now(UTC)).days


def draw(page: Page, row: Mapping[str, Any]) -> None:
    """One certificate."""
    team, organization = text_of(row.get("team")), row.get("organization")
    page.facts(
        ("certificate", text_of(row.get("id"))),
        ("pass type", text_of(row.get("pass_type"))),
        ("team", f"{team} ({organization})" if organization else team),
        ("state", state(row)),
        ("valid to", lapse(row)),
        ("intermediate to", instant(row.get("intermediate_not_after"))),
        ("NFC", "yes" if row.get("nfc") else "no"),
        ("issuer", text_of(row.get("issuer")) if row.get("issuer") else None),
        ("proven", instant(row.get("proven_at")) if row.get("proven_at") else None),
        ("promoted", instant(row.get("promoted_at")) if row.get("promoted_at") else None),
        ("revoked", instant(row.get("revoked_at")) if row.get("revoked_at") else None),
    )


async def all_of(client: Client, pass_type: str | None = None) -> list[dict[str, Any]]:
    return await client.rows("/certificates", limit=10_000, pass_type=pass_type)


async def named(client: Client, id_: str) -> dict[str, Any]:
    """A certificate by its id or the beginning of it."""
    found = [row for row in await all_of(client) if str(row.get("id", "")).startswith(id_)]
    if len(found) != 1:
        title = f"{len(found)} certificates have an id that starts with {id_}"
        raise Fault(title, hint="livepass cert list shows them", code="not_found")
    return found[0]
