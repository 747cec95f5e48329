"""A zip, opened as if its author wished us harm: in memory, bounded, and with one meaning or none.

The standard library's reader forgives archives that two programs read differently (overlapping entries, headers that
contradict the directory, two entries of one name). A phone and a server that see different files in one package is
how a checked pass becomes another pass, so every such archive is refused. Nothing is written to disk.
"""

from __future__ import annotations

import stat
import struct
import zlib
from dataclasses import dataclass

from livepass.pkpass.errors import InvalidPackage
from livepass.pkpass.limits import DEFAULT_LIMITS, Limits
from livepass.pkpass.names import check_distinct, check_name

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_DESCRIPTOR = struct.Struct("<3I")
_EXTRA = struct.Struct("<2H")
_UNICODE_PATH = 0x7075
_LONGEST_COMMENT = 0xFFFF
_DESCRIPTOR_MARK = b"PK\x07\x08"

_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_HAS_DESCRIPTOR = 0x0008
_NEWEST = 63  # of APPNOTE, 6.3: what asks for a later one is not opened by others, whatever it holds
_KNOWN_FLAGS = 0x0006 | _HAS_DESCRIPTOR | 0x0800  # deflate speed, descriptor, UTF-8 name

_REPACK = "zip the files again with an ordinary tool: deflated or stored, no encryption, no zip64"


@dataclass(frozen=True, slots=True)
class _Record:
    """One line of the central directory: what the archive says about a file."""

    name: bytes
    needs: int
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    mode: int
    offset: int

    @property
    def shown(self) -> str:
        return self.name[:80].decode("latin-1")


def read_zip(data: bytes, limits: Limits = DEFAULT_LIMITS) -> dict[str, bytes]:
    """Every file of the archive by name, folders left out. Raises ``InvalidPackage`` and nothing else."""
    if len(data) > limits.archive_bytes:
        raise InvalidPackage(f"the archive has {len(data)} bytes", f"at most {limits.archive_bytes} are read")
    records, directory_at = _directory(data, limits)
    names = [_checked_name(record, limits) for record in records]
    check_distinct(name.rstrip("/") for name in names)
    bodies = _extents(data, records, directory_at)
    files: dict[str, bytes] = {}
    left = limits.total_bytes
    for name, record, start in zip(names, records, bodies, strict=True):
        content = _content(data, record, start, min(left, limits.file_bytes), limits.ratio)
        left -= len(content)
        if not name.endswith("/"):
            files[name] = content
        elif content:
            raise InvalidPackage(f"the folder {name!r} has content", _REPACK)
    return files


def _directory(data: bytes, limits: Limits) -> tuple[list[_Record], int]:
    """The central directory and where it starts. It must end exactly where the end record begins."""
    end = data.rfind(b"PK\x05\x06", max(0, len(data) - _LONGEST_COMMENT - _END.size))
    if end < 0 or end + _END.size > len(data):
        raise InvalidPackage("this is not a zip archive", "a .pkpass is a zip file; check that it arrived whole")
    _, disk, start_disk, here, count, size, offset, comment = _END.unpack_from(data, end)
    if disk or start_disk or here != count or end + _END.size + comment != len(data) or offset + size != end:
        raise InvalidPackage("the end of the zip archive contradicts the rest", _REPACK)
    if count > limits.entries:
        raise InvalidPackage(f"the archive has {count} entries", f"at most {limits.entries} are read")
    records = []
    for _ in range(count):
        record, following = _record(data, offset, end)
        records.append(record)
        offset = following
    if offset != end:
        raise InvalidPackage("the zip directory holds more than it counts", _REPACK)
    return records, end - size


def _record(data: bytes, at: int, end: int) -> tuple[_Record, int]:
    if at + _CENTRAL.size > end:
        raise InvalidPackage("the zip directory is cut short", _REPACK)
    mark, _, needs, flags, method, _, _, crc, packed, size, *lengths, disk, _, attributes, offset = (
        _CENTRAL.unpack_from(data, at)
    )
    name_length, extra, comment = lengths
    name_at = at + _CENTRAL.size
    following = name_at + name_length + extra + comment
    if mark != b"PK\x01\x02" or disk or following > end:
        raise InvalidPackage("the zip directory is damaged", _REPACK)
    name = bytes(data[name_at : name_at + name_length])
    if _names_itself_otherwise(data[name_at + name_length : name_at + name_length + extra]):
        raise InvalidPackage(f"{name[:80].decode('latin-1')!r} has another name for some programs", _REPACK)
    return _Record(name, needs & 0xFF, flags, method, crc, packed, size, attributes >> 16, offset), following


def _checked_name(record: _Record, limits: Limits) -> str:
    """The entry's name, once name, flags and mode all say "ordinary file" (or folder, with a slash at its end)."""
    if record.flags & _ENCRYPTED:
        raise InvalidPackage(f"{record.shown!r} is encrypted", _REPACK)
    if record.flags & ~_KNOWN_FLAGS or record.method not in {0, 8} or record.needs > _NEWEST:
        raise InvalidPackage(f"{record.shown!r} is packed in a way that Wallet does not read", _REPACK)
    kind = stat.S_IFMT(record.mode)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise InvalidPackage(f"{record.shown!r} is a link or a device, not a file", "store the files themselves")
    # Latin-1 maps every byte, and what is not plain ASCII then fails the rule for names.
    name = record.name.decode("latin-1")
    check_name(name[:-1] if name.endswith("/") else name, limits)
    return name


def _extents(data: bytes, records: list[_Record], directory_at: int) -> list[int]:
    """Where each file's data starts. Up to the directory every byte belongs to one entry: to two, and a small archive
    inflates to a large one (CVE-2024-0450); to none, and whoever reads without the directory finds files there.
    """
    spans = [_span(data, record, directory_at) for record in records]
    reached = 0
    for (begin, _, end), record in sorted(zip(spans, records, strict=True), key=lambda pair: pair[0]):
        if begin < reached:
            raise InvalidPackage(f"{record.shown!r} overlaps another entry", _REPACK)
        if begin > reached:
            raise InvalidPackage(f"the bytes before {record.shown!r} belong to no entry", _REPACK)
        reached = end
    if reached != directory_at:
        raise InvalidPackage("the bytes before the zip directory belong to no entry", _REPACK)
    return [body for _, body, _ in spans]


def _names_itself_otherwise(extra: bytes) -> bool:
    """Whether extra fields hold a second name (APPNOTE 4.6.9), which some programs use instead of the first."""
    at = 0
    while at + _EXTRA.size <= len(extra):
        kind, length = _EXTRA.unpack_from(extra, at)
        if kind == _UNICODE_PATH:
            return True
        at += _EXTRA.size + length
    return False


def _span(data: bytes, record: _Record, directory_at: int) -> tuple[int, int, int]:
    """Header start, data start and end of one entry, after comparing its own header with the directory."""
    if record.offset + _LOCAL.size > directory_at:
        raise InvalidPackage(f"{record.shown!r} lies outside the archive", _REPACK)
    mark, _, flags, method, _, _, crc, packed, size, name_length, extra = _LOCAL.unpack_from(data, record.offset)
    name_at = record.offset + _LOCAL.size
    body = name_at + name_length + extra
    end = body + record.packed
    if _names_itself_otherwise(data[body - extra : body]):
        raise InvalidPackage(f"{record.shown!r} has another name for some programs", _REPACK)
    same = mark == b"PK\x03\x04" and flags == record.flags and method == record.method
    told, listed = (crc, packed, size), (record.crc, record.packed, record.size)
    if flags & _HAS_DESCRIPTOR:
        end = _after_descriptor(data, end, listed)
        same = same and told in {listed, (0, 0, 0)}
    else:
        same = same and told == listed
    if not same or end > directory_at or data[name_at : name_at + name_length] != record.name:
        raise InvalidPackage(f"the header of {record.shown!r} contradicts the zip directory", _REPACK)
    return record.offset, body, end


def _after_descriptor(data: bytes, at: int, listed: tuple[int, int, int]) -> int:
    expected = _DESCRIPTOR.pack(*listed)
    for candidate in (_DESCRIPTOR_MARK + expected, expected):
        if data[at : at + len(candidate)] == candidate:
            return at + len(candidate)
    raise InvalidPackage("a data descriptor contradicts the zip directory", _REPACK)


def _content(data: bytes, record: _Record, start: int, room: int, ratio: int) -> bytes:
    """The file's bytes. Stops inflating at the limit, whatever size the headers promise."""
    packed = data[start : start + record.packed]
    if record.method == 0:
        content, whole = packed, True
    else:
        content, whole = _inflate(packed, min(room, ratio * len(packed)), record)
    if len(content) > room:
        raise InvalidPackage(f"{record.shown!r} is too large", "remove or shrink large files")
    if not whole or len(content) != record.size or zlib.crc32(content) != record.crc:
        raise InvalidPackage(f"{record.shown!r} is damaged", "fetch or zip the archive again")
    return content


def _inflate(packed: bytes, room: int, record: _Record) -> tuple[bytes, bool]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflater.decompress(packed, room + 1)
    except zlib.error as error:
        raise InvalidPackage(f"{record.shown!r} is damaged", "fetch or zip the archive again") from error
    if len(content) > room:
        raise InvalidPackage(f"{record.shown!r} inflates beyond all measure", "remove or shrink large files")
    return content, inflater.eof and not inflater.unused_data
