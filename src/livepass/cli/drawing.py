"""Small images drawn by code: icons and logos for starter templates and the demo. Standard library only.

A shape is a signed distance: how far a point lies outside it (negative: inside). One pixel around the edge is blended,
so shapes are smooth at every scale.

    badge = paint(2, (0, 0, 0, 0), (rounded(0, 0, 29, 29, 6), INK), (disc(14.5, 14.5, 7), PAPER))
    png(58, 58, badge)
"""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from collections.abc import Callable

Colour = tuple[int, int, int, int]
"""Red, green, blue, opacity: 0 to 255 each, not premultiplied."""
Painter = Callable[[float, float], Colour]
"""The colour at a point, in pixels from the top left."""
Shape = Callable[[float, float], float]
"""How far outside the shape a point lies, in units of the drawing."""
Fill = Colour | Painter
"""One colour, or one for every point, in units of the drawing."""

CLEAR: Colour = (0, 0, 0, 0)
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(width: int, height: int, painter: Painter) -> bytes:
    """A PNG (8-bit RGBA) whose pixels are what ``painter`` says at their centres. The same bytes each time."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)  # no filter
        for x in range(width):
            rows.extend(painter(x + 0.5, y + 0.5))
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(rows), 9)) + chunk(b"IEND", b"")


def paint(scale: float, background: Fill, *layers: tuple[Shape, Fill]) -> Painter:
    """Shapes on a background, the last on top. ``scale`` is pixels per unit: 1 for icon.png, 2 for icon@2x.png."""

    def painter(x: float, y: float) -> Colour:
        at = x / scale, y / scale
        colour = _fill(background, *at)
        for shape, fill in layers:
            share = min(1.0, max(0.0, 0.5 - shape(*at) * scale))
            if share:
                colour = _over(_fill(fill, *at), share, colour)
        return colour

    return painter


# ── shapes


def disc(x: float, y: float, radius: float) -> Shape:
    """A filled circle."""
    return lambda px, py: math.hypot(px - x, py - y) - radius


def ring(x: float, y: float, radius: float, width: float) -> Shape:
    """A circle's outline; ``radius`` is to the middle of the line."""
    return lambda px, py: abs(math.hypot(px - x, py - y) - radius) - width / 2


def rounded(left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> Shape:
    """A rectangle with round corners."""
    x, y = (left + right) / 2, (top + bottom) / 2
    half_width, half_height = (right - left) / 2 - radius, (bottom - top) / 2 - radius

    def distance(px: float, py: float) -> float:
        dx, dy = abs(px - x) - half_width, abs(py - y) - half_height
        return math.hypot(max(dx, 0.0), max(dy, 0.0)) + min(max(dx, dy), 0.0) - radius

    return distance


def stroke(x0: float, y0: float, x1: float, y1: float, width: float) -> Shape:
    """A straight line with round ends."""
    dx, dy = x1 - x0, y1 - y0
    square = dx * dx + dy * dy or 1.0

    def distance(px: float, py: float) -> float:
        along = min(1.0, max(0.0, ((px - x0) * dx + (py - y0) * dy) / square))
        return math.hypot(px - x0 - along * dx, py - y0 - along * dy) - width / 2

    return distance


def path(width: float, *points: tuple[float, float]) -> Shape:
    """Strokes from point to point."""
    return union(*(stroke(*start, *end, width) for start, end in itertools.pairwise(points)))


def union(*shapes: Shape) -> Shape:
    """All of them as one shape."""
    return lambda x, y: min(shape(x, y) for shape in shapes)


def cut(shape: Shape, hole: Shape) -> Shape:
    """A shape without another one."""
    return lambda x, y: max(shape(x, y), -hole(x, y))


# ── fills


def fade(top: Colour, bottom: Colour, height: float) -> Painter:
    """From one colour at the top to another at ``height``."""

    def fill(_: float, y: float) -> Colour:
        share = min(1.0, max(0.0, y / height))
        red, green, blue, opacity = (round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True))
        return red, green, blue, opacity

    return fill


def _fill(fill: Fill, x: float, y: float) -> Colour:
    return fill(x, y) if callable(fill) else fill


def _over(top: Colour, share: float, below: Colour) -> Colour:
    """``top``, of which ``share`` covers the pixel, over ``below``."""
    above = top[3] / 255 * share
    under = below[3] / 255 * (1 - above)
    total = above + under
    if total == 0:
        return CLEAR
    red, green, blue = (round((top[each] * above + below[each] * under) / total) for each in range(3))
    return red, green, blue, round(total * 255)


def chunk(kind: bytes, data: bytes) -> bytes:
    """One piece of a PNG, with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
