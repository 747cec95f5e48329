"""``livepass import folder``: passes that lie in a folder, as generators without a database leave them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from livepass.cli import importing
from livepass.cli.adopting import Phones, adopt, local
from livepass.cli.faults import unchecked
from livepass.cli.import_packages import Found, Packages
from livepass.cli.import_registrations import push_option, rows
from livepass.cli.import_state import State
from livepass.cli.import_tokens import Shared, shared
from livepass.cli.importing import Import
from livepass.cli.names import opened as opened_file
from livepass.cli.render import Page
from livepass.cli.root import Verb
from livepass.cli.session import Session, run
from livepass.pkpass import PkpassError
from livepass.pkpass.resemblance import document_of
from livepass.pkpass.source import open_source


@click.command(cls=Verb)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--template", metavar="NAME", help="All are to be passes of this one (default: templates made of them).")
@click.option("--name", default="imported", metavar="NAME", help="How the names of made templates begin (imported).")
@click.option("--registrations", metavar="FILE", help="The phones that follow them: as livepass import registrations.")
@push_option
@click.option("--dry-run", is_flag=True, help="Only say what would come along.")
@click.option("--errors", metavar="FILE", help="Where what cannot come along is named, as CSV (DIR.errors.csv).")
@click.pass_obj
def folder(
    session: Session,
    folder: Path,
    template: str | None,
    name: str,
    registrations: str | None,
    push: str,
    dry_run: bool,
    errors: str | None,
) -> None:
    """Take in each .pkpass below DIR, and each folder there that holds a pass.json, as phones hold it.

    Token, serial number and webServiceURL stay; the address must be one that reaches this service
    (LIVEPASS_OTHER_URLS). Passes with the same files and fields become passes of one template, whose variables are
    named by the keys of the fields. Nobody is pushed for the passes; --push is about --registrations. May be repeated.
    """
    local(session)
    if not folder.is_dir():
        raise unchecked(f"{folder} is no folder", "name the folder that the passes lie in")
    one = Import(session, State(None, ""), Path(errors or f"{str(folder).rstrip('/')}.errors.csv"))
    templates, phones = run(_folder(session, one, folder, template, name, registrations, push == "auto", dry_run))
    document = one.document(dry_run=dry_run, templates=templates, phones=phones.document() if phones else None)
    session.out.show(document, lambda page: _draw(page, document, phones))
    one.refuse()


def _draw(page: Page, document: dict[str, Any], phones: Phones | None) -> None:
    importing.draw(page, document)
    page.facts(*((f"template {name}", f"{count:,} passes") for name, count in sorted(document["templates"].items())))
    if phones is not None:
        phones.draw(page)


async def _folder(
    session: Session,
    one: Import,
    folder: Path,
    template: str | None,
    name: str,
    registrations: str | None,
    push: bool,
    dry_run: bool,
) -> tuple[dict[str, int], Phones | None]:
    from livepass.cli.database import explained, services

    config = session.config()
    async with services(config) as opened:
        with explained(config), shared() as tokens:
            _note(folder, tokens)
            packages = await Packages.open(opened, name, template)
            found = (Found(number, path) for number, path in enumerate(_walk(folder), 1))
            await one.run(packages.rows(found, tokens), packages.put(dry_run=dry_run))
            phones = None
            if registrations and not dry_run:
                with opened_file(registrations) as lines:
                    left_out = Path(f"{registrations}.errors.csv")
                    phones = await adopt(opened, rows(lines, registrations), push=push, left_out=left_out)
            return packages.templates, phones


def _note(folder: Path, tokens: Shared) -> None:
    """Which tokens two of them share: known before the first is taken in."""
    for path in _walk(folder):
        with contextlib.suppress(PkpassError, OSError):
            document = document_of(open_source(path))
            who = f"{document.get('passTypeIdentifier')}/{document.get('serialNumber')}"
            tokens.note([(str(document.get("authenticationToken") or ""), who)])


def _walk(folder: Path) -> Iterator[Path]:
    """Passes, in order of their names; a folder that is one is not looked into. No link is followed."""
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            continue
        if path.is_dir():
            if (path / "pass.json").is_file():
                yield path
            else:
                yield from _walk(path)
        elif path.suffix == ".pkpass":
            yield path
