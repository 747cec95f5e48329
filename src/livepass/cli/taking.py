"""The part of ``livepass template import`` that makes a template of what designers and other generators left."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from livepass.cli import checking
from livepass.cli.faults import Exit, Fault, usage
from livepass.cli.folders import write_new
from livepass.cli.render import Page, bad, dim, good, text_of, warn
from livepass.cli.session import Session
from livepass.pkpass import (
    PkpassError,
    Problem,
    Template,
    TemplateError,
    VariableType,
    read,
    verify,
)
from livepass.pkpass.source import DESIGN_SUFFIX, MODEL_SUFFIX, Act, Kind, Note, Source, open_source
from livepass.pkpass.takeover import TakenOver, Wish, take_over
from livepass.pkpass.variables import DECLARABLE

_SAID = {
    Kind.PACKAGE: "a .pkpass",
    Kind.DESIGN: "a template of Apple's designer",
    Kind.MODEL: "a folder as generators on Node read it",
}


def is_foreign(source: str) -> bool:
    """Whether a source is to be made into a template, where that is not said otherwise."""
    path = Path(source)
    return path.suffix in {DESIGN_SUFFIX, MODEL_SUFFIX} or path.is_file()


def wishes(words: Sequence[str]) -> list[Wish]:
    """``/barcodes/0/message=code:string`` → a wish."""
    found = []
    for word in words:
        pointer, equals, name = word.rpartition("=")
        name, colon, kind = name.partition(":")
        if not equals or not pointer.startswith("/") or not name:
            raise usage(
                f"--variable {word} is not POINTER=NAME", "write /storeCard/primaryFields/0/value=points:number"
            )
        if colon and kind not in DECLARABLE:
            raise usage(
                f"--variable {word}: there is no type {kind!r}", f"write one of {', '.join(sorted(DECLARABLE))}"
            )
        found.append(Wish(pointer, name, VariableType(kind) if colon else None))
    return found


def over(session: Session, path: str, folder: Path | None, named: Sequence[Wish], *, every_field: bool) -> None:
    """Write the template and say what was done. Leaves with 1 where phones would refuse its passes as they are."""
    try:
        source = open_source(path)
        taken = take_over(source, named, every_field=every_field)
        target = folder or Path(re.sub(r"[^A-Za-z0-9._-]+", "-", source.name).strip("-._") or "template")
        Template.from_files(target.resolve().name, taken.files)
    except TemplateError as error:
        raise Fault(f"{path}: {error.reason}", hint=error.hint, code="template") from error
    except OSError as error:
        raise Fault(
            f"{path} cannot be read: {error.strerror}", Exit.UNCHECKED, hint="check the name of the file"
        ) from error
    write_new(target, taken.files, f"livepass template import {path}")
    problems = checking.linted(str(target), {})
    document = _report(path, target, source, taken, problems)
    session.out.show(document, lambda page: _draw(page, source, taken, document))
    if document["fatal"]:
        raise click.exceptions.Exit(Exit.PROBLEM)


def _report(path: str, target: Path, source: Source, taken: TakenOver, problems: list[Problem]) -> dict[str, Any]:
    return {
        "source": path,
        "kind": source.kind.value,
        "folder": str(target),
        "signature": _signature(source),
        "files": sorted(taken.files),
        "fields": taken.fields,
        "variables": dict(taken.variables),
        "notes": [{"act": each.act.value, "where": each.where, "what": each.what} for each in taken.notes],
        "fatal": sum(each.severity == "fatal" for each in problems),
        "problems": len(problems),
        "next": [f"livepass pass lint {target}", f"livepass template import {target}"],
    }


def _signature(source: Source) -> str | None:
    """What the signature is worth; ``None``: there is none. A template needs none."""
    if not source.signed or source.archive is None:
        return None
    try:
        found = verify(read(source.archive))
    except PkpassError as error:
        return f"phones would not believe it: {error.reason}"
    return f"signed for {found.pass_type}, {found.certificate.root_statement}"


def _draw(page: Page, source: Source, taken: TakenOver, report: dict[str, Any]) -> None:
    page.line(good(f"{report['folder']}: a template from {report['source']}"), dim(f"({_SAID[source.kind]})"))
    page.facts(
        ("files", str(len(taken.files))),
        ("fields", str(taken.fields)),
        ("variables", text_of(sorted(taken.variables)) if taken.variables else dim("none: --variables makes some")),
        ("signature", report["signature"]),
    )
    acts = {Act.REPAIRED: good, Act.LEFT_OUT: dim, Act.KEPT: dim, Act.TO_DO: warn}
    page.facts(*((each.act.value, acts[each.act](_line(each))) for each in taken.notes))
    if report["fatal"]:
        page.line(bad(f"phones would refuse its passes as they are: {report['next'][0]}"))
    page.line("next:")
    for step in report["next"]:
        page.line(f"  {step}")


def _line(note: Note) -> str:
    return f"{note.where}: {note.what}"
