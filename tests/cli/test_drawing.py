from __future__ import annotations

import struct
import zlib

from livepass.cli.drawing import CLEAR, cut, disc, fade, paint, path, png, ring, rounded, stroke, union

INK = (10, 20, 30, 255)
PAPER = (250, 240, 230, 255)


def pixels(data: bytes) -> tuple[int, int, list[list[tuple[int, ...]]]]:
    """A second reading of PNG, as strict as we need it: signature, CRCs, IHDR, unfiltered rows."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [8, 6, 0, 0, 0]
    raw = zlib.decompress(chunks[b"IDAT"])
    assert len(raw) == height * (1 + 4 * width)
    rows = []
    for y in range(height):
        row = raw[y * (1 + 4 * width) :][: 1 + 4 * width]
        assert row[0] == 0
        rows.append([tuple(row[1 + 4 * x : 5 + 4 * x]) for x in range(width)])
    return width, height, rows


def test_every_pixel_is_what_the_painter_says_at_its_centre():
    width, height, rows = pixels(png(3, 2, lambda x, y: (int(x * 10), int(y * 10), 0, 255)))
    assert (width, height) == (3, 2)
    assert rows == [
        [(5, 5, 0, 255), (15, 5, 0, 255), (25, 5, 0, 255)],
        [(5, 15, 0, 255), (15, 15, 0, 255), (25, 15, 0, 255)],
    ]


def test_the_same_drawing_is_the_same_bytes():
    badge = paint(2, CLEAR, (disc(5, 5, 4), INK))
    assert png(20, 20, badge) == png(20, 20, badge)


def test_edges_are_blended_and_insides_are_not():
    _, _, rows = pixels(png(20, 20, paint(2, CLEAR, (disc(5, 5, 4), INK))))
    assert rows[10][10] == INK
    assert rows[0][0] == CLEAR
    edge = {pixel[3] for row in rows for pixel in row} - {0, 255}
    assert edge, "a circle without half-covered pixels is jagged"
    assert {pixel[:3] for row in rows for pixel in row if pixel[3]} == {INK[:3]}, "no dark or light fringe"


def test_shapes_know_their_inside():
    inside = {
        "disc": (disc(5, 5, 2), (5, 5), (8, 5)),
        "ring": (ring(5, 5, 3, 1), (8, 5), (5, 5)),
        "rounded": (rounded(0, 0, 10, 4, 2), (5, 2), (0.1, 0.1)),
        "stroke": (stroke(0, 0, 10, 0, 2), (5, 0.5), (5, 2)),
        "point": (stroke(3, 3, 3, 3, 2), (3, 3), (5, 3)),
        "path": (path(1, (0, 0), (5, 0), (5, 5)), (5, 3), (2, 3)),
        "union": (union(disc(0, 0, 1), disc(9, 9, 1)), (9, 9), (5, 5)),
        "cut": (cut(disc(5, 5, 4), disc(5, 5, 2)), (8, 5), (5, 5)),
    }
    for name, (shape, within, without) in inside.items():
        assert shape(*within) < 0 < shape(*without), name


def test_a_fade_goes_from_top_to_bottom():
    fill = fade(INK, PAPER, 10)
    assert fill(0, -1) == INK and fill(0, 0) == INK and fill(0, 10) == PAPER and fill(0, 99) == PAPER
    assert fill(0, 5) == (130, 130, 130, 255)


def test_layers_cover_each_other():
    painter = paint(1, PAPER, (rounded(0, 0, 4, 4), INK), (rounded(0, 0, 2, 4), (255, 0, 0, 128)))
    assert painter(3.5, 2) == INK
    red, green, _, opacity = painter(0.5, 2)
    assert opacity == 255 and 120 < red < 140 and green < 20
    assert painter(5.5, 5.5) == PAPER
