"""``livepass template``: folders that passes are made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from livepass.cli import starts
from livepass.cli.faults import Exit, Fault, usage
from livepass.cli.render import Column, Page, dim, good, instant, text_of, warn
from livepass.cli.root import noun
from livepass.cli.session import Session, run
from livepass.cli.template_images import images


@noun("template")
def template() -> None:
    """Folders that passes are made from: pass.json with ${variables}, images, localisations."""


@template.command()
@click.argument("style")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--transit", type=click.Choice(list(starts.TRANSITS)), help="For boardingPass: by what (default air).")
@click.pass_obj
def new(session: Session, style: str, folder: Path | None, transit: str | None) -> None:
    """Begin a template: a whole one, with sample values and images of our own, to edit into yours.

    STYLE is boardingPass, coupon, eventTicket, generic, posterEventTicket, posterGeneric, semanticBoardingPass or
    storeCard. FOLDER is new or empty, and named after the style by default. Needs no service; overwrites nothing.
    """
    from livepass.cli.folders import write_new
    from livepass.pkpass import Template, TemplateError

    style = _style(style)
    if transit and style != "boardingPass":
        raise usage(f"{style} has no --transit", "only boardingPass has: leave it out")
    target = folder or Path(style)
    files = starts.files(style, transit or "air")
    try:
        Template.from_files(target.resolve().name, files)
    except TemplateError as error:
        raise Fault(f"{target}: {error.reason}", Exit.USAGE, hint=error.hint, code="template") from error
    write_new(target, files, f"livepass template new {style}")
    note = starts.note(style)
    steps = [f"livepass pass lint {target}", f"livepass template import {target}"]

    def draw(page: Page) -> None:
        page.line(good(f"{target}: a template of the style {style}, {len(files)} files"))
        page.line(dim(starts.about(style)))
        if note:
            page.line(warn(note))
        page.line("edit pass.json, variables.json and the images; then:")
        for step in steps:
            page.line(f"  {step}")

    document = {"style": style, "folder": str(target), "files": sorted(files), "note": note, "next": steps}
    session.out.show(document, draw)


def _style(typed: str) -> str:
    from livepass.pkpass.pointer import did_you_mean

    found = next((each for each in starts.STYLES if each.casefold() == typed.casefold()), None)
    if found is None:
        raise usage(
            f"there is no style {typed!r}{did_you_mean(typed, starts.STYLES)}", f"use one of {', '.join(starts.STYLES)}"
        )
    return found


@template.command("import")
@click.argument("source")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--name", help="The template's name; the folder's own by default.")
@click.option(
    "--variables", "every_field", is_flag=True, help="Each field's value becomes a variable, named by its key."
)
@click.option(
    "--variable",
    "wishes",
    multiple=True,
    metavar="POINTER=NAME[:TYPE]",
    help="This value becomes a variable, as in /barcodes/0/message=code:string. May be given often.",
)
@click.pass_obj
def import_(
    session: Session, source: str, folder: Path | None, name: str | None, every_field: bool, wishes: tuple[str, ...]
) -> None:
    """Take in a template's folder; or make one of what others left.

    A template's folder goes into the service. Importing it again makes a new revision, which its passes follow.

    A .pkpass, a .pkpasstemplate of Apple's designer, or a folder NAME.pass as generators on Node read it is written to
    FOLDER as a template, with a report of what was repaired and left out. It needs no service and overwrites nothing.
    """
    from livepass.cli import taking

    if folder or every_field or wishes or taking.is_foreign(source):
        if name:
            raise usage("--name is for a template's folder", "name the FOLDER to write instead")
        taking.over(session, source, folder, taking.wishes(wishes), every_field=every_field)
    else:
        _publish(session, source, name)


def _publish(session: Session, folder: str, name: str | None) -> None:
    from livepass.pkpass import Template, TemplateError

    try:
        read = Template.from_folder(folder)
        made = Template.from_files(name, read.files) if name else read
    except TemplateError as error:
        raise Fault(f"{folder}: {error.reason}", hint=error.hint, code="template") from error
    except OSError as error:
        raise Fault(f"{folder} cannot be read: {error.strerror}", hint="name a folder", code="template") from error

    async def work() -> dict[str, Any]:
        from livepass.cli.client import connected

        async with connected(session) as client:
            answer = await client.request(
                "POST", "/templates", query={"name": made.name}, body=made.to_zip(), content_type="application/zip"
            )
            return answer.json()

    done = run(work())

    def draw(page: Page) -> None:
        known = done.get("new") is False
        revision = str(done.get("revision", ""))[:12]
        page.line(
            dim(f"{made.name} is at revision {revision} already")
            if known
            else good(f"{made.name}: revision {revision}")
        )
        page.facts(("from", str(Path(folder))), ("variables", text_of(done.get("variables"))))
        for problem in done.get("problems") or ():
            page.line(warn(f"{problem.get('message')} ({problem.get('remedy')})"))

    session.out.show(done, draw)


@template.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """The templates there are."""
    columns: list[Column] = [
        ("TEMPLATE", "name"),
        ("REVISION", lambda row: str(row.get("revision", ""))[:12]),
        ("SINCE", lambda row: instant(row.get("created_at"))),
        ("VARIABLES", lambda row: text_of(list(row.get("variables") or ()))),
    ]
    session.out.rows(
        run(_all(session)), columns, "no templates: livepass template new STYLE, livepass template import FOLDER"
    )


@template.command()
@click.argument("name")
@click.pass_obj
def show(session: Session, name: str) -> None:
    """A template and its variables."""
    found = [row for row in run(_all(session)) if row.get("name") == name]
    if not found:
        raise Fault(f"there is no template {name}", hint="livepass template list shows the names", code="not_found")
    [row] = found

    def draw(page: Page) -> None:
        page.facts(
            ("template", text_of(row.get("name"))),
            ("revision", text_of(row.get("revision"))),
            ("since", instant(row.get("created_at"))),
        )
        variables = row.get("variables") or {}
        columns: list[Column] = [("VARIABLE", "name"), ("TYPE", "type")]
        page.table(columns, [{"name": key, "type": kind} for key, kind in variables.items()], "no variables")

    session.out.show(row, draw)


template.add_command(images)


async def _all(session: Session) -> list[dict[str, Any]]:
    from livepass.cli.client import connected

    async with connected(session) as client:
        return await client.rows("/templates", limit=10_000)
