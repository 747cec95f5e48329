"""A pass, drawn: the files are read, the layout is chosen, the layout draws."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Collection, Mapping

from livepass.preview.back import draw_back
from livepass.preview.classic import draw_classic
from livepass.preview.locales import direction
from livepass.preview.markup import el
from livepass.preview.poster import draw_event, draw_generic
from livepass.preview.reading import Reading, read_files
from livepass.preview.semantic import draw_semantic
from livepass.preview.shapes import BACK, DARK, Drawing, View

Draws = Callable[[Reading], tuple[ET.Element, int]]
LAYOUTS: Mapping[str, Draws] = {
    "posterEventTicket": draw_event,
    "posterGeneric": draw_generic,
    "semanticBoardingPass": draw_semantic,
}  # the others are classic
PLAIN = View()
WALL = (374, 16)  # width of the whole; how much of its height is wall


def draw(files: Mapping[str, bytes], view: View = PLAIN, *, changed: Collection[str] = ()) -> Drawing:
    """``files``: those of a package, by name. ``changed``: keys of fields to outline.

    Raises ``InvalidPackage`` if there is no pass.json or it is no JSON object; all else that is odd becomes a note.
    """
    reading = read_files(files, view, changed)
    side = draw_back if view.side == BACK else LAYOUTS.get(reading.layout, draw_classic)
    card, height = side(reading)
    _note_hidden_changes(reading, card)
    name = reading.text("description") or reading.text("organizationName") or "a pass"
    element = el(
        "article",
        "",
        card,
        class_=f"livepass-pass lp-{DARK if view.scheme == DARK else 'light'} lp-{reading.layout}",
        lang=view.language,
        dir=direction(view.language),
        role="group",
        aria_label=f"{name} ({'back' if view.side == BACK else 'front'}, approximate drawing)",
    )
    return Drawing(element, tuple(reading.notes), (WALL[0], height + WALL[1]))


def _note_hidden_changes(reading: Reading, card: ET.Element) -> None:
    shown = {each.get("data-field") for each in card.iter()}
    fields = sorted({field.key for group in reading.groups.values() for field in group if field.changed} - shown)
    if fields:
        reading.note(f"changed, and not on this side: {', '.join(fields)}")
