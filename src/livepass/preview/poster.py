"""Layouts with a picture across the whole card: the poster event ticket (iOS 18) and posterGeneric (iOS 27).

The event ticket takes its texts from semantic tags and not from the fields of its style; posterGeneric has fields.
What stands where is our guess: no phone was at hand to compare.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator

from livepass.preview import parts
from livepass.preview.barcode import Barcode, chosen
from livepass.preview.colours import Colours, hexed, parse_colour
from livepass.preview.fitting import fitting, width_of
from livepass.preview.images import image
from livepass.preview.markup import el
from livepass.preview.reading import Field, Reading
from livepass.preview.tags import Tags

_NAMES = (28, 26, 24, 22, 20, 18, 17, 16, 15)
_PLACES = (15, 14, 13, 12, 11)
_SEATS = (("seatSection", "Section"), ("seatRow", "Row"), ("seatNumber", "Seat"))
_MOST_PRIMARY = 4
_POSTER_PANEL = 124  # pixels of height


def draw_event(reading: Reading) -> tuple[ET.Element, int]:
    """The front, and its height."""
    tags = Tags(reading)
    paint = parts.colours(reading)
    name = tags.field("eventName")
    places = [each for each in (tags.field("venueName"), tags.field("venueRegionName")) if each is not None]
    who = tags.field("performerNames")
    reading.note("a poster event ticket lets in by NFC: no barcode is drawn on its front")
    lines = [
        _line(name, _NAMES, paint, "poster-name") if name is not None else None,
        _line(who, _PLACES, paint) if who is not None else None,
        el("div", "poster-places", [_line(each, _PLACES, paint, _kept(each)) for each in places]) if places else None,
    ]
    footer = el(
        "div",
        "poster-footer",
        _ground(reading, paint),
        parts.row(list(_seats(tags)), paint, kind="above"),
        image(reading, "secondaryLogo"),
    )
    return _card(reading, paint, [tags.date("eventStartDate", "")], None, [*lines, footer]), parts.CARD[1]


def _kept(field: Field) -> str:
    """Of two beside each other, what needs no more than its half keeps its width."""
    return "keep" if width_of(field.said.text, _PLACES[0]) <= parts.INSIDE / 2 - parts.GAP else ""


def _seats(tags: Tags) -> Iterator[Field]:
    for key, label in _SEATS:
        if (found := tags.seat(key, label)) is not None:
            yield found
    if (found := tags.field("venueEntrance", "Entrance")) is not None:
        yield found


def draw_generic(reading: Reading) -> tuple[ET.Element, int]:
    """The front, and its height."""
    paint = parts.colours(reading)
    fields = list(parts.shown(reading, "primaryFields", _MOST_PRIMARY))
    first, others = fields[:1], fields[1:]
    barcode = chosen(reading)
    if barcode is not None:
        reading.note("where a phone puts the barcode of a posterGeneric is not known here: it is drawn at the bottom")
    panel = parts.panel(reading, barcode, _POSTER_PANEL)
    feet = list(parts.shown(reading, "footerFields", 1))
    bottom = [
        *(parts.drawn(each, fitting(each.said.text, parts.INSIDE, _NAMES), paint, "poster-name") for each in first),
        parts.row(others, paint, kind="above"),
        el("div", "poster-panel", panel) if panel is not None else None,
        el("div", "poster-footer", _ground(reading, paint), parts.row(feet, paint, kind="above")) if feet else None,
    ]
    return _card(reading, paint, list(parts.shown(reading, "headerFields", 1)), barcode, bottom), parts.CARD[1]


def _card(
    reading: Reading,
    paint: Colours,
    headers: list[Field | None],
    barcode: Barcode | None,
    bottom: list[ET.Element | None],
) -> ET.Element:
    art = image(reading, "artwork", "art")
    if art is None:
        art = image(reading, "background", "art")
    logo = image(reading, "primaryLogo")
    text = "" if logo is not None else (reading.text("eventLogoText") or reading.text("logoText"))
    fields = [each for each in headers if each is not None]
    dead = " dead" if parts.state(reading) else ""
    return el(
        "div",
        f"card card-poster{dead}",
        parts.ground(hexed(paint.ground)),
        art,
        _scrim(paint, "above"),
        _scrim(paint, "below"),
        el("div", "inside", parts.top_line(reading, paint, logo, text, fields), el("div", "poster-bottom", bottom)),
        parts.seal(reading, barcode),
    )


def _line(field: Field, sizes: tuple[int, ...], paint: Colours, kind: str = "") -> ET.Element:
    return parts.unlabelled(field, fitting(field.said.text, parts.INSIDE, sizes), paint, kind)


def _scrim(paint: Colours, where: str) -> ET.Element:
    """The colour of the card, fading into the picture, so that text on it can be read."""
    return el("div", f"scrim scrim-{where}", parts.ground(hexed(paint.ground)))


def _ground(reading: Reading, paint: Colours) -> ET.Element:
    return parts.ground(hexed(parse_colour(reading.document.get("footerBackgroundColor")) or paint.ground))
