"""``livepass db``: the database file itself."""

from __future__ import annotations

from typing import Any

import click

from livepass.cli.faults import Exit, Fault, unchecked
from livepass.cli.names import INSTANT
from livepass.cli.render import Page, bad, dim, good
from livepass.cli.root import noun
from livepass.cli.session import Session, run


@noun("db")
def db() -> None:
    """The database: upgrade, verify, and recover from a restore."""


@db.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when an upgrade is due.")
@click.pass_obj
def upgrade(session: Session, check: bool) -> None:
    """Bring the database to this version's schema, making it if there is none.

    Safe to run at every start.
    """
    from livepass import wiring
    from livepass.cli.database import explained

    config = session.config()
    path = config.database
    if check:
        try:
            with explained(config):
                run(wiring.check(config))
        except Fault as fault:
            if fault.code == "schema":
                fault.exit = Exit.PROBLEM
            raise
        session.out.show({"database": path, "due": []}, lambda page: page.line(good(f"{path} is up to date")))
        return
    with explained(config):
        ran = run(wiring.upgrade(config))
    said = f"{path}: ran {', '.join(ran)}" if ran else f"{path} is up to date"
    session.out.show({"database": path, "ran": ran}, lambda page: page.line(good(said)))


@db.command()
@click.option("--sample", type=click.IntRange(0), default=200, metavar="N", help="Passes whose diary to add up (200).")
@click.option("--quick", is_flag=True, help="SQLite: do not compare each index with its table.")
@click.pass_obj
def verify(session: Session, sample: int, quick: bool) -> None:
    """Look whether the database holds together: files, references, numbers, diaries.

    Looks at one instant beside a running service, which waits for none of it. Exit 1 when something is wrong, 3 when
    it could not be looked at.
    """
    from livepass import wiring
    from livepass.cli.database import explained

    config = session.config()
    with explained(config):
        found = run(wiring.verify(config, sample=sample, quick=quick))
    document = {
        "database": config.database,
        "checks": found.checks,
        "sampled": found.sampled,
        "findings": [
            {"name": one.name, "count": one.count, "first": one.first, "means": one.means, "remedy": one.remedy}
            for one in found.findings
        ],
    }
    session.out.show(document, lambda page: _draw_verified(page, document))
    if found.findings:
        raise click.exceptions.Exit(Exit.PROBLEM)


def _draw_verified(page: Page, document: dict[str, Any]) -> None:
    for one in document["findings"]:
        page.line(bad(f"{one['name']} ({one['count']})"))
        page.facts(("means", one["means"]), ("first", ", ".join(one["first"])), ("remedy", one["remedy"]))
    looked = f"{document['checks']} checks, and the diaries of {document['sampled']} passes"
    if document["findings"]:
        page.line(dim(f"{looked}: {len(document['findings'])} found something"))
    else:
        page.line(good(f"{document['database']}: {looked}: all hold"))


@db.command()
@click.argument("set_aside")
@click.option("--lost", "lost_file", metavar="FILE", help="Name everything that is gone there, one JSON object a line.")
@click.pass_obj
def compare(session: Session, set_aside: str, lost_file: str | None) -> None:
    """Name what SET_ASIDE holds and the database does not, as livepass restore does when it sets data aside.

    SET_ASIDE is what livepass restore said: a file, or a schema of PostgreSQL. Exit 1 when something is lost.
    """
    from livepass import wiring
    from livepass.cli.database import explained
    from livepass.cli.losses import kept

    config = session.config()
    with kept(lost_file) as losses:

        async def work() -> None:
            async for loss in wiring.lost(config, set_aside):
                losses.note(loss)

        with explained(config):
            try:
                run(work())
            except wiring.NotSetAside as error:
                raise unchecked(str(error), error.hint) from error
    document = {"database": config.database, "set_aside": set_aside, "lost": losses.found}
    session.out.show(document, lambda page: losses.draw(page, "--json, or --lost FILE"))
    if losses.any:
        raise click.exceptions.Exit(Exit.PROBLEM)


@db.command()
@click.option("--since", type=INSTANT, metavar="INSTANT", help="Only registrations from then on (default: all).")
@click.pass_obj
def recover(session: Session, since: int | None) -> None:
    """Say that the database went back in time, and mend what can be mended.

    Begins a new epoch, so that phones are told everything again, and replays the registration journal, if there is
    one. A running service does the same by itself when it notices. Safe to repeat. Exit 1 when registrations stay lost.
    """
    from livepass.cli import recovered
    from livepass.cli.database import services

    async def work() -> dict[str, Any]:
        async with services(session.config()) as opened:
            return recovered.document(await opened.recovering.recover("asked_for", since))

    done = run(work())
    session.out.show(done, lambda page: recovered.draw(page, done))
    journal = done["journal"] or {}
    if done["trouble"] or journal.get("lost") or journal.get("unreadable"):
        raise click.exceptions.Exit(Exit.PROBLEM)


@db.command()
@click.pass_obj
def lost(session: Session) -> None:
    """Name the phones whose registration is gone: they still ask, with a tag of ours. Exit 1 when there are any."""
    from livepass.cli import recovered
    from livepass.cli.database import services

    async def work() -> list[dict[str, Any]]:
        async with services(session.config()) as opened:
            return [recovered.phone(one) for one in await opened.recovering.lost_phones()]

    found = run(work())
    session.out.rows(found, recovered.PHONES, "no phone asks that we do not know")
    if found:
        raise click.exceptions.Exit(Exit.PROBLEM)
