"""Large opaque pictures drawn by code, row by row: strips, backgrounds and artwork of starts. Standard library only.

``drawing`` asks a painter for every pixel, which is fine for icons; artwork at @3x has 1.5 million of them. Here a row
is filled in runs, and only edges are blended.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass

from livepass.cli.drawing import SIGNATURE, chunk

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Sun:
    """A disc, in points."""

    x: float
    y: float
    radius: float
    colour: Rgb


@dataclass(frozen=True, slots=True)
class Hill:
    """Everything below a wave. ``level``: points from the top to its middle; ``wave``: its height and length."""

    level: float
    wave: tuple[float, float]
    shift: float
    colour: Rgb

    def height(self, x: float) -> float:
        """Where the ground begins at ``x``, from the top."""
        return self.level + self.wave[0] * math.sin((x + self.shift) / self.wave[1] * math.tau)


def landscape(width: int, height: int, scale: int, sky: tuple[Rgb, Rgb], *things: Sun | Hill) -> bytes:
    """A PNG (8-bit RGB) of ``width`` by ``height`` points at ``scale`` pixels each: a sky from its colour at the top
    to the one at the bottom, then ``things``, the last in front. The same bytes each time.
    """
    across, down = width * scale, height * scale
    grounds = [[thing.height((x + 0.5) / scale) * scale for x in range(across)] if isinstance(thing, Hill) else []
               for thing in things]  # fmt: skip
    rows = bytearray()
    for y in range(down):
        row = bytearray(bytes(mix(*sky, (y + 0.5) / down)) * across)
        for thing, ground in zip(things, grounds, strict=True):
            if isinstance(thing, Sun):
                _sun(row, thing, scale, y)
            else:
                _hill(row, thing.colour, ground, y)
        rows.append(0)  # no filter
        rows += row
    header = struct.pack(">IIBBBBB", across, down, 8, 2, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(rows), 9)) + chunk(b"IEND", b"")


def mix(one: Rgb, other: Rgb, share: float) -> Rgb:
    """``share`` of the way from one colour to another."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _sun(row: bytearray, sun: Sun, scale: int, y: int) -> None:
    rise = y + 0.5 - sun.y * scale
    radius = sun.radius * scale
    if abs(rise) >= radius:
        return
    half = math.sqrt(radius * radius - rise * rise)
    left, right = sun.x * scale - half, sun.x * scale + half
    last = len(row) // 3
    first_whole, end_whole = max(0, math.ceil(left)), min(last, math.floor(right))
    if first_whole < end_whole:
        row[first_whole * 3 : end_whole * 3] = bytes(sun.colour) * (end_whole - first_whole)
    _blend(row, math.ceil(left) - 1, sun.colour, math.ceil(left) - left)
    _blend(row, math.floor(right), sun.colour, right - math.floor(right))


def _hill(row: bytearray, colour: Rgb, ground: list[float], y: int) -> None:
    if y >= max(ground) + 1:
        row[:] = bytes(colour) * len(ground)
        return
    if y + 1 < min(ground):
        return
    for x, level in enumerate(ground):
        if (share := y + 1 - level) > 0:
            _blend(row, x, colour, min(1.0, share))


def _blend(row: bytearray, x: int, colour: Rgb, share: float) -> None:
    if 0 <= x < len(row) // 3:
        below = row[x * 3], row[x * 3 + 1], row[x * 3 + 2]
        row[x * 3 : x * 3 + 3] = bytes(mix(below, colour, share))
