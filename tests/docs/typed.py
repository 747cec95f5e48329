"""What a page tells people to type: the lines after ``$`` of its blocks, and the exit code that it names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parents[2]
_BLOCK = re.compile(r"^ *```console\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"^ *\$ ((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)
_COMMENT = re.compile(r"(?:^|\s+)# (.*)$")
_EXIT = re.compile(r"^(?:[^;]*; )?exit (\d)(?:: |$| is)")


@dataclass(frozen=True)
class Typed:
    """One command. ``exit_``: what the page says that it leaves with."""

    line: str
    exit_: int = 0


def typed(text: str) -> list[Typed]:
    """Every command of a page."""
    return [_one(line) for block in _BLOCK.findall(text) for line in _LINE.findall(block)]


def _one(line: str) -> Typed:
    comment = _COMMENT.search(line)
    said = _EXIT.match(comment[1]) if comment else None
    return Typed(_COMMENT.sub("", line).rstrip(), int(said[1]) if said else 0)


def pages() -> dict[str, list[Typed]]:
    """Every page that has commands, by its path from the top of the repository."""
    files = [TOP / "README.md", *sorted(TOP.glob("docs/**/*.md"))]
    found = {str(file.relative_to(TOP)): typed(file.read_text()) for file in files}
    return {name: lines for name, lines in found.items() if lines}
