"""``livepass holder``: privacy requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from livepass.cli import names
from livepass.cli.render import Page, dim, good
from livepass.cli.root import noun
from livepass.cli.session import Session, run


@noun("holder")
def holder() -> None:
    """All that is kept of a person: hand it over, or erase it. The key needs holders:admin."""


@holder.command()
@click.argument("ref", metavar="HOLDER")
@click.option("-o", "--output", default="-", metavar="FILE", help="Where to write it (default: stdout).")
@click.pass_obj
def export(session: Session, ref: str, output: str) -> None:
    """Write all that is kept of a person as JSON: passes, phones, enrolments, and all that happened."""
    found = _asked(session, "GET", ref)
    names.write_bytes(output, json.dumps(found, indent=2, ensure_ascii=False).encode() + b"\n")
    if output != "-":
        count = len(found["passes"])
        document = {"holder": ref, "file": output, "passes": count}
        session.out.show(document, lambda page: page.line(good(f"{output}: all that is kept with {count} passes")))


@holder.command()
@click.argument("ref", metavar="HOLDER")
@click.option("--dry-run", is_flag=True, help="Only say what would be erased.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def erase(session: Session, ref: str, dry_run: bool, yes: bool) -> None:
    """Forget all passes of a person, with their phones, enrolments and history.

    Phones that hold one are refused from then on and never learn why: void the passes first if they should know. What
    is printed is the receipt; it says what remains, and where.
    """
    if not dry_run:
        question = f"all that is kept of {ref} will be forgotten, and their phones can never be reached again"
        names.confirm(question, ref, yes=yes, as_json=session.as_json)
    done = _asked(session, "DELETE", ref, dry_run=dry_run)
    session.out.show(done, lambda page: _draw(page, done))


def _asked(session: Session, method: str, ref: str, *, dry_run: bool = False) -> dict[str, Any]:
    async def work() -> dict[str, Any]:
        from livepass.cli.client import address, connected

        async with connected(session) as client:
            query = {"dry_run": 1} if dry_run else {}
            return (await client.request(method, address("holders", ref), query=query, reads=dry_run)).json()

    return run(work())


def _draw(page: Page, done: Mapping[str, Any]) -> None:
    said = "would be forgotten" if done["dry_run"] else "forgotten"
    for each in done["passes"]:
        page.line(good(f"{each['pass_type']}/{each['serial']}"), said)
    page.facts(("registrations", str(done["registrations"])), ("enrolments", str(done["enrolments"])))
    page.line("what remains:")
    for each in done["remains"]:
        page.line(dim(f"- {each}"))
