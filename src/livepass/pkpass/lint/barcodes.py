"""Barcodes: a bad ``barcode`` makes the pass invalid, a bad item of ``barcodes`` only vanishes (observed on phones)."""

from __future__ import annotations

from collections.abc import Mapping

from livepass.pkpass.fields import BARCODE_KEYS, BARCODES, CHARSETS, LEGACY_BARCODES
from livepass.pkpass.lint.keys import objects, typed
from livepass.pkpass.lint.problem import Problems, Severity, problem
from livepass.pkpass.pointer import did_you_mean
from livepass.pkpass.since import is_new_barcode

KEYS = frozenset({"barcode", "barcodes"})
_NEEDED = ("format", "message", "messageEncoding")


def check(document: Mapping[str, object]) -> Problems:
    """The one of old and the list of today."""
    barcode = document.get("barcode")
    if isinstance(barcode, Mapping):
        yield from _barcode("/barcode", barcode, LEGACY_BARCODES, "fatal")
    for pointer, each in objects(document, "barcodes"):
        yield from _barcode(pointer, each, BARCODES, "warning")
    formats = [each.get("format") for _, each in objects(document, "barcodes")]
    if formats and "barcode" not in document and all(map(is_new_barcode, formats)):
        yield problem(
            "barcode-fallback",
            "/barcodes",
            "phones before iOS 27 know none of these formats and show no barcode",
            "add one of a format that they know behind it, such as PKBarcodeFormatQR",
        )


def _barcode(pointer: str, barcode: Mapping[str, object], formats: tuple[str, ...], severity: Severity) -> Problems:
    others = {key: value for key, value in barcode.items() if key not in _NEEDED}
    yield from typed(others, BARCODE_KEYS, pointer, severity)
    for key in _NEEDED:
        if not isinstance(barcode.get(key), str):
            yield problem(
                "barcode-key", f"{pointer}/{key}", f"a barcode needs a {key}, a string", f"give it a {key}", severity
            )
    kind = barcode.get("format")
    if isinstance(kind, str) and kind not in formats:
        yield problem(
            "barcode-format",
            f"{pointer}/format",
            f"{kind!r} is no format that stands here{did_you_mean(kind, formats)}",
            f"use {', '.join(formats)}",
            severity,
        )
    yield from _encoding(pointer, barcode.get("message"), barcode.get("messageEncoding"), severity)


def _encoding(pointer: str, message: object, encoding: object, severity: Severity) -> Problems:
    if not isinstance(encoding, str):
        return
    codec = CHARSETS.get(encoding.lower())
    if codec is None:
        yield problem(
            "barcode-encoding",
            f"{pointer}/messageEncoding",
            f"{encoding!r} is no IANA character set name{did_you_mean(encoding, CHARSETS)}",
            "write iso-8859-1, or utf-8 for other letters",
            severity,
        )
    elif isinstance(message, str) and not _encodable(message, codec):
        yield problem(
            "barcode-message",
            f"{pointer}/message",
            f"the message cannot be written in {encoding}",
            "use utf-8 as messageEncoding if your scanners read it, or leave those characters out",
            severity,
        )


def _encodable(message: str, codec: str) -> bool:
    try:
        message.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
