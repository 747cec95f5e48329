"""The phone shares nothing with the server, and its rules touch no clock and no socket."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livepass.emulators import iphone

MODULES = sorted(Path(iphone.__file__).parent.glob("*.py"))
SHELL = {"__init__", "run", "transport", "pushes", "clock", "storage"}
OUTSIDE = {"cryptography", "httpx2", "orjson", *sys.stdlib_module_names}
IMPURE = {"asyncio", "socket", "ssl", "os", "time", "secrets", "httpx2", "logging", "pathlib"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports_stay_on_this_side_of_the_wire(path: Path) -> None:
    for name in imports(path):
        top = name.partition(".")[0]
        assert name.startswith("livepass.emulators") if top == "livepass" else top in OUTSIDE, name
        assert path.stem in SHELL or top not in IMPURE, name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_rule_reads_a_clock_or_draws_by_itself(path: Path) -> None:
    if path.stem not in SHELL:
        source = path.read_text()
        for call in ("datetime.now(", "utcnow(", "random.random(", "random.Random(", "uuid"):
            assert call not in source


def test_modules_stay_small() -> None:
    assert max(len(path.read_text().splitlines()) for path in MODULES) <= 400


def test_the_public_names_exist() -> None:
    assert all(hasattr(iphone, name) for name in iphone.__all__)
    assert list(iphone.__all__) == sorted(iphone.__all__, key=lambda name: (not name.isupper(), name))
