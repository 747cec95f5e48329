"""``livepass why``: why is this pass not up to date?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from livepass.cli.events import line_of
from livepass.cli.faults import Exit, usage
from livepass.cli.names import PASS, PassName
from livepass.cli.render import Cell, Page, bad, dim, good, instant, text_of, warn
from livepass.cli.root import Verb
from livepass.cli.session import Session, run

CURRENT = "LP000"
SEEN = 5
"""Observations shown of each verdict."""
SHOWN = 3
"""Passes named of each finding."""


@click.command(cls=Verb)
@click.argument("name", type=PASS, metavar="TYPE/SERIAL", required=False)
@click.option("--all", "everything", is_flag=True, help="Of all passes: who was not served the newest version.")
@click.option("--type", "pass_type", metavar="TYPE", help="With --all: of this pass type only.")
@click.option(
    "--group", is_flag=True, help="With --all: by finding, and for how many phones; else some passes of each."
)
@click.pass_obj
def why(session: Session, name: PassName | None, everything: bool, pass_type: str | None, group: bool) -> None:
    """Why a pass is not up to date on its phones, from what was seen. Exit 1 when somebody must act."""
    if everything == (name is not None):
        raise usage("name one pass, or ask for --all", "livepass why TYPE/SERIAL, or livepass why --all --group")
    if (pass_type or group) and not everything:
        raise usage("--type and --group go with --all", "livepass why --all --group --type TYPE")

    async def work() -> dict[str, Any]:
        if name is not None and session.remote() is None:
            from livepass.cli import looking

            return await looking.why(session, *name)
        from livepass.cli.client import address, connected

        async with connected(session) as client:
            if name is None:
                return await client.get("/why", pass_type=pass_type)
            return await client.get(address("passes", *name, "why"))

    found = run(work())
    if name is not None:
        session.out.show(found, lambda page: _draw(page, name, found))
    elif group:
        session.out.show(found, lambda page: _draw_all(page, found, pass_type))
    else:
        columns = (("pass", _pass_of), ("phone", _phone_of), ("finding", _finding_of), ("who", "who"))
        session.out.rows(_examples(found), columns, _nothing_open(found, pass_type))
    if found["problem"]:
        raise click.exceptions.Exit(Exit.PROBLEM)


def _examples(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each example of each group."""
    kept = ("code", "name", "problem", "trip", "who", "remedy")
    return [{**one, **{key: group[key] for key in kept}} for group in found["groups"] for one in group["examples"]]


def _pass_of(row: Mapping[str, Any]) -> Cell:
    return text_of(f"{row['pass_type']}/{row['serial']}")


def _phone_of(row: Mapping[str, Any]) -> Cell:
    return text_of((row["device_id"] or "")[:8])


def _finding_of(row: Mapping[str, Any]) -> Cell:
    said = f"{row['code']} {row['name']}"
    return bad(said) if row["problem"] else warn(said)


def _nothing_open(found: Mapping[str, Any], pass_type: str | None) -> str:
    """Where nobody follows a pass, nothing is well either: least of all when the pass type was mistyped."""
    if found["registrations"]:
        return "every phone was served the newest version"
    return f"no phone follows a pass{f' of {pass_type}' if pass_type else ''}: livepass pass list shows what there is"


def _draw_all(page: Page, found: Mapping[str, Any], pass_type: str | None) -> None:
    if found["registrations"]:
        said = f"{found['current']} of {found['registrations']} registrations were served the newest version"
        page.line(good(said))
    else:
        page.line(warn(_nothing_open(found, pass_type)))
    for group in found["groups"]:
        count = f"{'' if group['exact'] else 'about '}{group['registrations']}"
        said = f"{group['code']} {group['name']}: {count}"
        page.line(bad(said) if group["problem"] else warn(said))
        names = [f"{one['pass_type']}/{one['serial']}" for one in group["examples"][:SHOWN]]
        page.facts(
            ("such as", text_of(group["sentence"])),
            ("sure", text_of(group["sure"])),
            ("who", text_of(group["who"])),
            ("do", text_of(group["remedy"])),
            ("read", f"livepass help {group['code']}"),
            ("look at", text_of(f"livepass why {names[0]}") if names else None),
            ("and at", text_of(", ".join(names[1:])) if names[1:] else None),
        )
    if found["problem"]:
        page.line(dim("Step by step: livepass help everything-stopped-updating"))


def _draw(page: Page, name: PassName, found: Mapping[str, Any]) -> None:
    current = [one for one in found["verdicts"] if one["code"] == CURRENT]
    for verdict in found["verdicts"]:
        if verdict["code"] != CURRENT:
            _draw_verdict(page, verdict)
    if current:
        page.line(good(f"{name}: {len(current)} of {found['phones']} phones were served the newest version"))
    if found["problem"]:
        page.line(dim("Step by step: livepass help my-pass-stopped-updating"))
    if cohort := found["cohort"]:
        page.line(dim(f"Of {cohort['pushed']} phones pushed in that hour, {cohort['asked']} asked since."))
    if found["more"]:
        page.line(dim(f"Only {found['phones']} of its phones were looked at."))


def _draw_verdict(page: Page, verdict: Mapping[str, Any]) -> None:
    said = f"{verdict['code']} {verdict['name']}: {verdict['sentence']}"
    page.line(bad(said) if verdict["problem"] else warn(said))
    page.facts(
        ("sure", text_of(verdict["sure"])),
        ("who", text_of(verdict["who"])),
        ("do", text_of(verdict["remedy"])),
        ("read", f"livepass help {verdict['code']}"),
        ("look again", instant(verdict["look_again_at"]) if verdict["look_again_at"] else None),
        *(("proof" if first else "", line_of(event)) for first, event in _some(verdict["proof"])),
    )


def _some(proof: Sequence[Mapping[str, Any]]) -> Iterator[tuple[bool, Mapping[str, Any]]]:
    """The newest of what was seen, and whether each is the first of them."""
    for number, event in enumerate(proof[-SEEN:]):
        yield number == 0, event
