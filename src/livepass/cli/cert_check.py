"""``livepass cert check``: does any certificate end soon, or is one revoked or unsound? For cron and for people."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import click

from livepass.cli.faults import Exit
from livepass.cli.render import Cell, Column, Page, bad, dim, good, instant, warn
from livepass.cli.root import Verb
from livepass.cli.session import Session, run

KINDS = {
    "certificate": "signs and pushes",
    "intermediate": "its intermediate",
    "public_tls": "public TLS",
    "apns_tls": "APNs' TLS",
}
MOST_DAYS = 3650


def _days(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """``30d``, or ``30``."""
    found = re.fullmatch(r"([0-9]{1,4})d?", value or "0")
    if found is None or int(found[1]) > MOST_DAYS:
        raise click.BadParameter(f"{value!r} is not a number of days: say it like 30d", ctx, param)
    return None if value is None else int(found[1])


@click.command(cls=Verb)
@click.option("--expires-in", callback=_days, metavar="DAYS", help="What ends within so many days counts: 30d.")
@click.option("--type", "pass_type", metavar="TYPE", help="Only of this pass type, and TLS.")
@click.option("--now", is_flag=True, help="Look at once, and not at what the last looks found.")
@click.pass_obj
def check(session: Session, expires_in: int | None, pass_type: str | None, now: bool) -> None:
    """Does a certificate end soon, or is one unsound?

    Of each pass type's live certificates: the ends, the daily test signature, and revocation. Of the public address and
    of APNs: the TLS certificate as the daily look saw it. Without --expires-in 30 days count, and of TLS certificates
    with a short life its last quarter.

    Exit 0: all is well. 1: something ends within that, or is revoked or unsound. 3: a look could not be had.
    """

    async def work() -> list[dict[str, Any]]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            if now:
                await client.request("POST", "/certificate-watch:look", json={})
            return list((await client.get("/certificate-watch", days=expires_in, pass_type=pass_type))["data"])

    rows = run(work())
    session.out.show({"certificates": rows}, lambda page: _draw(page, rows))
    if any(row["needs"] for row in rows):
        raise click.exceptions.Exit(Exit.PROBLEM)
    if any(row["state"] == "unclear" for row in rows):
        raise click.exceptions.Exit(Exit.UNCHECKED)


def _draw(page: Page, rows: Sequence[Mapping[str, Any]]) -> None:
    columns: list[Column] = [
        ("WHAT", lambda row: KINDS[row["kind"]]),
        ("PASS TYPE", lambda row: row["pass_type"] or dim("-")),
        ("STATE", _state),
        ("ENDS", lambda row: instant(row["ends_at"]) if row["ends_at"] else dim("-")),
        ("DAYS", lambda row: str(row["days"]) if row["days"] is not None else dim("-")),
        ("LOOKED AT", _looked_at),
    ]
    page.table(columns, rows)
    lines = attention(rows, unclear=True)
    for text, worse in lines:
        page.line(bad(text) if worse else warn(text))
    unseen = [row for row in rows if _is_unseen(row)]
    if unseen:
        page.line(warn("TLS was not looked at yet: livepass cert check --now"))
    if not lines:
        nothing = "nothing else" if unseen else "nothing"
        page.line(good(f"{nothing} ends soon, and {nothing} is unsound"))


def _is_unseen(row: Mapping[str, Any]) -> bool:
    """Of TLS nothing is known before the first look; of a certificate its ends are."""
    return row["kind"].endswith("_tls") and not row["checked_at"]


def _state(row: Mapping[str, Any]) -> Cell:
    if _is_unseen(row):
        return dim("not looked at yet")
    said = str(row["state"])
    if row["needs"]:
        return bad(said)
    return warn(said) if row["state"] == "unclear" else dim(said)


def _looked_at(row: Mapping[str, Any]) -> Cell:
    """Ends stand in the database; for everything else somebody has to have looked."""
    if row["kind"] == "intermediate":
        return dim("-")
    return instant(row["checked_at"]) if row["checked_at"] else dim("not yet")


def attention(rows: Sequence[Mapping[str, Any]], *, unclear: bool = False) -> list[tuple[str, bool]]:
    """What a person must do something about, and whether it is worse than a warning, a line each; ``unclear``: and
    what could not be looked at.
    """
    wanted = [row for row in rows if row["needs"] or (unclear and row["state"] == "unclear")]
    return [(f"{row['sentence']}: {row['remedy']}", row["state"] not in ("soon", "unclear")) for row in wanted]
