"""Colours."""

from __future__ import annotations

import re
from collections.abc import Mapping

from livepass.pkpass.fields import COLORS
from livepass.pkpass.lint.problem import Problems, problem

_RGB = re.compile(r"\s*rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)\s*", re.ASCII)
_HEX = re.compile(r"#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})")


def check(document: Mapping[str, object]) -> Problems:
    """Every colour of the pass."""
    for key in COLORS:
        value = document.get(key)
        if not isinstance(value, str):
            continue
        match = _RGB.fullmatch(value)
        if match and all(int(part) <= 255 for part in match.groups()):
            continue
        rule, why = ("color-hex", "is written as hex") if _HEX.fullmatch(value) else ("color", "is no colour")
        yield problem(rule, f"/{key}", f"{key} {value[:60]!r} {why}", "write rgb(r, g, b), each number 0 to 255")
