"""``livepass canary``: a pass of livepass's own, and an emulated phone that follows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from livepass.cli.faults import Exit, refused, usage
from livepass.cli.render import Cell, Column, Page, bad, dim, good, instant, warn
from livepass.cli.root import noun
from livepass.cli.session import Session, run
from livepass.core.canary_standing import State

if TYPE_CHECKING:
    from livepass.core.canary import Run
    from livepass.core.canary_standing import Standing
    from livepass.service.canary_standings import Canaries


@noun("canary")
def canary() -> None:
    """A pass and a phone of livepass's own, which try every round trip. LIVEPASS_CANARY names pass types to watch."""


@canary.command("run")
@click.argument("pass_types", metavar="[TYPE]...", nargs=-1)
@click.pass_obj
def run_(session: Session, pass_types: tuple[str, ...]) -> None:
    """Run canaries once, now: of those pass types, or of all that have one. Exit 1 when a change is not seen in time.

    Registers over the public address, changes the canary pass, waits until a worker has taken the push, asks, fetches,
    and unregisters. The push itself goes nowhere: APNs knows no phone of that kind. Of a pass type that neither
    LIVEPASS_CANARY nor a running process names, the pass is forgotten afterwards.
    """
    found = run(_ran(session, pass_types))
    rows = [_row(one) for one in found]
    session.out.show({"runs": rows}, lambda page: _draw_runs(page, found))
    if not all(one.coherent for one in found):
        raise click.exceptions.Exit(Exit.PROBLEM)


@canary.command()
@click.pass_obj
def status(session: Session) -> None:
    """How canaries did in the last day, and which leg broke last. Exit 1 when one fails, is silent, or is disputed.

    Of every pass type that a running process or this command's settings name, or that a canary pass is left of. Silent:
    nothing has run it for half an hour. Disputed: some of the running processes have it, and others do not.
    """
    found = run(_standings(session))
    rows = [_standing(one, found.apart) for one in found.standings]
    columns: list[Column] = [
        ("PASS TYPE", "pass_type"),
        ("SEEN IN TIME", lambda row: "-" if row["share"] is None else f"{int(1000 * row['share'] + 1e-9) / 10:g} %"),
        ("RUNS", lambda row: str(row["runs"])),
        ("NEWEST", lambda row: instant(row["newest"]["at"]) if row["newest"] else dim("none yet")),
        ("RUN BY", lambda row: f"{row['named_by']} of {row['of']}" if row["of"] else dim("-")),
        ("OUTCOME", _outcome),
    ]
    session.out.rows(rows, columns, "no pass type has a canary: set LIVEPASS_CANARY=pass.com.example.membership")
    session.out.draw(lambda page: _draw_apart(page, found))
    if found.apart or any(one.needs for one in found.standings):
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
            if not await opened.canary.wanted(pass_type):
                await opened.canary.remove(pass_type)
    return found


async def _standings(session: Session) -> Canaries:
    from livepass.cli.database import services
    from livepass.service.canary_standings import canaries

    config = session.config()
    async with services(config) as opened:
        return await canaries(opened.store, opened.clock.now(), config.canary)


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


def _standing(one: Standing, apart: Mapping[str, str]) -> dict[str, Any]:
    """``named_by``: how many of the ``of`` running processes have it."""
    return {
        "pass_type": one.pass_type,
        "state": one.state.value,
        "since": one.since,
        "wrong": one.sentence,
        "remedy": one.remedy,
        "disputed": apart.get(one.pass_type, ""),
        "share": one.share,
        "runs": len(one.runs),
        "newest": None if one.newest is None else _row(one.newest),
        "named_by": one.named_by,
        "of": one.of,
    }


def _outcome(row: Mapping[str, Any]) -> Cell:
    if row["wrong"]:
        since = f", since {instant(row['since'])}" if row["since"] else ""
        return bad(f"{row['wrong']}{since}: {row['remedy']}")
    if row["state"] == State.OFF:
        return dim("turned off: its pass is forgotten within minutes")
    return dim("-") if row["newest"] is None else good("seen in time")


def _draw_apart(page: Page, found: Canaries) -> None:
    for said in found.apart.values():
        page.line(warn(f"{said}: set it to the same for all of them, and start them anew"))


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
