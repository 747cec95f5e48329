"""The sizes of each image that a template lacks, made from the largest; and images without what no pixel needs."""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from livepass.pkpass.fields import IMAGES
from livepass.pkpass.image_sizes import name_of
from livepass.pkpass.png import Png, PngProblem, check_pixels, read_png, stripped

EXTRA = "images"  # of the package: pip install 'livepass[images]'
_GRAY = frozenset({0, 4})
_DEEP = 16


class NoPillow(Exception):
    """Scaling needs Pillow, which is not there. Nothing else here does."""


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one file: ``data`` is what to write; None: it stays.

    ``made``: scaled down from ``source``; ``stripped``: without its metadata; ``kept``: as it should be already, or
    only to be changed by force. ``metadata``: bytes of it that a kept file has.
    """

    name: str
    done: Literal["made", "stripped", "kept"]
    width: int
    height: int
    data: bytes | None = None
    source: str = ""
    metadata: int = 0


def steps(files: Mapping[str, bytes], *, force: bool = False) -> Iterator[Step]:
    """For every image of a template (relative path → bytes): largest first.

    What is missing is made. What is there stays, unless ``force``: then it is stripped, and made anew if a larger one
    is there. Raises ``PngProblem`` that names the file, and ``NoPillow`` only if something is to be scaled.
    """
    folders = sorted({name.rpartition("/")[0] for name in files})
    for folder in folders:
        for image in IMAGES:
            scales = {scale: f"{folder}/{name_of(image, scale)}".removeprefix("/") for scale in (3, 2, 1)}
            largest = next((scale for scale in (3, 2, 1) if scales[scale] in files), None)
            if largest is not None:
                yield from _steps(files, scales, largest, force)


def _steps(files: Mapping[str, bytes], scales: Mapping[int, str], largest: int, force: bool) -> Iterator[Step]:
    source = scales[largest]
    png = _whole(source, files[source])
    yield _as_it_is(source, png, force)
    for scale in range(largest - 1, 0, -1):
        name = scales[scale]
        if name in files and not force:
            yield _as_it_is(name, _whole(name, files[name]), force)
            continue
        width, height = (max(1, round(side * scale / largest)) for side in (png.width, png.height))
        yield Step(name, "made", width, height, _scaled(source, png, width, height), source)


def _as_it_is(name: str, png: Png, force: bool) -> Step:
    if force and png.metadata:
        return Step(name, "stripped", png.width, png.height, stripped(png), metadata=png.metadata)
    return Step(name, "kept", png.width, png.height, metadata=png.metadata)


def _whole(name: str, data: bytes) -> Png:
    try:
        png = read_png(data)
        check_pixels(png)
    except PngProblem as fault:
        raise PngProblem(f"{name}: {fault}", fault.hint, fault.kind) from fault
    return png


def _scaled(name: str, png: Png, width: int, height: int) -> bytes:
    """Scaled down, with the colours that it had. Only what ``read_png`` found whole is ever decoded."""
    if png.depth == _DEEP and png.colour in _GRAY:
        raise PngProblem(f"{name}: it has 16 bits of grey", "export it with 8 bits; no phone shows more")
    try:
        pillow: Any = importlib.import_module("PIL.Image")
    except ImportError as error:
        raise NoPillow("scaling images needs Pillow") from error
    with pillow.open(io.BytesIO(stripped(png)), formats=["PNG"]) as image:
        mode = {0: "L", 4: "LA", 2: "RGB"}.get(png.colour, "RGBA")
        if "transparency" in image.info:
            mode = "RGBA"
        # Pillow weighs colours by their opacity, so no edge gets a rim of what was invisible.
        small = image.convert(mode).resize((width, height), pillow.Resampling.LANCZOS)
        small.info.clear()
        written = io.BytesIO()
        small.save(written, "PNG", optimize=True)
    return stripped(read_png(written.getvalue()), png)
