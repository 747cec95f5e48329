"""The pictures of ``docs/images/preview/`` and their page. Written by ``python tests/preview/pictures.py``.

They need Chromium, Pillow and zxing-cpp. A picture is written anew only if it is another one to the eye: fonts of
other machines would change a few of its pixels every time.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from browsers import chromium, screenshot  # noqa: E402
from livepass.cli.starts import STYLES, about  # noqa: E402
from livepass.preview import LABEL, View, draw, page  # noqa: E402
from preview.samples import sample  # noqa: E402

IMAGES = ROOT / "docs" / "images" / "preview"
PAGE = ROOT / "docs" / "reference" / "preview.md"
SCHEMES = ("light", "dark")
SCALE = 2
COLOURS = 200
LARGEST = 60_000  # bytes

HEAD = f"""# What a drawn pass looks like

livepass draws a pass without a phone: the front and the back, as iOS 18, 26 or 27 would show them, in a language, on a
light or a dark wall. It is HTML with barcodes that can be scanned, or SVG that holds it, which browsers draw and most
other programs do not.

{LABEL}

Barcodes need the extra `preview`: `pip install 'livepass[preview]'`. Without it a box stands in their place.

## What is drawn, and what is said instead

| | |
|---|---|
| layouts | one for each style; those of posters and of semantic tags only if the pass has what they need, else a note |
| fields | as many as there is room for; a note says which group has more. Text shrinks, then is cut off |
| dates, numbers | as seven languages write them (de, en, es, fr, it, nl, pt), in others by digits alone |
| times | in the zone that they are written in: a phone shows its own, unless `ignoresTimeZone` |
| barcodes | the first that the iOS knows, byte for byte as `messageEncoding` says; or a note |
| images | the sharpest that is a whole PNG, in the language |
| links | text that leads nowhere |
| expired, void | grey, with the word in place of the barcode |
| anything odd | drawn as well as can be, with a note; never an error |

How a phone lays out a poster event ticket, a semantic boarding pass and a posterGeneric is Apple's alone to say: theirs
are the roughest of these drawings, and none of them was compared with a phone by us.

## In Python

```python
from livepass.pkpass import read
from livepass.preview import STYLE, STYLE_SOURCE, View, draw, page, svg

files = read(package).files
drawing = draw(files, View(ios=26, scheme="dark", language="de"), changed=["points"])  # outlines that field
drawing.notes  # what is not drawn as it is written
page([("Version 7", drawing)], "Membership")  # a whole HTML document
svg(drawing)  # one file, for browsers
```

`page` holds one inline style and no script. It works under
`Content-Security-Policy: default-src 'none'; img-src data:; style-src` followed by `STYLE_SOURCE`, which is the hash of
that style. A page of your own takes `STYLE` as a file and `drawing.element` as it is.

## The starts of `livepass template new`

Each filled with its own samples, in front of a light and of a dark wall.
"""
FOOT = """
`python tests/preview/pictures.py` makes this page and its pictures; tests look at the same drawings in a real browser.
"""


def text() -> str:
    """The page."""
    return HEAD + "".join(_section(style) for style in STYLES) + FOOT


def _section(style: str) -> str:
    shown = " ".join(f"![{style}, {scheme}](../images/preview/{name(style, scheme)})" for scheme in SCHEMES)
    return f"\n### {style}\n\n{about(style)}\n\n{shown}\n"


def name(style: str, scheme: str) -> str:
    return f"{style}-{scheme}.png"


def pictures(browser: Any) -> Iterator[tuple[str, bytes]]:
    """(file name, PNG) of every style and scheme."""
    from PIL import Image

    for scheme in SCHEMES:
        shown = browser.new_page(viewport={"width": 1700, "height": 1200}, device_scale_factor=SCALE)
        drawings = [(style, draw(sample(style), View(scheme=scheme))) for style in STYLES]
        shown.set_content(page(drawings, scheme).decode())
        for style, card in zip(STYLES, shown.query_selector_all(".livepass-pass"), strict=True):
            few = Image.open(io.BytesIO(screenshot(card))).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            written = io.BytesIO()
            few.save(written, "PNG", optimize=True)
            yield name(style, scheme), written.getvalue()


def differs(new: bytes, old: Path) -> bool:
    """Whether it is another picture to the eye: of another size, or in more than a few pixels."""
    from PIL import Image, ImageChops, ImageStat

    if not old.exists():
        return True
    one, other = (Image.open(io.BytesIO(data)).convert("RGB") for data in (new, old.read_bytes()))
    if one.size != other.size:
        return True
    plain = ImageChops.difference(one, other).convert("L").point(lambda level: 255 * (level > 48))
    return ImageStat.Stat(plain).mean[0] / 255 > 0.001


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for file, data in pictures(browser):
            if differs(data, IMAGES / file):
                (IMAGES / file).write_bytes(data)
                print(f"{file}: {len(data)} bytes")
    PAGE.write_text(text(), "utf-8")


if __name__ == "__main__":
    main()
