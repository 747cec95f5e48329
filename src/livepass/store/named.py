"""Reads ``queries.sql``: statements by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*\n", re.MULTILINE)


def load(*files: str) -> Mapping[str, str]:
    """The statements of the files, by name. A later file replaces what an earlier one defines."""
    statements: dict[str, str] = {}
    for file in files:
        statements |= parse(resources.files("livepass.store").joinpath(file).read_text("utf-8"))
    return statements


def parse(text: str) -> Mapping[str, str]:
    """Statements by name, without their comments. Two of one name are a mistake."""
    pieces = _NAME.split(text)
    statements: dict[str, str] = {}
    for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
        if name in statements:
            raise ValueError(f"two statements are named {name!r}")
        statements[name] = _COMMENT.sub("", body.split("\n-- ──")[0] + "\n").strip().rstrip(";")
    return statements


def migrations() -> list[tuple[int, str, str]]:
    """(number, name, statements) of every migration in order."""
    found = []
    for file in resources.files("livepass.store").joinpath("migrations").iterdir():
        match = re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name)
        if match:
            found.append((int(match[1]), match[2], file.read_text("utf-8")))
    return sorted(found)
