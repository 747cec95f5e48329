"""``livepass restore``: an archive becomes the database, and what was lost on the way is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from livepass.cli.faults import Exit, Fault
from livepass.cli.losses import Losses, kept
from livepass.cli.render import Page, bad, dim, good, instant, warn
from livepass.cli.root import Verb
from livepass.cli.session import Session, run

if TYPE_CHECKING:
    from livepass.config import Config
    from livepass.wiring import Filled, Manifest

EARLIER_MS = 600_000
"""How long before the backup the journal is read from: clocks of hosts differ, and what is there already stays."""


@click.command("restore", cls=Verb)
@click.argument("file")
@click.option("--replace", is_flag=True, help="Set aside what the database holds, and put the archive in its place.")
@click.option("--lost", "lost_file", metavar="FILE", help="Name everything that is gone there, one JSON object a line.")
@click.pass_obj
def restore(session: Session, file: str, replace: bool, lost_file: str | None) -> None:
    """Make a backup the content of the database. It may be SQLite or PostgreSQL, whatever the backup was made of.

    An empty database is made if there is none. One that holds data is left alone unless you say --replace: then its
    data is set aside, never deleted, and the report says where it is. Nothing is done while a service runs on it.

    A new history begins: phones are told everything again, and the registration journal, if there is one, is replayed.
    The report names the registrations that are gone, which is no fault: exit 0. Entries of the journal that cannot be
    read are one: exit 1, with the backup in its place. It needs the LIVEPASS_SECRET_KEY of the backup.
    """
    from livepass.cli.backup import archive

    config = session.config()
    with kept(lost_file) as losses, archive(file) as found:
        done = run(_restore(config, found, replace, losses))
    session.out.show(done.document(), lambda page: done.draw(page))
    if done.trouble or done.history["trouble"] or (done.history["journal"] or {}).get("unreadable"):
        raise click.exceptions.Exit(Exit.PROBLEM)


async def _restore(config: Config, found: Any, replace: bool, losses: Losses) -> _Done:
    from livepass import wiring
    from livepass.cli import recovered
    from livepass.cli.database import explained

    ahead = _ahead(found.manifest, await wiring.witnessed(config))
    with explained(config):
        try:
            filled = await wiring.restore(config, found, replace=replace)
        except (wiring.NotEmpty, wiring.StillWorking, wiring.CannotSetAside) as error:
            raise Fault(f"{config.database}: {error}", Exit.REFUSED, hint=error.hint) from error
    done = _Done(config.database, found.manifest, filled, losses, ahead)
    try:
        async with wiring.opened(config) as services:
            since = found.manifest.created_at - EARLIER_MS
            # What is older is there already, unless the backup was made before an earlier replay had finished.
            report = await services.recovering.recover("restored", since, rest_follows=True)
            done.history = recovered.document(report)
        if filled.set_aside:
            async for loss in wiring.lost(config, filled.set_aside):
                losses.note(loss)
    except Exception as error:  # the archive is in its place by now: what remains can be done again
        done.trouble = f"{type(error).__name__}: {error}"
    return done


def _ahead(manifest: Manifest, witness: Any) -> dict[str, int]:
    """By how many numbers each pass type had come further than the archive, as far as the witness outside knows."""
    if witness is None or witness.uuid != manifest.installation:
        return {}
    known = {name: (epoch, seq) for name, (epoch, seq) in manifest.pass_types.items()}
    return {
        name: mark.seq - known[name][1]
        for name, mark in witness.marks.items()
        if name in known and known[name][0] == mark.epoch and mark.seq > known[name][1]
    }


@dataclass
class _Done:
    """What was done, to be shown."""

    database: str
    manifest: Manifest
    filled: Filled
    losses: Losses
    ahead: dict[str, int]
    history: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""

    def document(self) -> dict[str, Any]:
        compared = bool(self.filled.set_aside) and not self.trouble
        return {
            "database": self.database,
            "created_at": instant(self.manifest.created_at),
            "rows": {name: table.rows for name, table in self.manifest.tables.items()},
            "set_aside": self.filled.set_aside or None,
            "forget": self.filled.forget or None,
            "replaced_characters": self.filled.replaced,
            "history": self.history or None,
            "ahead": self.ahead,
            "lost": self.losses.found if compared else None,
            "trouble": self.trouble,
        }

    def draw(self, page: Page) -> None:
        page.line(good(f"{self.database} is what it was at {instant(self.manifest.created_at)}"))
        if self.filled.set_aside:
            page.facts(("set aside", self.filled.set_aside), ("to give it up", self.filled.forget))
        if self.filled.replaced:
            page.line(warn(f"{self.filled.replaced} NUL characters became U+FFFD: PostgreSQL holds none"))
        if self.trouble:
            page.line(bad(f"what comes after could not be done: {self.trouble}"))
            page.line(dim("when that is mended: livepass db recover"))
            return
        if self.filled.set_aside and self.history["journal"] is None and not self.history["trouble"]:
            page.line(good("a new history begins: phones are told everything again"))
        else:
            from livepass.cli import recovered

            recovered.draw(page, self.history)
        if self.filled.set_aside:
            self.losses.draw(page, f"livepass db compare {self.filled.set_aside} --json")
        for name, count in self.ahead.items() if not self.filled.set_aside else ():
            # The database that was lost cannot be asked; the witness outside it can.
            page.line(bad(f"{name} had come {count} numbers further: so many changes and registrations are gone"))
