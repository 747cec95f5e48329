"""Archives that two programs read differently, and archives that ask for more than there is. Each is refused, in words,
and at a price that does not depend on what it promises.
"""

from __future__ import annotations

import io
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from livepass.pkpass import InvalidPackage, Limits
from livepass.pkpass.zip_read import read_zip

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
MIB = 1 << 20


@dataclass(frozen=True)
class Entry:
    """A file of an archive made by hand; the fields that lie are set after the others."""

    name: bytes
    data: bytes = b"content"
    packed: bytes | None = None
    method: int = 0
    flags: int = 0
    local_extra: bytes = b""
    central_extra: bytes = b""
    mode: int = 0o100644
    at: int | None = None
    size: int | None = None
    descriptor: bytes = b""
    local_name: bytes | None = None
    needs: int = 20

    @property
    def body(self) -> bytes:
        return self.data if self.packed is None else self.packed

    @property
    def facts(self) -> tuple[int, int, int]:
        return zlib.crc32(self.data), len(self.body), len(self.data) if self.size is None else self.size

    def local(self) -> bytes:
        facts = (0, 0, 0) if self.flags & 8 else self.facts
        name = self.name if self.local_name is None else self.local_name
        sizes = (len(name), len(self.local_extra))
        head = struct.pack("<4s5H3I2H", LOCAL, 20, self.flags, self.method, 0, 33, *facts, *sizes)
        return head + name + self.local_extra + self.body + self.descriptor

    def central(self, at: int) -> bytes:
        sizes = (len(self.name), len(self.central_extra), 0, 0, 0, self.mode << 16, at if self.at is None else self.at)
        head = struct.pack(
            "<4s6H3I5H2I", CENTRAL, 0x314, self.needs, self.flags, self.method, 0, 33, *self.facts, *sizes
        )
        return head + self.name + self.central_extra


def archive(
    *entries: Entry,
    before: bytes = b"",
    between: bytes = b"",
    after: bytes = b"",
    comment: bytes = b"",
    count: int = -1,
) -> bytes:
    body, records = before, b""
    for number, entry in enumerate(entries):
        if number:
            body += between
        records += entry.central(len(body))
        body += entry.local()
    body += after
    counted = len(entries) if count < 0 else count
    return (
        body
        + records
        + struct.pack("<4s4H2IH", END, 0, 0, counted, counted, len(records), len(body), len(comment))
        + comment
    )


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


A, B = Entry(b"a.png"), Entry(b"b.png", b"other content")


def quoted_overlap() -> bytes:
    """The header of the second file stands inside the first one's data, quoted in a stored block, so that both inflate
    to the same bytes that are there once: what makes small archives into large ones without nesting.
    """
    kernel = deflated(bytes(100_000))
    second = Entry(b"b.png", bytes(100_000), kernel, 8)
    quote = second.local()[: -len(kernel)]
    packed = struct.pack("<BHH", 0, len(quote), len(quote) ^ 0xFFFF) + quote + kernel
    first = Entry(b"a.png", quote + bytes(100_000), packed, 8)
    inner_at = len(first.local()) - len(kernel) - len(quote)
    body = first.local()
    records = first.central(0) + second.central(inner_at)
    return body + records + struct.pack("<4s4H2IH", END, 0, 0, 2, 2, len(records), len(body), 0)


def hidden_in_the_comment() -> bytes:
    """A whole directory of its own in the comment of the first: which of two ends a reader finds is its own affair."""
    outer = archive(A, B)
    records = replace(A, at=0).central(0)
    comment = records + struct.pack("<4s4H2IH", END, 0, 0, 1, 1, len(records), len(outer), 0)
    return outer[:-2] + struct.pack("<H", len(comment)) + comment


def zip64_end() -> bytes:
    """The real directory is named by a zip64 record; the ordinary one says: look there."""
    plain = archive(A)
    end = plain.rindex(END)
    far = struct.pack(
        "<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, end - plain.index(CENTRAL), plain.index(CENTRAL)
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    return plain[:end] + far + locator + struct.pack("<4s4H2IH", END, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)


def zip64_beside() -> bytes:
    """A zip64 record that says one thing, beside an ordinary end that says another."""
    plain = archive(A, B)
    end = plain.rindex(END)
    far = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 51, plain.index(CENTRAL))
    return plain[:end] + far + struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1) + plain[end:]


HUGE = 0xFFFFFFFF
ZIP64 = struct.pack("<2H2Q", 1, 16, 7, 7)
OTHER_NAME = struct.pack("<2HBI", 0x7075, 5 + 8, 1, zlib.crc32(b"a.png")) + b"evil.png"
MEBIBYTE = Entry(b"0.png", bytes(MIB), deflated(bytes(MIB)), 8)
MANY = [replace(MEBIBYTE, name=b"%d.png" % number) for number in range(60)]

EVIL = Entry(b"a.png", b"another")
BOMB = Entry(b"a.png", bytes(9 * MIB), deflated(bytes(9 * MIB)), 8)
CROWD = [Entry(b"%d.png" % number) for number in range(129)]


def with_descriptor(form: str, *facts: int) -> bytes:
    return archive(replace(A, flags=8, descriptor=struct.pack(form, *facts)))


REFUSED: Sequence[tuple[str, Callable[[], bytes], str]] = [
    (
        "two names for one place",
        lambda: archive(A, replace(A, name=b"c.png", at=0, local_name=b"a.png")),
        "contradicts",
    ),
    ("a version that nobody has", lambda: archive(replace(A, needs=236)), "packed in a way"),
    ("two names, one header", lambda: archive(A, replace(A, at=0)), "one name"),
    ("quoted overlap", quoted_overlap, "overlaps"),
    ("half an overlap", lambda: archive(replace(A, at=2), B), "contradicts"),
    ("bytes before the first", lambda: archive(A, B, before=b"#!/bin/sh\n"), "no entry"),
    ("an image before the first", lambda: archive(A, B, before=b"\x89PNG\r\n\x1a\n" + bytes(50)), "no entry"),
    ("bytes between", lambda: archive(A, B, between=b"\0"), "no entry"),
    ("an entry that the directory does not list", lambda: archive(A, B, between=EVIL.local()), "no entry"),
    ("an unlisted entry first", lambda: archive(A, before=EVIL.local()), "no entry"),
    ("an unlisted entry last", lambda: archive(A, after=EVIL.local()), "no entry"),
    ("a directory in the comment", hidden_in_the_comment, "no entry"),
    ("zip64 at the end", zip64_end, "contradicts"),
    ("zip64 beside the end", zip64_beside, "contradicts"),
    ("zip64 sizes", lambda: archive(replace(A, size=HUGE, local_extra=ZIP64, central_extra=ZIP64)), "damaged"),
    ("a size of 4 GiB", lambda: archive(replace(A, size=HUGE)), "damaged"),
    ("another name for some", lambda: archive(replace(A, central_extra=OTHER_NAME)), "another name"),
    ("another name in the header", lambda: archive(replace(A, local_extra=OTHER_NAME)), "another name"),
    ("a descriptor of other sizes", lambda: with_descriptor("<3I", 1, 7, 7), "descriptor"),
    ("a descriptor of 64 bits", lambda: with_descriptor("<I2Q", *A.facts), "descriptor"),
    ("no descriptor", lambda: archive(replace(A, flags=8)), "descriptor"),
    ("a link", lambda: archive(replace(A, mode=0o120777, data=b"/etc/passwd")), "link"),
    ("a link by its header alone", lambda: archive(replace(A, name=b"a.png/", mode=0o120777, data=b"")), "link"),
    ("a socket", lambda: archive(replace(A, mode=0o140777)), "link"),
    ("cases of one name", lambda: archive(A, replace(A, name=b"A.pNg")), "one name"),
    ("cases of one folder", lambda: archive(Entry(b"en.lproj/a"), Entry(b"EN.lproj/A")), "one name"),
    ("from the root", lambda: archive(Entry(b"/a.png")), "outside"),
    ("upwards", lambda: archive(Entry(b"en.lproj/../../a.png")), "outside"),
    ("a drive", lambda: archive(Entry(b"C:a.png")), "not allowed"),
    ("backslashes", lambda: archive(Entry(b"..\\a.png")), "not allowed"),
    ("UTF-8 by flag", lambda: archive(replace(A, name="ａ.png".encode(), flags=0x800)), "not allowed"),
    ("a name with an end in it", lambda: archive(Entry(b"a.png\0.txt")), "not allowed"),
    ("no name", lambda: archive(Entry(b"")), "characters"),
    ("a bomb", lambda: archive(BOMB), "beyond all measure"),
    ("a bomb that says it is small", lambda: archive(replace(BOMB, size=7)), "beyond all measure"),
    ("a bomb in many pieces", lambda: archive(*MANY), "beyond all measure"),
    ("more entries than it may list", lambda: archive(*CROWD), "entries"),
    ("more entries than there are", lambda: archive(A, count=0xFFFF), "entries"),
]


@pytest.mark.parametrize(("make", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_it_is_refused_in_words_and_within_bounds(make: Callable[[], bytes], reason: str) -> None:
    data = make()
    tracemalloc.start()
    try:
        with pytest.raises(InvalidPackage, match=reason) as error:
            read_zip(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error.value.hint
    assert peak < 8 * MIB + len(data)


def test_the_most_that_is_allowed_fits_into_its_bounds() -> None:
    """Files that together inflate to the limit, at a ratio that is allowed, and one byte more."""
    noisy = bytes(range(256)) * 4 * 1024
    packed = deflated(noisy)
    assert len(noisy) < 400 * len(packed)
    entries = [Entry(b"%d.png" % number, noisy, packed, 8) for number in range(32)]
    limits = Limits(ratio=400, total_bytes=32 * MIB)
    tracemalloc.start()
    try:
        assert len(read_zip(archive(*entries), limits)) == 32
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * limits.total_bytes
    with pytest.raises(InvalidPackage, match=r"beyond all measure|too large"):
        read_zip(archive(*entries, Entry(b"more", b"1")), limits)


@pytest.mark.parametrize("flags", [0, 8])
@pytest.mark.parametrize("mark", [b"", b"PK\x07\x08"])
def test_what_is_made_by_hand_is_read_unless_it_attacks(flags: int, mark: bytes) -> None:
    """The rows above are refused for what they do, not for how they are made."""
    descriptor = mark + struct.pack("<3I", *A.facts) if flags else b""
    times = struct.pack("<2HBI", 0x5455, 5, 1, 1_794_000_000)
    first = replace(A, flags=flags, descriptor=descriptor, local_extra=times, central_extra=times)
    data = archive(first, B, comment=b"made by hand")
    assert read_zip(data) == {"a.png": A.data, "b.png": B.data}
    with warnings.catch_warnings(), zipfile.ZipFile(io.BytesIO(data)) as other:
        assert {name: other.read(name) for name in other.namelist()} == read_zip(data)
