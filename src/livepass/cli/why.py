"""``livepass why``: why is this pass not up to date?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from livepass.cli.faults import Exit
from livepass.cli.names import PassName, pass_argument
from livepass.cli.render import Page, bad, dim, good, instant, text_of, warn
from livepass.cli.root import Verb
from livepass.cli.session import Session, run

CURRENT = "LP000"


@click.command(cls=Verb)
@pass_argument()
@click.pass_obj
def why(session: Session, name: PassName) -> None:
    """Why a pass is not up to date on its phones, from what was seen. Exit 1 when somebody must act."""

    async def work() -> dict[str, Any]:
        from livepass.cli.client import address, connected

        async with connected(session) as client:
            return await client.get(address("passes", *name, "why"))

    found = run(work())
    session.out.show(found, lambda page: _draw(page, name, found))
    if found["problem"]:
        raise click.exceptions.Exit(Exit.PROBLEM)


def _draw(page: Page, name: PassName, found: Mapping[str, Any]) -> None:
    current = [one for one in found["verdicts"] if one["code"] == CURRENT]
    for verdict in found["verdicts"]:
        if verdict["code"] != CURRENT:
            _draw_verdict(page, verdict)
    if current:
        page.line(good(f"{name}: {len(current)} of {found['phones']} phones were served the newest version"))
    if found["problem"]:
        page.line(dim("Every finding: docs/reference/findings.md"))
    if found["more"]:
        page.line(dim(f"Only {found['phones']} of its phones were looked at."))


def _draw_verdict(page: Page, verdict: Mapping[str, Any]) -> None:
    said = f"{verdict['code']} {verdict['name']}: {verdict['sentence']}"
    page.line(bad(said) if verdict["problem"] else warn(said))
    proof = ", ".join(map(str, verdict["proof"]))
    page.facts(
        ("sure", text_of(verdict["sure"])),
        ("who", text_of(verdict["who"])),
        ("do", text_of(verdict["remedy"])),
        ("proof", f"events {proof} of its timeline" if proof else None),
        ("look again", instant(verdict["look_again_at"]) if verdict["look_again_at"] else None),
    )
