"""The five classic styles: what stands where is a table, the drawing is the same for all.

Source: Apple, Wallet Developer Guide (archived), "Pass Design and Creation", and how passes look on phones.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from livepass.preview import parts
from livepass.preview.barcode import SQUARE, Barcode
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
_THUMBNAIL = 90
_SIGN = 44


def draw_classic(reading: Reading) -> tuple[ET.Element, int]:
    """The front, and its height."""
    style = reading.style if reading.style in LAYOUTS else "generic"
    layout = LAYOUTS[style]
    paint = parts.colours(reading)
    barcode = parts.barcode_of(reading)
    background = _background(reading) if style == "eventTicket" else None
    word = parts.state(reading)
    footer = image(reading, "footer") if style == "boardingPass" else None
    card = el(
        "div",
        f"card card-{style}" + (" dead" if word else ""),
        parts.ground(hexed(paint.ground)),
        background,
        el(
            "div",
            "inside",
            parts.top(reading, paint),
            _primary(reading, style, layout, paint, background is not None),
            _rows(reading, style, layout, paint, barcode),
            el("div", "bottom", footer, parts.panel(reading, barcode)),
        ),
        parts.seal(reading),
    )
    return card, parts.CARD[1]


def _background(reading: Reading) -> ET.Element | None:
    """Blurred behind everything. Apple: with a strip there is no background."""
    if has_image(reading, "strip"):
        if has_image(reading, "background"):
            reading.note("the background image is not shown beside a strip")
        return None
    return image(reading, "background", "backdrop")


def _primary(reading: Reading, style: str, layout: Layout, paint: Colours, on_picture: bool) -> ET.Element | None:
    fields = parts.shown(reading, "primaryFields", layout.primary)
    if style == "boardingPass":
        return _journey(reading, fields, paint)
    strip = image(reading, "strip") if layout.strip else None
    if layout.strip and not (style == "eventTicket" and strip is None):
        sizes = _STRIP_VALUES[layout.strip]
        return el(
            "div",
            f"strip-box strip-{layout.strip}",
            strip,
            el("div", "on-strip", [_big(each, sizes, parts.INSIDE, paint, below=True) for each in fields]),
        )
    thumbnail = image(reading, "thumbnail")
    width = parts.INSIDE - (_THUMBNAIL + parts.GAP if thumbnail is not None else 0)
    if not fields and thumbnail is None:
        return None
    return el(
        "div",
        "primary",
        el("div", "primary-text", [_big(each, _PLAIN_VALUES, width, paint) for each in fields]),
        thumbnail,
    )


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
