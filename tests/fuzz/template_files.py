"""What lies beside pass.json, and several passes in one file: texts, images, bundles."""

from __future__ import annotations

import contextlib
import random
import zlib
from collections.abc import Iterable, Iterator

from fuzz.packages import ZIP_WORDS, zipped
from fuzz.target import Mutate, Target
from livepass.pkpass import InvalidPackage, InvalidSignature, several
from livepass.pkpass.png import SIGNATURE, PngProblem, check_pixels, read_png, stripped
from livepass.pkpass.strings import StringsProblem, read_pairs, read_strings, strings_bytes


@contextlib.contextmanager
def _no_refusal() -> Iterator[None]:
    """What we wrote ourselves is not refused."""
    try:
        yield
    except (StringsProblem, PngProblem) as refusal:
        raise AssertionError("what was written is refused") from refusal


def _strings(data: bytes) -> None:
    """What is read is written and read again; every key stands where it is said to."""
    texts = read_strings(data)
    with _no_refusal():
        assert read_strings(strings_bytes(texts)) == texts
    places = [(pair.line, pair.column) for pair in read_pairs(data)]
    assert places == sorted(set(places))


def _png(data: bytes) -> None:
    """What is whole stays so without its metadata."""
    png = read_png(data)
    check_pixels(png)
    with _no_refusal():
        bare = read_png(stripped(png))
        check_pixels(bare)
    assert (bare.width, bare.height, bare.raw_size, bare.metadata) == (png.width, png.height, png.raw_size, 0)
    assert len(stripped(png)) == len(data) - png.metadata


def _pkpasses(data: bytes) -> None:
    assert 1 <= len(several.split(data)) <= several.MOST_PASSES
    several.verify_all(data)


def _sealed_chunks(data: bytes, most: int, mutate: Mutate, rng: random.Random) -> bytes:
    """Mutate, and put every checksum right again."""
    spoiled = bytearray(mutate(data, most))
    at = len(SIGNATURE)
    while rng.random() < 0.95 and at + 12 <= len(spoiled):
        end = at + 8 + int.from_bytes(spoiled[at : at + 4], "big")
        if end + 4 > len(spoiled):
            break
        spoiled[end : end + 4] = zlib.crc32(spoiled[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(spoiled)


def _texts() -> Iterable[bytes]:
    yield b'/* a */ "a" = "b\\n\\U00e9\\101"; // c\nd = \'e"\'; f;'
    yield '"Punkte" = "für dich 🙂";'.encode("utf-16")
    yield b'{ "a"; }'


def _images() -> Iterable[bytes]:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    for colour, interlaced, row in ((0, 0, 1 + 3), (6, 0, 1 + 12), (3, 0, 1 + 3)):
        header = chunk(b"IHDR", bytes([0, 0, 0, 3, 0, 0, 0, 2, 8, colour, 0, 0, interlaced]))
        palette = chunk(b"PLTE", bytes(6)) + chunk(b"tRNS", b"\0") if colour == 3 else chunk(b"gAMA", bytes(4))
        pixels = chunk(b"IDAT", zlib.compress(bytes(2 * row)))
        yield SIGNATURE + header + palette + chunk(b"tEXt", b"a\0b") + pixels + chunk(b"IEND", b"")


def _bundles() -> Iterable[bytes]:
    yield zipped({"1.pkpass": zipped({"pass.json": b"{}", "manifest.json": b"{}", "signature": b""})})
    yield zipped({"a.pkpass": b"x", "A.pkpass": b"y"})


TARGETS = (
    Target("strings", _strings, (StringsProblem,), _texts, (b'";', b'" = "', b"\\U", b"/*", b"*/", b"\xff\xfe"), 2048),
    Target("png", _png, (PngProblem,), _images, (b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tRNS"), 2048, _sealed_chunks),
    Target("pkpasses", _pkpasses, (InvalidPackage, InvalidSignature), _bundles, ZIP_WORDS, 8192),
)
