"""Barcodes as SVG, drawn by zxing-cpp, which is an extra: without it stands a box, and a note says how to get it.

Sources: Apple, Wallet Passes, "Pass.Barcodes": the first that a phone knows is shown; which iOS knows what is
``pkpass.since``.
"""

from __future__ import annotations

import importlib
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
_QUIET = {"PKBarcodeFormatQR": 2, "PKBarcodeFormatAztec": 1, "PKBarcodeFormatPDF417": 2}  # modules; the panel adds more
_QUIET_LINEAR = 10
_ROW_HEIGHT = 3  # PDF417: a row is three modules high; zxing-cpp draws that
_LINEAR_HEIGHT = 0.26  # of its width


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
    skipped = False
    for where, written in _written(reading):
        format_ = text_in(written, "format")
        name = format_.removeprefix("PKBarcodeFormat")
        since = BARCODES_SINCE.get(format_, 0)
        message, charset = text_in(written, "message"), text_in(written, "messageEncoding")
        if format_ not in BARCODES:
            reading.note(f"{where}: no phone knows a barcode {name!r}")
        elif reading.view.ios < since:
            reading.note(f"the barcode {name} is not known to iOS {reading.view.ios}: the next one is taken")
        elif not message:
            reading.note(f"{where}: the barcode {name} has no message")
        elif (codec := CHARSETS.get(charset.casefold())) is None:
            reading.note(f"{where}: messageEncoding {charset!r} is no character set that is known here")
        else:
            try:
                return Barcode(format_, message, message.encode(codec), codec, text_in(written, "altText"))
            except UnicodeError:
                reading.note(f"{where}: the message of the barcode {name} cannot be written in {charset}")
        skipped = True
    if skipped:
        reading.note(f"no barcode is shown on iOS {reading.view.ios}")
    return None


def _written(reading: Reading) -> Iterator[tuple[str, Mapping[str, object]]]:
    """``barcodes``, and the old ``barcode`` only where there is no list."""
    several, old = reading.document.get("barcodes"), reading.document.get("barcode")
    if isinstance(several, list):
        yield from ((f"barcodes/{at}", each) for at, each in enumerate(several) if isinstance(each, Mapping))
    elif isinstance(old, Mapping):
        yield "barcode", old


def symbol(barcode: Barcode, reading: Reading) -> ET.Element | None:
    """``<svg>`` with the quiet zone in it; a box that says its name where there is no zxing-cpp; else ``None``."""
    _, name = SYMBOLOGIES[barcode.format]
    try:
        zxing: Any = importlib.import_module("zxingcpp")
    except ImportError:
        reading.note(EXTRA)
        return el("div", "symbol-missing", name)
    try:
        modules = _modules(zxing, barcode)
    except ValueError as problem:
        # zxing-cpp ends its sentences with numbers of its own in brackets
        reason = str(problem).partition(" (retval")[0].strip() or "it cannot be drawn"
        reading.note(f"the barcode {name} cannot hold its message: {reason}")
        return None
    return _svg(modules, barcode, name)


def _modules(zxing: Any, barcode: Barcode) -> list[str]:
    """Rows of modules, "1" is dark. Raises ``ValueError`` if the symbology cannot hold the message as it is."""
    kind = getattr(zxing.BarcodeFormat, SYMBOLOGIES[barcode.format][0])
    options = {"eci": "UTF-8"} if barcode.charset == "utf_8" and not barcode.message.isascii() else {}
    if barcode.format not in SQUARE | STACKED:
        options = {}
    made = zxing.create_barcode(barcode.message, kind, **options)
    if bytes(made.bytes) != barcode.data and barcode.format in SQUARE | STACKED:
        made = zxing.create_barcode(barcode.data, kind)
    if bytes(made.bytes) != barcode.data:
        raise ValueError(f"it would say {made.text!r}")
    image = memoryview(zxing.write_barcode_to_image(made, scale=1, add_quiet_zones=False))
    height, width = image.shape or (1, 1)
    rows = image.tobytes()
    return [
        "".join("1" if each < 128 else "0" for each in rows[at : at + width]) for at in range(0, height * width, width)
    ]


def _svg(rows: list[str], barcode: Barcode, name: str) -> ET.Element:
    quiet = _QUIET.get(barcode.format, _QUIET_LINEAR)
    width = len(rows[0])
    if barcode.format in SQUARE | STACKED:
        height, path = len(rows), _path(rows, quiet)
    else:
        height = round(width * _LINEAR_HEIGHT)
        path = _bars(rows[0], quiet, height)
        quiet_above = 0
        return _drawn(name, width + 2 * quiet, height + 2 * quiet_above, path, "linear")
    shape = "square" if barcode.format in SQUARE else "stacked"
    return _drawn(name, width + 2 * quiet, height + 2 * quiet, path, shape)


def _drawn(name: str, width: int, height: int, path: str, shape: str) -> ET.Element:
    return el(
        "svg",
        f"symbol symbol-{shape}",
        el("path", d=path, fill="#000000"),
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        shape_rendering="crispEdges",
        role="img",
        aria_label=f"Barcode, {name}",
    )


def _path(rows: list[str], quiet: int) -> str:
    """Runs of dark modules as rectangles one module high."""
    return "".join(
        f"M{at + quiet} {y + quiet}h{length}v1h-{length}z" for y, row in enumerate(rows) for at, length in _runs(row)
    )


def _bars(row: str, quiet: int, height: int) -> str:
    return "".join(f"M{at + quiet} 0h{length}v{height}h-{length}z" for at, length in _runs(row))


def _runs(row: str) -> Iterator[tuple[int, int]]:
    at = 0
    while (at := row.find("1", at)) >= 0:
        end = row.find("0", at)
        end = len(row) if end < 0 else end
        yield at, end - at
        at = end
