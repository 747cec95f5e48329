"""How large Wallet shows each image, in points; at @2x and @3x in twice and three times as many pixels.

Sources: Apple's open-source pass builder, and where that is silent or smaller the archived "Wallet Developer Guide"
and what was observed. Where they disagree all stand here, and an image is only remarked upon if it fits none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_UNNOTICED = 0.03
Way = Literal["within", "filling"]


@dataclass(frozen=True, slots=True)
class Size:
    """``within``: shown whole, shrunk to fit. ``filling``: fills the area, and what sticks out is cut off.

    ``style``: the key of pass.json that it counts for; empty for all.
    """

    image: str
    way: Way
    width: int
    height: int
    style: str = ""


SIZES = (
    Size("icon", "filling", 38, 38),
    Size("icon", "filling", 29, 29),
    Size("logo", "within", 160, 50),
    Size("primaryLogo", "within", 126, 30),
    Size("secondaryLogo", "within", 135, 12),
    Size("artwork", "filling", 358, 448),
    Size("background", "filling", 345, 505),
    Size("background", "filling", 180, 220),
    Size("strip", "filling", 375, 144),
    Size("strip", "filling", 375, 98, "eventTicket"),
    Size("strip", "filling", 375, 123, "storeCard"),
    Size("thumbnail", "within", 90, 90),
    Size("footer", "within", 286, 15),
)  # venueMap may have any size; Apple does not say one for personalizationLogo


def sizes_of(image: str, styles: Iterable[str]) -> list[Size]:
    """The rows for an image in a pass of these styles; none: any size will do."""
    known = {"", *styles}
    return [row for row in SIZES if row.image == image and row.style in known]


def scale_of(name: str) -> tuple[str, int]:
    """``logo@2x.png`` → ``("logo", 2)``; ``logo.png`` → ``("logo", 1)``."""
    stem = name.removesuffix(".png")
    for scale in (2, 3):
        if stem.endswith(f"@{scale}x"):
            return stem[:-3], scale
    return stem, 1


def name_of(image: str, scale: int) -> str:
    """``("logo", 2)`` → ``logo@2x.png``."""
    return f"{image}.png" if scale == 1 else f"{image}@{scale}x.png"


def is_larger(row: Size, width: float, height: float) -> bool:
    """Whether pixels are lost without cropping: the image must be shrunk to be shown. In points."""
    over = (width > row.width, height > row.height)
    return any(over) if row.way == "within" else all(over)


def is_cropped(row: Size, width: float, height: float) -> bool:
    """Whether an edge is cut off that one would miss: rounding to whole pixels is no crop."""
    wanted = height * row.width
    return row.way == "filling" and abs(width * row.height - wanted) > _UNNOTICED * wanted
