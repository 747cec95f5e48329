"""A file that is there when it is complete, and never half."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from livepass.cli.faults import Fault, refused, unchecked


@contextmanager
def whole_file(path: Path, *, force: bool = False) -> Iterator[IO[bytes]]:
    """What to write into; only its owner may read it. It gets its name when the block has ended well and everything is
    on disk. ``force``: also where there is such a file. Raises ``Fault``.
    """
    if not force and path.exists():
        raise _there(path)
    if path.exists() and not path.is_file():
        raise refused(f"{path} is there already, and is no file", "name a file")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        _name(part, path, os.replace if force else _link)
    except FileExistsError as error:
        raise _there(path) from error
    except OSError as error:
        hint = "name a file in a folder that is there, has room, and may be written to"
        raise unchecked(f"{path} cannot be written: {error.strerror or error}", hint) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _name(part: Path, path: Path, give: Callable[[Path, Path], None]) -> None:
    give(part, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _link(part: Path, path: Path) -> None:
    """Unlike a rename, this never takes the place of a file that came meanwhile."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(path) from None
        part.rename(path)


def _there(path: Path) -> Fault:
    return refused(f"{path} is there already", "name another file, or say --force")
