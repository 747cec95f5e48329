"""Files that come back from outside: archives, the witness, the journal, and what was sealed."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import random
import tempfile
import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from fuzz.packages import JSON_WORDS, ZIP_WORDS, zipped
from fuzz.target import SECRET, Mutate, Target, within
from livepass.core.history import Heard, Mark, Witness
from livepass.core.replay import Act, Entry, read_entry, write_entry
from livepass.keys.sealing import CannotUnseal, Secrets
from livepass.outside.journal import line_of
from livepass.outside.journal_folder import JournalFolder
from livepass.outside.witness import read_witness, write_witness
from livepass.store.archive import FORMAT, MANIFEST, Archive, BadArchive, require_restorable
from livepass.store.whole import ARCHIVED

# ── archives


def _archive(data: bytes) -> None:
    """Read as ``restore`` reads it. Rows have the width of their table; what is sealed comes out as bytes."""
    archive = Archive(io.BytesIO(data))
    archive.verify()
    for name in ARCHIVED:
        width = len(archive.columns(name))
        assert archive.last_id(name) is None or isinstance(archive.last_id(name), int)
        for rows in archive.rows(name):
            assert all(len(row) == width for row in rows)
    for sealed in archive.sealed():
        assert isinstance(sealed.sealed, bytes), "what is sealed is no bytes"
    require_restorable(archive.manifest)
    assert archive.manifest.rows >= 0


_COLUMNS = {
    "shared_key": [["purpose", "text"], ["id", "text"], ["sealed", "bytes"]],
    "certificate": [["pass_type", "text"], ["id", "text"], ["key_sealed", "bytes"]],
    "pass": [["pass_type", "text"], ["serial", "text"], ["token_sealed", "bytes"]],
}
_ROW = b'["pass.test.livepass","1","AQID"]\n'


def _members() -> dict[str, bytes]:
    return {f"{name}.ndjson": _ROW * 2 if name in _COLUMNS else b"" for name in ARCHIVED}


def _manifest(members: dict[str, bytes]) -> bytes:
    tables = {
        name: {
            "columns": _COLUMNS.get(name, []),
            "rows": members[f"{name}.ndjson"].count(b"\n"),
            "sha256": hashlib.sha256(members[f"{name}.ndjson"]).hexdigest(),
            "last_id": None,
        }
        for name in ARCHIVED
    }
    about = {
        "format": FORMAT,
        "livepass": "0.1.0",
        "schema": 1,
        "engine": "sqlite",
        "installation": "u",
        "created_at": 1,
    }
    about |= {"pass_types": {"pass.test.livepass": {"epoch": "e", "seq": 1}}, "tables": tables}
    return json.dumps(about).encode()


def _archives() -> Iterable[bytes]:
    members = _members()
    yield zipped({**members, MANIFEST: _manifest(members)}, zipfile.ZIP_DEFLATED)


def _reshape(data: bytes, most: int, mutate: Mutate, rng: random.Random) -> bytes:
    """Mutate one member; where it is a table, the manifest follows."""
    members: dict[str, bytes] = {}
    if rng.random() < 0.7:
        with contextlib.suppress(Exception), zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name)[:65536] for name in archive.namelist()[:20]}
    if not members:
        return mutate(data, most)
    name = MANIFEST if rng.random() < 0.5 else rng.choice([*members])
    members[name] = mutate(members.get(name, b""), 4096)
    if name != MANIFEST and rng.random() < 0.8:
        with contextlib.suppress(KeyError):
            members[MANIFEST] = _manifest(members)
    packed = zipped(members, zipfile.ZIP_DEFLATED)
    return packed if len(packed) <= most else data


# ── witness and journal


def _witness(data: bytes) -> None:
    witness = read_witness(data)
    assert read_witness(write_witness(witness)) == witness


def _entry(data: bytes) -> None:
    entry = read_entry(data)
    assert read_entry(write_entry(entry)) == entry


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="livepass-fuzz-")


def _journal(data: bytes) -> None:
    """A file of the journal, not sealed. It is read in whole lines, and all of them are accounted for."""
    folder = Path(_folder().name)
    path = folder / "2026-11-28.a.b.journal"
    path.write_bytes(data)
    journal = JournalFolder(folder, bytes, bytes, name="a", fresh=lambda: "b")
    places: dict[str, int] = {}
    page = journal._page([path], places, -(2**80))
    assert len(page.entries) + sum(each.count for each in page.unreadable) == data.count(b"\n")
    assert places[path.name] == data.rfind(b"\n") + 1
    assert not journal._page([path], places, 0).entries, "lines were read twice"
    assert [entry.at for entry in page.entries] == sorted(entry.at for entry in page.entries)


def _sealed(data: bytes) -> None:
    """Nothing opens but what was sealed, for its purpose."""
    secrets = _secrets()
    opened = secrets.unseal(data, "a purpose")
    assert opened == SECRET.encode() and data == _blob()


@cache
def _secrets() -> Secrets:
    return Secrets([base64.urlsafe_b64encode(b"k" * 32).decode()], lambda count: b"n" * count)


@cache
def _blob() -> bytes:
    return _secrets().seal(SECRET.encode(), "a purpose")


_ENTRY = write_entry(Entry(Act.REGISTER, 1_800_000_000_000, "pass.test.livepass", "42", "device", "0123", "ab" * 32))
_WITNESS = write_witness(
    Witness("u", {"pass.test.livepass": Mark("e", 1, 2, 3)}, Heard("pass.test.livepass", "device", 1_800_000_000_000))
)
_NAMES = (
    b'"act"',
    b'"at"',
    b'"register"',
    b'"unregister"',
    b'"version"',
    b'"pass_types"',
    b'"registered"',
    b"[" * 1100,
)


def _unpacked(line: bytes) -> bytes:
    return base64.b64decode(line.split(b"\n")[0].split(b" ")[2])


TARGETS = (
    Target(
        "archive",
        _archive,
        (BadArchive,),
        _archives,
        (*ZIP_WORDS, *JSON_WORDS, b'"columns"', b'"bytes"'),
        8192,
        _reshape,
    ),
    Target("witness", _witness, (ValueError,), lambda: (_WITNESS,), (*JSON_WORDS, *_NAMES)),
    Target("journal_entry", _entry, (ValueError,), lambda: (_ENTRY,), (*JSON_WORDS, *_NAMES)),
    Target(
        "journal",
        _journal,
        (),
        lambda: (line_of(_ENTRY) * 2, line_of(b"{}")),
        (b"\n", b"1 "),
        4096,
        within(line_of, _unpacked),
    ),
    Target("sealed", _sealed, (CannotUnseal,), lambda: (_blob(),), (), 256),
)
