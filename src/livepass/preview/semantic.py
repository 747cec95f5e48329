"""The boarding pass of iOS 26 that is made of semantic tags.

What stands where is our guess: Apple's pages name the tags, and no phone was at hand to compare.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from livepass.preview import parts
from livepass.preview.barcode import chosen
from livepass.preview.colours import Colours, hexed
from livepass.preview.fitting import fitting, width_of
from livepass.preview.images import image
from livepass.preview.markup import el, tinted
from livepass.preview.reading import Field, Reading
from livepass.preview.tags import Tags
from livepass.preview.transit import sign

_PLACES = (48, 44, 40, 36, 32, 28, 24)
_TIMES = (18, 17, 16, 15, 14)
_JOURNEY = 106  # pixels of height
_SIGN = 46


def draw_semantic(reading: Reading) -> tuple[ET.Element, int]:
    """The front, and its height."""
    tags = Tags(reading)
    paint = parts.colours(reading)
    barcode = chosen(reading)
    rows = [
        parts.row(_there(_first_row(tags)), paint),
        parts.row(_there(_second_row(tags)), paint),
    ]
    rows_there = [row for row in rows if row is not None]
    taken = parts.TOP + _JOURNEY + parts.GAP + len(rows_there) * parts.ROW
    card = el(
        "div",
        "card card-boardingPass card-semantic" + (" dead" if parts.state(reading) else ""),
        parts.ground(hexed(paint.ground)),
        el(
            "div",
            "inside",
            _top(reading, tags, paint),
            _journey(reading, tags, paint),
            rows_there,
            el("div", "bottom", parts.panel(reading, barcode, parts.CARD[1] - taken - parts.BOTTOM)),
        ),
        parts.seal(reading, barcode),
    )
    return card, parts.CARD[1]


def _first_row(tags: Tags) -> list[Field | None]:
    return [
        tags.first("Terminal", "departureTerminal"),
        tags.first("Gate", "departureGate", "departurePlatform"),
        tags.first_time("Boarding", "currentBoardingDate", "originalBoardingDate"),
        tags.seat("seatNumber", "Seat"),
    ]


def _second_row(tags: Tags) -> list[Field | None]:
    return [
        tags.person("passengerName", "Passenger"),
        tags.first("Group", "boardingGroup", "boardingZone"),
        tags.field("confirmationNumber", "Booking"),
    ]


def _there(fields: list[Field | None]) -> list[Field]:
    return [each for each in fields if each is not None]


def _top(reading: Reading, tags: Tags, paint: Colours) -> ET.Element:
    flight = tags.joined("Flight", "airlineCode", "flightNumber")
    return parts.top_line(reading, paint, image(reading, "logo"), reading.text("logoText"), _there([flight]))


def _journey(reading: Reading, tags: Tags, paint: Colours) -> ET.Element:
    """City, code and time of both ends."""
    codes = [tags.field(f"{end}AirportCode") for end in ("departure", "destination")]
    longest = max(
        (each.said.text for each in codes if each is not None), key=lambda text: width_of(text, 1), default=""
    )
    size = fitting(longest, (parts.INSIDE - _SIGN) / 2 - parts.GAP, _PLACES)
    times = [tags.first_time("", f"current{event}Date", f"original{event}Date") for event in ("Departure", "Arrival")]
    cities = [tags.field(f"{end}CityName") for end in ("departure", "destination")]
    ends = [
        el(
            "div",
            f"place place-{at}",
            _piece(city, 14, paint),
            _piece(code, size, paint, "code"),
            _piece(time, 17, paint),
        )
        for at, (city, code, time) in enumerate(zip(cities, codes, times, strict=True))
    ]
    middle = tinted(hexed(paint.label), "transit", sign(reading.fields.get("transitType"), reading))
    return el("div", "journey", ends[0], middle, ends[1])


def _piece(field: Field | None, size: int, paint: Colours, kind: str = "") -> ET.Element | None:
    if field is None:
        return None
    width = (parts.INSIDE - _SIGN) / 2 - parts.GAP
    fitted = size if kind else fitting(field.said.text, width, [each for each in _TIMES if each <= size])
    return parts.unlabelled(field, fitted, paint, kind)
