"""The colours of a pass, from how pass.json spells them to ``#rrggbb``; and what a phone might take in place of them.

Source: Apple, Wallet Passes, "Pass" (``rgb(r, g, b)``); ``#rgb`` and ``#rrggbb`` as in Apple's open-source builder.
Apple does not say what a phone shows without colours; we chose a light grey card with dark text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_RGB = re.compile(r"\s*rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)\s*", re.IGNORECASE | re.ASCII)
_HEX = re.compile(r"\s*#([0-9a-f]{3}|[0-9a-f]{6})\s*", re.IGNORECASE | re.ASCII)
_MOST = 255

Rgb = tuple[int, int, int]
WHITE: Rgb = (255, 255, 255)
BLACK: Rgb = (0, 0, 0)
GROUND: Rgb = (229, 229, 234)
_INK: Rgb = (28, 28, 30)


def parse_colour(value: object) -> Rgb | None:
    """``None``: no phone reads it as a colour."""
    if not isinstance(value, str):
        return None
    if match := _RGB.fullmatch(value):
        red, green, blue = (int(part) for part in match.groups())
        return (red, green, blue) if max(red, green, blue) <= _MOST else None
    if match := _HEX.fullmatch(value):
        digits = match[1] if len(match[1]) > 3 else "".join(digit * 2 for digit in match[1])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    return None


def hexed(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def mixed(one: Rgb, other: Rgb, share: float) -> Rgb:
    """``share`` of the way from one to another."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def luminance(colour: Rgb) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2)."""

    def linear(channel: int) -> float:
        share = channel / _MOST
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = map(linear, colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Rgb, other: Rgb) -> float:
    """1 to 21 (WCAG 2.2)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def readable_on(ground: Rgb) -> Rgb:
    return WHITE if contrast(WHITE, ground) >= contrast(_INK, ground) else _INK


@dataclass(frozen=True, slots=True)
class Colours:
    """What a card is painted with."""

    ground: Rgb
    ink: Rgb
    label: Rgb

    @classmethod
    def of(cls, ground: Rgb | None, ink: Rgb | None, label: Rgb | None) -> Colours:
        """What is missing is made readable on what is there; a label without a colour is a paler text."""
        ground = ground or GROUND
        ink = ink or readable_on(ground)
        return cls(ground, ink, label or mixed(ink, ground, 0.25))
