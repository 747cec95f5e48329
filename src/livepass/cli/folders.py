"""A folder written whole, into nothing: for templates that are begun and templates that are taken over."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from livepass.cli.faults import refused, unchecked

LAST = "pass.json"
"""What makes a folder a template: written last, so that half a folder is none."""


def write_new(folder: Path, files: Mapping[str, bytes], command: str) -> None:
    """Write ``files`` (relative path → content) into ``folder``, which is not there yet or empty.

    ``command`` is what to type with another name. Raises ``Fault``: refused when something is there.
    """
    try:
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise refused(
                f"{folder} is there already, and not empty",
                f"nothing is overwritten: name another folder, as in {command} NEW_FOLDER",
            )
        for name in sorted(files, key=lambda name: (name == LAST, name)):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(files[name])
    except OSError as error:
        raise unchecked(f"{folder} cannot be written: {error.strerror or error}", "name another folder") from error
