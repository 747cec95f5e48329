"""A copy of the product with mistakes in it, for another interpreter: what tests of the tests run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src"

Edit = tuple[str, str, str]
"""A file of the package, a text that stands in it once, and what stands in its place."""


def planted(folder: Path, edits: Iterable[Edit]) -> dict[str, str]:
    """Copy the product into ``folder`` with these edits, one after the other; the environment in which Python runs it.

    Raises ``ValueError`` when one does not fit the product any more.
    """
    copy = folder / "src"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name, old, new in edits:
        file = copy / "livepass" / name
        text = file.read_text("utf-8")
        if text.count(old) != 1:
            raise ValueError(f"the text of the mistake stands {text.count(old)} times in {name}: {old!r}")
        file.write_text(text.replace(old, new), "utf-8")
    path = os.pathsep.join((str(copy), str(TESTS)))
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
