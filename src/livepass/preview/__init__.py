"""A pass drawn as HTML, without a phone: what Wallet would show of it, approximately. Pure: bytes in, elements out.

drawing = draw(files, View(ios=26, language="de"))
document = page([("Version 7", drawing)], "Membership")
picture = svg(drawing)

Text that a stranger wrote only ever becomes text: the markup is a tree of elements and never a string put together.
"""

from __future__ import annotations

from livepass.preview.drawing import draw
from livepass.preview.page import LABEL, STYLE, STYLE_SOURCE, page, svg
from livepass.preview.shapes import Drawing, View

__all__ = ["LABEL", "STYLE", "STYLE_SOURCE", "Drawing", "View", "draw", "page", "svg"]
