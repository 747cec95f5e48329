"""``livepass pass verify``, ``lint`` and ``schema``: what is said of files, for which no service is needed."""

from __future__ import annotations

import json

import click

from livepass.cli import names
from livepass.cli.bundling import verify_each
from livepass.cli.faults import Exit
from livepass.cli.render import Page, bad, dim, good, instant, warn
from livepass.cli.root import Verb
from livepass.cli.session import Session


@click.command(cls=Verb)
@click.argument("file", metavar="FILE.pkpass|FILE.pkpasses")
@click.pass_obj
def verify(session: Session, file: str) -> None:
    """Would a phone believe this file? Hashes, signature, chain and identity; needs no service.

    Real phones follow the chain to Apple's root; --ca FILE follows it to the roots in that file. Of a .pkpasses every
    pass is looked at.
    """
    from livepass.cli import checking
    from livepass.pkpass import several

    if file.endswith(several.ENDING):
        verify_each(session, file)
        return
    found = checking.verified(file, session.ca)
    facts = checking.verified_json(file, found)

    def draw(page: Page) -> None:
        page.line(good(f"{file}: {found.pass_type}/{found.serial}"))
        page.facts(
            ("team", f"{found.team} ({facts['organization']})"),
            ("signed", instant(facts["signed_at"])),
            ("certificate", f"valid to {instant(facts['certificate_not_after'])}"),
            ("root", facts["root_statement"] if facts["root"] == "apple" else warn(facts["root_statement"])),
            ("chain", f"followed to a root in {session.ca}" if found.root_checked else None),
        )

    session.out.show(facts, draw)


@click.command(cls=Verb)
@click.argument("path", metavar="FILE.pkpass|FILE.pkpasses|TEMPLATE_DIR")
@click.argument("data", nargs=-1, metavar="[key=value …]")
@click.option("--ios", metavar="18,26,27", help="Only what concerns one of these, and what one of them is too old for.")
@click.pass_obj
def lint(session: Session, path: str, data: tuple[str, ...], ios: str | None) -> None:
    """What a phone would refuse or ignore; needs no service. Exit 1 when it would refuse.

    A template is filled with these values, and with samples where none is given.
    """
    from livepass.cli import checking
    from livepass.pkpass import IOS, ios_names

    found = checking.linted(path, names.values(data), checking.versions(ios))
    fatal = sum(problem.severity == "fatal" for problem in found)
    document = {
        "path": path,
        "fatal": fatal,
        "problems": [
            {
                "rule": each.rule,
                "severity": each.severity,
                "effect": each.effect,
                "ios": each.ios,
                "pointer": each.pointer,
                "message": each.message,
                "remedy": each.remedy,
            }
            for each in found
        ],
    }

    def draw(page: Page) -> None:
        for each in found:
            mark = bad(each.pointer or "pass") if each.severity == "fatal" else warn(each.pointer or "pass")
            where = dim(f"{ios_names(each.ios)} only") if each.ios != IOS else ""
            page.line(mark, each.message, where, dim(f"({each.remedy})") if each.remedy else "", dim(f"[{each.rule}]"))
        if not found:
            page.line(good(f"{path}: nothing to complain about"))
        elif not fatal:
            page.line(good(f"{path}: phones take it"))

    session.out.show(document, draw)
    if fatal:
        raise click.exceptions.Exit(Exit.PROBLEM)


@click.command(cls=Verb)
@click.option("--template", is_flag=True, help="Of a template: ${variables} allowed, keys that livepass adds optional.")
@click.pass_obj
def schema(session: Session, template: bool) -> None:
    """The JSON Schema of pass.json, for editors; needs no service.

    It checks less than livepass pass lint, while you type.
    """
    from livepass.pkpass import document_schema

    made = document_schema(template=template)

    def draw(page: Page) -> None:
        for line in json.dumps(made, indent=2, ensure_ascii=False).splitlines():
            page.line(line)

    session.out.show(made, draw)
