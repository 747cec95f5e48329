"""``livepass demo break`` and ``livepass demo fix``: spoil something in the running demo, from a second terminal."""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import Mapping
from typing import Any

import click

from livepass.cli.demo_link import connected, control, read
from livepass.cli.faults import usage
from livepass.cli.render import Page, bad, good, text_of, warn
from livepass.cli.root import Verb
from livepass.cli.session import Session, run

WAIT_SECONDS = 20.0
"""How long a mended demo may take until every phone has what is current."""


@click.command("break", cls=Verb)
@click.argument("name", required=False)
@click.option("--list", "listed", is_flag=True, help="Every break, and what it is in real life.")
@click.pass_obj
def break_(session: Session, name: str | None, listed: bool) -> None:
    """Break something between the phone and the service of the running demo. Several at once are fine."""
    from livepass.emulators.between.breaks import BREAKS, BY_NAME
    from livepass.emulators.between.control import as_json

    if listed:
        session.out.rows([as_json(one) for one in BREAKS], (("BREAK", "name"), ("SPOILS", "spoils"), ("", "sentence")))
        return
    if name is None:
        raise usage("name a break", "livepass demo break --list")
    if name not in BY_NAME:
        close = difflib.get_close_matches(name, BY_NAME, 1)
        raise usage(
            f"no break is called {name!r}", f"did you mean {close[0]}?" if close else "livepass demo break --list"
        )

    async def work() -> dict[str, Any]:
        from livepass.cli.demo_passes import COFFEE

        async with connected() as (_, facts):
            found = await control(facts, "POST", "/break", name=name)
            why = f"livepass why {facts['pass_type']}/{COFFEE.serial}"
            # On the command line, because a newcomer has no other place for it: the key lives as long as the demo.
            options = f"--url {facts['url']} --key {facts['key']} --ca {facts['ca_file']}"
            return {**found, "why": f"{why} {options}", "undo": "livepass demo fix"}

    done = run(work())
    session.out.show(done, lambda page: _draw_broken(page, done))


@click.command(cls=Verb)
@click.pass_obj
def fix(session: Session) -> None:
    """Mend everything that was broken in the running demo, and let the phones look. Exit 1 if one stays behind."""

    async def work() -> dict[str, Any]:
        async with connected() as (client, facts):
            mended = await control(facts, "POST", "/mend")
            return {**mended, "current": await _all_current(client)}

    done = run(work())
    session.out.show(done, lambda page: _draw_mended(page, done))
    if not done["current"]:
        raise click.exceptions.Exit(1)


def _listens(phone: Mapping[str, Any]) -> bool:
    """Not one that has left, or goes by a newer device id: those are listed for a while."""
    return phone["left_at"] is None and not phone["superseded"]


async def _all_current(client: Any) -> bool:
    """Whether, within some time, every phone that follows a pass has what is current, and every pass has a phone."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        passes = (await read(client, "/api/v1/passes"))["data"]
        found = [await read(client, f"/api/v1/passes/{one['pass_type']}/{one['serial']}") for one in passes]
        stands = [[phone["stands_on"] for phone in one["registrations"] if _listens(phone)] for one in found]
        if all(one and set(one) == {"current"} for one in stands):
            return True
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.1)


def _draw_broken(page: Page, done: dict[str, Any]) -> None:
    for one in done["broken"]:
        page.line(bad(f"broken: {one['name']}: {one['sentence']}"))
    page.facts(
        ("change", "livepass demo change"),
        ("ask why", text_of(done["why"])),
        ("undo", text_of(done["undo"])),
    )
    page.line(
        "A phone says some things only minutes later. What nobody says, why calls in flight until patience is over:"
    )
    page.line("a minute for a push, 5 for an ask, 15 for a fetch.")


def _draw_mended(page: Page, done: dict[str, Any]) -> None:
    for one in done["mended"]:
        page.line(good(f"fixed: {one['name']}"))
    if not done["mended"]:
        page.line("nothing was broken")
    page.line(good("every phone has what is current") if done["current"] else warn("a phone is still behind"))
