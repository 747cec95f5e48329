"""Elements of HTML and SVG, made of values. Whatever a text holds, it stays text."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable

# What XML 1.0 cannot say, and what would reorder the text around it (bidi overrides; isolation does their good part).
_UNSAYABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202a-\u202e]")

Child = ET.Element | str | None


def plain(text: str) -> str:
    """The text without the characters that neither HTML nor XML can hold."""
    return _UNSAYABLE.sub("", text)


def el(
    tag: str, kind: str = "", *children: Child | Iterable[Child], **attributes: str | int | float | None
) -> ET.Element:
    """``<tag class="lp-kind …">``. ``data_field`` is the attribute data-field; None is no attribute and no child."""
    element = ET.Element(tag)
    if kind:
        element.set("class", " ".join(f"lp-{each}" for each in kind.split()))
    for name, value in attributes.items():
        if value is not None:
            element.set(name.rstrip("_").replace("_", "-"), plain(str(value)))
    for child in children:
        if child is None or isinstance(child, str | ET.Element):
            _add(element, child)
        else:
            for each in child:
                _add(element, each)
    return element


def _add(element: ET.Element, child: Child) -> None:
    if isinstance(child, ET.Element):
        element.append(child)
    elif child is not None:
        text = plain(child)
        if len(element):
            element[-1].tail = (element[-1].tail or "") + text
        else:
            element.text = (element.text or "") + text


def tinted(colour: str, kind: str, *children: Child | Iterable[Child], **attributes: str | None) -> ET.Element:
    """Text in a colour of the pass, by an old element: a strict CSP takes no ``style`` attribute, but this."""
    return el("font", kind, *children, color=colour, **attributes)
