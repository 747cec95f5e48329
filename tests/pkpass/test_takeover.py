"""A template from what others made: the same meaning, nothing that does not belong, and a note on all that was done."""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livepass.pkpass import Signer, StaticFiles, Template, TemplateError, VariableType, build, canonical
from livepass.pkpass.source import Act, Kind, Note, Source, open_source
from livepass.pkpass.takeover import IDENTITY, TakenOver, Wish, take_over
from pkpass.lint_pairs import FRACTION, WHERE_DATES_ARE, spoiled

Document = dict[str, Any]


def zipped(files: Mapping[str, bytes], top: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(top + name, data)
    return out.getvalue()


def folder(at: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_bytes(data)
    return at


def of(document: object, kind: Kind = Kind.PACKAGE, **files: bytes) -> Source:
    content = {"pass.json": json.dumps(document).encode(), "icon.png": b"-", **files}
    return Source("a", kind, content, (), None, signed=False)


def noted(notes: tuple[Note, ...], act: Act) -> set[str]:
    return {each.where for each in notes if each.act is act}


def filled(taken: TakenOver) -> dict[str, object]:
    return Template.from_files("t", taken.files).render({})


@pytest.fixture
def package(document: Document, files: dict[str, bytes], signer: Signer, now: datetime) -> bytes:
    return build(StaticFiles.prepare(files), canonical(document), signer, now)


# ── what it is


def test_a_package_becomes_a_template(tmp_path, package, document, files):
    (tmp_path / "club.pkpass").write_bytes(package)
    source = open_source(tmp_path / "club.pkpass")
    taken = take_over(source)
    assert (source.name, source.kind, source.signed, source.archive) == ("club", Kind.PACKAGE, True, package)
    assert noted(taken.notes, Act.LEFT_OUT) == {"manifest.json", "signature", *(f"/{key}" for key in IDENTITY)}
    assert {name: data for name, data in taken.files.items() if name != "pass.json"} == files
    assert filled(taken) == {key: value for key, value in document.items() if key not in IDENTITY}
    assert taken.fields == 5 and not taken.variables


def test_no_token_gets_into_template_or_report(tmp_path, package, document):
    (tmp_path / "club.pkpass").write_bytes(package)
    taken = take_over(open_source(tmp_path / "club.pkpass"))
    token = str(document["authenticationToken"])
    assert token.encode() not in b"".join(taken.files.values()) and token not in str(taken.notes)


DESIGN = {
    "formatVersion": 1,
    "_id": "A-1",
    "coupon": {"_id": "A-2", "primaryFields": [{"_id": "A-3", "key": "offer", "value": "20 %"}]},
    "userInfo": {"_id": "the issuer's own"},
    "posterMagic": {"depth": [1, {"_id": "A-4", "x": 1.50}]},
}


@pytest.mark.parametrize("form", ["folder", "zip", "zip of the folder"])
def test_a_template_of_apples_designer_is_repaired(tmp_path, form):
    files = {"pass.json": json.dumps(DESIGN).encode(), "tooling.json": b"{}", "icon.png": b"-", "mood.board": b"?"}
    files |= {"Signer.P12": b"-", "notes.txt": b"-----BEGIN CERTIFICATE-----", "old.bin": zipped({"a": b"-"})}
    path = tmp_path / "Club.pkpasstemplate"
    if form == "folder":
        folder(path, files)
    else:
        path.write_bytes(zipped(files, "Club.pkpasstemplate/" if form != "zip" else ""))
    source = open_source(path)
    taken = take_over(source)
    assert (source.name, source.kind) == ("Club", Kind.DESIGN)
    assert set(taken.files) == {"pass.json", "icon.png", "mood.board"}
    assert filled(taken) == {
        "formatVersion": 1,
        "coupon": {"primaryFields": [{"key": "offer", "value": "20 %"}]},
        "userInfo": {"_id": "the issuer's own"},
        "posterMagic": {"depth": [1, {"x": 1.5}]},
    }
    assert Note(Act.REPAIRED, "pass.json", "4 '_id' keys of Apple's designer removed") in taken.notes
    assert noted(taken.notes, Act.LEFT_OUT) == {"tooling.json", "Signer.P12", "notes.txt", "old.bin"}
    assert noted(taken.notes, Act.KEPT) == {"mood.board"}


def test_elsewhere_these_keys_and_files_are_somebodys_own():
    taken = take_over(of(DESIGN, **{"tooling.json": b"{}"}))
    assert filled(taken) == DESIGN and "tooling.json" in taken.files


def test_a_folder_of_the_node_generator_leaves_its_keys_behind(tmp_path):
    wanted = {"pass.json": b'{"coupon": {}}', "icon.png": b"-", "strip@2x.png": b"-", "de.lproj/pass.strings": b"x"}
    junk = {
        ".DS_Store": b"-", ".env": b"SECRET=1", "README.md": b"#", "signerKey.pem": b"-", "Cert.P12": b"-",
        "manifest.json": b"{}", "keys/signer.key": b"-", "node_modules/x/index.js": b"-", "variables.json": b"{}",
        "de.lproj/old/pass.strings": b"-", "thumbnail.png": b"-----BEGIN RSA PRIVATE KEY-----",
    }  # fmt: skip
    source = open_source(folder(tmp_path / "club.pass", {**wanted, **junk}))
    taken = take_over(source)
    assert (source.name, source.kind) == ("club", Kind.MODEL)
    assert set(taken.files) == set(wanted)
    assert noted(taken.notes, Act.LEFT_OUT) == {
        *(name for name in junk if "/" not in name), "keys/", "node_modules/", "de.lproj/old/",
    }  # fmt: skip


def test_what_lies_beside_a_model_is_not_even_read(tmp_path):
    path = folder(tmp_path / "club.pass", {"pass.json": b"{}", "key.pem": b"-", "keys/a": b"-", "notes.txt": b"-"})
    with (path / "movie.mov").open("wb") as file:
        file.truncate(1 << 33)  # sparse; more than a template may hold
    assert set(open_source(path).files) == {"pass.json"}


# ── what it means


texts = st.text(max_size=6) | st.lists(st.sampled_from(["$", "{", "}", "${a}", "$${", "é"]), max_size=5).map("".join)
numbers = st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(values)
def test_whatever_stands_in_it_is_said_again(value):
    document = {
        "formatVersion": 1,
        "unknown": value,
        "coupon": {"backFields": [{"key": "k", "value": "${k} $${", "x": value}]},
    }
    for every_field in (False, True):
        assert filled(take_over(of(document), every_field=every_field)) == document


FIELDS = {
    "storeCard": {
        "headerFields": [{"key": "points", "label": "Points", "value": 120}],
        "primaryFields": [{"key": "1st-name", "value": "Ada"}, {"key": "no value"}, {"value": "no key"}],
        "auxiliaryFields": [{"key": "ends", "value": "2027-01-01T10:00Z", "dateStyle": "PKDateStyleShort"}],
        "backFields": [{"key": "when", "value": "2027-01-01T10:00Z"}, {"key": "rate", "value": 1.5}],
    },
    "posterGeneric": {"headerFields": [{"key": "points", "value": 120}], "backFields": [{"key": "rate", "value": 2}]},
    "barcodes": [{"message": "42"}],
}


def test_every_field_becomes_a_variable_of_its_json_type():
    taken = take_over(of(FIELDS), every_field=True)
    assert dict(taken.variables) == {
        "points": {"type": "number", "default": 120, "description": "Points"},
        "_1st_name": {"type": "string", "default": "Ada"},
        "ends": {"type": "date", "default": "2027-01-01T10:00Z"},
        "when": {"type": "string", "default": "2027-01-01T10:00Z"},
        "rate": {"type": "number", "default": 1.5},
        "rate_2": {"type": "number", "default": 2},
    }
    template = Template.from_files("t", taken.files)
    assert template.declarations["points"].used_at == (
        "/storeCard/headerFields/0/value", "/posterGeneric/headerFields/0/value",
    )  # fmt: skip
    assert template.render({}) == FIELDS and taken.fields == 9
    assert noted(taken.notes, Act.KEPT) == {"/storeCard/primaryFields/1", "/storeCard/primaryFields/2"}
    changed = template.render({"points": 7, "rate_2": 3})
    assert changed["posterGeneric"] == {
        "headerFields": [{"key": "points", "value": 7}], "backFields": [{"key": "rate", "value": 3}],
    }  # fmt: skip


def test_a_value_becomes_the_variable_that_is_wished():
    wishes = [Wish("/barcodes/0/message", "code"), Wish("/storeCard/headerFields/0/value", "n", VariableType.INTEGER)]
    taken = take_over(of(FIELDS), wishes)
    assert dict(taken.variables) == {
        "code": {"type": "string", "default": "42"},
        "n": {"type": "integer", "default": 120},
    }
    assert Template.from_files("t", taken.files).render({"code": "7"})["barcodes"] == [{"message": "7"}]
    both = take_over(of(FIELDS), wishes, every_field=True)
    assert {"code", "n", "points", "rate"} <= set(both.variables)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish("/nothing/0", "a"), "has nothing at '/nothing/0'"),
        (Wish("/barcodes/7", "a"), "has nothing at"),
        (Wish("/barcodes/-1/message", "a"), "has nothing at"),
        (Wish("/barcodes", "a"), "only a string, a number, true or false"),
        (Wish("/barcodes/0/message", "a b"), "'a b' is no variable name"),
        (Wish("/barcodes/0/message", "a", VariableType.NUMBER), '"42" is no number'),
        (Wish("/storeCard/primaryFields/0/value", "taken"), "taken stands for another value already"),
        (Wish("/storeCard/headerFields/0/value", "other"), "is called taken already"),
    ],
)
def test_a_wish_that_cannot_be_had_is_named(wish, said):
    with pytest.raises(TemplateError, match=said.replace("[", r"\[")):
        take_over(of(FIELDS), [Wish("/storeCard/headerFields/0/value", "taken"), wish])


def test_dates_as_javascript_writes_them_are_written_as_phones_read_them():
    old, new = "2027-12-31T12:00:00.000Z", "2027-12-31T12:00:00Z"
    kept = {"userInfo": {"date": old}, "coupon": {"backFields": [{"key": "a", "value": old}]}}
    taken = take_over(of({"expirationDate": old, "relevantDates": [{"date": old, "startDate": new}, 7], **kept}))
    assert filled(taken) == {"expirationDate": new, "relevantDates": [{"date": new, "startDate": new}, 7], **kept}
    assert noted(taken.notes, Act.REPAIRED) == {"/expirationDate", "/relevantDates/0/date"}


@pytest.mark.parametrize("where", WHERE_DATES_ARE)
def test_fractions_of_a_second_go_wherever_a_date_stands(document, where):
    changes, _ = WHERE_DATES_ARE[where]
    taken = take_over(of(spoiled(document, {**changes, where: FRACTION})))
    assert noted(taken.notes, Act.REPAIRED) == {where}
    assert filled(taken) == filled(take_over(of(spoiled(document, {**changes, where: "2026-12-01T20:00:00Z"}))))


# ── the icon


def png(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((200, 10, 10)) * side for _ in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def without_icon(**larger: bytes) -> Source:
    return Source("a", Kind.DESIGN, {"pass.json": b"{}", **larger}, (), None, signed=False)


def test_without_an_image_library_the_missing_icon_is_something_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    [note] = take_over(without_icon(**{"icon@3x.png": png(114)})).notes
    assert (note.act, note.where) == (Act.TO_DO, "icon.png")
    assert "scale icon@3x.png to 38 by 38" in note.what and "livepass[images]" in note.what
    [note] = take_over(without_icon()).notes
    assert (note.act, note.where) == (Act.TO_DO, "icon.png") and "there is no icon" in note.what


@pytest.mark.parametrize(("name", "side"), [("icon@2x.png", 76), ("icon@3x.png", 114)])
def test_with_it_the_missing_icon_is_scaled(name, side):
    taken = take_over(without_icon(**{name: png(side)}))
    assert struct.unpack(">II", taken.files["icon.png"][16:24]) == (38, 38)
    assert [(each.act, each.where) for each in taken.notes] == [(Act.REPAIRED, "icon.png")]


@pytest.mark.parametrize("data", [b"GIF89a", png(76)[:60], b""])
def test_what_is_no_sound_picture_is_not_scaled(data):
    taken = take_over(without_icon(**{"icon@2x.png": data}))
    [note] = taken.notes
    assert (note.act, note.where) == (Act.TO_DO, "icon.png") and "cannot be made" in note.what
    assert "icon.png" not in taken.files


def test_a_void_pass_would_void_all():
    assert noted(take_over(of({"voided": True})).notes, Act.TO_DO) == {"/voided"}


# ── what is refused


def refused(make: Callable[[Path], Path], tmp_path: Path) -> TemplateError:
    with pytest.raises(TemplateError) as caught:
        take_over(open_source(make(tmp_path)))
    assert caught.value.hint
    return caught.value


def linked(at: Path) -> Path:
    (at / "elsewhere.png").write_bytes(b"-")
    path = folder(at / "a.pass", {"pass.json": b"{}"})
    (path / "icon.png").symlink_to(at / "elsewhere.png")
    return path


def linked_folder(at: Path) -> Path:
    path = folder(at / "a.pass", {"pass.json": b"{}"})
    (path / "en.lproj").symlink_to(folder(at / "other", {"pass.strings": b"x"}))
    return path


def named_by_link(at: Path) -> Path:
    (at / "b.pass").symlink_to(folder(at / "a.pass", {"pass.json": b"{}"}))
    return at / "b.pass"


def link_in_zip(at: Path) -> Path:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("pass.json", "{}")
        info = zipfile.ZipInfo("icon.png")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    (at / "a.pkpass").write_bytes(out.getvalue())
    return at / "a.pkpass"


def file(at: Path, name: str, data: bytes) -> Path:
    (at / name).write_bytes(data)
    return at / name


def big(at: Path) -> Path:
    with (at / "a.pkpass").open("wb") as opened:
        opened.truncate(11 << 20)
    return at / "a.pkpass"


def big_folder(at: Path) -> Path:
    path = folder(at / "a.pass", {"pass.json": b"{}"})
    with (path / "strip.png").open("wb") as opened:
        opened.truncate(9 << 20)
    return path


def pipe(at: Path) -> Path:
    os.mkfifo(at / "a.pkpass")
    return at / "a.pkpass"


REFUSED: list[tuple[str, Callable[[Path], Path], str]] = [
    ("link", linked, "is a link or a device"),
    ("linked folder", linked_folder, "is a link or a device"),
    ("named by a link", named_by_link, "is a link"),
    ("link in a zip", link_in_zip, "is a link or a device"),
    ("traversal", lambda at: file(at, "a.pkpass", zipped({"pass.json": b"{}", "../x.png": b"-"})), "points outside"),
    ("absolute", lambda at: file(at, "a.pkpass", zipped({"pass.json": b"{}", "/x.png": b"-"})), "points outside"),
    ("too large", big, "shrink its images"),
    ("too large a folder", big_folder, "holds 2 files of"),
    ("bomb", lambda at: file(at, "a.pkpass", zipped({"pass.json": b" " * (9 << 20)})), "inflates beyond"),
    ("pipe", pipe, "is a device"),
    ("no zip", lambda at: file(at, "a.pkpass", b"hello"), "not a zip archive"),
    ("no pass.json", lambda at: file(at, "a.pkpass", zipped({"icon.png": b"-"})), "has no pass.json"),
    ("no pass.json in the folder", lambda at: folder(at / "a.pass", {"icon.png": b"-"}), "has no pass.json"),
    ("no JSON", lambda at: folder(at / "a.pass", {"pass.json": b"{'a': 1}"}), "not usable JSON"),
    ("a key twice", lambda at: folder(at / "a.pass", {"pass.json": b'{"a": 1, "a": 2}'}), "there twice"),
    ("too deep", lambda at: folder(at / "a.pass", {"pass.json": b'{"a":' * 40 + b"1" + b"}" * 40}), "nested deeper"),
    ("ours", lambda at: folder(at / "a.pass", {"pass.json": b'{"a": "${points}"}'}), "template of livepass already"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "said"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_hostile_or_no_pass_is_refused(make, said, tmp_path):
    error = refused(make, tmp_path)
    assert said in f"{error.reason} {error.hint}"


def test_what_lies_on_top_of_a_zip_of_a_folder_is_named(tmp_path):
    junk = {"__MACOSX/a.pass/._icon.png": b"-"}
    data = zipped({"a.pass/pass.json": b"{}", "a.pass/icon.png": b"-", "a.pass/key.pem": b"-", **junk})
    source = open_source(file(tmp_path, "a.zip", data))
    assert set(source.files) == {"pass.json", "icon.png"} and source.kind is Kind.MODEL
    assert noted(source.notes, Act.LEFT_OUT) == {"key.pem", *junk}
