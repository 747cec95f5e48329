"""Barcodes are read back from what the browser shows, and which of several is shown follows from the phone."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
import zxingcpp as zxing
from PIL import Image

from browsers import screenshot
from livepass.cli.starts import STYLES
from livepass.preview import View, draw, page
from livepass.preview.barcode import EXTRA, SYMBOLOGIES
from preview.conftest import Screen
from preview.samples import coded, document_of, fields, made, sample

# Format, message, encoding, and the bytes that a scanner reads
READ = [
    ("QR", "SAMPLE-1001", "iso-8859-1", b"SAMPLE-1001"),
    ("QR", "Käse für Zoë", "iso-8859-1", "Käse für Zoë".encode("latin-1")),
    ("QR", "Käse für Zoë", "utf-8", "Käse für Zoë".encode()),
    ("QR", "🎟 Zoë", "utf-8", "🎟 Zoë".encode()),
    ("QR", "日本語", "shift_jis", "日本語".encode("shift_jis")),
    ("QR", "https://example.com/?q=" + "0123456789" * 20, "utf-8", None),
    ("Aztec", "M1SAMPLE/ADA EX0417 BERLISEX", "iso-8859-1", None),
    ("Aztec", "Käse", "iso-8859-1", "Käse".encode("latin-1")),
    ("Aztec", "🎟 Zoë", "utf-8", "🎟 Zoë".encode()),
    ("PDF417", "SAMPLE-1001", "iso-8859-1", None),
    ("PDF417", "Käse", "iso-8859-1", "Käse".encode("latin-1")),
    ("PDF417", "🎟 Zoë", "utf-8", "🎟 Zoë".encode()),
    ("Code128", "Sample-1001", "iso-8859-1", None),
    ("Code39", "SAMPLE-1001", "iso-8859-1", None),
    ("Codabar", "A12345B", "iso-8859-1", None),
    ("EAN13", "4006381333931", "iso-8859-1", None),
    ("I2of5", "12345678", "iso-8859-1", None),
]
NAMES = {short.removeprefix("PKBarcodeFormat"): kind for short, (kind, _) in SYMBOLOGIES.items()}


def scanned(shown: Any) -> list[Any]:
    """What a scanner reads from the picture of each pass on the page; None: nothing. One screenshot for all."""
    whole = Image.open(io.BytesIO(screenshot(shown, full_page=True))).convert("L")
    places = [each.bounding_box() for each in shown.query_selector_all(".livepass-pass")]
    scale = shown.evaluate("devicePixelRatio")
    found = []
    for at in places:
        box = (at["x"], at["y"], at["x"] + at["width"], at["y"] + at["height"])
        found.append(next(iter(zxing.read_barcodes(whole.crop(tuple(round(side * scale) for side in box)))), None))
    return found


def test_all_eight_are_read_back(screen: Screen) -> None:
    assert set(NAMES) == {name for name, *_ in READ}
    drawings = [(message, draw(coded((name, message, encoding)))) for name, message, encoding, _ in READ]
    shown = screen.show(page(drawings, "Barcodes"))
    for (name, message, encoding, data), read in zip(READ, scanned(shown), strict=True):
        assert read is not None, f"{name} with {message!r} cannot be scanned"
        assert read.bytes == (data or message.encode()), name
        assert read.symbology == getattr(zxing.BarcodeFormat, NAMES[name].replace("EAN13", "EANUPC"))
        if encoding != "shift_jis":
            assert read.text == message


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_start_can_be_scanned(screen: Screen, screens: dict[str, Screen], scheme: str) -> None:
    styles = [style for style in STYLES if style != "posterEventTicket"]
    shown = screens[scheme].show(page([(s, draw(sample(s), View(scheme=scheme))) for s in styles], "Starts"))
    for style, read in zip(styles, scanned(shown), strict=True):
        wanted = document_of(sample(style))["barcodes"][0]["message"]
        assert read is not None and read.text == wanted, style


def names_of(files: dict[str, bytes], view: View) -> list[str]:
    """The barcodes that are drawn, as they are called."""
    symbols = draw(files, view).element.iter("svg")
    return [label for each in symbols if (label := each.get("aria-label", "")).startswith("Barcode")]


@pytest.mark.parametrize(
    ("ios", "drawn", "noted"),
    [
        (27, ["Barcode, EAN-13"], None),
        (26, ["Barcode, QR"], "the barcode EAN13 is not known to iOS 26: the next one is taken"),
        (18, ["Barcode, QR"], "the barcode EAN13 is not known to iOS 18: the next one is taken"),
    ],
)
def test_what_a_phone_does_not_know_is_passed_over(ios: int, drawn: list[str], noted: str | None) -> None:
    files = coded(("EAN13", "4006381333931", "iso-8859-1"), ("QR", "4006381333931", "iso-8859-1"))
    assert names_of(files, View(ios=ios)) == drawn
    notes = draw(files, View(ios=ios)).notes
    assert notes == ((noted,) if noted else ())


def test_nothing_is_left_to_show() -> None:
    files = coded(("EAN13", "4006381333931", "iso-8859-1"))
    assert names_of(files, View(ios=26)) == []
    assert "the barcode EAN13 is not known to iOS 26: no barcode is shown" in draw(files, View(ios=26)).notes


def test_the_old_key_counts_only_without_the_new() -> None:
    old = {"format": "PKBarcodeFormatQR", "message": "a", "messageEncoding": "utf-8"}
    assert names_of(made({"generic": {}, "barcode": old}), View()) == ["Barcode, QR"]
    new = [{**old, "format": "PKBarcodeFormatAztec"}]
    assert names_of(made({"generic": {}, "barcode": old, "barcodes": new}), View()) == ["Barcode, Aztec"]


@pytest.mark.parametrize(
    ("name", "message", "encoding", "said"),
    [
        ("EAN13", "4006381333932", "iso-8859-1", "cannot hold its message"),
        ("EAN13", "400638133393", "iso-8859-1", "it would say '4006381333931'"),
        ("I2of5", "12345", "iso-8859-1", "it would say '012345'"),
        ("Codabar", "12345", "iso-8859-1", "cannot hold its message"),
        ("Code39", "small", "iso-8859-1", "it would say 'SMALL'"),
        ("QR", "x" * 5000, "iso-8859-1", "cannot hold its message"),
        ("QR", "日本語", "iso-8859-1", "cannot be written in iso-8859-1"),
        ("QR", "a", "rot13", "no character set that is known here"),
        ("QR", "", "utf-8", "has no message"),
        ("Telepen", "a", "utf-8", "no phone knows"),
    ],
)
def test_what_a_barcode_cannot_hold(name: str, message: str, encoding: str, said: str) -> None:
    files = coded((name, message, encoding))
    assert names_of(files, View()) == []
    assert any(said in note for note in draw(files).notes), draw(files).notes


def test_without_zxing_a_box_stands_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zxingcpp", None)
    drawing = draw(coded(("Aztec", "a", "utf-8")))
    assert drawing.notes == (EXTRA,)
    assert [each.text for each in drawing.element.iter() if each.get("class") == "lp-symbol-missing"] == ["Aztec"]


def test_no_barcode_no_panel() -> None:
    drawing = draw(fields(primaryFields=[{"key": "a", "value": "b"}]))
    assert not drawing.notes and not [each for each in drawing.element.iter() if "panel" in each.get("class", "")]
