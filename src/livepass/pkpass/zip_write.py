"""Zip entries, written so that the part which never changes is written once.

Plain zip as Apple's own builder makes it: stored or deflated, no encryption, no zip64, no data descriptors, no extra
fields. Timestamps are fixed at the format's first day, so the bytes depend on the content alone. An ``Entry`` does not
know where it will stand; its central directory record takes the offset when the archive is put together.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from livepass.pkpass.limits import DEFAULT_LIMITS

_VERSION = 20  # "2.0": deflate and folders, which every unzip since 1993 knows
_DOS_DATE = 0x0021  # 1980-01-01
_UTF8_NAME = 0x0800
_STORED = 0
_DEFLATED = 8

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL_HEAD = struct.Struct("<4s6H3I5HI")
_OFFSET = struct.Struct("<I")
_END = struct.Struct("<4s4H2IH")


@dataclass(frozen=True, slots=True)
class Entry:
    """``local`` is header, name and data. ``central`` is the directory record up to its offset, then the name."""

    local: bytes
    central: bytes
    name: bytes

    def record(self, offset: int) -> bytes:
        """The central directory record of an entry that starts at ``offset``."""
        return self.central + _OFFSET.pack(offset) + self.name


def entry(name: str, data: bytes, *, deflate: bool) -> Entry:
    """One file of an archive; deflated only if asked and if that makes it smaller."""
    packed = _deflated(data) if deflate else None
    method = _STORED if packed is None else _DEFLATED
    body = data if packed is None else packed
    encoded = name.encode()
    flags = 0 if name.isascii() else _UTF8_NAME
    crc, compressed, size, length = zlib.crc32(data), len(body), len(data), len(encoded)
    local = _LOCAL.pack(b"PK\x03\x04", _VERSION, flags, method, 0, _DOS_DATE, crc, compressed, size, length, 0)
    central = _CENTRAL_HEAD.pack(
        b"PK\x01\x02", _VERSION, _VERSION, flags, method, 0, _DOS_DATE, crc, compressed, size, length, 0, 0, 0, 0, 0
    )
    return Entry(local + encoded + body, central, encoded)


def _deflated(data: bytes) -> bytes | None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = compressor.compress(data) + compressor.flush()
    # A reader that guards against bombs would refuse a file that shrank too well: ours does.
    too_well = len(packed) * DEFAULT_LIMITS.ratio <= len(data)
    return packed if len(packed) < len(data) and not too_well else None


@dataclass(frozen=True, slots=True)
class Head:
    """The start of an archive that every build shares: entries, their directory records, and how many."""

    local: bytes
    records: bytes
    count: int


def head(entries: Sequence[Entry]) -> Head:
    """Put the unchanging entries at the front, where their offsets never move."""
    offset, records = 0, []
    for each in entries:
        records.append(each.record(offset))
        offset += len(each.local)
    return Head(b"".join(each.local for each in entries), b"".join(records), len(entries))


def archive(start: Head, entries: Sequence[Entry]) -> bytes:
    """The whole zip: ``start``, then ``entries``, then the directory of both."""
    offset = len(start.local)
    parts, records = [start.local], [start.records]
    for each in entries:
        parts.append(each.local)
        records.append(each.record(offset))
        offset += len(each.local)
    directory = b"".join(records)
    count = start.count + len(entries)
    end = _END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), offset, 0)
    return b"".join((*parts, directory, end))
