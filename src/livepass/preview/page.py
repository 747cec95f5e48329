"""A whole document of drawings, and one drawing as SVG. Neither holds a script or an address."""

from __future__ import annotations

import base64
import copy
import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from importlib.resources import files
from typing import Final

from livepass.preview.markup import el
from livepass.preview.shapes import Drawing

STYLE: Final = files(__package__).joinpath("style.css").read_text("utf-8")
STYLE_SOURCE: Final = f"'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
"""For a Content-Security-Policy: ``style-src`` with it lets the style of ``page`` in."""

LABEL: Final = (
    "Approximate. Drawn without a phone; Apple's Pass Designer (Mac) shows the true rendering. Known to differ: fonts, "
    "Display P3 colours, the faint gradient of a card, how text is shrunk, glass and blur, and the Watch. Links lead "
    "nowhere here."
)
_SVG, _XHTML = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"


def page(drawings: Sequence[tuple[str, Drawing]], title: str, below: Sequence[ET.Element] = ()) -> bytes:
    """HTML, UTF-8: the drawings side by side, each under its caption and above its notes; then ``below``."""
    head = el(
        "head",
        "",
        el("meta", "", charset="utf-8"),
        el("meta", "", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", "", title),
        el("style", "", STYLE),
    )
    main = el(
        "main",
        "gallery",
        el("h1", "", title),
        el("div", "figures", [_figure(caption, drawing) for caption, drawing in drawings]),
        el("section", "below", below) if below else None,
        el("p", "approximate", LABEL),
    )
    document = el("html", "", head, el("body", "", main, class_="livepass-page"), lang="en")
    html: bytes = ET.tostring(document, "utf-8", method="html")
    return b"<!DOCTYPE html>\n" + html + b"\n"


def _figure(caption: str, drawing: Drawing) -> ET.Element:
    notes = el("ul", "notes", [el("li", "", note) for note in drawing.notes]) if drawing.notes else None
    return el("figure", "figure", el("figcaption", "", caption), drawing.element, notes)


def svg(drawing: Drawing) -> bytes:
    """SVG that holds HTML (``foreignObject``) and its style: browsers draw it, most other programs do not."""
    width, height = drawing.size
    inside = copy.deepcopy(drawing.element)
    inside.set("xmlns", _XHTML)
    for each in inside.iter("svg"):
        each.set("xmlns", _SVG)
    whole = el(
        "svg",
        "",
        el("style", "", STYLE),
        el("foreignObject", "", inside, width=width, height=height),
        xmlns=_SVG,
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
    )
    xml: bytes = ET.tostring(whole, "utf-8", xml_declaration=True)
    return xml
