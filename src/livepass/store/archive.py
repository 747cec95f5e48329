"""One file with everything a database holds, for either engine. Format: docs/reference/archive-format.md.

A zip (zip64) with a stream of JSON lines per table and, as the last member, ``manifest.json``. It is written and read
without holding more than a few rows; the zip's directory at its end makes half a file unreadable rather than half
right.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, Any

import orjson

from livepass.core.sealed import Sealable, Sealed
from livepass.store.named import migrations
from livepass.store.rows import Row
from livepass.store.whole import ARCHIVED, KINDS, Kind, Layout, Snapshot

FORMAT = 1
MANIFEST = "manifest.json"
LEVEL = 3
"""Of deflate: six in a hundred more bytes than with the default, for three quarters of the work."""
CHUNK = 256 * 1024
SEALED: Mapping[Sealable, tuple[str, str, str, str]] = {
    Sealable.SHARED_KEY: ("shared_key", "purpose", "id", "sealed"),
    Sealable.CERTIFICATE: ("certificate", "pass_type", "id", "key_sealed"),
    Sealable.APNS_KEY: ("apns_key", "tenant", "id", "key_sealed"),
    Sealable.SIGNING_REQUEST: ("signing_request", "pass_type", "id", "key_sealed"),
    Sealable.TOTP: ("console_user", "tenant", "name", "totp_sealed"),
    Sealable.TOKEN: ("pass", "pass_type", "serial", "token_sealed"),
    Sealable.ENROLMENT: ("enrolment", "pass_type", "id", "sealed"),
    Sealable.WEBHOOK: ("webhook_endpoint", "tenant", "id", "sealed"),
}
"""Where what is sealed stands: table, and the columns that make a ``core.sealed.Sealed``."""
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
MANIFEST_BYTES = 16 * 1024 * 1024
"""The most that is read of a manifest."""


class BadArchive(Exception):
    """The file is not an archive that this livepass can restore. Nothing was touched."""

    def __init__(self, why: str, hint: str = "use another backup: this file is damaged, cut off, or no backup") -> None:
        self.hint = hint
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Table:
    """A table in an archive. ``sha256`` is of its lines before compression."""

    columns: tuple[str, ...]
    kinds: tuple[Kind, ...]
    rows: int
    sha256: str
    last_id: int | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive is of. ``pass_types`` is (epoch, newest number) of each; instants in ms."""

    format: int
    livepass: str
    schema: int
    engine: str
    installation: str
    created_at: int
    pass_types: Mapping[str, tuple[str, int]]
    tables: Mapping[str, Table]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())

    def as_json(self) -> dict[str, Any]:
        """The document that stands in the archive."""
        document = asdict(self)
        document["pass_types"] = {name: {"epoch": e, "seq": seq} for name, (e, seq) in self.pass_types.items()}
        for table in document["tables"].values():
            table["columns"] = [list(pair) for pair in zip(table["columns"], table.pop("kinds"), strict=True)]
        return document


# ── writing


async def write(snapshot: Snapshot, stream: IO[bytes], *, livepass: str, created_at: int) -> Manifest:
    """Write everything that the snapshot holds. ``created_at`` is an instant before the snapshot was taken.

    ``stream`` may be a pipe. Raises ``OSError`` when it is full or gone.
    """
    layout = await snapshot.layout()
    tables: dict[str, Table] = {}
    pass_types: dict[str, tuple[str, int]] = {}
    installation = ""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, allowZip64=True, compresslevel=LEVEL) as archive:
        for name in ARCHIVED:
            tables[name] = await _write_table(archive, snapshot, layout[name])
        async for rows in snapshot.stream("about", {}):
            installation = rows[0][0]
        async for rows in snapshot.stream("histories", {}):
            pass_types |= {row[0]: (row[1], row[2]) for row in rows}
        manifest = Manifest(
            FORMAT, livepass, snapshot.schema, snapshot.engine, installation, created_at, pass_types, tables
        )
        with archive.open(MANIFEST, "w") as member:
            member.write(orjson.dumps(manifest.as_json(), option=orjson.OPT_INDENT_2))
    return manifest


async def _write_table(archive: zipfile.ZipFile, snapshot: Snapshot, layout: Layout) -> Table:
    digest, count = hashlib.sha256(), 0
    blobs = [place for place, kind in enumerate(layout.kinds) if kind == "bytes"]
    with archive.open(f"{layout.name}.ndjson", "w", force_zip64=True) as member:
        pending: list[bytes] = []
        waiting = 0
        async for rows in snapshot.dump(layout):
            for row in rows:
                line = _line(row, layout.kinds, blobs)
                pending.append(line)
                waiting += len(line)
            count += len(rows)
            if waiting >= CHUNK:
                _flush(member, digest, pending)
                waiting = 0
        _flush(member, digest, pending)
    return Table(layout.columns, layout.kinds, count, digest.hexdigest(), layout.last_id)


def _flush(member: IO[bytes], digest: Any, pending: list[bytes]) -> None:
    chunk = b"".join(pending)
    pending.clear()
    digest.update(chunk)
    member.write(chunk)


def _line(row: Row, kinds: Sequence[Kind], blobs: Sequence[int]) -> bytes:
    cells = list(row)
    try:
        for place in blobs:
            if cells[place] is not None:
                cells[place] = base64.b64encode(cells[place]).decode()
        return orjson.dumps(cells, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return _line([_as_declared(cell, kind) for cell, kind in zip(row, kinds, strict=True)], kinds, blobs)


def _as_declared(cell: Any, kind: Kind) -> Any:
    """SQLite keeps what it is given, whatever the column: what was put there by hand is no reason not to back up."""
    if kind == "bytes" and not isinstance(cell, bytes | None):
        return str(cell).encode()
    return cell.decode("utf-8", "replace") if kind != "bytes" and isinstance(cell, bytes) else cell


# ── reading


class Archive:
    """An archive to read. ``file`` must be seekable. Raises ``BadArchive``, here and when it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        with _explained():
            self._zip = zipfile.ZipFile(file)
            names = self._zip.namelist()
            if any(member.compress_type not in _PACKINGS for member in self._zip.infolist()):
                raise BadArchive("it is packed in a way that no backup is")
            if MANIFEST not in names:
                raise BadArchive(f"it has no {MANIFEST}: it is no backup of livepass")
            with self._zip.open(MANIFEST) as member:
                self.manifest = _manifest(member.read(MANIFEST_BYTES))
        expected = [*(f"{name}.ndjson" for name in ARCHIVED), MANIFEST]
        if sorted(names) != sorted(expected) or set(self.manifest.tables) != set(ARCHIVED):
            raise BadArchive("it does not hold the tables that an archive holds")

    def columns(self, table: str) -> Sequence[str]:
        return self.manifest.tables[table].columns

    def last_id(self, table: str) -> int | None:
        return self.manifest.tables[table].last_id

    def verify(self) -> None:
        """Read everything back, and compare it with the manifest."""
        for name in ARCHIVED:
            for _ in self._lines(name):
                pass

    def rows(self, table: str) -> Iterator[list[Row]]:
        """The rows of a table, some at a time; verified when the last one was read."""
        known = self.manifest.tables[table]
        blobs = [place for place, kind in enumerate(known.kinds) if kind == "bytes"]
        for lines in self._lines(table):
            try:
                yield [_row(line, blobs, len(known.columns)) for line in lines]
            except (orjson.JSONDecodeError, binascii.Error, TypeError, ValueError) as error:
                raise BadArchive(f"a row of {table} cannot be read: {error}") from error

    def sealed(self) -> Iterator[Sealed]:
        """Everything in it that is sealed."""
        for kind, (table, *columns) in SEALED.items():
            try:
                places = [self.columns(table).index(name) for name in columns]
            except ValueError as error:
                raise BadArchive(f"its table {table} lacks a column: {error}") from error
            for rows in self.rows(table):
                for within, id_, sealed in ([row[place] for place in places] for row in rows):
                    if not isinstance(sealed, bytes | None):
                        raise BadArchive(f"its table {table} holds a key that is none")
                    if sealed is not None:
                        yield Sealed(kind, within, id_, sealed)

    def _lines(self, table: str) -> Iterator[list[bytes]]:
        known, digest, count, rest = self.manifest.tables[table], hashlib.sha256(), 0, b""
        with _explained(), self._zip.open(f"{table}.ndjson") as member:
            while chunk := member.read(CHUNK):
                digest.update(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                count += len(lines)
                if lines:
                    yield lines
        if rest or count != known.rows or digest.hexdigest() != known.sha256:
            raise BadArchive(f"table {table} is not what the manifest says: {count} rows of {known.rows}, or others")


def _row(line: bytes, blobs: Sequence[int], width: int) -> Row:
    cells: list[Any] = orjson.loads(line)
    if not isinstance(cells, list) or len(cells) != width:
        raise ValueError("not a row of this table")
    for place in blobs:
        if cells[place] is not None:
            cells[place] = base64.b64decode(cells[place], validate=True)
    return cells


def require_restorable(manifest: Manifest) -> None:
    """Raise ``BadArchive`` unless the archive has the schema that this livepass works with."""
    known = migrations("sqlite")[-1].number
    if manifest.schema == known:
        return
    made_by = f"livepass {manifest.livepass}, schema {manifest.schema}"
    if manifest.schema < known:
        hint = f"restore it with livepass {manifest.livepass}, then run livepass db upgrade with this one"
    else:
        hint = f"restore it with livepass {manifest.livepass} or newer"
    raise BadArchive(f"it was made by {made_by}; this livepass has schema {known}", hint)


def _manifest(data: bytes) -> Manifest:
    try:
        document = json.loads(data)
        if document["format"] != FORMAT:
            hint = f"restore it with livepass {document['livepass']} or newer"
            raise BadArchive(f"it has format {document['format']}; this livepass knows {FORMAT}", hint)
        tables = {name: _table(table) for name, table in document["tables"].items()}
        pass_types = {name: (one["epoch"], int(one["seq"])) for name, one in document["pass_types"].items()}
        texts = [str(document[name]) for name in ("livepass", "engine", "installation")]
        schema, created_at = int(document["schema"]), int(document["created_at"])
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise BadArchive(f"its {MANIFEST} cannot be read: {type(error).__name__}: {error}") from error
    return Manifest(FORMAT, texts[0], schema, texts[1], texts[2], created_at, pass_types, tables)


def _table(document: Mapping[str, Any]) -> Table:
    columns = tuple(str(name) for name, _ in document["columns"])
    kinds: tuple[Any, ...] = tuple(kind for _, kind in document["columns"])
    if not set(kinds) <= set(KINDS.values()):
        raise ValueError("a column of an unknown kind")
    last_id = document["last_id"]
    return Table(
        columns, kinds, int(document["rows"]), str(document["sha256"]), None if last_id is None else int(last_id)
    )


@contextmanager
def _explained() -> Iterator[None]:
    """What zlib, zipfile and the disk say of a damaged file, in our words."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, KeyError, OSError, ValueError) as error:
        raise BadArchive(f"it cannot be read: {error or type(error).__name__}") from error
