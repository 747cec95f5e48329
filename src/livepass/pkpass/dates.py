"""The one spelling of a date that Wallet reads."""

from __future__ import annotations

import re
from datetime import datetime

# W3C date-time with a zone: YYYY-MM-DDTHH:MM[:SS](Z|±HH:MM). Apple's own builder insists on the zone in this form.
# The hour is bounded here because Python versions disagree about 24:00.
DATE_PATTERN = r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)"
_W3C = re.compile(DATE_PATTERN, re.ASCII)


def parse_date(text: object) -> datetime | None:
    """The instant (aware), or ``None`` when a phone would not read ``text`` as a date."""
    if not isinstance(text, str) or not _W3C.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
