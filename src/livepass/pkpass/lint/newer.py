"""What an older iOS does not know. Said only where somebody asks for certain versions."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from livepass.pkpass.fields import CLASSIC_STYLES, POSTER_STYLE
from livepass.pkpass.lint.keys import objects
from livepass.pkpass.lint.problem import Problems, problem
from livepass.pkpass.since import BARCODES_SINCE, KEYS_SINCE, SCHEMES_SINCE, ios_names, is_new_barcode


def check(document: Mapping[str, object], asked: Collection[int]) -> Problems:
    """Keys, barcode formats and layouts that one of ``asked`` ignores."""
    for key in document:
        # With no classic style beside it, style-fallback says worse.
        if key != POSTER_STYLE or any(style in document for style in CLASSIC_STYLES):
            yield from _newer(f"/{key}", key, KEYS_SINCE.get(key), asked)
    formats = [(f"{pointer}/format", each.get("format")) for pointer, each in objects(document, "barcodes")]
    schemes = document.get("preferredStyleSchemes")
    for index, scheme in enumerate(schemes if isinstance(schemes, list) else ()):
        if isinstance(scheme, str):
            yield from _newer(f"/preferredStyleSchemes/{index}", scheme, SCHEMES_SINCE.get(scheme), asked)
    # If all are new, barcode-fallback says so.
    if "barcode" in document or not all(is_new_barcode(format_) for _, format_ in formats):
        for pointer, format_ in formats:
            if isinstance(format_, str):
                yield from _newer(pointer, format_, BARCODES_SINCE.get(format_), asked)


def _newer(pointer: str, what: str, since: int | None, asked: Collection[int]) -> Problems:
    older = tuple(version for version in sorted(asked) if since is not None and version < since)
    if older:
        ignore = "ignores" if len(older) == 1 else "ignore"
        yield problem(
            "newer-than-ios",
            pointer,
            f"{ios_names(older)} {ignore} {what}, which came with iOS {since}",
            "keep it if the pass is good without it there",
            ios=older,
        )
