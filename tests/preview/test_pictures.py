"""The pictures of the page are there, of the right size and small; and the page is the one that is made."""

from __future__ import annotations

import pytest

from livepass.cli.starts import STYLES
from livepass.pkpass.png import read_png
from livepass.preview import draw
from preview.pictures import IMAGES, LARGEST, PAGE, SCALE, SCHEMES, name, text
from preview.samples import sample


def test_the_page_is_the_one_that_is_made() -> None:
    assert PAGE.read_text("utf-8") == text(), "python tests/preview/pictures.py"


def test_no_other_pictures_lie_there() -> None:
    assert {each.name for each in IMAGES.iterdir()} == {name(style, scheme) for style in STYLES for scheme in SCHEMES}


@pytest.mark.parametrize("style", STYLES)
def test_each_start_has_its_pictures(style: str) -> None:
    size = draw(sample(style)).size
    for scheme in SCHEMES:
        data = (IMAGES / name(style, scheme)).read_bytes()
        png = read_png(data)
        assert (png.width, png.height) == (size[0] * SCALE, size[1] * SCALE), "python tests/preview/pictures.py"
        assert len(data) < LARGEST
