"""``livepass pass preview``: what a phone would show of a pass, approximately, without a phone."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from livepass.cli import browser, names, subjects
from livepass.cli.faults import Fault, usage
from livepass.cli.render import Page, dim, good
from livepass.cli.root import Verb
from livepass.cli.session import Session, run
from livepass.cli.subjects import Subject

if TYPE_CHECKING:
    from livepass.pkpass.difference import Side
    from livepass.preview import Drawing

Drawn = list[tuple[str, "Drawing"]]
"""Drawings under their captions."""

view_options = (
    click.option("--ios", type=click.Choice(["18", "26", "27"]), default="27", help="As this iOS does (default 27)."),
    click.option("--language", default="en", metavar="LANGUAGE", help="The phone's language, as in de (default en)."),
)


@click.command(cls=Verb)
@click.argument("words", nargs=-1, required=True, metavar=f"{subjects.KINDS} [key=value …]")
@view_options[0]
@view_options[1]
@click.option("--dark", is_flag=True, help="Only in dark mode.")
@click.option("--back", is_flag=True, help="Only the back.")
@click.option("-o", "--output", metavar="FILE", help="Write a page, or with .svg one drawing; - is stdout.")
@click.option("--open", "open_", is_flag=True, help="Open the page in a browser.")
@click.option("--png", metavar="FILE", help="Take a picture of the page, with a Chromium or Chrome on PATH.")
@click.pass_obj
def preview(
    session: Session,
    words: tuple[str, ...],
    ios: str,
    language: str,
    dark: bool,
    back: bool,
    output: str | None,
    open_: bool,
    png: str | None,
) -> None:
    """Draw a pass as a phone would show it, approximately: front and back, light and dark, on one page.

    A template is filled with these values and samples; a pass of the service is shown as it would be with them, and
    nothing is changed. Barcodes need the extra preview.
    """
    found, data = subjects.parted(words)
    if len(found) != 1:
        raise usage("preview draws one", f"name one of {subjects.KINDS}")
    subject = Subject.of(found[0])
    if data and not subject.folder and not subject.pass_name:
        raise usage(f"{subject.word} takes no values", "a .pkpass is drawn as it is: leave the values out")
    if not (output or open_ or png):
        raise usage("nobody would see it", "add -o FILE.html, --open or --png FILE")
    if session.as_json and "-" in (output, png):
        raise usage("the drawing and --json both want standard output", "name a file")
    drawn = drawings(
        run(_side(session, subject, data)),
        int(ios),
        language,
        ("dark",) if dark else ("light", "dark"),
        ("back",) if back else ("front", "back"),
    )
    written = Written(page_of(drawn, subject.word), drawn)
    written.out(output)
    written.taken(png)
    if open_:
        written.opened()
    document = {"subject": subject.word, "ios": int(ios), "language": language, **written.as_json()}
    if "-" not in (output, png):
        session.out.show(document, lambda page: written.draw(page))


async def _side(session: Session, subject: Subject, data: Mapping[str, Any]) -> Side:
    if subject.pass_name is None:
        return await subjects.side(None, subject, data)
    from livepass.cli.client import connected

    async with connected(session) as client:
        if data:
            return await subjects.would_be(client, subject.pass_name, data)
        return await subjects.side(client, subject, {})


def drawings(
    side: Side,
    ios: int,
    language: str,
    schemes: Sequence[str],
    sides: Sequence[str],
    changed: Sequence[str] = (),
) -> Drawn:
    """Each side in each scheme."""
    from livepass.pkpass import InvalidPackage
    from livepass.preview import View, draw

    view = View(ios=ios, language=language, now=datetime.now(UTC))
    try:
        return [
            (f"{at}, {scheme}", draw(side.files, replace(view, side=at, scheme=scheme), changed=changed))
            for at in sides
            for scheme in schemes
        ]
    except InvalidPackage as error:
        raise Fault(error.reason, hint=error.hint, code="package") from error


def page_of(drawn: Drawn, title: str) -> bytes:
    from livepass.preview import page

    return page(drawn, title)


def opened(html: bytes) -> Path:
    """A page in a browser, from a file that only its owner can read."""
    path = Path(tempfile.mkdtemp(prefix="livepass-"), "page.html")
    names.write_bytes(path, html, 0o600)
    browser.show(path)
    return path


def show_page(html: bytes, output: str | None, *, open_: bool) -> None:
    """A page to a file, to a browser, or to both."""
    if output is not None:
        names.write_bytes(output, html)
    if open_:
        opened(html)


class Written:
    """Where a page of drawings went."""

    def __init__(self, html: bytes, drawn: Drawn) -> None:
        self._html = html
        self._drawn = drawn
        self.files: dict[str, str] = {}

    def out(self, output: str | None) -> None:
        """The page, or with .svg the first drawing."""
        if output is None:
            return
        from livepass.preview import svg

        names.write_bytes(output, svg(self._drawn[0][1]) if output.endswith(".svg") else self._html)
        self.files["page"] = output

    def taken(self, png: str | None) -> None:
        """A picture of the page."""
        if png is not None:
            names.write_bytes(png, browser.picture(self._html, size_of(self._drawn)))
            self.files["png"] = png

    def opened(self) -> None:
        """In a browser. The file stays for as long as the system keeps such."""
        self.files["opened"] = str(opened(self._html))

    def as_json(self) -> dict[str, Any]:
        rows = [
            {"caption": caption, "width": each.size[0], "height": each.size[1], "notes": list(each.notes)}
            for caption, each in self._drawn
        ]
        return {"files": self.files, "drawings": rows}

    def draw(self, page: Page) -> None:
        from livepass.preview import LABEL

        for path in self.files.values():
            page.line(good(path))
        for note in dict.fromkeys(note for _, each in self._drawn for note in each.notes):
            page.line(dim(f"- {note}"))
        page.line(dim(LABEL))


# ── how large a picture has to be


MARGIN, CAPTION, LINE = 40, 160, 24
CHARACTERS = 36
"""Of a line of a back side, or of a note below a drawing, at least."""


def size_of(drawn: Drawn) -> tuple[int, int]:
    """Width and height (CSS pixels) that hold the page: what runs freely is rated by its length, amply."""
    width = sum(each.size[0] + MARGIN for _, each in drawn) + MARGIN
    height = max(_height(each) for _, each in drawn)
    return max(width, 600), height + 2 * CAPTION


def _height(drawing: Drawing) -> int:
    text = sum(_lines(each) for each in drawing.element.itertext()) * LINE
    return max(drawing.size[1], text) + sum(map(_lines, drawing.notes)) * LINE


def _lines(text: str) -> int:
    return math.ceil(len(text) / CHARACTERS)
