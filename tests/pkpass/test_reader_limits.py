from __future__ import annotations

import contextlib
import io
import random
import struct
import zipfile
import zlib
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livepass.pkpass import InvalidPackage, Limits, Signer, StaticFiles, build, canonical, read
from livepass.pkpass.strict_json import JsonProblem, deepest, parse_object
from livepass.pkpass.zip_read import read_zip


@pytest.fixture
def package(static: StaticFiles, document: dict[str, object], signer: Signer, now: datetime) -> bytes:
    return build(static, canonical(document), signer, now)


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return buffer.getvalue()


GENERATED = (("pass.json", b"{}"), ("manifest.json", b"{}"), ("signature", b""))


def refused(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(InvalidPackage) as error:
        read(data, limits or Limits())
    assert error.value.hint
    return error.value.reason


def patched(data: bytes, mark: bytes, at: int, form: str, value: int, nth: int = 0) -> bytes:
    """Overwrite one field of the nth header that starts with ``mark``."""
    start = -1
    for _ in range(nth + 1):
        start = data.index(mark, start + 1)
    copy = bytearray(data)
    struct.pack_into(form, copy, start + at, value)
    return bytes(copy)


LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


# ── what is taken ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_other_zips_of_the_same_files_are_read_too(package: bytes) -> None:
    files = read(package).files
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        assert read(zipped(*files.items(), method=method)).files == files


def test_folders_comments_and_streams_are_ordinary() -> None:
    class Pipe(io.BytesIO):  # cannot seek, so zipfile writes data descriptors
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise OSError

        def tell(self) -> int:
            raise OSError

    buffer = Pipe()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("en.lproj")
        for name, data in (*GENERATED, ("en.lproj/pass.strings", b"x" * 50)):
            archive.writestr(name, data)
        archive.comment = b"made by hand"
    data = buffer.getvalue()
    assert zipfile.ZipFile(io.BytesIO(data)).getinfo("pass.json").flag_bits & 8
    assert read(data).files["en.lproj/pass.strings"] == b"x" * 50
    wrong = patched(data, b"PK\x07\x08", 4, "<I", 1)
    assert "descriptor" in refused(wrong)


def test_a_descriptor_may_come_without_its_mark() -> None:
    content = b"{}"
    crc = zlib.crc32(content)
    local = struct.pack("<4s5H3I2H", LOCAL, 20, 8, 0, 0, 33, 0, 0, 0, 1, 0) + b"a" + content
    local += struct.pack("<3I", crc, 2, 2)
    central = struct.pack("<4s6H3I5H2I", CENTRAL, 20, 20, 8, 0, 0, 33, crc, 2, 2, 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = struct.pack("<4s4H2IH", END, 0, 0, 1, 1, len(central), len(local), 0)
    assert read_zip(local + central + end) == {"a": content}


# ── what is refused ────────────────────────────────────────────────────────────────────────────────────────────────


def test_too_large_as_a_whole(package: bytes) -> None:
    assert "bytes" in refused(package, Limits(archive_bytes=len(package) - 1))
    read(package, Limits(archive_bytes=len(package)))


def test_too_many_entries(package: bytes) -> None:
    assert "entries" in refused(package, Limits(entries=7))
    read(package, Limits(entries=8))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_too_large_a_file(method: int) -> None:
    noise = random.Random(1).randbytes(5000)
    data = zipped(*GENERATED, ("a.png", noise), method=method)
    assert refused(data, Limits(file_bytes=4999))
    read(data, Limits(file_bytes=5000))


def test_too_large_together() -> None:
    noise = random.Random(1).randbytes(5000)
    data = zipped(*GENERATED, ("a.png", noise), ("b.png", noise))
    assert refused(data, Limits(total_bytes=9000))
    read(data, Limits(total_bytes=10004))


def test_a_bomb_is_not_inflated() -> None:
    assert "beyond all measure" in refused(zipped(*GENERATED, ("a.png", bytes(2_000_000))))
    read(zipped(*GENERATED, ("a.png", bytes(2_000_000))), Limits(ratio=2000))


def test_a_bomb_that_lies_about_its_size_is_not_inflated() -> None:
    data = zipped(("a.png", bytes(2_000_000)))
    lying = patched(patched(data, LOCAL, 22, "<I", 10), CENTRAL, 24, "<I", 10)
    assert "beyond all measure" in refused(lying)


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../evil.png",
        "en.lproj/../../evil",
        "a\\b.png",
        "a//b.png",
        "./a.png",
        "a b.png",
        "ä.png",
        "C:evil",
        "x" * 129,
        "folder/a.png",
        "a.lproj/b.lproj/c.png",
        ".lproj/pass.strings",
        "__MACOSX/._icon.png",
    ],
)
def test_names_that_could_mean_anything_else(name: str) -> None:
    info = zipfile.ZipInfo("x")
    info.filename = name
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for other, data in GENERATED:
            archive.writestr(other, data)
        archive.writestr(info, b"x")
    assert refused(buffer.getvalue())


def test_a_nul_in_a_name() -> None:
    data = zipped(*GENERATED, ("aXb.png", b"x")).replace(b"aXb.png", b"a\0b.png")
    assert "characters" in refused(data)


@pytest.mark.parametrize("second", ["a.png", "A.PNG"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name(second: str) -> None:
    assert "one name" in refused(zipped(*GENERATED, ("a.png", b"1"), (second, b"2")))


def test_a_file_named_like_a_folder() -> None:
    assert "one name" in refused(zipped(*GENERATED, ("en.lproj", b"x"), ("en.lproj/", b"")))


def test_a_folder_with_content() -> None:
    data = zipped(*GENERATED, ("en.lprojX", b"content"), method=zipfile.ZIP_STORED).replace(b"en.lprojX", b"en.lproj/")
    assert "folder" in refused(data)


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o010666])
def test_links_and_devices(mode: int) -> None:
    info = zipfile.ZipInfo("icon.png")
    info.external_attr = mode << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, b"/etc/passwd")
    assert "link" in refused(buffer.getvalue())


@pytest.mark.parametrize("flag", [0x0001, 0x0040, 0x2000])
def test_encryption(package: bytes, flag: int) -> None:
    assert "encrypted" in refused(patched(package, CENTRAL, 8, "<H", flag))


def test_unknown_methods_and_flags(package: bytes) -> None:
    assert "packed in a way" in refused(patched(package, CENTRAL, 10, "<H", 12))
    assert "packed in a way" in refused(patched(package, CENTRAL, 8, "<H", 0x20))


@pytest.mark.parametrize(
    ("at", "form", "value"),
    [
        (0, "<I", 0),
        (6, "<H", 0x800),
        (8, "<H", 12),
        (14, "<I", 0),
        (18, "<I", 1),
        (22, "<I", 1),
        (26, "<H", 3),
        (30, "B", 88),
    ],
)
def test_a_header_that_contradicts_the_directory(package: bytes, at: int, form: str, value: int) -> None:
    first = struct.unpack_from("<I", package, package.index(CENTRAL) + 42)[0]
    assert first == 0
    copy = bytearray(package)
    struct.pack_into(form, copy, at, value)
    assert "contradicts" in refused(bytes(copy))


def test_overlapping_entries() -> None:
    data = zipped(("a", b"1"), ("b", b"2"), method=zipfile.ZIP_STORED)
    second = data.index(LOCAL, 1)
    # Both directory lines point at the first file, which the second takes for its own.
    copy = bytearray(patched(data, CENTRAL, 42, "<I", 0, nth=1).replace(b"b", b"a"))
    assert second
    copy = bytearray(patched(bytes(copy), CENTRAL, 16, "<I", zlib.crc32(b"1"), nth=1))
    assert "one name" in refused(bytes(copy))
    # Nested: the second file's header lies inside the data of the first.
    inner = struct.pack("<4s5H3I2H", LOCAL, 20, 0, 0, 0, 33, zlib.crc32(b"2"), 1, 1, 1, 0) + b"b2"
    outer = (
        struct.pack("<4s5H3I2H", LOCAL, 20, 0, 0, 0, 33, zlib.crc32(inner), len(inner), len(inner), 1, 0) + b"a" + inner
    )
    records = b"".join(
        struct.pack("<4s6H3I5H2I", CENTRAL, 20, 20, 0, 0, 0, 33, zlib.crc32(d), len(d), len(d), 1, 0, 0, 0, 0, 0, at)
        + n
        for n, d, at in ((b"a", inner, 0), (b"b", b"2", 31))
    )
    end = struct.pack("<4s4H2IH", END, 0, 0, 2, 2, len(records), len(outer), 0)
    assert "overlaps" in refused(outer + records + end)


@pytest.mark.parametrize(
    ("at", "form", "value"),
    [(4, "<H", 1), (6, "<H", 1), (8, "<H", 1), (10, "<H", 1), (12, "<I", 1), (16, "<I", 1), (20, "<H", 1)],
)
def test_an_end_that_contradicts_the_rest(package: bytes, at: int, form: str, value: int) -> None:
    assert refused(patched(package, END, at, form, value))


def test_a_directory_that_is_cut_or_damaged(package: bytes) -> None:
    end = package.rindex(END)
    count = struct.unpack_from("<H", package, end + 10)[0]
    for change in (1, -1):
        copy = bytearray(package)
        struct.pack_into("<2H", copy, end + 8, count + change, count + change)
        assert "directory" in refused(bytes(copy))
    assert "damaged" in refused(patched(package, CENTRAL, 0, "<I", 0))
    assert "damaged" in refused(patched(package, CENTRAL, 28, "<H", 60000))
    assert "outside" in refused(patched(package, CENTRAL, 42, "<I", len(package)))


def test_damaged_content(package: bytes) -> None:
    at = package.index(b'"formatVersion"')
    assert "damaged" in refused(package[:at] + b"X" + package[at + 1 :])
    deflated = zipped(("a.png", random.Random(1).randbytes(100) * 3))
    for spoiled in (b"\xff" * 8, b"\x01" * 8):
        assert refused(deflated[:40] + spoiled + deflated[48:])
    # A stream that ends before its data does
    short = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = short.compress(b"abc") + short.flush() + b"tail"
    local = struct.pack("<4s5H3I2H", LOCAL, 20, 0, 8, 0, 33, zlib.crc32(b"abc"), len(raw), 3, 1, 0) + b"a" + raw
    central = struct.pack(
        "<4s6H3I5H2I", CENTRAL, 20, 20, 0, 8, 0, 33, zlib.crc32(b"abc"), len(raw), 3, 1, 0, 0, 0, 0, 0, 0
    )
    end = struct.pack("<4s4H2IH", END, 0, 0, 1, 1, len(central) + 1, len(local), 0)
    assert "damaged" in refused(local + central + b"a" + end)


def test_archives_inside_archives(package: bytes) -> None:
    assert "itself a zip" in refused(zipped(*GENERATED, ("inner.pkpass", package), method=zipfile.ZIP_STORED))


@pytest.mark.parametrize("missing", ["pass.json", "manifest.json", "signature"])
def test_missing_files(missing: str) -> None:
    assert missing in refused(zipped(*(each for each in GENERATED if each[0] != missing)))


@pytest.mark.parametrize("data", [b"", b"PK", b"<html>not found</html>", END, b"PK\x05\x06" + bytes(18) + b"x"])
def test_things_that_are_no_zip(data: bytes) -> None:
    assert refused(data)


def test_an_empty_zip_is_a_zip_but_no_package() -> None:
    assert read_zip(END + bytes(18)) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a":1,"a":2}', "twice"),
        (b'{"x":[{"a":1,"b":2,"a":1}]}', "'a' is there twice"),
        (b"[" * 33 + b"]" * 33, "deeper"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "deeper"),
        (b"[]", "not an object"),
        (b"\xef\xbb\xbf{}", "JSON"),
        (b'{"a":NaN}', "JSON"),
        (b'{"a":1e999}', "JSON"),
        (b'{"a":"\\ud800"}', "JSON"),
        (b'{"a":"\xff"}', "JSON"),
        (b'{"a":123456789012345678901234567890}', "64 bits"),
        (b'{"a":-9223372036854775809}', "64 bits"),
        (b"{", "JSON"),
        (b"", "JSON"),
    ],
)
@pytest.mark.parametrize("name", ["pass.json", "manifest.json"])
def test_json_with_two_meanings_or_none(text: bytes, reason: str, name: str) -> None:
    files = {**dict(GENERATED), name: text}
    assert reason in refused(zipped(*files.items()))


def test_brackets_in_strings_are_no_depth() -> None:
    assert deepest(b'{"a": "[[[[{{{{\\"[[[", "b": [1]}') == 2
    assert deepest(b'"' + b'\\"[' * 100_000) == 0  # a string without end, in linear time
    assert parse_object(b'{"a":"' + b"[" * 40 + b'"}') == {"a": "[" * 40}
    with pytest.raises(JsonProblem):
        parse_object(b'{"a":[1]}', depth=1)


@pytest.mark.parametrize("value", [b"1", b'"ABC"', b'"' + b"A" * 40 + b'"', b'"' + b"a" * 41 + b'"', b"null", b"[]"])
def test_a_manifest_that_lists_no_hashes(value: bytes) -> None:
    files = {**dict(GENERATED), "manifest.json": b'{"icon.png":' + value + b"}"}
    assert "SHA-1" in refused(zipped(*files.items()))


def test_a_package_cannot_be_changed(package: bytes) -> None:
    opened = read(package)
    with pytest.raises(TypeError):
        opened.files["icon.png"] = b""  # type: ignore[index]
    with pytest.raises(AttributeError):
        opened.signature = b""  # type: ignore[misc]


# ── fuzz ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def attempt(data: bytes) -> None:
    with contextlib.suppress(InvalidPackage):
        read(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_package_or_a_refusal(data: bytes) -> None:
    attempt(data)
    attempt(data + END + bytes(18))


SMALL = zipped(("pass.json", b'{"a":[1,2,{"b":"c"}]}' * 1), ("manifest.json", b"{}"), ("signature", b"s" * 60))


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_any_damage_ends_in_a_package_or_a_refusal(data: st.DataObject) -> None:
    spoiled = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 6))):
        spoiled[data.draw(st.integers(0, len(SMALL) - 1))] = data.draw(st.integers(0, 255))
    attempt(bytes(spoiled))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\ea1\x00', max_size=80).map(str.encode))
def test_any_json_ends_in_an_object_or_a_problem(data: bytes) -> None:
    with contextlib.suppress(JsonProblem):
        assert isinstance(parse_object(data), dict)
