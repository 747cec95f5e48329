"""The wheel holds all that a service needs: statements, migrations and other files that are no Python."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
DOCS = ROOT / "docs"
if not (ROOT / "pyproject.toml").exists():
    pytest.skip("not in a copy of the repository", allow_module_level=True)


def test_every_file_of_the_package_is_in_the_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("livepass/")}
    here = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*") if path.is_file()}
    here = {name for name in here if "__pycache__" not in name and name.startswith("livepass/")}
    docs = {f"livepass/docs/{path.relative_to(DOCS).as_posix()}" for path in DOCS.rglob("*") if path.is_file()}
    assert packed == here | docs
    assert "livepass/docs/reference/findings/LP303.md" in packed
    assert {"livepass/store/migrations/0001_first.sql", "livepass/store/queries.postgres.sql"} <= packed
