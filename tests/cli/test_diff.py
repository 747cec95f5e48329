"""``livepass pass diff``: files, template folders and passes of a service beside each other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

TYPE = "pass.test.livepass"
NAME = f"{TYPE}/1001"
SHAPE = [
    "before",
    "after",
    "same",
    "fields",
    "pass_json",
    "files",
    "languages",
    "texts",
    "renames",
    "notice",
    "warnings",
]


@pytest.fixture
def issued(project):
    project("pass", "issue", NAME, "--template", "membership", 'member_no="1001"', "name=Ada", "points=120")
    return project


@pytest.fixture
def template(issued) -> Path:
    """A copy of the template, to be edited."""
    shutil.copytree("templates/membership", "edited")
    return Path("edited/pass.json")


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_a_pass_beside_what_it_would_be(issued):
    ran = issued("pass", "diff", NAME, "points=130", "--json", exit_=1)
    assert list(ran.json) == SHAPE
    assert ran.json["fields"] == [
        {
            "key": "points",
            "style": "storeCard",
            "state": "changed",
            "changes": {"value": {"before": 120, "after": 130}},
        }
    ]
    assert (ran.json["notice"]["kind"], ran.json["notice"]["text"]) == ("exact", "You have 130 points")
    assert ran.json["pass_json"] == ran.json["files"] == ran.json["warnings"] == []
    assert issued("pass", "show", NAME, "--json").json["data"]["points"] == 120, "nothing was done"
    out = issued("pass", "diff", NAME, "points=130", exit_=1).out.splitlines()
    assert out[0].split() == ["WHERE", "WHAT", NAME, NAME, "with", "points"]
    assert out[1].split() == ["points", "value", "120", "130"]
    assert out[1].index("120") == out[0].index(NAME), "side by side"
    assert out[2].split() == ["lock", "screen", "“You", "have", "130", "points”"]
    assert "nothing changes on a phone" in issued("pass", "diff", NAME, "points=120").out
    assert issued("pass", "diff", NAME, "points=120", "--json").json["same"] is True


def test_several_messages_are_warned_of(issued):
    found = issued("pass", "diff", NAME, "points=130", "tier=Gold", "--json", exit_=1).json
    assert found["notice"]["kind"] == "general" and "tier, points" in found["warnings"][0]
    ran = issued("pass", "diff", NAME, "points=130", "tier=Gold", exit_=1)
    assert "! one general line: several fields" in ran.out and "let one field with a message change" in ran.out
    assert "one general line" in issued("pass", "set", NAME, "points=130", "tier=Gold", "--dry-run").out


def test_two_files(issued):
    issued("pass", "build", NAME, "-o", "before.pkpass")
    issued("pass", "build", NAME, "-o", "same.pkpass")
    issued("pass", "set", NAME, "points=130")
    issued("pass", "build", NAME, "-o", "after.pkpass")
    found = issued("pass", "diff", "before.pkpass", "after.pkpass", "--json", exit_=1).json
    assert [each["key"] for each in found["fields"]] == ["points"] and found["files"] == []
    assert issued("pass", "diff", "before.pkpass", "same.pkpass", "--json").json["same"]
    assert issued("pass", "diff", "after.pkpass", NAME, "--json").json["same"], "the present one of the service"


def test_a_template_before_it_is_imported(issued, template):
    """Filled like the pass beside it: only what was edited shows, and what it costs is said."""
    edit(template, '"key": "points"', '"key": "pts"')
    edit(template, '"label": "TIER"', '"label": "LEVEL"')
    for words in ((NAME, "edited"), ("templates/membership", "edited")):
        found = issued("pass", "diff", *words, "--json", exit_=1).json
        assert {each["key"]: each["state"] for each in found["fields"]} == {
            "tier": "changed",
            "points": "removed",
            "pts": "added",
        }
        assert found["renames"] == [{"before": "points", "after": "pts"}]
        assert found["notice"]["kind"] == "silent" and "keep the key points" in found["warnings"][0]
        assert found["pass_json"] == found["files"] == []
    out = issued("pass", "diff", NAME, "edited", exit_=1).out
    assert "points (gone)" in out and "pts (new)" in out and "silent: pts is new" in out
    backwards = issued("pass", "diff", "edited", NAME, "--json", exit_=1).json
    assert backwards["renames"] == [{"before": "pts", "after": "points"}]
    assert issued("pass", "diff", NAME, "templates/membership", "--json").json["same"]


def test_values_fill_a_template(issued, template):
    found = issued("pass", "diff", NAME, "edited", "points=7", "--json", exit_=1).json
    [field] = found["fields"]
    assert field["changes"]["value"] == {"before": 120, "after": 7}


def test_files_texts_and_colours(issued, template):
    shutil.copy("edited/icon@2x.png", "edited/icon.png")
    Path("edited/de.lproj").mkdir()
    Path("edited/de.lproj/pass.strings").write_text('"You have %@ points" = "Sie haben %@ Punkte";')
    edit(template, "rgb(24, 49, 83)", "rgb(0, 0, 0)")
    found = issued("pass", "diff", NAME, "edited", "points=7", "--json", exit_=1).json
    assert [each["name"] for each in found["files"]] == ["icon.png"] and "58 × 58 px" in found["files"][0]["after"]
    assert found["languages"] == {"added": ["de"], "removed": []}
    [text] = found["texts"]["de"]
    assert text["after"] == "Sie haben %@ Punkte"
    assert found["notice"]["languages"]["de"]["text"] == "Sie haben 7 Punkte"
    assert [each["pointer"] for each in found["pass_json"]] == ["/backgroundColor"]
    out = issued("pass", "diff", NAME, "edited", "points=7", exit_=1).out
    assert "in de" in out and "“Sie haben 7 Punkte”" in out and "58 × 58 px" in out


@pytest.mark.parametrize(
    ("words", "exit_", "said"),
    [
        ((), 2, "missing argument"),
        ((NAME,), 2, "diff compares two"),
        (("a.pkpass", "points=1"), 2, "diff compares two"),
        ((NAME, NAME, NAME), 2, "diff compares two"),
        ((NAME, NAME, "points=1"), 2, "neither of the two takes values"),
        ((NAME, "nothing"), 2, "'nothing' is no .pkpass, no folder and no pass"),
        ((NAME, "points"), 2, "'points' is no .pkpass"),
        ((NAME, "points=1", "points=2"), 2, "points is given twice"),
        ((NAME, "none.pkpass"), 3, "none.pkpass cannot be read"),
        ((f"{TYPE}/none", NAME), 3, f"there is no pass {TYPE}/none"),
        ((f"{TYPE}/none", "points=1"), 3, f"there is no pass {TYPE}/none"),
        ((NAME, "pnts=1"), 3, "did you mean 'points'?"),
        (("livepass.toml", NAME), 3, "livepass.toml: "),
        (("secrets", NAME), 3, "secrets: the template has no pass.json"),
    ],
)
def test_what_cannot_be_compared(issued, words, exit_, said):
    assert said in issued("pass", "diff", *words, exit_=exit_).err


def test_the_token_is_in_no_output(issued):
    issued("pass", "build", NAME, "-o", "one.pkpass")
    issued("pass", "issue", f"{TYPE}/1002", "--template", "membership", 'member_no="1001"', "name=Ada", "points=120")
    found = issued("pass", "diff", "one.pkpass", f"{TYPE}/1002", "--json", exit_=1)
    changed = {each["pointer"]: each["after"] for each in found.json["pass_json"]}
    assert changed == {"/authenticationToken": "(another secret)", "/serialNumber": "1002"}
    from livepass.pkpass import read

    token = str(read(Path("one.pkpass").read_bytes()).document["authenticationToken"])
    for more in ((), ("--json",)):
        for other in ((f"{TYPE}/1002",), ("templates/membership",)):
            ran = issued("pass", "diff", "one.pkpass", *other, *more, exit_=1)
            assert token not in ran.out + ran.err
    assert token not in json.dumps(issued("pass", "diff", NAME, "points=1", "--json", exit_=1).json)
