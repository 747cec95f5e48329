"""The template that ``livepass init`` writes: a membership card, complete, to be edited into one's own."""

from __future__ import annotations

import json
from collections.abc import Iterator

from livepass.cli.drawing import CLEAR, Painter, disc, fade, paint, path, png, rounded

INK = (24, 49, 83, 255)
DEEP = (13, 28, 50, 255)
PAPER = (244, 241, 232, 255)

PASS = {
    "description": "Membership card",
    "organizationName": "Example Club",
    "logoText": "Example Club",
    "backgroundColor": "rgb(24, 49, 83)",
    "foregroundColor": "rgb(244, 241, 232)",
    "labelColor": "rgb(160, 182, 212)",
    "barcodes": [
        {
            "format": "PKBarcodeFormatQR",
            "message": "${member_no}",
            "messageEncoding": "iso-8859-1",
            "altText": "${member_no}",
        }
    ],
    "storeCard": {
        "headerFields": [{"key": "tier", "label": "TIER", "value": "${tier}", "changeMessage": "You are now %@"}],
        "primaryFields": [
            {"key": "points", "label": "POINTS", "value": "${points}", "changeMessage": "You have %@ points"}
        ],
        "secondaryFields": [
            {"key": "name", "label": "NAME", "value": "${name}"},
            {
                "key": "visits_left",
                "label": "VISITS LEFT",
                "value": "${visits_left}",
                "changeMessage": "%@ visits left",
                "textAlignment": "PKTextAlignmentRight",
            },
        ],
        "backFields": [
            {"key": "member_no", "label": "Member number", "value": "${member_no}"},
            {"key": "news", "label": "News", "value": "${news}", "changeMessage": "%@"},
        ],
    },
}

VARIABLES = {
    "member_no": {"type": "string", "description": "Also what the barcode says"},
    "name": {"type": "string"},
    "points": {"type": "integer", "default": 0},
    "tier": {"type": "string", "default": "Member"},
    "visits_left": {"type": "integer", "default": 10},
    "news": {"type": "string", "default": "Welcome.", "description": "A change of it shows on the lock screen"},
}


def files() -> Iterator[tuple[str, bytes]]:
    """Every file of the folder: name and content."""
    yield "pass.json", _json(PASS)
    yield "variables.json", _json(VARIABLES)
    for scale in (1, 2, 3):
        yield f"icon{_suffix(scale)}.png", png(29 * scale, 29 * scale, icon(scale))
    for scale in (1, 2):
        yield f"logo{_suffix(scale)}.png", png(50 * scale, 50 * scale, logo(scale))


def icon(scale: int) -> Painter:
    """A tick on a dark tile, 29 by 29 points: what notifications show."""
    tile = rounded(0, 0, 29, 29, 6.5)
    return paint(scale, CLEAR, (tile, fade(INK, DEEP, 29)), (path(3.2, (8, 15), (12.8, 19.8), (21, 10)), PAPER))


def logo(scale: int) -> Painter:
    """The same tick in a disc, 50 by 50 points: the top left of the card."""
    return paint(scale, CLEAR, (disc(25, 25, 21), PAPER), (path(4.6, (15.5, 26), (22.4, 32.8), (35, 18.5)), INK))


def _suffix(scale: int) -> str:
    return "" if scale == 1 else f"@{scale}x"


def _json(document: object) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
