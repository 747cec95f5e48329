"""How large a text can be written in a space: a guess from the widths of its characters, since no font is at hand.

Wallet shrinks what does not fit, then cuts it off; so do we, and the guess is on the safe side.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

# Width of characters in parts of the font size, in the system fonts; wide ones are squares
_NARROW, _SLIM, _USUAL, _DIGIT, _BROAD, _BROADEST, _SQUARE = 0.29, 0.37, 0.6, 0.64, 0.71, 0.88, 1.02
_CHARACTERS = {
    **dict.fromkeys(" .,:;!'|iljI\u00a0\u202f", _NARROW),
    **dict.fromkeys('ftr()[]{}-/\\"*', _SLIM),
    **dict.fromkeys("0123456789", _DIGIT),
    **dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZ&wÄÖÜ€", _BROAD),
    **dict.fromkeys("MWm@%—", _BROADEST),
}
_COUNTED = 600  # characters
_APART = 0.05  # letters of a label stand a little apart


def width_of(text: str, size: float) -> float:
    """Pixels of one line, roughly; of a very long one, enough to know that it does not fit."""
    return size * sum(_CHARACTERS.get(each) or _width(each) for each in text[:_COUNTED])


def width_of_label(text: str, size: float) -> float:
    """In capitals, as labels are written."""
    capitals = text.upper()
    return width_of(capitals, size) + size * _APART * len(capitals)


def _width(character: str) -> float:
    if unicodedata.combining(character) or character in "\u200b\u200d\ufe0f":
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return _SQUARE
    return _BROAD if character.isupper() else _USUAL


def fitting(text: str, width: float, sizes: Sequence[int]) -> int:
    """The first size, largest first, that fits in one line; else the last: then it is cut off."""
    return next((size for size in sizes if width_of(text, size) <= width), sizes[-1])


def lines_of(text: str, width: float, size: float) -> int:
    """How many lines a text takes, each paragraph at least one."""
    lines = [line[at : at + _COUNTED] for line in text.split("\n") for at in range(0, len(line) or 1, _COUNTED)]
    return sum(max(1, math.ceil(width_of(line, size) * 1.06 / width)) for line in lines)
