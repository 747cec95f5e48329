"""``livepass import django-walletpass``: its passes, and the phones that follow them, from its database and files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from livepass.cli import importing
from livepass.cli.adopting import Phones, adopt, local
from livepass.cli.faults import Exit, Fault, unchecked
from livepass.cli.foreign import Foreign, foreign
from livepass.cli.import_packages import Found, Packages
from livepass.cli.import_registrations import push_option
from livepass.cli.import_state import State
from livepass.cli.import_tokens import shared
from livepass.cli.importing import Import
from livepass.cli.render import Page, bad, dim
from livepass.cli.root import Verb
from livepass.cli.session import Session, run

if TYPE_CHECKING:
    from livepass.service.adopting import Known

PASSES = (
    "SELECT id, pass_type_identifier, serial_number, authentication_token, data"
    " FROM django_walletpass_pass WHERE id > {after} ORDER BY id LIMIT {limit}"
)
PHONES = (
    "SELECT r.id, p.pass_type_identifier, p.serial_number, r.device_library_identifier, r.push_token"
    " FROM django_walletpass_registration r JOIN django_walletpass_pass p ON p.id = r.pazz_id"
    " WHERE r.id > {after} ORDER BY r.id LIMIT {limit}"
)


@click.command("django-walletpass", cls=Verb)
@click.argument("database", metavar="sqlite:///FILE|postgresql://…")
@click.option("--media", required=True, type=click.Path(path_type=Path, file_okay=False), help="Its MEDIA_ROOT.")
@click.option("--template", metavar="NAME", help="All are to be passes of this one (default: templates made of them).")
@click.option("--name", default="django", metavar="NAME", help="How the names of made templates begin (django).")
@push_option
@click.option("--dry-run", is_flag=True, help="Only say what would come along.")
@click.option("--errors", metavar="FILE", help="Where passes that cannot come along are named, as CSV.")
@click.pass_obj
def django_walletpass(
    session: Session,
    database: str,
    media: Path,
    template: str | None,
    name: str,
    push: str,
    dry_run: bool,
    errors: str | None,
) -> None:
    """Take over from django-walletpass 5: passes with their tokens, and phones with their push tokens.

    Its database is only read. Stop its writers first, import, then let the proxy send phones here: their passes name
    the same address as before, which LIVEPASS_OTHER_URLS has to name. livepass help take-over-a-service is the runbook.
    May be repeated: what is here already stays. Exit 1 when something cannot come along.
    """
    local(session)
    if not media.is_dir():
        raise unchecked(f"{media} is no folder", "--media names the MEDIA_ROOT of the Django project")
    wrong = Path(errors or "django-walletpass.errors.csv")
    left_out = wrong.with_name(f"registrations.{wrong.name}")
    one = Import(session, State(None, ""), wrong)
    templates, phones = run(
        _take_over(session, one, database, media, template, name, push == "auto", dry_run, left_out)
    )
    document = one.document(dry_run=dry_run, templates=templates, phones=phones.document() if phones else None)
    session.out.show(document, lambda page: _draw(page, document, phones))
    if phones is not None and phones.refused and not one.tally.refused:
        raise click.exceptions.Exit(Exit.PROBLEM)
    one.refuse()


async def _take_over(
    session: Session,
    one: Import,
    database: str,
    media: Path,
    template: str | None,
    name: str,
    push: bool,
    dry_run: bool,
    left_out: Path,
) -> tuple[dict[str, int], Phones | None]:
    from livepass.cli.database import explained, services

    config = session.config()
    with foreign(database) as theirs:
        _look(theirs, database)
        async with services(config) as opened:
            with explained(config), shared() as tokens:
                tokens.note((str(row[3]), f"{row[1]}/{row[2]}") for row in theirs.pages(PASSES))
                packages = await Packages.open(opened, name, template)
                await one.run(packages.rows(_passes(theirs, media), tokens), packages.put(dry_run=dry_run))
                if dry_run:
                    return packages.templates, None
                phones = await adopt(opened, _phones(theirs), push=push, left_out=left_out)
                return packages.templates, phones


def _look(theirs: Foreign, database: str) -> None:
    try:
        next(theirs.pages(PASSES), None)
        next(theirs.pages(PHONES), None)
    except theirs.errors as error:
        shown = re.sub(r"//.*@", "//…@", database)
        hint = "name the database of the Django project, of django-walletpass 5"
        raise Fault(f"{shown} holds no django-walletpass: {error}", Exit.UNCHECKED, hint=hint) from error


def _passes(theirs: Foreign, media: Path) -> Iterator[Found]:
    root = media.resolve()
    for id_, pass_type, serial, token, data in theirs.pages(PASSES):
        path = (root / str(data)).resolve()
        # A path out of the folder is none of its files.
        yield Found(id_, path if path.is_relative_to(root) else root / "none", pass_type, serial, token)


def _phones(theirs: Foreign) -> Iterator[Known]:
    from livepass.service.adopting import Known

    for _, pass_type, serial, device_id, push_token in theirs.pages(PHONES):
        yield Known(pass_type, serial, device_id, str(push_token).strip().lower())


def _draw(page: Page, document: dict[str, Any], phones: Phones | None) -> None:
    importing.draw(page, document)
    page.facts(*((f"template {name}", f"{count:,} passes") for name, count in sorted(document["templates"].items())))
    if phones is not None:
        phones.draw(page)
    if document["refused"]:
        page.line(bad("phones that hold a refused pass get no more updates from here"))
    page.line(dim("next: livepass help take-over-a-service"))
