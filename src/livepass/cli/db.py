"""``livepass db``: the database file itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import click

from livepass.cli.faults import Exit, Fault, Where, unchecked
from livepass.cli.render import Page, good
from livepass.cli.root import noun
from livepass.cli.session import Session, run


@noun("db")
def db() -> None:
    """The database: upgrade and check."""


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
@click.pass_obj
def check(session: Session) -> None:
    """Look into the database: schema, file structure, references."""
    from livepass import wiring
    from livepass.cli.database import explained

    config = session.config()
    with explained(config):
        run(wiring.check(config))
    found = list(_damage(config.sqlite_path))
    if found:
        raise Fault(
            f"{config.sqlite_path} is damaged",
            hint="stop every livepass, keep a copy of the file, and restore a backup",
            where=[Where("", text) for text in found],
            code="damaged",
        )

    def draw(page: Page) -> None:
        page.line(good(f"{config.sqlite_path}: schema, structure and references are sound"))

    session.out.show({"database": str(config.sqlite_path), "problems": []}, draw)


def _damage(path: Path) -> Iterator[str]:
    """What SQLite itself finds wrong, at most a page of it."""
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
    try:
        for (text,) in database.execute("PRAGMA integrity_check(20)"):
            if text != "ok":
                yield str(text)
        for table, row, parent, _ in database.execute("PRAGMA foreign_key_check").fetchmany(20):
            yield f"{table} row {row} refers to a row of {parent} that is not there"
    except sqlite3.DatabaseError as error:
        raise unchecked(f"{path} cannot be read: {error}", "restore a backup") from error
    finally:
        database.close()
