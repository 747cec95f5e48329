"""``livepass template``: folders that passes are made from."""

from __future__ import annotations

from typing import Any

import click

from livepass.cli.faults import Fault
from livepass.cli.render import Column, Page, dim, good, instant, text_of, warn
from livepass.cli.root import noun
from livepass.cli.session import Session, run
from livepass.cli.template_images import images


@noun("template")
def template() -> None:
    """Folders that passes are made from: pass.json with ${variables}, images, localisations."""


@template.command("import")
@click.argument("folder")
@click.option("--name", help="Its name; the folder's own by default.")
@click.pass_obj
def import_(session: Session, folder: str, name: str | None) -> None:
    """Take in a folder. Importing it again makes a new revision, which the template's passes follow."""
    from pathlib import Path

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
    session.out.rows(run(_all(session)), columns, "no templates: livepass template import FOLDER")


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
