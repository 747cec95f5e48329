"""An image made smaller, where the image library (pillow) is there. Nothing else of livepass needs it."""

from __future__ import annotations

import importlib
import io
import struct

_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_LONGEST_SIDE = 1024  # pixels; checked before anything is decoded: a small file may hold a huge picture


def shrink(data: bytes, by: int) -> bytes | None:
    """A PNG ``by`` times smaller, without its metadata; ``None`` without the library, or if it is no sound PNG."""
    try:
        library = importlib.import_module("PIL.Image")
    except ImportError:
        return None
    if not data.startswith(_HEAD) or len(data) < len(_HEAD) + 8:
        return None
    width, height = struct.unpack_from(">II", data, len(_HEAD))
    if not (0 < width <= _LONGEST_SIDE and 0 < height <= _LONGEST_SIDE):
        return None
    try:
        with library.open(io.BytesIO(data), formats=["PNG"]) as image:
            small = image.convert("RGBA").resize(
                (max(1, width // by), max(1, height // by)), library.Resampling.LANCZOS
            )
    except (OSError, ValueError, SyntaxError):  # what pillow raises for a damaged PNG
        return None
    out = io.BytesIO()
    small.save(out, "PNG")
    return out.getvalue()
