"""``Accept-Language``, read."""

from __future__ import annotations

import re

MOST = 10
_TAG = re.compile(r"([A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,3})(?:;q=([01](?:\.[0-9]{0,3})?))?")


def accepted(header: str) -> list[str]:
    """The languages that somebody reads, the dearest first; what is no language is skipped. ``MOST`` at most."""
    weighed: list[tuple[float, str]] = []
    for part in header[:1000].split(","):
        match = _TAG.fullmatch(part.replace(" ", ""))
        if match is not None and (weight := float(match[2] or 1)) > 0:
            weighed.append((weight, match[1]))
    return [tag for _, tag in sorted(weighed, key=lambda each: -each[0])][:MOST]
