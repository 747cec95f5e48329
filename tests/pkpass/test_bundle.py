from __future__ import annotations

import hashlib
import io
import json
import math
import os
import random
import subprocess
import sys
import zipfile
from datetime import datetime, timedelta

import pytest

from livepass.pkpass import (
    InvalidDocument,
    InvalidPackage,
    Signer,
    StaticFiles,
    build,
    canonical,
    manifest,
    read,
    verify,
)
from livepass.pkpass.zip_read import read_zip
from livepass.pkpass.zip_write import archive, entry, head

Document = dict[str, object]


def test_manifest_lists_the_sha1_of_every_file(
    files: dict[str, bytes], static: StaticFiles, document: Document
) -> None:
    data = canonical(document)
    listed = json.loads(manifest(static, data))
    expected = {**files, "pass.json": data}
    assert listed == {name: hashlib.sha1(content).hexdigest() for name, content in expected.items()}


def test_manifest_is_sorted_and_has_no_whitespace(static: StaticFiles) -> None:
    data = manifest(static, b"{}")
    assert data == json.dumps(json.loads(data), sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize("names", [[], ["a.png"], ["z.png"], ["a.png", "q.png", "z.lproj/pass.strings"]])
def test_manifest_is_whole_wherever_pass_json_falls(names: list[str]) -> None:
    static = StaticFiles.prepare(dict.fromkeys(names, b"x"))
    assert sorted(json.loads(manifest(static, b"{}"))) == sorted([*names, "pass.json"])


def test_manifest_does_not_depend_on_file_order(files: dict[str, bytes]) -> None:
    names = list(files)
    random.Random(1).shuffle(names)
    shuffled = StaticFiles.prepare({name: files[name] for name in names})
    assert manifest(shuffled, b"{}") == manifest(StaticFiles.prepare(files), b"{}")


def test_manifest_is_the_same_under_every_hash_seed() -> None:
    program = (
        "from livepass.pkpass import *;"
        "s = StaticFiles.prepare({f'f{i}.png': bytes([i]) * i for i in range(40)});"
        "d = canonical({k: {x: 1.5 for x in set('zyx' + k)} for k in {'b', 'a', 'ü', 'pass'}});"
        "import hashlib; print(hashlib.sha256(manifest(s, d)).hexdigest())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    # The value itself is the promise to other Python versions and architectures.
    assert outputs == {"76f8a5bceec22a3194ae628c17cb31af6f8b3d460a1d559e2609c4dc03c781b0\n"}


def test_a_built_package_is_an_ordinary_zip(
    files: dict[str, bytes], static: StaticFiles, document: Document, signer: Signer, now: datetime
) -> None:
    package = build(static, canonical(document), signer, now)
    with zipfile.ZipFile(io.BytesIO(package)) as opened:
        assert opened.testzip() is None
        assert set(opened.namelist()) == {*files, "pass.json", "manifest.json", "signature"}
        assert all(opened.read(name) == data for name, data in files.items())
        for info in opened.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert info.flag_bits == 0
            assert info.extra == b""


def test_a_built_package_verifies(static: StaticFiles, document: Document, signer: Signer, now: datetime) -> None:
    package = read(build(static, canonical(document), signer, now))
    verified = verify(package)
    assert verified.serial == document["serialNumber"]
    assert package.document == document
    assert package.static_files() == static.files


def test_equal_input_is_equal_output(static: StaticFiles, document: Document, signer: Signer, now: datetime) -> None:
    data = canonical(document)
    assert build(static, data, signer, now) == build(static, data, signer, now)
    later = build(static, data, signer, now + timedelta(seconds=1))
    assert later != build(static, data, signer, now)
    assert read(later).manifest_bytes == manifest(static, data)


def test_large_documents_are_deflated_and_small_ones_are_not(
    static: StaticFiles, document: Document, signer: Signer, now: datetime
) -> None:
    large = canonical({**document, "userInfo": [str(number) for number in range(8000)]})
    for data, method in ((canonical(document), zipfile.ZIP_STORED), (large, zipfile.ZIP_DEFLATED)):
        package = build(static, data, signer, now)
        with zipfile.ZipFile(io.BytesIO(package)) as opened:
            assert opened.getinfo("pass.json").compress_type == method
        assert read(package).document_bytes == data


def test_files_are_deflated_only_where_that_helps() -> None:
    noise = random.Random(1).randbytes(4000)
    text = b"".join(b"line %d\n" % number for number in range(500))
    blank = b"\0" * 1_000_000  # shrinks so well that a reader on guard would take it for a bomb
    data = archive(head([entry(n, d, deflate=True) for n, d in (("n", noise), ("t", text), ("b", blank))]), ())
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        methods = {info.filename: info.compress_type for info in opened.infolist()}
    assert methods == {"n": zipfile.ZIP_STORED, "t": zipfile.ZIP_DEFLATED, "b": zipfile.ZIP_STORED}
    assert read_zip(data) == {"n": noise, "t": text, "b": blank}


def test_only_names_beyond_ascii_are_flagged_as_utf8() -> None:
    data = archive(head([]), [entry("ä.png", b"1", deflate=False), entry("a.png", b"2", deflate=False)])
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert {info.filename: info.flag_bits for info in opened.infolist()} == {"ä.png": 0x800, "a.png": 0}


@pytest.mark.parametrize(
    "name",
    [
        "pass.json",
        "Manifest.json",
        "signature",
        "../x.png",
        "/x.png",
        "a/b.png",
        "a b.png",
        "ä.png",
        "en.lproj/",
        "x" * 129,
    ],
)
def test_static_files_refuse_what_a_reader_would_refuse(name: str) -> None:
    with pytest.raises(InvalidPackage) as error:
        StaticFiles.prepare({name: b"x"})
    assert error.value.hint


def test_static_files_are_bounded() -> None:
    with pytest.raises(InvalidPackage, match="too many"):
        StaticFiles.prepare({f"{number}.png": b"" for number in range(126)})
    with pytest.raises(InvalidPackage, match="bytes"):
        StaticFiles.prepare({"a.png": bytes((8 << 20) + 1)})
    with pytest.raises(InvalidPackage, match="together"):
        StaticFiles.prepare({"a.png": bytes(6 << 20), "b.png": bytes(6 << 20)})
    with pytest.raises(InvalidPackage, match="one name"):
        StaticFiles.prepare({"a.png": b"", "A.png": b""})


def test_static_files_do_not_change_with_their_source(files: dict[str, bytes]) -> None:
    static = StaticFiles.prepare(files)
    files.clear()
    assert "icon.png" in static.names
    with pytest.raises(TypeError):
        static.files["icon.png"] = b""  # type: ignore[index]


def test_canonical_sorts_and_packs() -> None:
    assert canonical({"b": [1, 2.5, None], "a": "ü"}) == '{"a":"ü","b":[1,2.5,null]}'.encode()


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, [{"deep": -math.inf}], (math.nan,), datetime(2026, 1, 1), 1 << 64, "\ud800", {1: 2}, {"set"}],  # noqa: DTZ001
)
def test_canonical_refuses_what_json_cannot_say(value: object) -> None:
    with pytest.raises(InvalidDocument) as error:
        canonical({"key": value})
    assert error.value.hint
