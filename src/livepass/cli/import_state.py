"""How far an import has come, in a file: whoever is killed in the middle goes on from there.

What is behind the last note may have been done already: it is done once more, which changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from livepass.cli.faults import refused, unchecked
from livepass.cli.names import write_bytes

HEAD = 1 << 20
"""Bytes by which a file is known again, beside its size."""


@dataclass(slots=True)
class Tally:
    """What became of the rows so far."""

    rows: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0


@dataclass(slots=True)
class State:
    """``what`` names the source and how it is read. ``path`` ``None``: nothing is kept."""

    path: Path | None
    what: str
    tally: Tally = field(default_factory=Tally)
    errors_bytes: int = 0
    """How much of the file of errors belongs to these rows."""

    def save(self) -> None:
        if self.path is not None:
            kept = {"what": self.what, "tally": asdict(self.tally), "errors_bytes": self.errors_bytes}
            write_bytes(self.path, json.dumps(kept).encode())

    def forget(self) -> None:
        """All rows are done."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def load(path: Path | None, what: str, *, restart: bool) -> State:
    """What an earlier run left, or a beginning. Refuses the state of another source."""
    if path is None or restart or not path.exists():
        return State(path, what)
    try:
        kept: dict[str, Any] = json.loads(path.read_bytes())
        found = State(path, kept["what"], Tally(**kept["tally"]), int(kept["errors_bytes"]))
    except OSError as error:
        raise unchecked(f"{path} cannot be read: {error.strerror or error}", "let this user read it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise refused(f"{path} is no state of an import", "--restart begins anew") from error
    if found.what != what:
        raise refused(f"{path} is of another file, or of other options", "--restart begins anew; nothing comes twice")
    return found


def identity(path: Path, *options: object) -> str:
    """What a file and the way it is read are known by."""
    with path.open("rb") as file:
        head = hashlib.sha256(file.read(HEAD)).hexdigest()
    return hashlib.sha256(repr((path.stat().st_size, head, options)).encode()).hexdigest()
