"""What several layouts have in common: a field, a row of fields, the top line, the panel of the barcode, the state."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from livepass.pkpass.dates import parse_date
from livepass.preview.barcode import SQUARE, Barcode, symbol
from livepass.preview.colours import Colours, contrast, hexed, parse_colour
from livepass.preview.fitting import fitting, width_of, width_of_label
from livepass.preview.images import image
from livepass.preview.markup import el, tinted
from livepass.preview.reading import Field, Reading

CARD = (358, 448)  # CSS pixels
MARGIN = 14
INSIDE = CARD[0] - 2 * MARGIN
GAP = 10
TOP, ROW, BOTTOM = 72, 46, 14  # pixels of height: the first two with the gap below
LABEL_SIZE = 11
_HEADER_VALUES = (18, 16, 14, 12, 11)
_ROW_VALUES = (18, 17, 16, 15, 14, 13, 12, 11)
_LOGO_TEXTS = (18, 17, 16, 15, 14, 13, 12)
_LOGO = 144  # at most
_LEAST_CONTRAST = 3.0  # WCAG 2.2 asks for it of large text
_HEADER_WIDTHS = (0, 150, 84, 62)  # pixels of each, by how many there are
_MOST_HEADERS = 3
_SYMBOL, _SMALLEST_SYMBOL = 132, 60  # pixels: how high a barcode is
_PANEL_EDGES, _ALT = 16, 20  # pixels: around it, and its text


def colours(reading: Reading) -> Colours:
    """Those of pass.json, or what is readable."""
    found = []
    for key in ("backgroundColor", "foregroundColor", "labelColor"):
        written = reading.document.get(key)
        colour = parse_colour(written)
        if written is not None and colour is None:
            reading.note(f"{key} is no colour that a phone reads: it is left out")
        found.append(colour)
    paint = Colours.of(*found)
    for key, colour in (("foregroundColor", paint.ink), ("labelColor", paint.label)):
        if (ratio := contrast(colour, paint.ground)) < _LEAST_CONTRAST:
            reading.note(f"{key} is hard to read on backgroundColor: their contrast is {ratio:.1f} to 1")
    return paint


def value(field: Field, size: int, ink: str) -> ET.Element:
    return tinted(ink, f"value f{size}", pieces(field), dir="auto")


def label(field: Field, colour: str) -> ET.Element:
    return tinted(colour, "label", field.label, dir="auto")


def pieces(field: Field) -> list[ET.Element | str]:
    """Links look like links, and are none."""
    return [el("span", "link", text) if is_link else text for text, is_link in field.said.pieces]


def drawn(field: Field, size: int, paint: Colours, kind: str = "", *, label_below: bool = False) -> ET.Element:
    """One field: its region carries ``data-field``, and says so in words if it changed."""
    texts = [label(field, hexed(paint.label)), value(field, size, hexed(paint.ink))]
    if label_below:
        texts.reverse()
    marked = f"field {kind}" + (f" align-{field.align}" if field.align else "") + (" changed" if field.changed else "")
    return el("div", marked, texts, changed_sign(field), data_field=field.key)


def unlabelled(field: Field, size: int, paint: Colours, kind: str = "") -> ET.Element:
    """One field without its label."""
    marked = f"field {kind}" + (" changed" if field.changed else "")
    return el("div", marked, value(field, size, hexed(paint.ink)), changed_sign(field), data_field=field.key)


def changed_sign(field: Field) -> ET.Element | None:
    return el("span", "hidden", " (changed)") if field.changed else None


def row(fields: Sequence[Field], paint: Colours, width: float = INSIDE, kind: str = "") -> ET.Element | None:
    """Fields beside each other, in one size that fits; what is short keeps its width, the others share the rest."""
    if not fields:
        return None
    room = width - GAP * (len(fields) - 1)
    size = next((each for each in _ROW_VALUES if sum(_width(field, each) for field in fields) <= room), 13)
    share = room / len(fields)
    drawings = [drawn(field, size, paint, "keep" if _width(field, size) <= share else "") for field in fields]
    return el("div", f"row row-{len(fields)} {kind}", drawings)


def _width(field: Field, size: int) -> float:
    return max(width_of(field.said.text, size), width_of_label(field.label, LABEL_SIZE))


def shown(reading: Reading, group: str, most: int) -> Sequence[Field]:
    """The fields of a group that there is room for."""
    fields = reading.groups.get(group, ())
    if len(fields) > most:
        reading.note(f"{group} has {len(fields)} fields: {reading.layout} has room for {most}")
    return fields[:most]


def top(reading: Reading, paint: Colours) -> ET.Element:
    """Logo, its text, and the header fields at the other end."""
    fields = shown(reading, "headerFields", _MOST_HEADERS)
    return top_line(reading, paint, image(reading, "logo"), reading.text("logoText"), fields)


def top_line(
    reading: Reading, paint: Colours, logo: ET.Element | None, text: str, fields: Sequence[Field]
) -> ET.Element:
    widest = _HEADER_WIDTHS[len(fields)]
    sized = [(field, fitting(field.said.text, widest, _HEADER_VALUES)) for field in fields]
    taken = sum(min(_width(field, size), widest) + GAP for field, size in sized)
    room = INSIDE - taken - (min(_LOGO, int(logo.get("width", "0"))) + GAP if logo is not None else 0)
    size = fitting(text, room, _LOGO_TEXTS)
    kind = f"headers-{len(fields)}"
    return el(
        "div",
        "top",
        el("div", "logo-box", logo) if logo is not None else None,
        tinted(hexed(paint.ink), f"logo-text f{size}", text, dir="auto") if text else None,
        el("div", f"headers {kind}", [drawn(field, size, paint) for field, size in sized]) if sized else None,
    )


def state(reading: Reading) -> str:
    """``Void``, ``Expired`` or nothing."""
    if reading.document.get("voided") is True:
        return "Void"
    ends = parse_date(reading.document.get("expirationDate"))
    if ends is not None and reading.view.now is not None and ends <= reading.view.now:
        return "Expired"
    return ""


def panel(reading: Reading, barcode: Barcode | None, room: int) -> ET.Element | None:
    """The barcode on white with its text, at most ``room`` pixels high; a word if the pass is not valid."""
    if barcode is None:
        return None
    if word := state(reading):
        return el("div", "panel panel-void", word)
    room = min(room - _PANEL_EDGES, _SYMBOL + _ALT) - (_ALT if barcode.alt else 0)
    drawing = symbol(barcode, reading, max(room, _SMALLEST_SYMBOL))
    if drawing is None:
        return None
    square = barcode.format in SQUARE
    size = fitting(barcode.alt, 180 if square else 290, (13, 12, 11, 10))
    return el(
        "div",
        "panel panel-square" if square else "panel panel-wide",
        drawing,
        el("div", f"alt f{size}", barcode.alt, dir="auto") if barcode.alt else None,
    )


def seal(reading: Reading, barcode: Barcode | None) -> ET.Element | None:
    """A word on a pass that is not valid any more, if it does not stand where its barcode was."""
    word = state(reading)
    return el("div", "state", word) if word and barcode is None else None


def ground(colour: str) -> ET.Element:
    """A colour that fills what it stands in."""
    return el(
        "svg",
        "ground",
        el("rect", width="100%", height="100%", fill=colour),
        aria_hidden="true",
        width=CARD[0],
        height=CARD[1],
    )
