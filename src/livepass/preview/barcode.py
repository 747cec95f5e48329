"""Barcodes as SVG, drawn by zxing-cpp, which is an extra: without it stands a box, and a note says how to get it.

Sources: Apple, Wallet Passes, "Pass.Barcodes": the first that a phone knows is shown; which iOS knows what is
``pkpass.since``.
"""

from __future__ import annotations

import importlib
import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from livepass.pkpass.fields import BARCODES, CHARSETS
from livepass.pkpass.since import BARCODES_SINCE
from livepass.preview.markup import el
from livepass.preview.reading import Reading, text_in

EXTRA = "needs livepass[preview] to draw barcodes: pip install 'livepass[preview]'"

# Format in pass.json → its name in zxing-cpp, and to people
SYMBOLOGIES: Final[Mapping[str, tuple[str, str]]] = {
    "PKBarcodeFormatQR": ("QRCode", "QR"),
    "PKBarcodeFormatPDF417": ("PDF417", "PDF417"),
    "PKBarcodeFormatAztec": ("Aztec", "Aztec"),
    "PKBarcodeFormatCode128": ("Code128", "Code 128"),
    "PKBarcodeFormatCode39": ("Code39", "Code 39"),
    "PKBarcodeFormatCodabar": ("Codabar", "Codabar"),
    "PKBarcodeFormatEAN13": ("EAN13", "EAN-13"),
    "PKBarcodeFormatI2of5": ("ITF", "Interleaved 2 of 5"),
}
SQUARE: Final = frozenset({"PKBarcodeFormatQR", "PKBarcodeFormatAztec"})
STACKED: Final = frozenset({"PKBarcodeFormatPDF417"})
_QUIET: Final = {
    "PKBarcodeFormatQR": 2,
    "PKBarcodeFormatAztec": 1,
    "PKBarcodeFormatPDF417": 2,
}  # modules; the panel adds
_QUIET_LINEAR: Final = 10  # modules
_WIDEST: Final = 300  # pixels
_LINEAR_HEIGHT: Final = 52  # pixels


@dataclass(frozen=True, slots=True)
class Barcode:
    """What is to be drawn. ``data`` is the message in its ``charset``."""

    format: str
    message: str
    data: bytes
    charset: str
    alt: str


def chosen(reading: Reading) -> Barcode | None:
    """The first that the phone can show; why others were passed over goes into the notes."""
    passed_over: list[str] = []
    for where, written in _written(reading):
        found, why = _judged(reading.view.ios, where, written)
        if found is not None:
            for each in passed_over:
                reading.note(f"{each}: the next one is taken")
            return found
        passed_over.append(why)
    for each in passed_over:
        reading.note(f"{each}: no barcode is shown")
    return None


def _judged(ios: int, where: str, written: Mapping[str, object]) -> tuple[Barcode | None, str]:
    """What is to be drawn, or why not."""
    format_, message, charset = (text_in(written, key) for key in ("format", "message", "messageEncoding"))
    name = format_.removeprefix("PKBarcodeFormat")
    if format_ not in BARCODES:
        return None, f"no phone knows the barcode {name!r} ({where})"
    if ios < BARCODES_SINCE.get(format_, 0):
        return None, f"the barcode {name} is not known to iOS {ios}"
    if not message:
        return None, f"the barcode {name} has no message ({where})"
    codec = CHARSETS.get(charset.casefold())
    if codec is None:
        return None, f"messageEncoding {charset!r} is no character set that is known here ({where})"
    try:
        data = message.encode(codec)
    except UnicodeError:
        return None, f"the message of the barcode {name} cannot be written in {charset}"
    return Barcode(format_, message, data, codec, text_in(written, "altText")), ""


def _written(reading: Reading) -> Iterator[tuple[str, Mapping[str, object]]]:
    """``barcodes``, and the old ``barcode`` only where there is no list."""
    several, old = reading.document.get("barcodes"), reading.document.get("barcode")
    if isinstance(several, list):
        yield from ((f"barcodes/{at}", each) for at, each in enumerate(several) if isinstance(each, Mapping))
    elif isinstance(old, Mapping):
        yield "barcode", old


def symbol(barcode: Barcode, reading: Reading, room: int) -> ET.Element | None:
    """``<svg>`` with the quiet zone in it, at most ``room`` pixels high; a box that says its name where there is no
    zxing-cpp; ``None`` if it cannot be drawn.
    """
    _, name = SYMBOLOGIES[barcode.format]
    try:
        zxing: Any = importlib.import_module("zxingcpp")
    except ImportError:
        reading.note(EXTRA)
        return el("div", "symbol-missing", name)
    try:
        rows = _modules(zxing, barcode)
    except ValueError as problem:
        # zxing-cpp ends its sentences with numbers of its own in brackets
        reason = str(problem).partition(" (retval")[0].strip() or "it cannot be drawn"
        reading.note(f"the barcode {name} cannot hold its message: {reason}")
        return None
    quiet = _QUIET.get(barcode.format, _QUIET_LINEAR)
    linear = barcode.format not in SQUARE | STACKED
    above = 0 if linear else quiet
    rows = rows[:1] if linear else rows
    across, down = len(rows[0]) + 2 * quiet, len(rows) + 2 * above
    widest = min(_WIDEST, room) if barcode.format in SQUARE else _WIDEST
    scale = _whole(min(widest / across, _LINEAR_HEIGHT if linear else room / down))
    if scale < 1:
        reading.note(f"the barcode {name} is {across} modules wide: scanners may not read it in its place")
    return el(
        "svg",
        "symbol",
        el("path", d=_path(rows, quiet, above), fill="#000000"),
        viewBox=f"0 0 {across} {down}",
        preserveAspectRatio="none",
        width=f"{across * scale:g}",
        height=f"{min(_LINEAR_HEIGHT, room) if linear else down * scale:g}",
        shape_rendering="crispEdges",
        role="img",
        aria_label=f"Barcode, {name}",
    )


def _whole(scale: float) -> float:
    """In halves, so that modules end between the pixels of a sharp screen; as it is where that would cost too much."""
    return math.floor(scale * 2) / 2 if scale >= 1.5 else scale


def _modules(zxing: Any, barcode: Barcode) -> list[str]:
    """Rows of modules, "1" is dark. Raises ``ValueError`` if the symbology cannot hold the message as it is."""
    kind = getattr(zxing.BarcodeFormat, SYMBOLOGIES[barcode.format][0])
    matrix = barcode.format in SQUARE | STACKED
    # By the text where that comes to the same bytes: then it says in which character set they are.
    in_utf8 = matrix and barcode.charset == "utf_8" and not barcode.message.isascii()
    options = {"eci": "UTF-8"} if in_utf8 else {}
    if barcode.format not in SQUARE | STACKED:
        options = {}
    made = zxing.create_barcode(barcode.message, kind, **options)
    if bytes(made.bytes) != barcode.data and matrix:
        made = zxing.create_barcode(barcode.data, kind)
    if bytes(made.bytes) != barcode.data:
        raise ValueError(f"it would say {made.text!r}")
    image = memoryview(zxing.write_barcode_to_image(made, scale=1, add_quiet_zones=False))
    height, width = image.shape or (1, 1)
    rows = image.tobytes()
    return [
        "".join("1" if each < 128 else "0" for each in rows[at : at + width]) for at in range(0, height * width, width)
    ]


def _path(rows: list[str], left: int, above: int) -> str:
    """Runs of dark modules as rectangles one module high."""
    return "".join(
        f"M{at + left} {y + above}h{length}v1h-{length}z" for y, row in enumerate(rows) for at, length in _runs(row)
    )


def _runs(row: str) -> Iterator[tuple[int, int]]:
    at = 0
    while (at := row.find("1", at)) >= 0:
        end = row.find("0", at)
        end = len(row) if end < 0 else end
        yield at, end - at
        at = end
