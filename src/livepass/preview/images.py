"""The images of a pass as data: URIs: the sharpest of each, in the language, and only what is a whole PNG."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET

from livepass.pkpass.image_sizes import name_of
from livepass.pkpass.localize import image_for
from livepass.pkpass.png import PngProblem, check_pixels, read_png
from livepass.preview.markup import el
from livepass.preview.reading import Reading

SHARPEST = (2, 3, 1)
"""Scales in the order that they are looked for: @2x is sharp on every screen, and half the bytes of @3x."""
_MOST_RAW = 64 * 1024 * 1024  # bytes that an image may inflate to


def has_image(reading: Reading, image: str) -> bool:
    return any(image_for(reading.files, name_of(image, scale), reading.view.language) for scale in SHARPEST)


def image(reading: Reading, name: str, kind: str = "") -> ET.Element | None:
    """``<img>`` of the image ``name`` (``logo``), at most as large as its points; ``None`` if there is none."""
    for scale in SHARPEST:
        file = image_for(reading.files, name_of(name, scale), reading.view.language)
        if file is None:
            continue
        data = reading.files[file]
        try:
            png = read_png(data)
            if png.raw_size > _MOST_RAW:
                raise PngProblem("it has too many pixels")
            check_pixels(png)
        except PngProblem as problem:
            reading.note(f"{file} is not drawn: {problem}")
            continue
        return el(
            "img",
            f"image {kind or name}",
            src="data:image/png;base64," + base64.b64encode(data).decode(),
            alt="",
            width=max(1, round(png.width / scale)),
            height=max(1, round(png.height / scale)),
        )
    return None
