from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livepass.pkpass import (
    InvalidDocument,
    Limits,
    Template,
    TemplateDataError,
    TemplateError,
    VariableType,
    canonical,
    merge_patch,
)

Files = dict[str, bytes]


def made(document: object, declared: object = None, name: str = "membership", more: Files | None = None) -> Template:
    files: Files = {"pass.json": json.dumps(document).encode(), "icon.png": b"icon", **(more or {})}
    if declared is not None:
        files["variables.json"] = json.dumps(declared).encode()
    return Template.from_files(name, files)


def problems(template: Template, data: dict[str, object]) -> dict[str, str]:
    with pytest.raises(TemplateDataError) as error:
        template.render(data)
    assert error.value.hint
    return {each.pointer: each.message for each in error.value.problems}


# ── variables ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("value", ["text", 12, 12.5, True, False, "", "${other}", '","evil":"'])
def test_a_whole_leaf_takes_the_value_as_it_is(value: object) -> None:
    rendered = made({"a": ["${x}"]}).render({"x": value})["a"]
    assert rendered == [value]
    assert type(rendered[0]) is type(value)


@pytest.mark.parametrize(("value", "text"), [("Ada", "Ada"), (12, "12"), (12.5, "12.5"), ('"}', '"}')])
def test_a_leaf_with_text_around_it_takes_the_value_as_text(value: object, text: str) -> None:
    assert made({"a": "Hello ${x}, ${x}!"}).render({"x": value}) == {"a": f"Hello {text}, {text}!"}


@pytest.mark.parametrize(
    ("leaf", "rendered"),
    [
        ("$${x}", "${x}"),
        ("a $${x} ${x}", "a ${x} 1"),
        ("$$${x}", "$${x}"),
        ("$x {x} $", "$x {x} $"),
        ("${x}${x}", "11"),
        ("${x}}", "1}"),
    ],
)
def test_escapes(leaf: str, rendered: str) -> None:
    template = made({"a": leaf, "needs": "${x}"})
    assert template.render({"x": 1})["a"] == rendered


def test_keys_are_never_substituted() -> None:
    template = made({"${x}": "y"})
    assert template.variables == {}
    assert template.render({}) == {"${x}": "y"}


def test_values_are_not_substituted_again() -> None:
    assert made({"a": "${x}", "b": "${y}"}).render({"x": "${y}", "y": 1}) == {"a": "${y}", "b": 1}


def test_types_are_inferred_from_use() -> None:
    template = made({"a": "${whole}", "b": ["${both}", "x ${both}"], "c": "${text}!"})
    assert template.variables == {
        "both": VariableType.TEXT,
        "text": VariableType.TEXT,
        "whole": VariableType.SCALAR,
    }
    assert template.declarations["both"].used_at == ("/b/0", "/b/1")


@pytest.mark.parametrize("value", [None, [], {}, float("nan"), float("inf"), 1 << 64])
def test_no_variable_takes_what_is_no_scalar(value: object) -> None:
    assert "/x" in problems(made({"a": "${x}"}), {"x": value})


def test_text_takes_no_boolean() -> None:
    assert problems(made({"a": "is ${x}"}), {"x": True}) == {"/x": "must be a string or a number"}


def test_every_problem_is_reported_at_once() -> None:
    template = made({"a": "${points}", "b": "${level} level", "c/d": ["${name}"]})
    assert problems(template, {"pionts": 1, "level": None, "~": 1}) == {
        "/pionts": "the template has no such variable (did you mean 'points'?)",
        "/~0": "the template has no such variable",
        "/level": "must be a string or a number",
        "/name": "is missing, used at /c~1d/0",
        "/points": "is missing, used at /a",
    }


@pytest.mark.parametrize("leaf", ["${}", "${a b}", "${a", "text ${1a} text", "${a.b}", "${" + "a" * 65 + "}"])
def test_malformed_placeholders_are_the_authors_fault(leaf: str) -> None:
    with pytest.raises(TemplateError, match="no variable name"):
        made({"a": leaf})


# ── declarations ───────────────────────────────────────────────────────────────────────────────────────────────────

TYPES: dict[str, tuple[list[object], list[object]]] = {
    "string": (["", "x"], [1, True, None]),
    "number": ([1, 1.5, -2], ["1", True, None]),
    "integer": ([1, -2], [1.5, "1", True, 1 << 64]),
    "boolean": ([True, False], [0, 1, "true", None]),
    "date": (["2026-11-23T18:30Z", "2026-11-23T18:30:59+01:00"], ["2026-11-23", "2026-13-01T00:00Z", 1, "x"]),
}


@pytest.mark.parametrize("kind", TYPES)
def test_declared_types_are_enforced(kind: str) -> None:
    template = made({"a": "${x}"}, {"x": {"type": kind}})
    assert template.variables == {"x": kind}
    good, bad = TYPES[kind]
    for value in good:
        assert template.render({"x": value}) == {"a": value}
    for value in bad:
        assert "must be" in problems(template, {"x": value})["/x"]


def test_defaults_and_descriptions() -> None:
    template = made(
        {"a": "${x}", "b": "${y}"},
        {"x": {"type": "integer", "default": 7, "description": "points"}, "y": {"type": "string"}},
    )
    assert template.render({"y": "z"}) == {"a": 7, "b": "z"}
    assert template.render({"y": "z", "x": 8})["a"] == 8
    assert template.declarations["x"].description == "points"
    assert not template.declarations["x"].required
    assert problems(template, {}) == {"/y": "is missing, used at /b"}


def test_declared_and_unused_is_allowed() -> None:
    template = made({"a": 1}, {"x": {"type": "string"}})
    assert template.render({"x": "for another template"}) == {"a": 1}
    assert problems(template, {}) == {"/x": "is missing"}


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"points": {"type": "number"}}, "not declared in variables.json \\(did you mean 'points'\\?\\)"),
        ({"pionts": {"type": "text"}}, "the type is one of"),
        ({"pionts": {"type": ["string"]}}, "the type is one of"),
        ({"pionts": {}}, "the type is one of"),
        ({"pionts": "string"}, "declare a variable as"),
        ({"pionts": {"type": "string"}, "1x": {"type": "string"}}, "declare a variable as"),
        ({"pionts": {"type": "string", "defualt": 1}}, "did you mean 'default'"),
        ({"pionts": {"type": "string", "default": 1}}, "the default is not a string"),
        ({"pionts": {"type": "string", "description": 1}}, "description"),
        ({"pionts": {"type": "boolean"}}, "true and false have no text"),
    ],
)
def test_wrong_declarations(declared: object, reason: str) -> None:
    with pytest.raises(TemplateError, match=reason):
        made({"a": "${pionts} left"}, declared)


# ── content ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_content_is_merged_after_filling() -> None:
    template = made({"a": "${x}", "b": {"c": 1, "d": 2}, "e": [1, 2]})
    content = {"b": {"c": None, "n": {"m": None, "k": 1}}, "e": [3], "s": "${x}"}
    rendered = template.render({"x": 1}, content)
    assert rendered == {"a": 1, "b": {"d": 2, "n": {"k": 1}}, "e": [3], "s": "${x}"}


def test_rendered_documents_share_nothing() -> None:
    template = made({"a": {"b": [1]}})
    content = {"c": [{"d": 1}]}
    first = template.render({}, content)
    first["a"]["b"].append(2)  # type: ignore[index]
    first["c"][0]["d"] = 2  # type: ignore[index]
    assert template.render({}, content) == {"a": {"b": [1]}, "c": [{"d": 1}]}
    assert template.render({}) == {"a": {"b": [1]}}


# RFC 7396, appendix A
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(target: object, patch: object, result: object) -> None:
    assert merge_patch(target, patch) == result


def test_merge_patch_is_bounded() -> None:
    deep: object = 1
    for _ in range(5000):
        deep = {"a": [deep]}
    for target, patch in (({}, deep), (deep, {})):
        with pytest.raises(InvalidDocument):
            merge_patch(target, patch)
    assert merge_patch(deep, 1) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(json_values, json_values)
def test_merging_twice_is_merging_once(target: object, patch: object) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


# ── revision ───────────────────────────────────────────────────────────────────────────────────────────────────────

BASE: Files = {"pass.json": b'{"a": 1, "b": "${x}"}', "icon.png": b"1", "en.lproj/pass.strings": b"2"}


def test_the_revision_follows_content_alone() -> None:
    first = Template.from_files("a", BASE)
    same = Template.from_files("b", dict(reversed(BASE.items())))
    spelled = Template.from_files("a", {**BASE, "pass.json": b'{ "b":"${x}",\r\n"a":1 }'})
    assert first.revision == same.revision == spelled.revision
    # The value itself is the promise: passes pin it in databases.
    assert first.revision == "382120db45051a24cd9e71cf17d49012c5323b14e33be918038ca256030e0f8a"


@pytest.mark.parametrize(
    "change",
    [
        {"icon.png": b"3"},
        {"logo.png": b"1"},
        {"pass.json": b'{"a": 2, "b": "${x}"}'},
        {"variables.json": b'{"x": {"type": "string"}}'},
        {"icon.png": b"2", "en.lproj/pass.strings": b"1"},
    ],
)
def test_every_change_of_content_is_a_new_revision(change: Files) -> None:
    assert Template.from_files("a", BASE).revision != Template.from_files("a", {**BASE, **change}).revision


# ── folders and zips ───────────────────────────────────────────────────────────────────────────────────────────────


def folder(path: Path, files: Files) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def test_folder_zip_and_files_are_one_template(tmp_path: Path) -> None:
    base = {**BASE, "variables.json": b'{"x": {"type": "string"}}'}
    from_files = Template.from_files("club", base)
    assert Template.from_folder(folder(tmp_path / "club", base)) == from_files
    assert Template.from_folder(str(tmp_path / "club")) == from_files
    assert Template.from_zip(from_files.to_zip()) == from_files
    assert from_files.to_zip() == Template.from_zip(from_files.to_zip()).to_zip()


def test_static_files_hold_what_is_packed() -> None:
    template = made({}, {}, more={"logo.png": b"x", ".DS_Store": b"x"})
    assert template.static.names == ("icon.png", "logo.png")
    assert set(template.files) == {"icon.png", "logo.png", "pass.json", "variables.json"}


def zipped(files: Files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_a_zip_of_the_content_needs_a_name() -> None:
    data = zipped(BASE)
    with pytest.raises(TemplateError, match="no name"):
        Template.from_zip(data)
    assert Template.from_zip(data, "club").name == "club"
    assert Template.from_zip(zipped({f"club/{name}": data for name, data in BASE.items()}), "other").name == "other"


def test_what_desktops_add_is_left_out(tmp_path: Path) -> None:
    junk = {"club/.DS_Store": b"x", "__MACOSX/club/._icon.png": b"x", "club/Thumbs.db": b"x"}
    data = zipped({**{f"club/{name}": data for name, data in BASE.items()}, **junk})
    assert Template.from_zip(data) == Template.from_files("club", BASE)
    path = folder(tmp_path / "club", {**BASE, ".DS_Store": b"x", ".git/config": b"x"})
    assert Template.from_folder(path) == Template.from_files("club", BASE)


@pytest.mark.parametrize(
    "data",
    [
        b"no zip",
        zipped({"en.lproj/pass.strings": b""}),
        zipped({"../pass.json": b"{}"}),
        zipped({"club/pass.json": b"{}", "club/deep/er/x.png": b""}),
        zipped({"a b/pass.json": b"{}"}),
    ],
)
def test_hostile_and_wrong_zips(data: bytes) -> None:
    with pytest.raises(TemplateError) as error:
        Template.from_zip(data)
    assert error.value.hint


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "no pass.json"),
        ({"pass.json": b"[]"}, "pass.json is not usable JSON"),
        ({"pass.json": b'{"a":1,"a":2}'}, "twice"),
        ({"pass.json": b"{}", "variables.json": b"[]"}, "variables.json is not usable JSON"),
        ({"pass.json": b"{}", "manifest.json": b"{}"}, "manifest.json"),
        ({"pass.json": b"{}", "signature": b"{}"}, "signature"),
        ({"pass.json": b"{}", "images/icon.png": b""}, "localisation"),
        ({"pass.json": b"{}", "my icon.png": b""}, "characters"),
    ],
)
def test_wrong_content(files: Files, reason: str) -> None:
    with pytest.raises(TemplateError, match=reason) as error:
        Template.from_files("club", files)
    assert error.value.hint


@pytest.mark.parametrize("name", ["", ".x", "a b", "a/b", "x" * 65, "ä"])
def test_wrong_names(name: str) -> None:
    with pytest.raises(TemplateError, match="cannot name"):
        Template.from_files(name, BASE)


def test_folders_are_read_with_care(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="not a folder"):
        Template.from_folder(tmp_path / "nothing")
    secret = tmp_path / "secret"
    secret.write_bytes(b"s")
    for number, link in enumerate(("icon.png", "en.lproj")):
        path = folder(tmp_path / f"link{number}", {"pass.json": b"{}"})
        (path / link).symlink_to(secret if number == 0 else tmp_path)
        with pytest.raises(TemplateError, match="link"):
            Template.from_folder(path)
    path = folder(tmp_path / "pipe", {"pass.json": b"{}"})
    os.mkfifo(path / "icon.png")
    with pytest.raises(TemplateError, match="device"):
        Template.from_folder(path)
    for number, deep in enumerate(("images/icon.png", "en.lproj/de.lproj/pass.strings")):
        with pytest.raises(TemplateError, match="folder that no pass has"):
            Template.from_folder(folder(tmp_path / f"deep{number}", {"pass.json": b"{}", deep: b""}))


def test_folders_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder(tmp_path / "club", BASE)
    for limits in (Limits(entries=2), Limits(file_bytes=10), Limits(total_bytes=10)):
        monkeypatch.setattr("livepass.pkpass.template.DEFAULT_LIMITS", limits)
        with pytest.raises(TemplateError, match="too large"):
            Template.from_folder(path)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12).filter(lambda text: "\ud800" not in text))
def test_no_value_breaks_out_of_its_string(before: str, after: str, value: str) -> None:
    safe = (before.replace("$", ""), after.replace("$", ""))
    template = made({"a": f"{safe[0]}${{x}}{safe[1]}", "b": 1})
    assert json.loads(canonical(template.render({"x": value}))) == {"a": f"{safe[0]}{value}{safe[1]}", "b": 1}


def test_short_data_and_a_short_template_make_no_long_pass() -> None:
    document = json.dumps({"description": "${a} " * 10_000, "b": "${b}"}).encode()
    declared = b'{"a":{"type":"string"},"b":{"type":"string","default":"b"}}'
    template = Template.from_files("t", {"pass.json": document, "variables.json": declared})
    assert len(str(template.render({"a": "x" * 800})["description"])) == 8_010_000
    with pytest.raises(TemplateDataError, match="more than 8388608 bytes"):
        template.render({"a": "x" * 1000})
