"""The value of a field as a phone says it: dates, numbers and links from how pass.json writes them.

Approximate: the languages of ``locales`` only, and times in the zone they are written in where a phone would take its
own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser

from livepass.pkpass.dates import parse_date
from livepass.pkpass.fields import DATE_OPTIONS, is_number
from livepass.preview.dates import say_date
from livepass.preview.locales import Locale, locale_of
from livepass.preview.numbers import say_currency, say_decimal, say_percent, say_scientific
from livepass.preview.shapes import View

Note = Callable[[str], None]
_LONGEST = 4000  # characters of one value that are drawn


@dataclass(frozen=True, slots=True)
class Said:
    """Pieces of text, each with whether it is drawn as a link (which leads nowhere here)."""

    pieces: tuple[tuple[str, bool], ...]

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.pieces)


def say(field: Mapping[str, object], view: View, note: Note) -> Said:
    """``attributedValue`` before ``value``, as Apple says."""
    locale = locale_of(view.language, note)
    attributed = field.get("attributedValue")
    if isinstance(attributed, str):
        return Said(_links(attributed[:_LONGEST]))
    value = attributed if is_number(attributed) else field.get("value")
    return Said(((_plain(field, value, view, locale, note)[:_LONGEST], False),))


def _plain(field: Mapping[str, object], value: object, view: View, locale: Locale, note: Note) -> str:
    if isinstance(value, str):
        when = parse_date(value) if any(option in field for option in DATE_OPTIONS) else None
        return value if when is None else say_date(field, when, view, locale, note)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else _odd(field, note)
    if not math.isfinite(value):
        return _odd(field, note)
    if isinstance(code := field.get("currencyCode"), str):
        return say_currency(value, code, locale)
    match field.get("numberStyle"):
        case "PKNumberStylePercent":
            return say_percent(value, locale)
        case "PKNumberStyleScientific":
            return say_scientific(value, locale)
        case "PKNumberStyleSpellOut":
            note("numbers in words (PKNumberStyleSpellOut) are drawn in digits")
    return say_decimal(value, locale)


def _odd(field: Mapping[str, object], note: Note) -> str:
    note(f"the value of the field {field.get('key')!r} is neither a text nor a number: it is not drawn")
    return ""


class _Links(HTMLParser):
    """``<a href>`` and no other markup; what else stands there is text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[tuple[str, bool]] = []
        self._inside = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside += tag == "a"

    def handle_endtag(self, tag: str) -> None:
        self._inside = max(0, self._inside - (tag == "a"))

    def handle_data(self, data: str) -> None:
        self.pieces.append((data, self._inside > 0))


def _links(text: str) -> tuple[tuple[str, bool], ...]:
    parser = _Links()
    parser.feed(text)
    parser.close()
    return tuple(parser.pieces)
