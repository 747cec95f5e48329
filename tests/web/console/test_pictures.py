"""The pictures of the docs: of every page in the navigation, there, and shown."""

from __future__ import annotations

from livepass.web.console.pages import DEMO, PAGES
from web.console.pictures import DARK, FOLDER
from web.console.pictures import PAGES as TAKEN

PAGE = FOLDER.parents[1] / "reference" / "console.md"


def test_every_page_of_the_navigation_is_taken() -> None:
    taken = {path.partition("/")[0] for path in TAKEN.values()}
    assert {page.path for page in (*PAGES, *DEMO) if page.menu} <= taken


def test_every_picture_is_there_and_shown() -> None:
    names = {*TAKEN, *(f"{name}-dark" for name in DARK), "phone", "certificate", "pass-narrow"}
    assert {file.stem for file in FOLDER.iterdir()} == names
    shown = PAGE.read_text("utf-8")
    assert [name for name in sorted(names) if f"../images/console/{name}.png" not in shown] == []
