"""The pictures of docs/reference/console.md: taken by the tests, and held against those in docs.

With ``LIVEPASS_TEST_PICTURES=renew``, test_pictures.py and test_served.py write them into docs.

Numbers, ids and times differ between two runs, and so do the rows of a timeline. So two things are compared: the
outline of the page, which each picture bears in its file, and what can be seen, small and blurred.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageFilter, ImageStat, PngImagePlugin
from playwright.sync_api import Page

from browsers import screenshot

FOLDER = Path(__file__).parents[3] / "docs" / "images" / "console"
RENEW = "LIVEPASS_TEST_PICTURES"
COLOURS, WIDTH, NARROW, TALLEST = 128, 1280, 360, 1400
SMALL, ALIKE = 64, 5
"""Pixels of width that are compared, and by how much (of 255) they may differ on average: two runs differ by 1 at
most, a page without its stylesheet by 6 to 23.
"""
OUTLINE = """Array.from(
    document.querySelectorAll('header nav, main h2, main h3, main thead th, main legend, main label, main dt, footer'),
    one => `${one.localName} ${one.matches('nav, footer') ? '' : one.firstChild?.textContent.trim() ?? ''}`)"""


def taken(page: Page) -> bytes:
    """A PNG of a page, with its outline."""
    image = Image.open(io.BytesIO(screenshot(page, full_page=True, animations="disabled"))).convert("RGB")
    image = image.crop((0, 0, image.width, min(image.height, TALLEST)))
    return _png(image, json.dumps(sorted(set(page.evaluate(OUTLINE)))), compress_level=1)


def for_docs(png: bytes) -> bytes:
    """Few colours are enough for a page, and a fifth of the bytes."""
    image = Image.open(io.BytesIO(png))
    few = image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return _png(few, image.info["outline"], optimize=True)


def _png(image: Image.Image, outline: str, **how: Any) -> bytes:
    bears, file = PngImagePlugin.PngInfo(), io.BytesIO()
    bears.add_itxt("outline", outline, zip=True)
    image.save(file, "PNG", pnginfo=bears, **how)
    return file.getvalue()


def differences(shown: bytes, now: bytes) -> list[str]:
    """What a picture of the docs shows otherwise than one that was taken now."""
    old, new = (Image.open(io.BytesIO(png)) for png in (shown, now))
    if old.width != new.width:
        return [f"is {old.width} pixels wide, and would be {new.width} now"]
    was, is_now = (set(json.loads(one.info.get("outline", "[]"))) for one in (old, new))
    found = [f"lacks {one!r}" for one in sorted(is_now - was)] + [f"still has {one!r}" for one in sorted(was - is_now)]
    by = unlike(old, new)
    return found + ([f"looks different, by {by:.1f} of 255"] if by > ALIKE else [])


def unlike(old: Image.Image, new: Image.Image) -> float:
    """By how much two pictures differ on average, in what both show."""
    height = min(old.height, new.height)
    small = [
        one.convert("L")
        .crop((0, 0, one.width, height))
        .resize((SMALL, max(1, SMALL * height // one.width)), Image.Resampling.BOX)
        .filter(ImageFilter.GaussianBlur(2))
        for one in (old, new)
    ]
    return float(ImageStat.Stat(ImageChops.difference(*small)).mean[0])


class Album:
    """Pictures of one test: written into its folder, and judged, all of them, at its end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._wrong: list[str] = []

    def take(self, name: str, page: Page) -> None:
        png, shown = taken(page), FOLDER / f"{name}.png"
        (self._folder / shown.name).write_bytes(png)
        if os.environ.get(RENEW) == "renew":
            shown.write_bytes(for_docs(png))
        told = differences(shown.read_bytes(), png) if shown.exists() else ["is missing"]
        self._wrong += [f"docs/images/console/{shown.name} {one}" for one in told]

    def judge(self) -> None:
        """Fails where docs show something else than there is."""
        assert not self._wrong, "\n".join(
            [*self._wrong, f"Look at {self._folder}; {RENEW}=renew writes them into docs"]
        )
