"""What ``livepass template new STYLE`` writes: a whole template for each style, to be edited into one's own.

The documents are ``starts/STYLE.json``: ``pass`` and ``variables`` as they are written, ``images`` by name, ``glyph``
the sign on them, ``about`` for help, ``note`` what a phone needs beside it. Images are drawn here, in the pass's own
colours, at the sizes of Apple's builder (and at @2x and @3x).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from livepass.cli.drawing import CLEAR, Painter, Shape, cut, disc, fade, paint, path, png, ring, rounded, union
from livepass.cli.scenery import Hill, Rgb, Sun, landscape, mix

FOLDER: Final = Path(__file__).with_name("starts")
STYLES: Final = (
    "boardingPass",
    "coupon",
    "eventTicket",
    "generic",
    "posterEventTicket",
    "posterGeneric",
    "semanticBoardingPass",
    "storeCard",
)
TRANSITS: Final[Mapping[str, str]] = {
    name: f"PKTransitType{name.capitalize()}" for name in ("air", "boat", "bus", "generic", "train")
}
SIZES: Final[Mapping[str, tuple[int, int]]] = {
    # Apple's open-source builder, in points. logo may be 160 wide, primaryLogo 126, secondaryLogo 135.
    "icon": (38, 38),
    "logo": (50, 50),
    "primaryLogo": (126, 30),
    "secondaryLogo": (135, 12),
    "artwork": (358, 448),
    "background": (345, 505),
    "strip": (375, 144),
    "thumbnail": (90, 90),
    "footer": (286, 15),
}
SCALES: Final = (1, 2, 3)
LANGUAGE: Final = "en.lproj/pass.strings"
_TEXTS: Final = frozenset(
    {"label", "value", "changeMessage", "description", "logoText", "eventLogoText", "organizationName"}
)
_WHITE: Final[Rgb] = (255, 255, 255)
_BLACK: Final[Rgb] = (0, 0, 0)


def about(style: str) -> str:
    """One line on what a style is for."""
    return str(_start(style)["about"])


def note(style: str) -> str | None:
    """What phones need beside the folder to show the style; ``None``: nothing."""
    found = _start(style).get("note")
    return None if found is None else str(found)


def files(style: str, transit: str = "air") -> dict[str, bytes]:
    """Every file of the folder, name → content: the same bytes each time. ``transit`` is a key of ``TRANSITS``."""
    start = _start(style)
    document = start["pass"]
    if "boardingPass" in document:
        document["boardingPass"]["transitType"] = TRANSITS[transit]
    return {
        "pass.json": _json(document),
        "variables.json": _json(start["variables"]),
        LANGUAGE: _strings(document),
        **dict(_images(start)),
    }


def _start(style: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{style}.json").read_bytes())
    return found


def _json(document: object) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _strings(document: object) -> bytes:
    """pass.strings for English. Each key is the text itself, so that a phone without this language shows the same."""
    lines = [f"{json.dumps(text)} = {json.dumps(text)};" for text in sorted(set(_literal(document)))]
    return "\n".join(lines).encode() + b"\n"


def _literal(value: object) -> Iterator[str]:
    """Every text that Wallet looks up in pass.strings and that no variable stands in."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key in _TEXTS and isinstance(each, str) and "${" not in each and each != "%@":
                yield each
            yield from _literal(each)
    elif isinstance(value, list):
        for each in value:
            yield from _literal(each)


# ── images


def _images(start: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    ground, ink = (_rgb(start["pass"][key]) for key in ("backgroundColor", "labelColor"))
    for name in start["images"]:
        for scale in SCALES:
            suffix = "" if scale == 1 else f"@{scale}x"
            yield f"{name}{suffix}.png", _image(name, scale, start["glyph"], ground, ink)


@cache
def _image(name: str, scale: int, glyph: str, ground: Rgb, ink: Rgb) -> bytes:
    width, height = SIZES[name]
    if painter := _painter(name, scale, glyph, ground, ink):
        return png(width * scale, height * scale, painter)
    light = mix(ground, ink, 0.55)
    return landscape(
        width, height, scale, (mix(ground, _BLACK, 0.25), mix(ground, ink, 0.2)),
        Sun(width * 0.76, height * 0.38, min(width, height) * 0.2, light),
        Hill(height * 0.68, (height * 0.06, width * 0.9), width * 0.1, mix(ground, ink, 0.12)),
        Hill(height * 0.8, (height * 0.05, width * 0.6), width * 0.45, mix(ground, _BLACK, 0.15)),
        Hill(height * 0.92, (height * 0.03, width * 0.8), 0, mix(ground, _BLACK, 0.35)),
    )  # fmt: skip


def _painter(name: str, scale: int, glyph: str, ground: Rgb, ink: Rgb) -> Painter | None:
    """For small images; ``None`` for pictures."""
    white, pale = (*_WHITE, 255), (*ink, 255)
    if name == "icon":
        tile = fade((*mix(ground, ink, 0.15), 255), (*mix(ground, _BLACK, 0.3), 255), 38)
        return paint(scale, CLEAR, (rounded(0, 0, 38, 38, 8), tile), (_GLYPHS[glyph], white))
    if name == "logo":
        return paint(scale, CLEAR, (disc(25, 25, 23), pale), (_moved(_GLYPHS[glyph], 6, 6), (*ground, 255)))
    if name == "primaryLogo":
        words = union(rounded(36, 8, 112, 14, 3), rounded(36, 18, 88, 22, 2))
        return paint(scale, CLEAR, (_moved(_GLYPHS[glyph], -4, -4), white), (words, pale))
    if name == "secondaryLogo":
        return paint(scale, CLEAR, (rounded(0, 3, 96, 9, 3), pale), (disc(106, 6, 4), white))
    if name == "footer":
        return paint(scale, CLEAR, (_dots(13, 7.5, 1.8), pale))
    return None


def _moved(shape: Shape, x: float, y: float) -> Shape:
    return lambda px, py: shape(px - x, py - y)


def _dots(apart: float, y: float, radius: float) -> Shape:
    """An endless row of discs."""
    return lambda px, py: math.hypot(px % apart - apart / 2, py - y) - radius


def _star(x: float, y: float, outer: float) -> Shape:
    """Five points: a fold of the plane into one tenth of it, then one edge."""
    inner, tenth = outer * 0.46, math.tau / 10

    def distance(px: float, py: float) -> float:
        angle = math.atan2(px - x, y - py) % (2 * tenth)
        angle, radius = min(angle, 2 * tenth - angle), math.hypot(px - x, py - y)
        across, up = radius * math.sin(angle), radius * math.cos(angle)
        edge = inner * math.sin(tenth), inner * math.cos(tenth) - outer
        return (across * -edge[1] + (up - outer) * edge[0]) / math.hypot(*edge)

    return distance


# On a tile of 38 by 38
_GLYPHS: Final[Mapping[str, Shape]] = {
    "way": union(path(3, (9, 24), (19, 13), (29, 24)), path(3, (9, 29), (29, 29))),
    "percent": union(path(3.2, (12, 27), (26, 11)), ring(12.5, 13.5, 3.4, 2.8), ring(25.5, 24.5, 3.4, 2.8)),
    "star": _star(19, 20, 12),
    "person": union(disc(19, 13.5, 5.2), cut(disc(19, 31, 10.5), rounded(0, 29.5, 38, 60))),
    "cup": union(cut(rounded(10, 11, 25, 28, 5), rounded(0, 0, 38, 12.5)), ring(25, 18.5, 4.2, 2.6)),
}


def _rgb(text: str) -> Rgb:
    red, green, blue = (int(part) for part in re.findall(r"\d+", text))
    return red, green, blue
