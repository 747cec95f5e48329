"""The demo's three passes: a gym membership, a coffee loyalty card, a concert ticket. Images drawn by code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from livepass.cli.drawing import CLEAR, Colour, Shape, disc, paint, path, png, ring, rounded, stroke, union
from livepass.pkpass import Template

ICON = 38
WHITE: Colour = (255, 255, 255, 255)


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample pass: its template's pass.json, its data, and the variable that the demo changes."""

    name: str
    title: str
    serial: str
    variable: str
    field: str
    data: Mapping[str, Any]
    document: Mapping[str, Any]
    ink: Colour
    emblem: Shape

    def template(self) -> Template:
        """The template as a designer would hand it over."""
        files = {"pass.json": json.dumps(self.document).encode()}
        for scale in (1, 2, 3):
            suffix = "" if scale == 1 else f"@{scale}x"
            tile = paint(scale, CLEAR, (rounded(0, 0, ICON, ICON, 8), self.ink), (self.emblem, WHITE))
            files[f"icon{suffix}.png"] = png(ICON * scale, ICON * scale, tile)
            if scale < 3:
                files[f"logo{suffix}.png"] = png(ICON * scale, ICON * scale, paint(scale, CLEAR, (self.emblem, WHITE)))
        return Template.from_files(self.name, files)


def _barcode(message: str) -> list[dict[str, str]]:
    return [{"format": "PKBarcodeFormatQR", "message": message, "messageEncoding": "iso-8859-1", "altText": message}]


def _field(key: str, label: str, value: object, message: str | None = None, **more: object) -> dict[str, object]:
    field: dict[str, object] = {"key": key, "label": label, "value": value, **more}
    return field | ({"changeMessage": message} if message else {})


GYM = Sample(
    name="gym",
    title="gym membership",
    serial="GYM-0001",
    variable="visits_left",
    field="visits_left",
    data={"name": "Ada Lovelace", "tier": "GOLD", "visits_left": 9},
    document={
        "organizationName": "Analytical Gym",
        "description": "Membership of the Analytical Gym",
        "logoText": "Analytical Gym",
        "foregroundColor": "rgb(255, 255, 255)",
        "labelColor": "rgb(190, 215, 255)",
        "backgroundColor": "rgb(24, 52, 104)",
        "barcodes": _barcode("GYM-0001"),
        "generic": {
            "headerFields": [_field("tier", "TIER", "${tier}")],
            "primaryFields": [_field("name", "MEMBER", "${name}")],
            "secondaryFields": [_field("visits_left", "VISITS LEFT", "${visits_left}", "%@ visits left")],
            "backFields": [_field("rules", "House rules", "Wipe the difference engine after use.")],
        },
    },
    ink=(24, 52, 104, 255),
    emblem=union(
        stroke(9, 19, 29, 19, 3),
        stroke(10, 12, 10, 26, 4),
        stroke(28, 12, 28, 26, 4),
        stroke(6, 15, 6, 23, 3),
        stroke(32, 15, 32, 23, 3),
    ),
)

COFFEE = Sample(
    name="coffee",
    title="coffee loyalty card",
    serial="COFFEE-0002",
    variable="points",
    field="points",
    data={"name": "Ada Lovelace", "points": 120},
    document={
        "organizationName": "Coffee Club",
        "description": "Coffee Club card",
        "logoText": "Coffee Club",
        "foregroundColor": "rgb(255, 255, 255)",
        "labelColor": "rgb(240, 214, 186)",
        "backgroundColor": "rgb(94, 52, 28)",
        "barcodes": _barcode("COFFEE-0002"),
        "storeCard": {
            "primaryFields": [_field("points", "POINTS", "${points}", "You have %@ points")],
            "secondaryFields": [_field("name", "NAME", "${name}"), _field("next", "NEXT REWARD", "at 150 points")],
            "backFields": [_field("about", "How it works", "Ten points a cup. 150 points are a cup.")],
        },
    },
    ink=(94, 52, 28, 255),
    emblem=union(
        rounded(9, 14, 25, 29, 4), ring(26, 20, 4, 2.5), path(2, (13, 10), (14, 7)), path(2, (19, 10), (20, 7))
    ),
)

CONCERT = Sample(
    name="concert",
    title="concert ticket",
    serial="SHOW-0003",
    variable="gate",
    field="gate",
    data={"name": "Ada Lovelace", "gate": "Gate B", "seat": "Row 7, seat 12"},
    document={
        "organizationName": "Engine Hall",
        "description": "Ticket for The Number Two Band",
        "logoText": "Engine Hall",
        "foregroundColor": "rgb(255, 255, 255)",
        "labelColor": "rgb(230, 190, 240)",
        "backgroundColor": "rgb(86, 22, 98)",
        "relevantDate": "2027-06-12T20:00:00+02:00",
        "barcodes": _barcode("SHOW-0003"),
        "eventTicket": {
            "headerFields": [_field("gate", "GATE", "${gate}", "Please use %@")],
            "primaryFields": [_field("event", "EVENT", "The Number Two Band")],
            "secondaryFields": [_field("seat", "SEAT", "${seat}"), _field("name", "NAME", "${name}")],
            "backFields": [_field("doors", "Doors", "19:00. No re-entry.")],
        },
    },
    ink=(86, 22, 98, 255),
    emblem=union(disc(13, 27, 4), disc(25, 25, 4), path(2.5, (16, 27), (16, 11), (28, 9), (28, 25))),
)

SAMPLES = (GYM, COFFEE, CONCERT)
