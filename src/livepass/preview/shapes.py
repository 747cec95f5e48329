"""How a pass is looked at, and what comes of it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import datetime

LIGHT, DARK = "light", "dark"
FRONT, BACK = "front", "back"


@dataclass(frozen=True, slots=True)
class View:
    """``ios``: 18, 26 or 27. ``scheme``: light or dark, the wall behind the pass and its back. ``language``: ``de-CH``.

    ``now`` (aware) tells whether it is expired; without it no expiry is drawn, voided still is.
    """

    ios: int = 27
    scheme: str = LIGHT
    language: str = "en"
    side: str = FRONT
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class Drawing:
    """``element``: an ``<article>`` that needs ``STYLE`` and nothing else: no script, no address outside of it.

    ``notes``: sentences on what is not drawn as it is written. ``size``: CSS pixels; of a back side, the least.
    """

    element: ET.Element
    notes: tuple[str, ...]
    size: tuple[int, int]
