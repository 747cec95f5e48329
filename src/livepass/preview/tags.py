"""Semantic tags as fields, for the layouts that are made of them. Their key is ``semantics/NAME``."""

from __future__ import annotations

from collections.abc import Mapping

from livepass.pkpass.dates import parse_date
from livepass.preview.dates import say_date
from livepass.preview.locales import locale_of
from livepass.preview.reading import Field, Reading, object_in, text_in
from livepass.preview.values import Said

_NAME_PARTS = ("namePrefix", "givenName", "middleName", "familyName", "nameSuffix")
# Times of a journey are those of the place
_TIME = {"timeStyle": "PKDateStyleShort", "ignoresTimeZone": True}
_DAY_AND_TIME = {"dateStyle": "PKDateStyleMedium", **_TIME}


class Tags:
    """The tags of one pass. Each answers ``None`` if there is none that can be said."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._tags = reading.inner("semantics")

    def field(self, name: str, label: str = "") -> Field | None:
        return self._field(name, label, _said(self._tags.get(name)))

    def first(self, label: str, *names: str) -> Field | None:
        """The first of these that is there."""
        return next((found for name in names if (found := self.field(name, label)) is not None), None)

    def seat(self, key: str, label: str) -> Field | None:
        """Of the first seat."""
        seats = self._tags.get("seats")
        first = seats[0] if isinstance(seats, list) and seats and isinstance(seats[0], Mapping) else {}
        return self._field("seats", label, _said(first.get(key)))

    def date(self, name: str, label: str, *, day: bool = True) -> Field | None:
        when = parse_date(self._tags.get(name))
        if when is None:
            return None
        view, note = self._reading.view, self._reading.note
        text = say_date(_DAY_AND_TIME if day else _TIME, when, view, locale_of(view.language, note), note)
        return self._field(name, label, text)

    def first_time(self, label: str, *names: str) -> Field | None:
        """The time of day of the first of these that is a date."""
        return next((found for name in names if (found := self.date(name, label, day=False)) is not None), None)

    def person(self, name: str, label: str) -> Field | None:
        parts = object_in(self._tags, name)
        return self._field(name, label, " ".join(filter(None, (text_in(parts, part) for part in _NAME_PARTS))))

    def joined(self, label: str, *names: str) -> Field | None:
        """Several as one text: ``EX 417``."""
        texts = [_said(self._tags.get(name)) for name in names]
        return self._field(names[-1], label, " ".join(filter(None, texts)))

    def _field(self, name: str, label: str, text: str) -> Field | None:
        key = f"semantics/{name}"
        return Field(key, label, Said(((text, False),)), changed=key in self._reading.changed) if text else None


def _said(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, list):
        return ", ".join(each for each in value if isinstance(each, str))
    return ""
