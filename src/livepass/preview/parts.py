"""What several layouts have in common: a field, a row of fields, the top line, the panel of the barcode, the state."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from livepass.pkpass.dates import parse_date
from livepass.preview.barcode import SQUARE, Barcode, chosen, symbol
from livepass.preview.colours import Colours, hexed, parse_colour
from livepass.preview.fitting import fitting, width_of, width_of_label
from livepass.preview.images import image
from livepass.preview.markup import el, tinted
from livepass.preview.reading import Field, Reading

CARD = (358, 448)  # CSS pixels
MARGIN = 14
INSIDE = CARD[0] - 2 * MARGIN
GAP = 12
LABEL_SIZE = 11
_HEADER_VALUES = (18, 16, 14, 12, 11)
_ROW_VALUES = (18, 17, 16, 15, 14, 13, 12, 11)
_LOGO_TEXTS = (18, 17, 16, 15, 14, 13, 12)
_LOGO = 144  # at most
_MOST_HEADERS = 3


def colours(reading: Reading) -> Colours:
    """Those of pass.json, or what is readable."""
    found = []
    for key in ("backgroundColor", "foregroundColor", "labelColor"):
        written = reading.document.get(key)
        colour = parse_colour(written)
        if written is not None and colour is None:
            reading.note(f"{key} is no colour that a phone reads: it is left out")
        found.append(colour)
    return Colours.of(*found)


def value(field: Field, size: int, ink: str, kind: str = "") -> ET.Element:
    pieces = [el("span", "link", text) if is_link else text for text, is_link in field.said.pieces]
    return el("div", f"value f{size} {kind}", tinted(ink, "", el("bdi", "", pieces)))


def label(field: Field, colour: str) -> ET.Element:
    return el("div", "label", tinted(colour, "", el("bdi", "", field.label)))


def drawn(field: Field, size: int, paint: Colours, kind: str = "", *, label_below: bool = False) -> ET.Element:
    """One field: its region carries ``data-field``, and says so in words if it changed."""
    parts = [label(field, hexed(paint.label)), value(field, size, hexed(paint.ink))]
    if label_below:
        parts.reverse()
    marked = f"field {kind}" + (f" align-{field.align}" if field.align else "") + (" changed" if field.changed else "")
    return el("div", marked, parts, changed_sign(field), data_field=field.key)


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


def top(reading: Reading, paint: Colours, logo: str = "logo") -> ET.Element:
    """Logo, its text, and the header fields at the other end."""
    fields = shown(reading, "headerFields", _MOST_HEADERS)
    sized = [(field, fitting(field.said.text, 120 if len(fields) == 1 else 76, _HEADER_VALUES)) for field in fields]
    taken = sum(min(_width(field, size), 150) + GAP for field, size in sized)
    picture = image(reading, logo)
    text = reading.text("logoText")
    room = INSIDE - taken - (min(_LOGO, int(picture.get("width", "0"))) + 10 if picture is not None else 0)
    size = fitting(text, room, _LOGO_TEXTS)
    return el(
        "div",
        "top",
        el("div", "logo-box", picture) if picture is not None else None,
        el("div", f"logo-text f{size}", tinted(hexed(paint.ink), "", el("bdi", "", text))) if text else None,
        el("div", "headers", [drawn(field, size, paint, "keep" if len(fields) < 3 else "") for field, size in sized]),
    )


def state(reading: Reading) -> str:
    """``Void``, ``Expired`` or nothing."""
    if reading.document.get("voided") is True:
        return "Void"
    ends = parse_date(reading.document.get("expirationDate"))
    if ends is not None and reading.view.now is not None and ends <= reading.view.now:
        return "Expired"
    return ""


def panel(reading: Reading, barcode: Barcode | None) -> ET.Element | None:
    """The barcode on white with its text; in its place a word if the pass is not valid any more."""
    if barcode is None:
        return None
    if word := state(reading):
        return el("div", "panel panel-void", word)
    drawing = symbol(barcode, reading)
    if drawing is None:
        return None
    square = barcode.format in SQUARE
    size = fitting(barcode.alt, 132 if square else 290, (13, 12, 11, 10))
    return el(
        "div",
        "panel panel-square" if square else "panel panel-wide",
        drawing,
        el("div", f"alt f{size}", el("bdi", "", barcode.alt)) if barcode.alt else None,
    )


def barcode_of(reading: Reading) -> Barcode | None:
    return chosen(reading)


def seal(reading: Reading) -> ET.Element | None:
    """A word across a pass that is not valid any more."""
    word = state(reading)
    return el("div", "state", word) if word else None


def ground(colour: str) -> ET.Element:
    """The colour of the card, with Wallet's faint light from above."""
    return el(
        "svg",
        "ground",
        el("rect", width="100%", height="100%", fill=colour),
        aria_hidden="true",
        width=CARD[0],
        height=CARD[1],
    )
