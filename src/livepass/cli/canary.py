"""``livepass canary``: a pass of livepass's own, and an emulated phone that follows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from livepass.cli.faults import Exit, refused, usage
from livepass.cli.render import Cell, Column, Page, bad, dim, good, instant
from livepass.cli.root import noun
from livepass.cli.session import Session, run

if TYPE_CHECKING:
    from livepass.core.canary import Run
    from livepass.service.canary import Standing


@noun("canary")
def canary() -> None:
    """A pass and a phone of livepass's own, which try every round trip. LIVEPASS_CANARY names pass types to watch."""


@canary.command("run")
@click.argument("pass_types", metavar="[TYPE]...", nargs=-1)
@click.pass_obj
def run_(session: Session, pass_types: tuple[str, ...]) -> None:
    """Run canaries once, now: of those pass types, or of all that have one. Exit 1 when a change is not seen in time.

    Registers over the public address, changes the canary pass, waits until a worker has taken the push, asks, fetches,
    and unregisters. The push itself goes nowhere: APNs knows no phone of that kind. Of a pass type that LIVEPASS_CANARY
    does not name, the pass is forgotten afterwards.
    """
    found = run(_ran(session, pass_types))
    rows = [_row(one) for one in found]
    session.out.show({"runs": rows}, lambda page: _draw_runs(page, found))
    if not all(one.coherent for one in found):
        raise click.exceptions.Exit(Exit.PROBLEM)


@canary.command()
@click.pass_obj
def status(session: Session) -> None:
    """How canaries did in the last day, and which leg broke last. Exit 1 when the newest run of one went wrong."""
    found = run(_standings(session))
    rows = [_standing(one) for one in found]
    columns: list[Column] = [
        ("PASS TYPE", "pass_type"),
        ("SEEN IN TIME", lambda row: "-" if row["share"] is None else f"{int(1000 * row['share'] + 1e-9) / 10:g} %"),
        ("RUNS", lambda row: str(row["runs"])),
        ("NEWEST", lambda row: instant(row["newest"]["at"]) if row["newest"] else dim("none yet")),
        ("OUTCOME", _outcome),
    ]
    session.out.rows(rows, columns, "no pass type has a canary: set LIVEPASS_CANARY=pass.com.example.membership")
    if any(one.runs and not one.runs[0].coherent for one in found):
        raise click.exceptions.Exit(Exit.PROBLEM)


async def _ran(session: Session, named: Sequence[str]) -> list[Run]:
    from livepass.cli import canary_phone
    from livepass.cli.database import services
    from livepass.service.canary import Busy

    config, found = session.config(), list[Any]()
    wanted = tuple(dict.fromkeys(named)) or config.canary
    if not wanted:
        raise usage("no pass type has a canary", "name one: livepass canary run TYPE; or set LIVEPASS_CANARY")
    async with services(config) as opened:
        for pass_type in wanted:
            if await opened.store.pass_type(pass_type) is None:
                raise usage(f"there is no pass type {pass_type}", "livepass cert list shows what there is")
        for pass_type in wanted:
            try:
                found.append(await opened.canary.once(pass_type, canary_phone.phones(config)))
            except Busy as error:
                raise refused(error.title, error.hint or "livepass canary status tells how it ends") from error
            finally:
                if pass_type not in config.canary:
                    await opened.canary.remove(pass_type)
    return found


async def _standings(session: Session) -> list[Standing]:
    from livepass.cli.database import services

    config = session.config()
    async with services(config) as opened:
        return [await opened.canary.standing(pass_type) for pass_type in config.canary]


def _row(one: Run) -> dict[str, Any]:
    return {
        "pass_type": one.pass_type,
        "at": one.at,
        "outcome": one.outcome,
        "seen_ms": one.seen_ms,
        "within_ms": one.within_ms,
        "wrong": one.sentence,
        "remedy": one.remedy,
        "legs": [{"leg": step.leg.value, "ms": step.ms, "wrong": step.wrong} for step in one.steps],
    }


def _standing(one: Standing) -> dict[str, Any]:
    newest = _row(one.runs[0]) if one.runs else None
    return {"pass_type": one.pass_type, "share": one.share, "runs": len(one.runs), "newest": newest}


def _outcome(row: Mapping[str, Any]) -> Cell:
    if row["newest"] is None:
        return dim("-")
    if not row["newest"]["wrong"]:
        return good("seen in time")
    return bad(f"{row['newest']['wrong']}: {row['newest']['remedy']}")


def _draw_runs(page: Page, found: Sequence[Run]) -> None:
    for one in found:
        page.facts(("pass type", one.pass_type), *_legs(one))
        if one.coherent:
            page.line(good(f"the change was seen after {(one.seen_ms or 0) / 1000:.2f} s"))
        else:
            page.line(bad(one.sentence))
            page.line(f"to do: {one.remedy}")


def _legs(one: Run) -> Iterator[tuple[str, Cell]]:
    for step in one.steps:
        took = f"{step.ms} ms"
        yield step.leg.value, bad(f"{took}: {step.wrong}") if step.wrong else took
