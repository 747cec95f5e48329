"""Signs of how one travels, drawn by us: plane, boat, bus, train, and an arrow for the rest."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Final

from livepass.preview.markup import el
from livepass.preview.reading import Reading

# On a square of 24; a sign points to the right. Even-odd, so that windows are holes.
_SIGNS: Final[Mapping[str, tuple[str, str]]] = {
    "Air": (
        "Plane",
        "M22.5 12c0-.9-1-1.6-2.4-1.6h-5L9.6 2.2H7.4l2.4 8.2H5.4L3.5 8H1.8l1 4-1 4h1.7l1.9-2.4h4.4L7.4 21.8h2.2"
        "l5.5-8.2h5c1.4 0 2.4-.7 2.4-1.6z",
    ),
    "Boat": (
        "Boat",
        "M1.5 14.5h21l-3 5.5h-15zM11 2.5v10.5H3.5zM12.8 4.5c3.5 1.6 5.6 4.6 6.2 8.5h-6.2z",
    ),
    "Bus": (
        "Bus",
        "M3 5.5h16.5c1 0 1.7.6 1.9 1.6l1.1 5.4v4.5h-2.1a2.4 2.4 0 0 1-4.8 0H8.9a2.4 2.4 0 0 1-4.8 0H1.5V7"
        "c0-.9.6-1.5 1.5-1.5zM3.2 7.4v3.8h4.3V7.4zM9 7.4v3.8h4.3V7.4zM14.8 7.4v3.8h5.3l-.8-3.8z",
    ),
    "Train": (
        "Train",
        "M1.5 6h11.8c4.6 0 9.2 4.6 9.2 8.2 0 1.2-.9 1.8-2.2 1.8H1.5zM3.4 8v3.4h3.7V8zM8.6 8v3.4h3.7V8zM13.8 8v3.4h4.9"
        "C17.500 9.500 15.700 8.300 13.800 8zM1.500 17.600h21v1.500h-21z",
    ),
    "Generic": (
        "To",
        "M2 10.800h14.300l-4.700-4.700 1.700-1.700 7.600 7.600-7.600 7.600-1.700-1.700 4.700-4.700H2z",
    ),
}


def sign(transit_type: object, reading: Reading) -> ET.Element:
    """In the colour of the text around it."""
    name = transit_type.removeprefix("PKTransitType") if isinstance(transit_type, str) else ""
    if name not in _SIGNS:
        reading.note("transitType is none that a phone knows: drawn is an arrow")
        name = "Generic"
    words, path = _SIGNS[name]
    return el(
        "svg",
        f"sign sign-{name.lower()}",
        el("path", d=path, fill="currentColor", fill_rule="evenodd"),
        viewBox="0 0 24 24",
        width=30,
        height=30,
        role="img",
        aria_label=words,
    )
