"""Passes that generators of others made: read, believed, linted, taken over as a template, and made again from it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from doctor.third_party.services import SECONDS, django_python, node_program
from livepass.cli import starts
from livepass.emulators.authority import Authority, Issued
from livepass.pkpass import Package, Signer, Template, build, canonical, lint, read, verify
from livepass.pkpass.source import Act, Kind, open_source
from livepass.pkpass.takeover import IDENTITY, take_over

HERE = Path(__file__).parent
PASS_TYPE, TEAM, SERIAL = "pass.test.livepass", "TEAM123456", "T-1001"
MODEL: dict[str, Any] = {
    "formatVersion": 1,
    "passTypeIdentifier": PASS_TYPE,
    "teamIdentifier": TEAM,
    "serialNumber": "to be replaced",
    "organizationName": "Théirs & Co",
    "description": "Card with ${no variable}",
    "backgroundColor": "rgb(10, 20, 30)",
    "userInfo": {"anything": [1, 2.5, None, {"_id": "kept"}]},
    "storeCard": {
        "headerFields": [{"key": "points", "label": "Points", "value": 120, "changeMessage": "Now %@"}],
        "secondaryFields": [
            {"key": "since", "value": "2026-01-01T10:00:00Z", "dateStyle": "PKDateStyleMedium"},
            {"key": "name", "label": "Name", "value": "Ada"},
        ],
        "backFields": [{"key": "terms", "label": "Terms", "value": "Be kind."}],
    },
}
VARIABLES = {"points": "number", "since": "date", "name": "string", "terms": "string"}


def node() -> list[str]:
    return node_program(HERE / "package.json", HERE / "node_generator.mjs")


def django() -> list[str]:
    return [django_python(), str(HERE / "django_generator.py")]


@dataclass(frozen=True)
class Theirs:
    """A pass that somebody else's program made, and the folder that it was made from."""

    path: Path
    model: Path
    package: Package
    adds: frozenset[str]
    faults: frozenset[str]


GENERATORS: Mapping[str, tuple[Callable[[], list[str]], frozenset[str], frozenset[str], frozenset[str]]] = {
    # name → what starts it; the keys of pass.json, and the files, that it adds to the model; what lint finds, and where
    "passkit-generator": (
        node,
        frozenset({"barcodes", "expirationDate"}),
        frozenset({"de.lproj/pass.strings"}),
        # toISOString: .000Z. The takeover writes it without the fraction.
        frozenset({"/expirationDate"}),
    ),
    "django-walletpass": (django, frozenset({"webServiceURL", "authenticationToken"}), frozenset(), frozenset()),
}


@pytest.fixture(scope="module", params=list(GENERATORS))
def theirs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, pass_certificate: Issued
) -> Theirs:
    start, keys, _, faults = GENERATORS[request.param]
    command = start()
    folder = tmp_path_factory.mktemp(request.param)
    model = folder / "card.pass"
    (model / "en.lproj").mkdir(parents=True)
    (model / "pass.json").write_text(json.dumps(MODEL))
    (model / "en.lproj" / "pass.strings").write_text('"Points" = "Points";\n')
    for name, data in starts.files("storeCard").items():
        if name.endswith(".png"):
            (model / name).write_bytes(data)
    given = {"model": str(model), "out": str(folder / "card.pkpass"), "serial": SERIAL}
    given |= {"pass_type": PASS_TYPE, "team": TEAM}
    parts = {
        "certificate": pass_certificate.certificate_pem,
        "key": pass_certificate.key_pem,
        "wwdr": pass_certificate.intermediate_pem,
    }
    for name, data in parts.items():
        (folder / f"{name}.pem").write_bytes(data)
        given[name] = str(folder / f"{name}.pem")
    (folder / "given.json").write_text(json.dumps(given))
    ran = subprocess.run(
        [*command, str(folder / "given.json")], cwd=folder, capture_output=True, text=True, timeout=SECONDS
    )
    assert ran.returncode == 0, ran.stderr
    path = folder / "card.pkpass"
    return Theirs(path, model, read(path.read_bytes()), keys, faults)


pytestmark = pytest.mark.timeout(SECONDS + 100)


def test_it_is_read_believed_and_linted(theirs: Theirs, authority: Authority, tmp_path: Path) -> None:
    found = verify(theirs.package, roots=[authority.root])
    believed_by_openssl(theirs.package, authority, tmp_path)
    assert (found.pass_type, found.serial, found.team, found.root_checked) == (PASS_TYPE, SERIAL, TEAM, True)
    found_by_lint = lint(theirs.package.document, theirs.package.static_files())
    assert {each.pointer for each in found_by_lint} == theirs.faults
    assert set(theirs.package.document) == set(MODEL) | theirs.adds


def test_it_is_made_again_from_a_template(
    theirs: Theirs, authority: Authority, pass_certificate: Issued, tmp_path: Path
) -> None:
    taken = take_over(open_source(theirs.path), every_field=True)
    assert {name: each["type"] for name, each in taken.variables.items()} == VARIABLES
    assert {each.where for each in taken.notes if each.act is not Act.LEFT_OUT} == theirs.faults
    template = Template.from_files("card", taken.files)
    assert dict(template.static.files) == theirs.package.static_files()

    own = {key: each for key, each in theirs.package.document.items() if key in IDENTITY}
    again = remade(template, {}, own, pass_certificate)
    assert verify(again, roots=[authority.root]).serial == SERIAL
    believed_by_openssl(again, authority, tmp_path)
    assert lint(again.document, again.static_files()) == []
    assert {key: each for key, each in again.document.items() if f"/{key}" not in theirs.faults} == {
        key: each for key, each in theirs.package.document.items() if f"/{key}" not in theirs.faults
    }

    changed = remade(template, {"points": 7}, own, pass_certificate).document["storeCard"]
    assert changed["headerFields"][0]["value"] == 7  # type: ignore[index]


def believed_by_openssl(package: Package, authority: Authority, folder: Path) -> None:
    for name, data in {"manifest": package.manifest_bytes, "cms": package.signature, "ca": authority.root_pem}.items():
        (folder / name).write_bytes(data)
    command = "openssl cms -verify -binary -inform DER -in cms -content manifest -purpose any -CAfile ca -out /dev/null"
    done = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr


def remade(template: Template, data: Mapping[str, Any], own: Mapping[str, object], issued: Issued) -> Package:
    signer = Signer.from_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
    document = {**template.render(data), **own}
    return read(build(template.static, canonical(document), signer, datetime.now(UTC)))


def test_the_folder_it_was_made_from_says_the_same(theirs: Theirs, request: pytest.FixtureRequest) -> None:
    """The model is a template of ours already where ``${`` stands in it, so that is taken out first."""
    document = {**MODEL, "description": "Card"}
    (theirs.model / "pass.json").write_text(json.dumps(document))
    source = open_source(theirs.model)
    assert source.kind is Kind.MODEL
    template = Template.from_files("card", take_over(source).files)
    added = GENERATORS[request.node.callspec.params["theirs"]][2]
    assert set(template.static.files) == set(theirs.package.static_files()) - added
    assert template.render({}) == {key: each for key, each in document.items() if key not in IDENTITY}
