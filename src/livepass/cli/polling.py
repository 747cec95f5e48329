"""``livepass phone poll``: an emulated wallet that polls, on the command line, against any service."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from livepass.cli import names
from livepass.cli.faults import Exit, Fault
from livepass.cli.render import Page, bad, dim, good
from livepass.cli.root import Verb
from livepass.cli.session import Session, run

KINDS = ("fosswallet", "passandroid", "walletunion", "itinerary", "gnome")
_SAID = {"changed": good, "unchanged": dim, "refused": bad, "failed": bad}


@click.command(cls=Verb)
@click.argument("file", metavar="FILE")
@click.option("--as", "kind", type=click.Choice(KINDS), default=KINDS[0], help=f"Which wallet (default {KINDS[0]}).")
@click.option("--times", type=click.IntRange(1, 1000), default=1, help="Fetch so many times (default once).")
@click.option("--every", type=click.FloatRange(1), default=60.0, metavar="SECONDS", help="Wait so long between two.")
@click.option("-o", "--output", metavar="FILE", help="Write the pass as it was fetched last.")
@click.pass_obj
def poll(session: Session, file: str, kind: str, times: int, every: float, output: str | None) -> None:
    """Fetch a pass as a wallet that polls: with its token, without ever registering.

    Some wallets for Android and Linux do. What they send is assumed: no wallet documents it.
    """
    from livepass.emulators.polling import NotAPass, PollingWallet, Unreachable

    async def work() -> list[dict[str, Any]]:
        found = []
        for number in range(times):
            if number:
                await asyncio.sleep(every)
            try:
                polled = await wallet.poll()
            except Unreachable as error:
                raise Fault(f"{wallet.url} cannot be fetched: {error}", Exit.UNCHECKED, code="unreachable") from error
            found.append({"status": polled.status, "became": polled.became})
            session.out.draw(lambda page, polled=polled: _draw(page, polled.status, polled.became))  # type: ignore[misc]
        return found

    try:
        wallet = PollingWallet(names.read_bytes(file), kind, session.ca)
    except NotAPass as error:
        raise Fault(f"{file}: {error}", hint="livepass pass verify FILE says more", code="not_a_pass") from error
    fetches = run(work())
    if output:
        Path(output).write_bytes(wallet.package)
    session.out.show({"wallet": kind, "url": wallet.url, "fetches": fetches}, lambda _: None)
    if fetches[-1]["became"] in ("refused", "failed"):
        raise Fault(f"the last fetch was answered {fetches[-1]['status']}", hint="livepass help LP006", code="refused")


def _draw(page: Page, status: int, became: str) -> None:
    page.line(_SAID[became](f"{status}, {became}"))
