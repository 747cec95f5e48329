"""The blocks of Python on a page, and how one is carried out as it stands there, also where it awaits."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from docs.typed import TOP

_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_LANGUAGES = re.compile(r"py\w*")


@dataclass(frozen=True)
class Block:
    """``text`` without the indentation of its fence, from ``line`` of ``page`` on (the first is 1)."""

    page: str
    line: int
    text: str

    def statements(self) -> list[str]:
        """The text of each statement at its top."""
        found = [ast.get_source_segment(self.text, one) for one in ast.parse(self.text).body]
        return [text for text in found if text is not None]

    async def run(self, names: dict[str, Any], words: Mapping[str, str] | None = None) -> None:
        """Carries it out among ``names``, which it adds to. ``words``: what stands for something else, as in tables.py.

        A fault names the line of the page.
        """
        text = self.text
        for word, meant in (words or {}).items():
            assert word in text, f"{self.page} says {word!r} no more"
            text = text.replace(word, meant)
        code = compile(
            "\n" * (self.line - 1) + text, self.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
        )
        awaits = eval(code, names)
        if inspect.iscoroutine(awaits):
            await awaits


def blocks(page: str) -> list[Block]:
    """All of a page, by its path from the top of the repository, in their order."""
    text = (TOP / page).read_text("utf-8")
    return [
        Block(page, text.count("\n", 0, fence.start(3)) + 1, re.sub(f"^{fence[1]}", "", fence[3], flags=re.MULTILINE))
        for fence in _FENCE.finditer(text)
        if _LANGUAGES.fullmatch(fence[2])
    ]


def pages() -> dict[str, list[Block]]:
    """Every page that has some."""
    files = [TOP / "README.md", TOP / "CONTRIBUTING.md", *sorted(TOP.glob("docs/**/*.md"))]
    found = {name: blocks(name) for file in files if (name := str(file.relative_to(TOP)))}
    return {name: there for name, there in found.items() if there}
