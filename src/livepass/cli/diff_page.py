"""The page of ``livepass pass diff --html``: both passes drawn, what changed outlined, the list, the lock screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element

from livepass.cli.events import SAYS
from livepass.cli.preview import drawings
from livepass.pkpass.difference import Difference, Side, groups_of
from livepass.pkpass.fields import BACK_GROUPS
from livepass.preview import page
from livepass.preview.markup import el

Rows = list[tuple[str, str, str, str]]
"""Where, what, before, after."""


def html(
    found: Difference, rows: Rows, sides: tuple[Side, Side], names: tuple[str, str], ios: int, language: str
) -> bytes:
    """The whole document. The backs are drawn too where something on them changed."""
    changed = [field.key for field in found.fields]
    places = {group for field in found.fields for side in sides for group in groups_of(side.document, field.key)}
    shown = ("front", "back") if places & set(BACK_GROUPS) else ("front",)
    drawn = [
        (f"{name}, {caption}", drawing)
        for at in shown
        for name, side in zip(names, sides, strict=True)
        for caption, drawing in drawings(side, ios, language, ("light",), (at,), changed)
    ]
    return page(drawn, f"{names[0]} → {names[1]}", below=list(_below(found, rows, names)))


def _below(found: Difference, rows: Rows, names: tuple[str, str]) -> Iterator[Element]:
    yield el("h2", "", "On the lock screen")
    yield el("ul", "", [el("li", "", text) for text in _told(found.notices)])
    if found.warnings:
        yield el("h2", "", "Worth knowing")
        yield el("ul", "", [el("li", "", each) for each in found.warnings])
    yield el("h2", "", "What is different")
    head = el("tr", "", [el("th", "", title, scope="col") for title in ("Where", "What", *names)])
    body = [el("tr", "", [el("td", "", el("bdi", "", cell)) for cell in row]) for row in rows]
    yield el("table", "list", el("thead", "", head), el("tbody", "", body))


def _told(notices: Mapping[str, Any]) -> Iterator[str]:
    for language, notice in notices.items():
        where = f"{language}: " if language else ""
        said = SAYS[notice.kind].format(text=notice.text, reason=notice.reason)
        yield where + said + "".join(f" ({each})" for each in notice.assumed)
