"""``livepass pass share`` and ``pass funnel``: links to passes, and what came of them."""

from __future__ import annotations

from typing import Any

import click

from livepass.cli.faults import unchecked, usage
from livepass.cli.names import PassName, pass_argument
from livepass.cli.render import Column, Page, dim, instant
from livepass.cli.root import Verb
from livepass.cli.session import Session, run


@click.command(cls=Verb)
@pass_argument()
@click.option("--days", type=click.IntRange(1, 365), help="How long the link works (default 7).")
@click.option("--minutes", type=click.IntRange(1, 365 * 1440), help="The same, in minutes.")
@click.option("--qr", is_flag=True, help="Show the address as a QR code, too; needs the extra preview.")
@click.pass_obj
def share(session: Session, name: PassName, days: int | None, minutes: int | None, qr: bool) -> None:
    """Make a link to a page from which anybody who has it can add the pass.

    It is shown once and stored nowhere. It cannot be taken back alone: it ends by itself, or when the pass is erased.
    """
    from livepass.web import qr as codes

    if days is not None and minutes is not None:
        raise usage("--days and --minutes do not go together", "leave out one of them")
    body = {key: value for key, value in (("days", days), ("minutes", minutes)) if value is not None}
    if qr and not codes.available():
        raise unchecked("nothing here makes QR codes", codes.EXTRA)

    async def work() -> dict[str, Any]:
        from livepass.cli.client import address, connected

        path = address("passes", *name)
        async with connected(session) as client:
            return (await client.request("POST", f"{path}:share", json=body)).json()

    made = run(work())

    def draw(page: Page) -> None:
        page.line(str(made["url"]))
        page.facts(("works until", instant(made["expires_at"])))
        code = codes.matrix(made["url"]) if qr else None
        for line in codes.blocks(code) if code else ():
            page.line(line)

    session.out.show(made, draw)


STEPS: list[Column] = [
    ("PASS TYPE", "pass_type"),
    ("VIEWED", "viewed"),
    ("DOWNLOADED", "downloaded"),
    ("REGISTERED", "registered"),
    ("UPDATED", "updated"),
]


@click.command(cls=Verb)
@click.option("--type", "pass_type", metavar="TYPE", help="Only this pass type.")
@click.option("--days", type=click.IntRange(1, 90), default=30, help="Opened within so many days (default 30).")
@click.pass_obj
def funnel(session: Session, pass_type: str | None, days: int) -> None:
    """How far passes came that were shared by link: viewed, downloaded, registered, updated."""

    async def work() -> dict[str, Any]:
        from livepass.cli.client import connected

        query = {"days": days, **({"pass_type": pass_type} if pass_type else {})}
        async with connected(session) as client:
            return (await client.request("GET", "/funnel", query=query)).json()

    found = run(work())

    def draw(page: Page) -> None:
        page.table(STEPS, found["data"], "no pass types: livepass cert import FILE.p12 --password-file FILE")
        page.facts(*((step, dim(means)) for step, means in found["steps"].items()))

    session.out.show(found, draw)
