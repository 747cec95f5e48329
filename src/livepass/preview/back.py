"""The back: what the details of a pass list. Addresses are text here and lead nowhere."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping

from livepass.pkpass.links import STYLE_OF_LINK
from livepass.pkpass.since import KEYS_SINCE
from livepass.preview import parts
from livepass.preview.fitting import lines_of
from livepass.preview.images import image
from livepass.preview.markup import el
from livepass.preview.reading import Field, Reading, object_in, read_fields, text_in
from livepass.preview.values import Said

_HEAD, _ROW, _LINE, _BETWEEN = 96, 41, 20, 46  # pixels: the head, a row without its value, a line, around a group
_WIDTH = 358 - 2 * 16 - 2 * 14
_MOST_ROWS = 40  # links, actions and events of each kind


def draw_back(reading: Reading) -> tuple[ET.Element, int]:
    """A card that is as high as its text, and the least it will be."""
    groups = [(title, fields) for title, fields in _groups(reading) if fields]
    word = parts.state(reading)
    head = el(
        "div",
        "back-head",
        image(reading, "icon"),
        el("div", "back-name", reading.text("organizationName") or reading.text("logoText"), dir="auto"),
        el("div", "back-about", reading.text("description"), dir="auto"),
        el("div", "back-state", word) if word else None,
    )
    sections = [
        el("section", "back-group", el("h3", "", title) if title else None, map(_row, fields))
        for title, fields in groups
    ]
    height = _HEAD + sum(_BETWEEN + sum(map(_height, fields)) for _, fields in groups)
    return el("div", "card card-back", head, sections), max(parts.CARD[1], height)


def _groups(reading: Reading) -> Iterator[tuple[str, list[Field]]]:
    yield "", list(reading.groups.get("backFields", ()))
    yield "More information", list(reading.groups.get("additionalInfoFields", ()))
    yield "Actions", list(_actions(reading))
    yield "Links", list(_links(reading, reading.document))
    for entry in _listed(reading, "upcomingPassInformation"):
        yield "Upcoming", list(_upcoming(reading, entry))


def _listed(reading: Reading, key: str) -> Iterator[Mapping[str, object]]:
    """The objects of a list that this iOS knows."""
    listed = reading.document.get(key)
    if not isinstance(listed, list) or not listed:
        return
    if reading.view.ios < KEYS_SINCE[key]:
        reading.note(f"iOS {reading.view.ios} knows no {key}")
        return
    yield from (each for each in listed[:_MOST_ROWS] if isinstance(each, Mapping))


def _actions(reading: Reading) -> Iterator[Field]:
    for each in _listed(reading, "featuredActions"):
        yield _said("", _words(text_in(each, "type")), text_in(each, "url"))


def _links(reading: Reading, document: Mapping[str, object]) -> Iterator[Field]:
    for key, style in STYLE_OF_LINK.items():
        address = text_in(document, key)
        if address and style == reading.style and reading.view.ios >= KEYS_SINCE.get(key, 18):
            yield _said(key, _words(key), address)


def _upcoming(reading: Reading, entry: Mapping[str, object]) -> Iterator[Field]:
    when = text_in(object_in(entry, "dateInformation"), "date")
    yield _said("", text_in(entry, "name"), when.replace("T", " ")[:16])
    for group in ("additionalInfoFields", "backFields"):
        yield from read_fields(reading, entry.get(group), group)


def _said(key: str, label: str, text: str) -> Field:
    return Field(key, label, Said(((text, False),)))


def _words(key: str) -> str:
    """``transitProviderWebsiteURL`` → ``Transit provider website``."""
    words = re.findall(r"[A-Z]?[a-z]+", key.removesuffix("URL"))
    return " ".join(words).capitalize()


def _row(field: Field) -> ET.Element:
    return el(
        "div",
        "back-row" + (" changed" if field.changed else ""),
        el("div", "back-label", field.label, dir="auto") if field.label else None,
        el("div", "back-value", parts.pieces(field), dir="auto"),
        parts.changed_sign(field),
        data_field=field.key or None,
    )


def _height(field: Field) -> int:
    return _ROW + _LINE * lines_of(field.said.text, _WIDTH, 16)
