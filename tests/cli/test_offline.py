"""Commands that need neither a database nor a service."""

from __future__ import annotations

import io
import json
import sys

import pytest

from livepass.cli import names
from livepass.cli.drawing import png
from livepass.cli.faults import Fault

SAID = (
    "[2026-11-23 12:00:00 +0000] Get pass task (pass type pass.x, serial number 7, if-modified-since (null); with "
    "web service url https://e.example) encountered error: Unexpected response code 500"
)


def test_log_explain(livepass):
    ran = livepass("log", "explain", SAID)
    assert "The service answered with a status Wallet does not accept." in ran.out and "fetch" in ran.out
    assert livepass("log", "explain", SAID, "--json").json["code"] == "T1"


def test_log_explain_of_an_unknown_sentence_is_a_problem_found(livepass):
    assert livepass("log", "explain", "All is well", "--json", exit_=1).json["code"] == "?"


def test_log_explain_says_where_it_leads(livepass):
    found = livepass("log", "explain", SAID, "--json").json
    assert {key: found[key] for key in ("task", "status", "about", "pass_type", "serial", "finding", "docs")} == {
        "task": "Get pass",
        "status": 500,
        "about": "fetch",
        "pass_type": "pass.x",
        "serial": "7",
        "finding": "LP359",
        "docs": "/docs/device-log/T1",
    }
    said = livepass("log", "explain", SAID).out
    assert "LP359, while that lasts: livepass why pass.x/7" in said and "livepass help T1" in said


@pytest.mark.parametrize("before", ["", "Nov 23 12:00:01 web-1 app[7]: ", '10.0.0.9 - "POST /v1/log" '])
def test_log_explain_takes_a_line_out_of_another_log(livepass, before):
    assert livepass("log", "explain", before + SAID, "--json").json["serial"] == "7"


@pytest.mark.parametrize(
    ("line", "do"),
    [
        (SAID.replace("Unexpected response code 500", "All is lost"), "livepass pass timeline pass.x/7"),
        (SAID.replace("error: Unexpected response code 500", "warning: odd colour"), "livepass pass lint FILE.pkpass"),
        ("All is well", "give the whole line"),
    ],
)
def test_log_explain_says_what_to_do_with_an_unknown_sentence(livepass, line, do):
    said = livepass("log", "explain", line, exit_=1).out
    assert do in said and "shape" in said and "livepass help device-log" in said


@pytest.mark.parametrize("form", ["lines", "body"])
@pytest.mark.parametrize("words", [(), ("-",)])
def test_log_explain_reads_many_lines_from_stdin(livepass, monkeypatch, form, words):
    lines = [SAID, SAID.replace("Get pass", "Get serial #s"), "All is well"]
    data = "\n\n".join(lines) if form == "lines" else json.dumps({"logs": lines})
    for exit_, given in ((1, data), (0, SAID)):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        rows = livepass("log", "explain", *words, "--json", exit_=exit_).rows
        assert [row["code"] for row in rows] == ["T1", "T1", "?"][: len(rows)] and len(rows) == (3 if exit_ else 1)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data.encode())))
    assert livepass("log", "explain", *words, exit_=1).out.count("read ") == 3


def test_log_explain_wants_a_line(livepass, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b" \n")))
    assert "no line to explain" in livepass("log", "explain", exit_=2).err


@pytest.mark.parametrize(
    ("asked", "status", "reason", "next_"),
    [
        ("BadDeviceToken", 400, "BadDeviceToken", "quarantine"),
        ("baddevicetoken", 400, "BadDeviceToken", "quarantine"),
        ("410", 410, None, "token_dead"),
        ("410 Unregistered", 410, "Unregistered", "token_dead"),
        ("429", 429, None, "later"),
        ("200", 200, None, "accepted"),
        ("Unreachable", 0, "Unreachable", "later"),
        ("PayloadTooLarge", 413, "PayloadTooLarge", "our_bug"),
    ],
)
def test_apns_explain(livepass, asked, status, reason, next_):
    found = livepass("apns", "explain", asked, "--json").json
    assert (found["status"], found["reason"], found["next"]) == (status, reason, next_)


def test_apns_explain_knows_what_was_nearly_typed(livepass):
    ran = livepass("apns", "explain", "BadDeviceTokn", exit_=1)
    assert "did you mean BadDeviceToken?" in ran.err
    livepass("apns", "explain", "999", exit_=1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("130", 130),
        ("1.5", 1.5),
        ("true", True),
        ("null", None),
        ('"0042"', "0042"),
        ("0042", "0042"),
        ("Ada", "Ada"),
        ("", ""),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("[1]", "[1]"),
        ('{"a": 1}', '{"a": 1}'),
        ("a=b", "a=b"),
    ],
)
def test_values(text, value):
    assert names.values([f"key={text}"]) == {"key": value}


@pytest.mark.parametrize("words", [["points"], ["=1"], ["a=1", "a=2"]])
def test_values_that_make_no_sense(words):
    with pytest.raises(Fault):
        names.values(words)


def test_phone_quirks_without_a_phone(livepass, tmp_path):
    rows = livepass("phone", "quirks", "--json").rows
    assert {"name", "choice", "choices", "what", "confidence"} <= set(rows[0])
    assert not list(tmp_path.iterdir()), "looking makes no phone"


def test_a_phone_that_is_not_there(livepass):
    assert "livepass phone add" in livepass("phone", "list", exit_=3).err


def test_lint_of_a_template_says_what_is_wrong(livepass, tmp_path):
    folder = tmp_path / "bad"
    folder.mkdir()
    document = {
        "description": "x",
        "organizationName": "y",
        "generic": {"primaryFields": [{"key": "points", "value": "${points}", "numberStyle": "PKNumberStyleDecimal"}]},
    }
    (folder / "pass.json").write_text(json.dumps(document))
    ran = livepass("pass", "lint", "bad", exit_=1)
    assert "icon" in ran.out
    found = livepass("pass", "lint", "bad", "--json", exit_=1).json
    assert found["fatal"] == 1, "points is tried as a number where text does not fit"


def new_template(tmp_path, **document):
    folder = tmp_path / "card"
    folder.mkdir(exist_ok=True)
    document = {"description": "x", "organizationName": "y", "generic": {}, **document}
    (folder / "pass.json").write_text(json.dumps(document))
    for name, side in (("icon.png", 38), ("icon@2x.png", 76)):
        (folder / name).write_bytes(png(side, side, lambda x, y: (9, 9, 9, 255)))


def test_lint_for_versions_of_ios(livepass, tmp_path):
    new_template(tmp_path, barcodes=[{"format": "PKBarcodeFormatEAN13", "message": "4", "messageEncoding": "utf-8"}])
    said = livepass("pass", "lint", "card", "--ios", "18, 27").out
    assert "iOS 18 and iOS 26 only" in said and "[barcode-fallback]" in said
    (problem,) = livepass("pass", "lint", "card", "--ios", "26", "--json").json["problems"]
    assert (problem["severity"], problem["effect"], problem["ios"]) == ("warning", "invisible", [18, 26])
    assert "nothing to complain" in livepass("pass", "lint", "card", "--ios", "27").out
    for bad in ("17", "18,,26", "latest", ""):
        ran = livepass("pass", "lint", "card", "--ios", bad, exit_=2)
        assert "no version of iOS that lint knows" in ran.err and "18, 26, 27" in ran.err


def test_lint_tries_a_variable_as_what_its_place_wants(livepass, tmp_path):
    field = {"key": "seen", "label": "${label}", "value": "${seen}", "dateStyle": "PKDateStyleShort"}
    new_template(
        tmp_path, generic={"primaryFields": [field]}, semantics={"flightNumber": "${no}", "eventEndDate": "${end}"}
    )
    assert "nothing to complain" in livepass("pass", "lint", "card").out
    (problem,) = livepass("pass", "lint", "card", "seen=yesterday", "--json", exit_=1).json["problems"]
    assert problem["rule"] == "field-date"


def test_lint_of_a_template_advises_one_message_for_a_change(livepass, tmp_path):
    fields = [{"key": key, "value": f"${{points}}{key}", "changeMessage": "Now %@"} for key in "ab"]
    silent = {"key": "c", "value": "${points}"}
    new_template(tmp_path, generic={"primaryFields": fields[:1], "backFields": [*fields[1:], silent]})
    (problem,) = livepass("pass", "lint", "card", "--json").json["problems"]
    assert (problem["rule"], problem["pointer"]) == ("change-message-shared", "/generic/backFields/0/changeMessage")


@pytest.mark.parametrize("words", [(), ("--template",)])
def test_the_schema_is_json_in_both_forms(livepass, words):
    said, machine = livepass("pass", "schema", *words).out, livepass("pass", "schema", *words, "--json").json
    assert json.loads(said) == machine and machine["$schema"].endswith("2020-12/schema")


@pytest.fixture
def pictures(tmp_path):
    """A template with a large icon, a small logo that was scaled badly, and a strip in German alone."""
    folder = tmp_path / "card"
    (folder / "de.lproj").mkdir(parents=True)
    (folder / "pass.json").write_text("{}")
    for name, sides in (
        ("icon@3x", (114, 114)),
        ("logo@2x", (100, 40)),
        ("logo", (9, 9)),
        ("de.lproj/strip@2x", (750, 288)),
    ):
        (folder / f"{name}.png").write_bytes(png(*sides, lambda x, y: (200, 10, 10, 255)))
    return folder


def test_images_of_a_template_are_made(livepass, pictures):
    before = {path.name: path.read_bytes() for path in pictures.rglob("*.png")}
    told = livepass("template", "images", "card", "--dry-run")
    assert "would be made from icon@3x.png" in told.out and len([*pictures.rglob("*.png")]) == len(before)
    rows = livepass("template", "images", "card", "--json").rows
    assert [(row["file"], row["done"], row["written"], row["width"]) for row in rows] == [
        ("icon@3x.png", "kept", False, 114),
        ("icon@2x.png", "made", True, 76),
        ("icon.png", "made", True, 38),
        ("logo@2x.png", "kept", False, 100),
        ("logo.png", "kept", False, 9),
        ("de.lproj/strip@2x.png", "kept", False, 750),
        ("de.lproj/strip.png", "made", True, 375),
    ]
    assert all((pictures / row["file"]).stat().st_size == row["bytes"] for row in rows)
    assert all(path.read_bytes() == before.get(path.name, path.read_bytes()) for path in pictures.rglob("*.png"))
    assert "image-scale" in livepass("pass", "lint", "card", exit_=1).out
    assert "made from logo@2x.png" in livepass("template", "images", "card", "--force").out
    assert "image-scale" not in livepass("pass", "lint", "card", exit_=1).out
    assert not [*pictures.rglob(".*")], "nothing half written is left"


def test_images_without_pillow(livepass, pictures, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    assert "pip install 'livepass[images]'" in livepass("template", "images", "card", exit_=3).err
    assert len([*pictures.rglob("*.png")]) == 4


def test_images_that_cannot_be(livepass, pictures):
    (pictures / "icon@3x.png").write_bytes(b"GIF89a")
    ran = livepass("template", "images", "card", "--json", exit_=1)
    assert "card/icon@3x.png: it is no PNG image" in ran.problem["title"]
    livepass("template", "images", "nowhere", exit_=1)


def test_files_that_are_no_passes(livepass, tmp_path):
    (tmp_path / "x.pkpass").write_bytes(b"not a zip")
    assert livepass("pass", "verify", "x.pkpass", exit_=1).err.startswith("livepass: x.pkpass: ")
    livepass("pass", "lint", "x.pkpass", exit_=1)
    assert livepass("pass", "verify", "nowhere.pkpass", exit_=3).err.startswith(
        "livepass: nowhere.pkpass cannot be read"
    )
