"""Colours."""

from __future__ import annotations

import re
from collections.abc import Mapping

from livepass.pkpass.fields import COLORS
from livepass.pkpass.lint.problem import Problems, problem

KEYS = frozenset(COLORS)
_TO_255 = r"(?:[01]?\d?\d|2[0-4]\d|25[0-5])"
_RGB = re.compile(rf"\s*rgb\(\s*{_TO_255}\s*,\s*{_TO_255}\s*,\s*{_TO_255}\s*\)\s*", re.ASCII)
_HEX = re.compile(r"#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})")


def check(document: Mapping[str, object]) -> Problems:
    """Every colour of the pass."""
    for key in COLORS:
        value = document.get(key)
        if not isinstance(value, str) or _RGB.fullmatch(value):
            continue
        rule, why = ("color-hex", "is written as hex") if _HEX.fullmatch(value) else ("color", "is no colour")
        yield problem(rule, f"/{key}", f"{key} {value[:60]!r} {why}", "write rgb(r, g, b), each number 0 to 255")
