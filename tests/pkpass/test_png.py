"""PNGs of every kind are taken, sized and stripped; what is not whole is refused before anything decodes it."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepass.pkpass.png import MOST_CHUNKS, SIGNATURE, PngProblem, check_pixels, read_png, stripped

MIB = 1 << 20


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width: int = 3, height: int = 2, depth: int = 8, colour: int = 0, *ways: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, *(ways or (0, 0, 0))))


ROWS = b"\0abc\0def"
PIXELS = chunk(b"IDAT", zlib.compress(ROWS))
END = chunk(b"IEND")
PLAIN = SIGNATURE + header() + PIXELS + END
META = (
    chunk(b"tEXt", b"Author\0Ada") + chunk(b"eXIf", b"MM\0*" + bytes(40)) + chunk(b"tIME", bytes(7))
    + chunk(b"pHYs", bytes(9)) + chunk(b"iTXt", b"XML:com.adobe.xmp\0") + chunk(b"vpAg", bytes(9))
)  # fmt: skip


def checked(data: bytes) -> None:
    check_pixels(read_png(data))


REFUSED = {
    "nothing": (b"", "no PNG"),
    "a JPEG": (b"\xff\xd8\xff", "no PNG"),
    "the signature alone": (SIGNATURE, "cut short"),
    "a signature that lost its line ends": (PLAIN.replace(b"\r\n", b"\n", 1), "no PNG"),
    "cut in a part": (PLAIN[:50], "cut short"),
    "cut before its end": (SIGNATURE + header() + PIXELS, "cut short"),
    "a length of 4 GiB": (SIGNATURE + b"\xff\xff\xff\xffIHDR" + PLAIN[16:], "cut short"),
    "a checksum": (PLAIN.replace(header()[-4:], b"\0\0\0\0"), "IHDR at byte 8 is damaged"),
    "no kind": (SIGNATURE + chunk(b"IH R"), "no part of a PNG stands at byte 8"),
    "the header second": (SIGNATURE + chunk(b"tEXt") + header() + PIXELS + END, "header is not where"),
    "two headers": (SIGNATURE + header() + header() + PIXELS + END, "header is not where"),
    "a short header": (SIGNATURE + chunk(b"IHDR", bytes(12)) + PIXELS + END, "header is not where"),
    "Xcode's": (SIGNATURE + chunk(b"CgBI", bytes(4)) + header() + PIXELS + END, "Xcode"),
    "no width": (SIGNATURE + header(0, 2) + PIXELS + END, "0 by 2 pixels"),
    "no height": (SIGNATURE + header(3, 0) + PIXELS + END, "3 by 0 pixels"),
    "a side too long": (SIGNATURE + header(3, 4097) + PIXELS + END, "3 by 4097 pixels"),
    "a depth": (SIGNATURE + header(3, 2, 4, 2) + PIXELS + END, "colour type 2, 4 bits"),
    "a colour type": (SIGNATURE + header(3, 2, 8, 5) + PIXELS + END, "colour type 5"),
    "another packing": (SIGNATURE + header(3, 2, 8, 0, 1, 0, 0) + PIXELS + END, "of no PNG"),
    "another filtering": (SIGNATURE + header(3, 2, 8, 0, 0, 1, 0) + PIXELS + END, "of no PNG"),
    "another interlacing": (SIGNATURE + header(3, 2, 8, 0, 0, 0, 2) + PIXELS + END, "of no PNG"),
    "an unknown part that counts": (SIGNATURE + header() + chunk(b"ABCD") + PIXELS + END, "ABCD"),
    "no pixels": (SIGNATURE + header() + END, "no pixels"),
    "interrupted pixels": (SIGNATURE + header() + PIXELS + chunk(b"tEXt") + PIXELS + END, "interrupted"),
    "no palette": (SIGNATURE + header(3, 2, 8, 3) + PIXELS + END, "palette"),
    "a late palette": (SIGNATURE + header() + PIXELS + chunk(b"PLTE", bytes(3)) + END, "palette"),
    "two palettes": (SIGNATURE + header() + chunk(b"PLTE", bytes(3)) * 2 + PIXELS + END, "palette"),
    "too few pixels": (SIGNATURE + header() + chunk(b"IDAT", zlib.compress(ROWS[:-1])) + END, "fewer"),
    "too many pixels": (SIGNATURE + header() + chunk(b"IDAT", zlib.compress(ROWS + b"x")) + END, "more"),
    "pixels that are none": (SIGNATURE + header() + chunk(b"IDAT", b"pixels") + END, "damaged"),
    "pixels without a checksum": (SIGNATURE + header() + chunk(b"IDAT", zlib.compress(ROWS)[:-4]) + END, "never end"),
    "a wrong checksum": (SIGNATURE + header() + chunk(b"IDAT", zlib.compress(ROWS)[:-4] + b"abcd") + END, "damaged"),
    "a crowd": (SIGNATURE + header() + chunk(b"tEXt") * MOST_CHUNKS + PIXELS + END, "more than 4096 parts"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_whole_is_refused(name: str) -> None:
    data, said = REFUSED[name]
    with pytest.raises(PngProblem, match=said) as error:
        checked(data)
    assert error.value.hint


def test_a_bomb_costs_what_its_header_says_and_no_memory() -> None:
    """64 MiB of zeros in 64 KB, behind a header of six pixels; and behind one that tells the truth."""
    zeros = zlib.compress(bytes(64 * MIB), 9)
    small = SIGNATURE + header() + chunk(b"IDAT", zeros) + END
    honest = SIGNATURE + header(4096, 4096, 8, 6) + chunk(b"IDAT", zlib.compress(bytes(4096 * 16385), 9)) + END
    tracemalloc.start()
    try:
        with pytest.raises(PngProblem, match="more than its header says"):
            checked(small)
        checked(honest)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MIB
    assert read_png(honest).raw_size == 4096 * 16385


def adam7(width: int, height: int) -> Iterator[int]:
    """Pixels of each row that an interlaced image has, counted one by one from the pattern of the specification."""
    pattern = ("16462646", "77777777", "56565656", "77777777", "36463646", "77777777", "56565656", "77777777")
    for wanted in "1234567":
        for y in range(height):
            if columns := sum(pattern[y % 8][x % 8] == wanted for x in range(width)):
                yield columns


@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.sampled_from([(0, 1), (0, 4), (0, 16), (2, 8), (3, 2), (4, 8), (6, 16)]),
    st.booleans(),
    st.integers(1, 50),
)
def test_every_kind_of_png_is_taken(
    width: int, height: int, kind: tuple[int, int], interlaced: bool, piece: int
) -> None:
    colour, depth = kind
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    rows = [*adam7(width, height)] if interlaced else [width] * height
    packed = zlib.compress(b"".join(bytes(1 + (columns * bits + 7) // 8) for columns in rows))
    pieces = b"".join(chunk(b"IDAT", packed[at : at + piece]) for at in range(0, len(packed), piece))
    palette = chunk(b"PLTE", bytes(12)) if colour == 3 else b""
    data = SIGNATURE + header(width, height, depth, colour, 0, 0, int(interlaced)) + palette + META + pieces + END
    png = read_png(data)
    check_pixels(png)
    assert (png.width, png.height, png.interlaced, png.metadata) == (width, height, interlaced, len(META))
    assert stripped(png) == data.replace(META, b"")
    assert read_png(stripped(png)).metadata == 0


def test_stripping_keeps_what_pixels_and_colours_need() -> None:
    needed = [chunk(b"sRGB", b"\0"), chunk(b"gAMA", bytes(4)), chunk(b"iCCP", b"p3\0\0x"), chunk(b"cHRM", bytes(32))]
    data = SIGNATURE + header() + META + b"".join(needed) + META + chunk(b"tRNS", b"\0\0") + PIXELS + META + END
    png = read_png(data + b"<script>")
    assert png.trailing == 8 and png.metadata == 3 * len(META) + 8
    assert stripped(png) == data.replace(META, b"")


def test_what_was_made_from_another_has_its_colours() -> None:
    source = read_png(SIGNATURE + header() + chunk(b"gAMA", bytes(4)) + META + PIXELS + END)
    made = read_png(SIGNATURE + header() + chunk(b"sRGB", b"\0") + PIXELS + END)
    assert stripped(made, source) == SIGNATURE + header() + chunk(b"gAMA", bytes(4)) + PIXELS + END


@given(st.binary(max_size=60), st.integers(0, len(PLAIN)), st.integers(0, 20))
def test_it_raises_nothing_else(piece: bytes, at: int, cut: int) -> None:
    for data in (PLAIN[:at] + piece + PLAIN[at + cut :], SIGNATURE + piece):
        try:
            checked(data)
        except PngProblem:
            continue
        checked(stripped(read_png(data)))
