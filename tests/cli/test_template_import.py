"""``livepass template import`` of what others left: a folder, a report, and an exit code that says what remains."""

from __future__ import annotations

import json
import re
import shlex
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from livepass.cli import starts
from livepass.emulators.authority import Issued
from livepass.pkpass import Signer, StaticFiles, build, canonical

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "start-from-what-designers-have.md"
COMMANDS = [shlex.split(line)[1:] for line in re.findall(r"^\$ (livepass .+)$", PAGE.read_text(), re.MULTILINE)]
TOKEN = "b7f3a0c14e9d4f6a9c0d5e2b1a7f8c3d"
DOCUMENT: dict[str, Any] = {
    "formatVersion": 1,
    "passTypeIdentifier": "pass.test.livepass",
    "serialNumber": "T-1",
    "teamIdentifier": "TEAM123456",
    "organizationName": "Theirs",
    "description": "Membership",
    "webServiceURL": "https://theirs.example/wallet",
    "authenticationToken": TOKEN,
    "ourOwn": {"kept": [1, None, "${as it is}"]},
    "barcodes": [{"format": "PKBarcodeFormatQR", "message": "T-1", "messageEncoding": "iso-8859-1"}],
    "storeCard": {"primaryFields": [{"key": "points", "label": "Points", "value": 120}]},
}


def images() -> dict[str, bytes]:
    return {name: data for name, data in starts.files("coupon").items() if name.endswith(".png")}


@pytest.fixture
def package(livepass: Any, tmp_path: Path, pass_certificate: Issued) -> Path:
    """A signed pass of somebody else, Theirs (1).pkpass."""
    assert pass_certificate.intermediate is not None
    signer = Signer(pass_certificate.certificate, pass_certificate.key, pass_certificate.intermediate)
    path = tmp_path / "Theirs (1).pkpass"
    path.write_bytes(build(StaticFiles.prepare(images()), canonical(DOCUMENT), signer, datetime.now(UTC)))
    return path


def model(at: Path, *leave_out: str) -> Path:
    at.mkdir()
    (at / "pass.json").write_text(json.dumps(DOCUMENT))
    for name, data in images().items():
        if name not in leave_out:
            (at / name).write_bytes(data)
    return at


def test_a_pass_of_somebody_else_becomes_a_folder(livepass, package):
    report = livepass("template", "import", package.name, "--variables", "--json").json
    assert (report["kind"], report["folder"], report["fatal"]) == ("pkpass", "Theirs-1", 0)
    assert report["variables"] == {"points": {"type": "number", "default": 120, "description": "Points"}}
    assert report["signature"].startswith("signed for pass.test.livepass")
    assert report["next"] == ["livepass pass lint Theirs-1", "livepass template import Theirs-1"]
    assert {str(path.relative_to("Theirs-1")) for path in Path("Theirs-1").rglob("*")} == set(report["files"])
    written = json.loads(Path("Theirs-1/pass.json").read_bytes())
    assert written["ourOwn"] == {"kept": [1, None, "$${as it is}"]}
    assert written["storeCard"]["primaryFields"][0]["value"] == "${points}"


def test_people_read_the_same(livepass, package):
    said = livepass("template", "import", package.name, "card", "--variables").out
    assert "✓ card: a template from Theirs (1).pkpass (a .pkpass)" in said
    for line in ("variables  points", "signed for pass.test.livepass", "left out  /serialNumber: each pass is issued"):
        assert line in said, said
    assert TOKEN not in said and "livepass template import card" in said


@pytest.mark.parametrize("spoil", ["strip.png", "signature"])
def test_a_signature_is_looked_at_and_not_asked_for(livepass, package, spoil):
    with zipfile.ZipFile(package) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile("spoiled.pkpass", "w") as archive:
        for name, data in files.items():
            if spoil != "signature" or name != spoil:
                archive.writestr(name, data if name != spoil else images()["strip@2x.png"])
    signature = livepass("template", "import", "spoiled.pkpass", "--json").json["signature"]
    if spoil == "signature":
        assert signature is None
    else:
        assert signature.startswith("phones would not believe it: ") and "strip.png" in signature


def test_values_are_named_one_by_one(livepass, package):
    words = ("--variable", "/storeCard/primaryFields/0/value=n:integer", "--variable", "/description=what")
    report = livepass("template", "import", package.name, "card", *words, "--json").json
    assert {name: each["type"] for name, each in report["variables"].items()} == {"n": "integer", "what": "string"}


@pytest.mark.parametrize(
    ("word", "exit_", "said"),
    [
        ("points", 2, "is not POINTER=NAME"),
        ("storeCard=points", 2, "is not POINTER=NAME"),
        ("/description=", 2, "is not POINTER=NAME"),
        ("/description=a:text", 2, "there is no type 'text'"),
        ("/nowhere=a", 1, "has nothing at '/nowhere'"),
        ("/storeCard/primaryFields/0/value=a:date", 1, "120 is no date"),
    ],
)
def test_a_variable_that_cannot_be_is_refused(livepass, package, word, exit_, said):
    ran = livepass("template", "import", package.name, "card", "--variable", word, exit_=exit_)
    assert said in ran.err and "hint: " in ran.err and not Path("card").exists()


def test_what_phones_would_refuse_is_a_problem_found(livepass, tmp_path):
    model(tmp_path / "Card.pkpasstemplate", "icon.png", "icon@2x.png", "icon@3x.png")
    ran = livepass("template", "import", "Card.pkpasstemplate", exit_=1)
    assert "! icon.png: there is no icon" in ran.out and "phones would refuse its passes" in ran.out
    assert (tmp_path / "Card" / "pass.json").exists()


def test_a_folder_of_the_node_generator_is_one_by_its_name_or_by_a_second_folder(livepass, tmp_path):
    model(tmp_path / "club.pass")
    assert livepass("template", "import", "club.pass", "--json").json["folder"] == "club"
    model(tmp_path / "plain")
    report = livepass("template", "import", "plain", "made", "--json").json
    assert (report["folder"], report["kind"], report["signature"]) == ("made", "model", None)


def test_nothing_is_overwritten(livepass, package, tmp_path):
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "mine").write_text("mine")
    assert "nothing is overwritten" in livepass("template", "import", package.name, "card", exit_=4).err
    assert [path.name for path in (tmp_path / "card").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("words", "exit_", "said"),
    [
        (("nowhere.pkpass", "card"), 3, "nowhere.pkpass cannot be read: No such file"),
        (("note.pkpass",), 1, "note.pkpass: this is not a zip archive"),
        (("note.pkpass", "bad name"), 1, "not a zip archive"),
        (("Theirs (1).pkpass", "bad name"), 1, "'bad name' cannot name a template"),
        (("Theirs (1).pkpass", "--name", "card"), 2, "--name is for a template's folder"),
    ],
)
def test_what_cannot_be_taken_over_is_named(livepass, package, tmp_path, words, exit_, said):
    (tmp_path / "note.pkpass").write_text("hello")
    ran = livepass("template", "import", *words, exit_=exit_)
    assert said in ran.err and "hint: " in ran.err


def test_what_was_made_goes_into_the_service_and_becomes_a_pass(project, package, tmp_path):
    project("template", "import", package.name, "theirs", "--variables")
    assert project("template", "import", "theirs", "--json").json["name"] == "theirs"
    project("pass", "issue", "pass.test.livepass/T-1", "--template", "theirs", "points=7")
    project("pass", "build", "pass.test.livepass/T-1", "-o", "again.pkpass")
    assert project("pass", "verify", "again.pkpass", "--json").json["serial"] == "T-1"
    with zipfile.ZipFile("again.pkpass") as archive:
        again = json.loads(archive.read("pass.json"))
    assert again.pop("authenticationToken") != TOKEN and again.pop("webServiceURL") != DOCUMENT["webServiceURL"]
    expected = {key: each for key, each in DOCUMENT.items() if key not in {"authenticationToken", "webServiceURL"}}
    points = {"key": "points", "label": "Points", "value": 7}
    assert again == {**expected, "storeCard": {"primaryFields": [points]}}


# ── the page


def test_every_command_of_the_page_does_what_it_says(project, package, tmp_path):
    assert [words[:2] for words in COMMANDS] == [
        ["template", "new"],
        ["pass", "lint"],
        ["template", "import"],
        ["template", "import"],
        ["template", "import"],
        ["template", "import"],
        ["pass", "lint"],
        ["template", "import"],
    ]
    new, lint_new, design, existing, chosen, node, lint_card, into_service = COMMANDS
    package.rename("card.pkpass")
    model(tmp_path / "Membership.pkpasstemplate")
    (tmp_path / "Membership.pkpasstemplate" / "tooling.json").write_text("{}")
    model(tmp_path / "club.pass")

    assert "loyalty: a template of the style storeCard" in project(*new).out
    assert "nothing to complain about" in project(*lint_new).out
    assert "left out  tooling.json" in project(*design).out and Path("Membership/pass.json").exists()
    assert "variables  points" in project(*existing).out
    document = json.loads(package.with_name("card").joinpath("pass.json").read_bytes())
    assert document["storeCard"]["primaryFields"][0]["value"] == "${points}"
    assert "variables  member_no" in project(*chosen).out
    assert json.loads(Path("member/variables.json").read_bytes()) == {"member_no": {"type": "string", "default": "T-1"}}
    assert "as generators on Node read it" in project(*node).out and Path("club/pass.json").exists()
    assert "phones take it" in project(*lint_card).out
    assert "card: revision" in project(*into_service).out
