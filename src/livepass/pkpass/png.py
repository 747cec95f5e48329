"""PNG, looked at without decoding a pixel: is it whole and sane, how large is it, and which of its chunks it needs.

Source: PNG specification, third edition (W3C). Hostile input: nothing is inflated here beyond what the header
promises, and never kept; whoever decodes the image afterwards knows what it will cost.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LONGEST_SIDE = 4096  # pixels; the largest image Wallet shows is a third of that
MOST_CHUNKS = 4096

_HEAD = struct.Struct(">I4s")
_IHDR = struct.Struct(">IIBBBBB")
_CRC = struct.Struct(">I")
_PIECE = 64 * 1024

# Colour type → samples of a pixel, and the depths it may have
_COLOURS = {0: (1, (1, 2, 4, 8, 16)), 2: (3, (8, 16)), 3: (1, (1, 2, 4, 8)), 4: (2, (8, 16)), 6: (4, (8, 16))}
_PALETTE = 3
# First column and row, and the steps between, of each pass of an interlaced image
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))

_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
# What the numbers of the pixels mean: without it, other colours are shown.
COLOUR_SPACE = frozenset({b"cHRM", b"gAMA", b"iCCP", b"sRGB", b"cICP"})

_EXPORT = "export it anew as PNG"


class PngProblem(ValueError):
    """``str`` is what is wrong, ``hint`` what to do; ``kind``: no image at all, too large a one, or not a whole one."""

    def __init__(self, reason: str, hint: str = _EXPORT, kind: Literal["none", "large", "damaged"] = "damaged") -> None:
        super().__init__(reason)
        self.kind = kind
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Chunk:
    """``whole`` is length, kind, content and checksum."""

    kind: bytes
    content: bytes
    whole: bytes


@dataclass(frozen=True, slots=True)
class Png:
    """An image whose chunks hold together. Sizes in pixels; ``trailing`` is how many bytes follow its end."""

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool
    chunks: tuple[Chunk, ...]
    trailing: int

    @property
    def raw_size(self) -> int:
        """Bytes that its pixel data inflates to, each row with its filter."""
        bits = self.depth * _COLOURS[self.colour][0]
        if not self.interlaced:
            return self.height * _row(self.width, bits)
        size = 0
        for left, top, across, along in _ADAM7:
            columns, rows = -((left - self.width) // across), -((top - self.height) // along)
            size += rows * _row(columns, bits) if columns > 0 else 0
        return size

    @property
    def metadata(self) -> int:
        """Bytes that neither pixels nor their colours need."""
        kept = _PIXELS | COLOUR_SPACE
        return self.trailing + sum(len(each.whole) for each in self.chunks if each.kind not in kept)


def _row(columns: int, bits: int) -> int:
    return 1 + (columns * bits + 7) // 8


def read_png(data: bytes) -> Png:
    """Signature, header, and the order, length and checksum of every chunk. Raises ``PngProblem``.

    The pixels are ``check_pixels``' affair.
    """
    if not data.startswith(SIGNATURE):
        raise PngProblem("it is no PNG image", "export it as PNG; renaming another format does not help", "none")
    chunks = tuple(_chunks(data))
    end = len(SIGNATURE) + sum(len(each.whole) for each in chunks)
    kinds = [each.kind for each in chunks]
    if kinds[0] == b"CgBI":
        raise PngProblem("it is an image that Xcode changed for apps alone", "use the file that Xcode was given")
    if kinds[0] != b"IHDR" or kinds.count(b"IHDR") != 1 or len(chunks[0].content) != _IHDR.size:
        raise PngProblem("its header is not where it should be")
    width, height, depth, colour, packing, filtering, interlace = _IHDR.unpack(chunks[0].content)
    if not width or not height:
        raise PngProblem(f"it is {width} by {height} pixels", kind="none")
    if max(width, height) > LONGEST_SIDE:
        raise PngProblem(f"it is {width} by {height} pixels", "scale it to what Wallet shows", "large")
    if depth not in _COLOURS.get(colour, (0, ()))[1] or packing or filtering or interlace > 1:
        raise PngProblem(f"its header is of no PNG (colour type {colour}, {depth} bits)")
    _check_order(kinds, colour)
    return Png(width, height, depth, colour, bool(interlace), chunks, len(data) - end)


def check_pixels(png: Png) -> None:
    """Whether the pixel data inflates to exactly what the header promises. Raises ``PngProblem``.

    Costs time for ``png.raw_size`` bytes and next to no memory: ask only where that is not too much.
    """
    left = png.raw_size
    inflater = zlib.decompressobj()
    try:
        for each in png.chunks:
            packed = each.content if each.kind == b"IDAT" else b""
            while packed and not inflater.eof:
                left -= len(inflater.decompress(packed, _PIECE))
                packed = inflater.unconsumed_tail
                if left < 0:
                    raise PngProblem("its pixels are more than its header says")
        left -= len(inflater.flush()) if not inflater.eof else 0
    except zlib.error as error:
        raise PngProblem("its pixels are damaged") from error
    if left or not inflater.eof:
        raise PngProblem("its pixels are fewer than its header says" if left > 0 else "its pixels never end")


def stripped(png: Png, colours_of: Png | None = None) -> bytes:
    """The image without metadata: the chunks that the pixels need, and those that say what their colours mean.

    ``colours_of`` is the image whose colours it has, for one that was made from another.
    """
    header, *rest = (each for each in png.chunks if each.kind in _PIXELS)
    colours = [each for each in (colours_of or png).chunks if each.kind in COLOUR_SPACE]
    return SIGNATURE + b"".join(each.whole for each in (header, *colours, *rest))


def _chunks(data: bytes) -> Iterator[Chunk]:
    """Up to IEND."""
    at = len(SIGNATURE)
    for _ in range(MOST_CHUNKS):
        if at + _HEAD.size > len(data):
            raise PngProblem("it is cut short", "fetch or export it again")
        length, kind = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + length + _CRC.size
        if not kind.isalpha():
            raise PngProblem(f"something that is no part of a PNG stands at byte {at}")
        if end > len(data):
            raise PngProblem("it is cut short", "fetch or export it again")
        if zlib.crc32(data[at + 4 : end - 4]) != _CRC.unpack_from(data, end - 4)[0]:
            raise PngProblem(f"its part {kind.decode()} at byte {at} is damaged", "fetch or export it again")
        yield Chunk(kind, data[at + _HEAD.size : end - 4], data[at:end])
        if kind == b"IEND":
            return
        at = end
    raise PngProblem(f"it has more than {MOST_CHUNKS} parts")


def _check_order(kinds: list[bytes], colour: int) -> None:
    for kind in kinds:
        if kind[:1].isupper() and kind not in _PIXELS:  # in capitals: who does not know it cannot show the image
            raise PngProblem(f"nobody knows what its part {kind.decode()} means")
    if b"IDAT" not in kinds:
        raise PngProblem("it has no pixels")
    first, count = kinds.index(b"IDAT"), kinds.count(b"IDAT")
    if kinds[first : first + count] != [b"IDAT"] * count:
        raise PngProblem("its pixels are interrupted")
    palettes = kinds[:first].count(b"PLTE")
    if kinds.count(b"PLTE") != palettes or palettes > 1 or (colour == _PALETTE and not palettes):
        raise PngProblem("its palette is missing, late or double")
