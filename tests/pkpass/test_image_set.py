"""Missing sizes are made from the largest image, in its colours and without its metadata; what is there stays."""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from typing import Any

import pytest

from livepass.pkpass.image_set import NoPillow, Step, steps
from livepass.pkpass.png import PngProblem, read_png
from pkpass.conftest import png
from pkpass.test_png import META, PLAIN, SIGNATURE, chunk, header

try:
    from PIL import Image
except ImportError:
    if os.environ.get("CI"):
        raise
    Image = None  # type: ignore[assignment]
needs_pillow = pytest.mark.skipif(Image is None, reason="pip install 'livepass[images]'")

GAMMA = chunk(b"gAMA", struct.pack(">I", 45455))


def with_metadata(data: bytes) -> bytes:
    return data[:33] + META + data[33:]


def told(done: list[Step]) -> list[tuple[str, str, int, int]]:
    return [(each.name, each.done, each.width, each.height) for each in done]


def opened(data: bytes | None) -> Any:
    assert data is not None
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@needs_pillow
def test_what_is_missing_is_made_from_the_largest() -> None:
    files = {
        "icon@3x.png": png(114, 114),
        "logo@3x.png": png(302, 100),
        "logo@2x.png": png(9, 9),
        "de.lproj/strip@2x.png": png(750, 288),
        "footer.png": png(286, 15),
        "pass.json": b"{}",
    }
    done = list(steps(files))
    assert told(done) == [
        ("icon@3x.png", "kept", 114, 114),
        ("icon@2x.png", "made", 76, 76),
        ("icon.png", "made", 38, 38),
        ("logo@3x.png", "kept", 302, 100),
        ("logo@2x.png", "kept", 9, 9),
        ("logo.png", "made", 101, 33),
        ("footer.png", "kept", 286, 15),
        ("de.lproj/strip@2x.png", "kept", 750, 288),
        ("de.lproj/strip.png", "made", 375, 144),
    ]
    for each in done:
        assert (each.data is not None) == (each.done == "made")
        if each.data is not None:
            assert opened(each.data).size == (each.width, each.height)
            assert each.source in files and opened(files[each.source]).width > each.width


@needs_pillow
def test_force_makes_every_smaller_one_anew_and_strips_the_largest() -> None:
    files = {"icon@2x.png": with_metadata(png(76, 76)), "icon.png": with_metadata(png(9, 9))}
    kept = list(steps(files))
    assert told(kept) == [("icon@2x.png", "kept", 76, 76), ("icon.png", "kept", 9, 9)]
    assert [each.metadata for each in kept] == [len(META)] * 2 and all(each.data is None for each in kept)
    forced = list(steps({**files, "logo.png": png(160, 50)}, force=True))
    assert told(forced) == [
        ("icon@2x.png", "stripped", 76, 76),
        ("icon.png", "made", 38, 38),
        ("logo.png", "kept", 160, 50),
    ]
    assert forced[0].data == png(76, 76)
    assert forced[1].data is not None and read_png(forced[1].data).metadata == 0


def rgba(width: int, height: int, pixel: Any) -> bytes:
    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(width)) for y in range(height))
    return SIGNATURE + header(width, height, 8, 6) + GAMMA + META + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND")


@needs_pillow
def test_edges_get_no_rim_of_what_was_invisible_and_colours_stay() -> None:
    """Left half red, right half transparent with green in it: a mean of the plain numbers would be olive."""
    source = rgba(90, 30, lambda x, y: (255, 0, 0, 255) if x < 45 else (0, 255, 0, 0))
    [_, made, _] = steps({"logo@3x.png": source})
    small = opened(made.data)
    assert small.mode == "RGBA" and small.getpixel((2, 9)) == (255, 0, 0, 255)
    seen = [small.getpixel((x, 10)) for x in range(60)]
    assert all(green <= 2 for _, green, _, opaque in seen if opaque > 8)
    assert made.data is not None and GAMMA in made.data and META not in made.data


@needs_pillow
@pytest.mark.parametrize(
    ("colour", "depth", "mode"),
    [(0, 8, "L"), (2, 8, "RGB"), (2, 16, "RGB"), (3, 4, "RGBA"), (4, 8, "LA"), (6, 16, "RGBA"), (0, 1, "L")],
)
@pytest.mark.parametrize("seen_through", [False, True])
def test_every_kind_is_scaled(colour: int, depth: int, mode: str, seen_through: bool) -> None:
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    rows = zlib.compress(bytes(1 + (12 * bits + 7) // 8) * 12)
    parts = chunk(b"PLTE", bytes(range(12))) if colour == 3 else b""
    if seen_through and colour in (0, 2, 3):
        parts += chunk(b"tRNS", {0: bytes(2), 2: bytes(6), 3: b"\0"}[colour])
        mode = "RGBA"
    data = SIGNATURE + header(12, 12, depth, colour) + parts + chunk(b"IDAT", rows) + chunk(b"IEND")
    [_, made] = steps({"icon@2x.png": data})
    small = opened(made.data)
    assert (small.mode, small.size) == (mode, (6, 6))
    if mode == "RGBA" and colour == 3:
        assert small.getpixel((3, 3)) == (0, 1, 2, 0 if seen_through else 255) or seen_through


@needs_pillow
def test_fine_stripes_become_their_mean() -> None:
    [_, made] = steps({"icon@2x.png": rgba(40, 40, lambda x, y: (255 * (x % 2),) * 3 + (255,))})
    assert all(abs(opened(made.data).getpixel((x, 9))[0] - 127) < 20 for x in range(3, 17))


@needs_pillow
def test_the_same_image_makes_the_same_bytes() -> None:
    source = rgba(30, 30, lambda x, y: (x * 8, y * 8, 0, 255))
    assert list(steps({"icon@3x.png": source})) == list(steps({"icon@3x.png": source}))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (PLAIN[:-20], "icon@2x.png: it is cut short"),
        (b"GIF89a", "icon@2x.png: it is no PNG"),
        (SIGNATURE + header(5000, 1) + PLAIN[33:], "5000 by 1"),
        (SIGNATURE + header(4000, 4000) + PLAIN[33:], "fewer"),
        (SIGNATURE + header(1, 1, 16) + chunk(b"IDAT", zlib.compress(bytes(3))) + chunk(b"IEND"), "16 bits of grey"),
    ],
)
def test_what_is_not_whole_is_never_decoded(data: bytes, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(PngProblem, match=said) as error:
        list(steps({"icon@2x.png": data}))
    assert error.value.hint


def test_without_pillow_only_scaling_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    files = {"icon@2x.png": with_metadata(png(76, 76)), "icon.png": png(38, 38), "logo.png": with_metadata(PLAIN)}
    assert [each.done for each in steps(files)] == ["kept"] * 3
    assert [each.done for each in steps({"logo.png": files["logo.png"]}, force=True)] == ["stripped"]
    with pytest.raises(NoPillow):
        list(steps({"icon@2x.png": png(76, 76)}))
