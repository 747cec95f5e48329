"""QR codes of our own addresses, by zxing-cpp, which comes with the extra ``preview``: without it there are none."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any

EXTRA = "pip install 'livepass[preview]'"
"""What is missing where ``matrix`` answers ``None``."""

Matrix = Sequence[Sequence[bool]]
"""Rows of modules, dark ones true, with the light border that readers need."""


def available() -> bool:
    """Whether there is anything that makes codes."""
    return importlib.util.find_spec("zxingcpp") is not None


def matrix(text: str) -> Matrix | None:
    """The code; ``None`` where nothing makes it."""
    if not available():
        return None
    zxing: Any = importlib.import_module("zxingcpp")
    image: Any = zxing.create_barcode(text, zxing.BarcodeFormat.QRCode).to_image(scale=1)
    return [[value < 128 for value in row] for row in _rows(image)]


def _rows(image: Any) -> list[list[int]]:
    rows: Any = memoryview(image).tolist()
    return list(rows)


def svg(code: Matrix, label: str) -> str:
    """An ``<svg>`` to stand in HTML, dark on white whatever the page's colours. ``label`` is already escaped."""
    path = "".join(f"M{x} {y}h{length}v1h-{length}z" for y, row in enumerate(code) for x, length in _runs(row))
    side = len(code)
    return (
        f'<svg class="qr" role="img" aria-label="{label}" viewBox="0 0 {side} {side}" shape-rendering="crispEdges">'
        f'<rect width="{side}" height="{side}" fill="#fff"/><path d="{path}" fill="#000"/></svg>'
    )


def _runs(row: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """(where, how long) of each stretch of dark modules."""
    start = None
    for x, dark in enumerate([*row, False]):
        if dark and start is None:
            start = x
        elif not dark and start is not None:
            yield start, x - start
            start = None


def blocks(code: Matrix) -> list[str]:
    """Lines for a terminal, two rows of modules in each. Light modules are drawn, as for light text on dark."""
    rows = [*code, [True] * len(code[0])] if len(code) % 2 else list(code)
    shown = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
    return [
        "".join(shown[upper, lower] for upper, lower in zip(rows[at], rows[at + 1], strict=True))
        for at in range(0, len(rows), 2)
    ]
