"""Keys that nobody knows go through import, issue and build as they were, with numbers and texts to the last bit."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from livepass.emulators.authority import Issued
from livepass.pkpass import Signer, StaticFiles, build, read
from pkpass.conftest import png
from pkpass.odd import IDENTITY, meant, odd_document, odd_personalization

NAME = "pass.test.livepass/1"
TEXT = odd_document("pass.test.livepass")
FILES = {"icon.png": png(38, 38), "icon@2x.png": png(76, 76), "personalization.json": odd_personalization().encode()}


def source(kind: str, there: Path, issued: Issued) -> str:
    """What somebody left, as a file or a folder; its name."""
    if kind == "theirs.pkpass":
        assert issued.intermediate is not None
        signer = Signer(issued.certificate, issued.key, issued.intermediate)
        (there / kind).write_bytes(build(StaticFiles.prepare(FILES), TEXT.encode(), signer, datetime.now(UTC)))
        return kind
    folder = there / kind
    folder.mkdir()
    for name, data in {**FILES, "pass.json": TEXT.encode()}.items():
        (folder / name).write_bytes(data)
    return kind


@pytest.mark.parametrize("variables", [(), ("--variables",)])
@pytest.mark.parametrize("kind", ["theirs.pkpass", "theirs.pass", "theirs.pkpasstemplate"])
def test_what_others_left_comes_out_as_it_was(project, tmp_path, pass_certificate, kind, variables):
    report = project("template", "import", source(kind, tmp_path, pass_certificate), "card", *variables, "--json").json
    touched = {each["where"] for each in report["notes"]} - {"manifest.json", "signature"}
    assert touched == {f"/{key}" for key in IDENTITY if f'"{key}"' in TEXT}
    assert built(project, "card") == (meant(TEXT), FILES)


def test_a_folder_of_our_own_comes_out_as_it_was(project, tmp_path):
    card = tmp_path / "card"
    card.mkdir()
    document = {key: each for key, each in json.loads(TEXT).items() if key not in IDENTITY}
    for name, data in {**FILES, "pass.json": json.dumps(document).encode()}.items():
        (card / name).write_bytes(data)
    assert built(project, "card") == (meant(TEXT), FILES)


def built(project, folder: str) -> tuple[str, dict[str, bytes]]:
    """What stands in the pass that a template makes."""
    project("template", "import", folder)
    project("pass", "issue", NAME, "--template", "card")
    project("pass", "build", NAME, "-o", "ours.pkpass")
    project("pass", "verify", "ours.pkpass")
    package = read(Path("ours.pkpass").read_bytes())
    return meant(package.document_bytes), package.static_files()
