"""Looks for secrets in whatever came out, in every form that they may have taken on the way."""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, quote_plus

ARTEFACTS: Mapping[str, str] = {
    "log": "what serve writes to stderr with --debug: text on a terminal, JSON on a pipe; tracebacks too",
    "http": "headers and bodies of all answers but the .pkpass itself: to issuers, phones, strangers and operators",
    "cli": "stdout and stderr of every command, with --json and --debug",
    "help": "--help of every command, in an environment that holds the secrets",
    "bundle": "the support bundle, which strangers read, and each file in it unpacked",
    "backup": "the archive, and each file in it unpacked",
    "journal": "the registration journal's files",
    "witness": "the witness file",
    "database": "its files, with what SQLite keeps beside them, and every row of every table",
    "crash": "the last words of a process that a signal ends (test_crash_images.py)",
}
"""Everything that livepass writes, by the first word of a place: evidence of no other kind is taken."""

SHORTEST = 12
"""Anything shorter would be found by chance."""


@dataclass(frozen=True)
class Secret:
    """Something that must not stand anywhere but in ``may`` (beginnings of the names of places)."""

    name: str
    value: bytes
    may: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hit:
    """A secret where it must not be, with what stands around it."""

    secret: str
    form: str
    place: str
    around: bytes


def forms(value: bytes) -> Iterator[tuple[str, bytes]]:
    """The value as it stands, escaped, and encoded; base64 at each of the three places that it may begin at."""
    yield "itself", value
    yield "hex", value.hex().encode()
    yield "HEX", value.hex().upper().encode()
    yield "reversed", value[::-1]
    for skipped in range(3):
        coded = base64.b64encode(b"\0" * skipped + value)
        whole = coded[(0, 2, 3)[skipped] : len(coded) - (0 if (len(value) + skipped) % 3 == 0 else 4)]
        yield "base64", whole
        yield "base64url", whole.translate(bytes.maketrans(b"+/", b"-_"))
    text = value.decode("utf-8", "ignore")
    if text.encode() == value:
        yield "URL", quote(text, safe="").encode()
        yield "form", quote_plus(text).encode()
        yield "JSON", json.dumps(text)[1:-1].encode()
        yield "repr", repr(text)[1:-1].encode()
        yield "latin-1 taken for UTF-8", value.decode("latin-1").encode()
        yield "upper case", text.upper().encode()


def kind_of(place: str) -> str:
    """Which artefact a place is of: ``backup`` of ``backup/pass.jsonl``, ``cli`` of ``cli status``."""
    return place.partition(" ")[0].partition("/")[0]


class Evidence:
    """All that came out, by where."""

    def __init__(self) -> None:
        self.secrets: list[Secret] = []
        self._found: dict[str, list[bytes]] = {}

    def secret(self, name: str, value: str | bytes, may: Collection[str] = ()) -> None:
        data = value if isinstance(value, bytes) else value.encode()
        assert len(data) >= SHORTEST, name
        self.secrets.append(Secret(name, data, tuple(may)))

    def add(self, place: str, data: bytes | str) -> None:
        """Something that came out; ``place`` begins with one of ``ARTEFACTS``."""
        assert kind_of(place) in ARTEFACTS, place
        self._found.setdefault(place, []).append(data if isinstance(data, bytes) else data.encode())

    def add_file(self, place: str, path: Path) -> None:
        """A file; of a zip, what is in it too."""
        self.add(place, path.read_bytes())
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    self.add(f"{place}/{name}", archive.read(name))

    def size(self, place: str = "") -> int:
        return sum(len(data) for name, all_ in self._found.items() if name.startswith(place) for data in all_)

    @property
    def kinds(self) -> set[str]:
        """The artefacts of which there is something to search."""
        return {kind_of(place) for place, pieces in self._found.items() if any(pieces)}

    def hits(self, of: str | None = None) -> list[Hit]:
        """Where secrets stand that may not; or one of them (``of``), wherever it stands."""
        secrets = [
            secret if of is None else replace(secret, may=()) for secret in self.secrets if of in (None, secret.name)
        ]
        hits = []
        for place, pieces in self._found.items():
            data = b"\n".join(pieces)
            for secret in secrets:
                if not place.startswith(secret.may or ("\0",)):
                    for form, look in forms(secret.value):
                        at = data.find(look)
                        if at >= 0:
                            hits.append(Hit(secret.name, form, place, data[max(0, at - 80) : at + len(look) + 40]))
                            break
        return hits
