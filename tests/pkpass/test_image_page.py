"""The page about images says the sizes that lint goes by."""

from __future__ import annotations

import re
from pathlib import Path

from livepass.pkpass.image_sizes import SIZES

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "languages-and-images.md"


def test_the_page_has_the_sizes_of_the_table() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE))
    assert set(rows) == {row.image for row in SIZES}
    for row in SIZES:
        said = rows[row.image]
        assert row.way in said and f"{row.width} × {row.height}" in said
