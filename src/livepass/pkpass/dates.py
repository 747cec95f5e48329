"""How Wallet reads a date."""

from __future__ import annotations

import re
from datetime import datetime

# W3C date-time with a zone: YYYY-MM-DDTHH:MM[:SS](Z|±HH:MM). Apple's own builder insists on the zone in this form.
# The hour is bounded here because Python versions disagree about 24:00.
_DAY_AND_TIME = r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d"
_ZONE = r"(Z|[+-]([01]\d|2[0-3]):[0-5]\d)"
DATE_PATTERN = rf"{_DAY_AND_TIME}(:[0-5]\d)?{_ZONE}"
# Seconds may have a fraction in W3C's note, and do in what JavaScript's toISOString writes. What phones log about a bad
# date names the forms without one, and nobody confirmed that they read this one, or that they do not.
_W3C = re.compile(rf"({_DAY_AND_TIME}(:[0-5]\d(\.\d+)?)?){_ZONE}", re.ASCII)
_FRACTION = re.compile(r"\.\d+", re.ASCII)


def parse_date(text: object) -> datetime | None:
    """The instant (aware), to the second, or ``None`` when a phone would not read ``text`` as a date.

    One with a fraction of a second is a date: see ``without_fraction``.
    """
    if not isinstance(text, str) or not _W3C.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(_FRACTION.sub("", text))
    except ValueError:
        return None


def without_fraction(text: object) -> str | None:
    """A date that has a fraction of a second, without it: as every phone reads it. ``None`` for all else."""
    if not isinstance(text, str) or "." not in text or parse_date(text) is None:
        return None
    return _FRACTION.sub("", text)
