"""Pages of which a program writes the head and people the rest: one for each row of a catalogue, and their table.

A page is its made head, ``MARK``, and what stands below it, which is never touched. What has a row and no page gets one
with nothing below; a test then asks for the words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
MARK = "<!-- Made from the catalogue down to here; by hand from here on. -->"


@dataclass(frozen=True)
class Catalogue:
    """The pages of one catalogue. ``heads``: the text above the mark, by the name of the page.

    What is written by hand has these sections, and between ``least`` and ``most`` words beside tables.
    """

    name: str
    maker: str
    index: str
    heads: Mapping[str, str]
    sections: Sequence[str]
    least: int
    most: int = 300

    @property
    def folder(self) -> Path:
        return REFERENCE / self.name

    @property
    def table(self) -> Path:
        return REFERENCE / f"{self.name}.md"

    def page(self, name: str) -> Path:
        return self.folder / f"{name}.md"

    def write(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.table.write_text(self.index, "utf-8")
        for name, head in self.heads.items():
            page = self.page(name)
            below = parts(page.read_text("utf-8"))[1] if page.exists() else "\n"
            page.write_text(f"{head}\n{MARK}\n{below}", "utf-8")

    def wrong(self) -> Iterator[str]:
        """What is to be done before the pages say what the catalogue says, and somebody explained each row."""
        if not self.table.exists() or self.table.read_text("utf-8") != self.index:
            yield f"{self.table.name} is not the catalogue any more: python {self.maker}"
        for page in sorted(self.folder.glob("*")):
            if page.stem not in self.heads:
                yield f"{page.name} is about nothing in the catalogue: delete it, or put its row back"
        for name, head in self.heads.items():
            yield from self._wrong_page(name, head)

    def _wrong_page(self, name: str, head: str) -> Iterator[str]:
        if not self.page(name).exists():
            yield f"{name} has no page: python {self.maker}, then write below its mark"
            return
        above, below = parts(self.page(name).read_text("utf-8"))
        if above != f"{head}\n":
            yield f"the head of {name}.md is not the catalogue any more: python {self.maker}"
        if not below.strip():
            yield f"{name}.md explains nothing: write {', '.join(self.sections)} below its mark"
            return
        titles = re.findall(r"^## (.+)$", below, re.MULTILINE)
        if titles != list(self.sections):
            yield f"{name}.md has the sections {titles}, not {list(self.sections)}"
        words = len(re.sub(r"^(## |\|).+$", "", below, flags=re.MULTILINE).split())
        if not self.least <= words <= self.most:
            yield f"{name}.md explains in {words} words, not in {self.least} to {self.most}"


def parts(text: str) -> tuple[str, str]:
    """(what is above the mark, what is below it)."""
    above, _, below = text.partition(f"{MARK}\n")
    return above, below


def facts(*pairs: tuple[str, str]) -> str:
    """A table of names and values, without a title."""
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {cell(value)} |\n" for name, value in pairs)


def cell(text: str) -> str:
    return text.replace("|", "\\|")
