"""The example projects pass their own tests, each in a pytest of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from embed.projects import ROOT, pytest_in

EXAMPLES = ("django", "fastapi", "starlette")
ALONE = ("-p", "livepass.pytest_plugin")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example(name: str, tmp_path: Path) -> None:
    folder = ROOT / "examples" / name
    code, said = pytest_in(folder, tmp_path, *ALONE, "-c", "/dev/null", "--rootdir", str(folder),
                           PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTHONDONTWRITEBYTECODE="1")  # fmt: skip
    assert code == 0, said


def test_all_examples_are_run() -> None:
    found = {path.parent.name for path in (ROOT / "examples").glob("*/test_*.py")}
    assert found == set(EXAMPLES)
