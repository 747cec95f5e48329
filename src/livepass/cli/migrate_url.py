"""``livepass migrate-url``: passes that phones hold move to another address, and nobody is left behind unseen."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from livepass.cli.adopting import local
from livepass.cli.faults import Exit, Fault, refused
from livepass.cli.render import Page, bad, dim, good, instant, warn
from livepass.cli.root import noun
from livepass.cli.session import Session, run

if TYPE_CHECKING:
    from livepass.core.moving import Standing
    from livepass.wiring import Services

RUNBOOK = "livepass help move-to-another-host"
TOGETHER = 1000
SHOWN = 20

type_option = click.option("--type", "pass_type", metavar="TYPE", help="Of this pass type only.")
pace_option = click.option(
    "--per-minute", type=click.IntRange(1), metavar="N", help="Switch so many passes a minute (default: as they come)."
)


@noun("migrate-url")
def migrate_url() -> None:
    """Move passes that phones hold to the address of LIVEPASS_PUBLIC_URL.

    The address stands in the pass: the old one has to answer until each phone has fetched the pass that names the new
    one. Both must reach this service; LIVEPASS_OTHER_URLS names the old one.
    """


@migrate_url.command()
@type_option
@pace_option
@click.pass_obj
def plan(session: Session, pass_type: str | None, per_minute: int | None) -> None:
    """Say how many passes and phones would move, and what happens. Changes nothing."""
    document = run(_looked(session, pass_type))
    passes = sum(row["passes"] for row in document["elsewhere"])
    document["pushes"] = document["phones"]["not switched"]
    document["lots"] = math.ceil(passes / pace(per_minute)[0])
    document["minutes"] = math.ceil(passes / per_minute) if per_minute else None
    session.out.show(document, lambda page: _draw_plan(page, document))


@migrate_url.command()
@type_option
@pace_option
@click.option("--push", type=click.Choice(["auto", "none"]), default="auto", help="none: phones hear when they ask.")
@click.option("--yes", is_flag=True, help="Also where an old address is not known to reach this service.")
@click.pass_obj
def start(session: Session, pass_type: str | None, per_minute: int | None, push: str, yes: bool) -> None:
    """Write the new address into every pass that names another one: each changes, and its phones are pushed.

    A thousand passes share a number. Whatever ends it early, the same command goes on; status says how far it is.
    """
    document = run(_started(session, pass_type, per_minute, push, yes))
    session.out.show(document, lambda page: _draw_started(page, document))
    if document["refused"]:
        raise click.exceptions.Exit(Exit.PROBLEM)


@migrate_url.command()
@type_option
@click.option("--limit", type=click.IntRange(0), default=SHOWN, metavar="N", help="Name so many stragglers (20).")
@click.pass_obj
def status(session: Session, pass_type: str | None, limit: int) -> None:
    """Say how many phones have followed, who has not, and when the old address may be switched off."""
    document = run(_looked(session, pass_type, limit))
    session.out.show(document, lambda page: _draw_status(page, document))


@migrate_url.command()
@type_option
@click.option("--yes", is_flag=True, help="Even if phones are left behind.")
@click.pass_obj
def finish(session: Session, pass_type: str | None, yes: bool) -> None:
    """Say whether the old address may be switched off. Exit 4 while phones still need it."""
    document = run(_looked(session, pass_type))
    stranded = document["stranded"]
    if stranded and not yes:
        raise Fault(
            f"{stranded} registrations still need the old address, and would never be updated again",
            Exit.REFUSED,
            hint="livepass migrate-url status names them; --yes gives them up",
            code="stranded",
        )
    session.out.show(document, lambda page: _draw_finished(page, document))


def pace(per_minute: int | None) -> tuple[int, float]:
    """How many passes are switched together, and how many seconds are between two such lots."""
    if per_minute is None:
        return TOGETHER, 0.0
    together = max(1, min(TOGETHER, per_minute // 10))
    return together, 60 * together / per_minute


async def _looked(session: Session, pass_type: str | None, limit: int = 0) -> dict[str, Any]:
    from livepass.cli.database import explained, services

    local(session)
    config = session.config()
    async with services(config) as opened:
        with explained(config):
            return await _document(opened, await _types(opened, pass_type), limit)


async def _types(services: Services, pass_type: str | None) -> list[str]:
    known = [kept.pass_type for kept in await services.store.pass_types()]
    if pass_type is not None and pass_type not in known:
        raise Fault(f"there is no pass type {pass_type}", hint=f"there are {', '.join(known) or 'none'}")
    return [pass_type] if pass_type else known


async def _document(services: Services, pass_types: list[str], limit: int) -> dict[str, Any]:
    from livepass.core.moving import Leg, added

    moving, elsewhere, standings, stragglers = services.moving, [], [], []
    for pass_type in pass_types:
        for url, count in (await moving.elsewhere(pass_type)).items():
            elsewhere.append({"pass_type": pass_type, "url": url, "passes": count})
        standings.append(await moving.standing(pass_type))
        stragglers += [
            {"pass_type": pass_type, "serial": serial, "device_id": device_id, "asked_at": asked_at}
            for serial, device_id, asked_at in await moving.stragglers(pass_type, limit)
        ]
    standing: Standing = added(standings)
    now = services.clock.now()
    earliest = standing.earliest(now)
    return {
        "url": moving.url,
        "elsewhere": elsewhere,
        "phones": {leg.value: standing[leg] for leg in Leg},
        "share_moved": round(standing.share, 4),
        "stranded": standing.stranded,
        "stragglers": sorted(stragglers, key=lambda row: row["asked_at"] or 0)[:limit],
        "switched_at": instant(standing.switched_at) if standing.switched_at else None,
        "earliest_switch_off": "now" if earliest == now else instant(earliest) if earliest else None,
    }


async def _started(
    session: Session, pass_type: str | None, per_minute: int | None, push: Any, yes: bool
) -> dict[str, Any]:
    from livepass.cli.database import explained, services

    local(session)
    config = session.config()
    total: dict[str, Any] = {"switched": 0, "pushes_due": 0, "lots": 0, "refused": []}
    together, seconds = pace(per_minute)
    async with services(config) as opened:
        with explained(config):
            types = await _types(opened, pass_type)
            for one in types:
                _require_known(await opened.moving.elsewhere(one), config.other_urls, yes)

            async def pause() -> None:
                await asyncio.sleep(seconds)

            for one in types:
                async for lot in opened.moving.moved(one, push=push, together=together, pause=pause):
                    total["switched"] += lot.switched
                    total["pushes_due"] += lot.pushes_due
                    total["lots"] += 1
                    total["refused"] += [
                        {"pass_type": one, "serial": serial, "problem": why} for serial, why in lot.refused
                    ]
    return total


def _require_known(elsewhere: Mapping[str, int], known: tuple[str, ...], yes: bool) -> None:
    """Phones call the old address for as long as they hold the old pass: it has to lead here."""
    unknown = sorted(url for url in elsewhere if url.rstrip("/") not in known)
    if unknown and not yes:
        raise refused(
            f"phones that hold these passes call {', '.join(unknown)}, and nothing says that this reaches livepass",
            f"let it, and say so: LIVEPASS_OTHER_URLS={','.join(unknown)}; {RUNBOOK}",
        )


def _draw_plan(page: Page, document: dict[str, Any]) -> None:
    if not document["elsewhere"]:
        page.line(good(f"every pass names {document['url']}: nothing is to be moved"))
        return
    page.table([("pass type", "pass_type"), ("names", "url"), ("passes", "passes")], document["elsewhere"])
    page.facts(
        ("to", document["url"]),
        ("numbers", f"{document['lots']}: one for up to {TOGETHER} passes"),
        (
            "phones",
            f"{document['pushes']}: each gets one push, asks, fetches the pass, and registers at the new address",
        ),
        ("pace", f"{document['minutes']} min" if document["minutes"] else "pushes go as fast as phones are served"),
        ("old address", "has to answer until the last of them has fetched"),
    )
    page.line(f"next: livepass migrate-url start ({RUNBOOK})")


def _draw_started(page: Page, document: dict[str, Any]) -> None:
    page.line(good(f"{document['switched']} passes name the new address, under {document['lots']} numbers"))
    page.facts(("pushes due", str(document["pushes_due"])))
    for row in document["refused"][:SHOWN]:
        page.line(bad(f"{row['pass_type']}/{row['serial']}: {row['problem']}"))
    page.line("next: livepass migrate-url status")


def _draw_status(page: Page, document: dict[str, Any]) -> None:
    phones = document["phones"]
    page.line(f"{document['share_moved']:.0%} of the phones no longer need the old address")
    page.facts(
        ("registered at the new one", str(phones["moved"])),
        ("fetched, not registered there yet", str(phones["fetched"])),
        ("not seen to fetch it yet", str(phones["waiting"])),
        ("pass not switched yet", str(phones["not switched"])),
        ("gone, as APNs says", str(phones["gone"])),
        ("passes switched last", document["switched_at"]),
        ("old address needed", _until(document)),
    )
    columns = [("pass type", "pass_type"), ("serial", "serial"), ("phone", "device_id")]
    if document["stragglers"]:
        page.table([*columns, ("asked last", lambda row: instant(row["asked_at"]))], document["stragglers"])


def _until(document: dict[str, Any]) -> str:
    earliest = document["earliest_switch_off"]
    if earliest == "now":
        return "no longer"
    if earliest is None:
        return "until every pass is switched: livepass migrate-url start"
    return f"until the last has fetched, and not to be given up before {earliest}"


def _draw_finished(page: Page, document: dict[str, Any]) -> None:
    if document["stranded"]:
        page.line(
            warn(f"{document['stranded']} registrations are given up: they hold a pass that names the old address")
        )
    else:
        page.line(good("no phone that we know of needs the old address any more"))
    page.line(dim("take it out of LIVEPASS_OTHER_URLS, restart, and switch it off"))
