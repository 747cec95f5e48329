"""The five classic styles: what stands where is a table, the drawing is the same for all.

Source: Apple, Wallet Developer Guide (archived), "Pass Design and Creation": which fields stand where, and how many.
Sizes are ours; none was compared with a phone.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from livepass.preview import parts
from livepass.preview.barcode import SQUARE, Barcode, chosen
from livepass.preview.colours import Colours, hexed
from livepass.preview.fitting import fitting, width_of
from livepass.preview.images import has_image, image
from livepass.preview.markup import el, tinted
from livepass.preview.reading import Field, Reading
from livepass.preview.transit import sign


@dataclass(frozen=True, slots=True)
class Layout:
    """How many fields there is room for. ``together``: secondary and auxiliary fields share one row — ``"square"``:
    only above a square barcode. ``strip``: height of the picture behind the primary field.
    """

    primary: int = 1
    secondary: int = 4
    auxiliary: int = 4
    together: str = ""
    strip: int = 0


LAYOUTS: Mapping[str, Layout] = {
    "boardingPass": Layout(primary=2, auxiliary=5),
    "coupon": Layout(together="always", strip=137),
    "eventTicket": Layout(strip=94),
    "generic": Layout(together="square"),
    "storeCard": Layout(together="always", strip=137),
}
_STRIP_VALUES = {137: (54, 48, 44, 40, 36, 32, 28, 24, 20, 18, 16), 94: (40, 36, 32, 28, 24, 20, 18, 16)}
_PLAIN_VALUES = (30, 28, 26, 24, 22, 20, 18, 17, 16, 15)
_PLACES = (48, 44, 40, 36, 32, 28, 24, 20, 18, 16, 14)
_SIGN = 46  # pixels of width
# Pixels of height: beside a thumbnail, without one, of a journey, of the image below it
_THUMBNAIL, _PLAIN, _JOURNEY, _FOOTER = 90, 50, 76, 21


def draw_classic(reading: Reading) -> tuple[ET.Element, int]:
    """The front, and its height."""
    style = reading.style if reading.style in LAYOUTS else "generic"
    layout = LAYOUTS[style]
    paint = parts.colours(reading)
    barcode = chosen(reading)
    background = _background(reading) if style == "eventTicket" else None
    footer = image(reading, "footer") if style == "boardingPass" else None
    rows = [row for row in _rows(reading, style, layout, paint, barcode) if row is not None]
    primary, height = _primary(reading, style, layout, paint)
    taken = parts.TOP + height + (_FOOTER if footer is not None else 0) + len(rows) * parts.ROW
    card = el(
        "div",
        f"card card-{style}" + (" dead" if parts.state(reading) else ""),
        parts.ground(hexed(paint.ground)),
        background,
        el(
            "div",
            "inside",
            parts.top(reading, paint),
            primary,
            rows,
            el("div", "bottom", footer, parts.panel(reading, barcode, parts.CARD[1] - taken - parts.BOTTOM)),
        ),
        parts.seal(reading, barcode),
    )
    return card, parts.CARD[1]


def _background(reading: Reading) -> ET.Element | None:
    """Blurred behind everything. Apple: with a strip there is no background."""
    if has_image(reading, "strip"):
        if has_image(reading, "background"):
            reading.note("the background image is not shown beside a strip")
        return None
    return image(reading, "background", "backdrop")


def _primary(reading: Reading, style: str, layout: Layout, paint: Colours) -> tuple[ET.Element | None, int]:
    """The largest fields, with the picture behind or beside them; and the height of that, with the gap below."""
    fields = parts.shown(reading, "primaryFields", layout.primary)
    if style == "boardingPass":
        return _journey(reading, fields, paint), _JOURNEY + parts.GAP
    strip = image(reading, "strip") if layout.strip else None
    if layout.strip and not (style == "eventTicket" and strip is None):
        sizes = _STRIP_VALUES[layout.strip]
        texts = [_big(each, sizes, parts.INSIDE, paint, below=True) for each in fields]
        box = el("div", f"strip-box strip-{layout.strip}", strip, el("div", "on-strip", texts))
        return box, layout.strip + parts.GAP
    thumbnail = image(reading, "thumbnail")
    if not fields and thumbnail is None:
        return None, 0
    width = parts.INSIDE - (_THUMBNAIL + parts.GAP if thumbnail is not None else 0)
    texts = [_big(each, _PLAIN_VALUES, width, paint) for each in fields]
    height = _THUMBNAIL if thumbnail is not None else _PLAIN
    return el("div", "primary", el("div", "primary-text", texts), thumbnail), height + parts.GAP


def _big(field: Field, sizes: tuple[int, ...], width: float, paint: Colours, *, below: bool = False) -> ET.Element:
    return parts.drawn(field, fitting(field.said.text, width, sizes), paint, "big", label_below=below)


def _journey(reading: Reading, fields: Sequence[Field], paint: Colours) -> ET.Element | None:
    """From, a sign of how one travels, to."""
    if not fields:
        return None
    width = (parts.INSIDE - _SIGN) / 2 - parts.GAP
    longest = max((each.said.text for each in fields), key=lambda text: width_of(text, 1))
    size = fitting(longest, width, _PLACES)
    ends = [parts.drawn(each, size, paint, f"place place-{at}") for at, each in enumerate(fields)]
    middle = tinted(hexed(paint.label), "transit", sign(reading.fields.get("transitType"), reading))
    return el("div", "journey", ends[0], middle, ends[1:])


def _rows(
    reading: Reading, style: str, layout: Layout, paint: Colours, barcode: Barcode | None
) -> list[ET.Element | None]:
    secondary = list(parts.shown(reading, "secondaryFields", layout.secondary))
    auxiliary = list(parts.shown(reading, "auxiliaryFields", layout.auxiliary))
    square = barcode is not None and barcode.format in SQUARE
    if layout.together == "always" or (layout.together == "square" and square):
        fields = [*secondary, *auxiliary]
        if len(fields) > layout.secondary:
            reading.note(f"secondary and auxiliary fields share one row here: there is room for {layout.secondary}")
        return [parts.row(fields[: layout.secondary], paint)]
    if style == "boardingPass":
        return [parts.row(auxiliary, paint), parts.row(secondary, paint)]
    rows = [[each for each in auxiliary if each.row == number] for number in (0, 1)]
    return [parts.row(secondary, paint), *(parts.row(each, paint) for each in rows)]
