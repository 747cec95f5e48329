"""The witness: a small JSON file that says how far the database had come. ``service.seams.WitnessFile``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from livepass.core.history import Heard, Mark, Witness
from livepass.outside.files import locked, replace

log = logging.getLogger(__name__)

VERSION = 1
HOLD_SECONDS = 10.0
"""How long to wait for another process that looks at it."""


class JsonWitness:
    """One file, shared by the processes of a host. A lock lies beside it, because the file itself is replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            try:
                held = await stack.enter_async_context(
                    locked(self._path.with_name(f"{self._path.name}.lock"), HOLD_SECONDS)
                )
            except OSError as error:
                log.debug("the witness cannot be locked: %s", error)  # nor written: that is said when it is tried
            else:
                if not held:
                    log.warning("another process has held %s for %.0f s: not waited for", self._path, HOLD_SECONDS)
            yield

    async def read(self) -> Witness | None:
        try:
            content = await asyncio.to_thread(self._path.read_bytes)
        except FileNotFoundError:
            return None
        try:
            return read_witness(content)
        except ValueError as error:
            log.error("the witness %s cannot be understood: %s", self._path, error)
            return None

    async def write(self, witness: Witness) -> None:
        await asyncio.to_thread(replace, self._path, write_witness(witness))


def write_witness(witness: Witness) -> bytes:
    heard = witness.heard
    document = {
        "version": VERSION,
        "installation": witness.uuid,
        "pass_types": {
            name: {"epoch": mark.epoch, "began": mark.began, "number": mark.seq, "last_modified": mark.modified}
            for name, mark in witness.marks.items()
        },
        "registered": heard and {"pass_type": heard.pass_type, "device_id": heard.device_id, "at": heard.at},
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def read_witness(content: bytes) -> Witness:
    """What ``write_witness`` wrote. Raises ``ValueError``."""
    try:
        document = json.loads(content)
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']!r}")
        marks = {str(name): _mark(one) for name, one in document["pass_types"].items()}
        heard = document["registered"]
        return Witness(
            str(document["installation"]),
            marks,
            heard and Heard(str(heard["pass_type"]), str(heard["device_id"]), int(heard["at"])),
        )
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _mark(one: Mapping[str, object]) -> Mark:
    epoch, *numbers = (one[name] for name in ("epoch", "began", "number", "last_modified"))
    known = [number for number in numbers if isinstance(number, int)]
    if not isinstance(epoch, str) or len(known) != 3:
        raise ValueError("a number is none")
    return Mark(epoch, *known)
