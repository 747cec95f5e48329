"""A field's value as it is drawn, for whoever foretells the lock screen's text."""

from __future__ import annotations

from collections.abc import Mapping

from livepass.preview.shapes import View
from livepass.preview.values import say


def spoken(field: Mapping[str, object], language: str) -> str:
    """The value in a language. A link of ``attributedValue`` is for the pass itself and does not count."""
    plain = {key: value for key, value in field.items() if key != "attributedValue"}
    return say(plain, View(language=language), lambda note: None).text
