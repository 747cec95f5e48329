"""A process of its own that makes passes in every way there is, with everything that has no order in an order of its
own, and prints what came out. Called with a folder that holds a certificate, and a seed for the orders.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from livepass.cli.starts import FOLDER, STYLES
from livepass.pkpass import IOS, Signer, Template, build, canonical, lint, manifest
from livepass.pkpass.source import open_source
from livepass.pkpass.takeover import take_over
from pkpass.conftest import png

LANGUAGES = {"en": "Points", "de": "Punkte für dich", "ja": "ポイント", "tr": "İıpuan"}
OWN = {
    "passTypeIdentifier": "pass.test.livepass",
    "teamIdentifier": "TEAM123456",
    "webServiceURL": "https://passes.example.com/wallet",
    "authenticationToken": "q3Gq0vFzG5h1Qm1p9b0sZw",
}
UNKNOWN = {"futureKey": 1, "ünknown": "ß", "organisationName": "x", "relevantDtes": [], "barcodess": {}}


def mixed(value: Any, chance: random.Random) -> Any:
    """The same value, with the keys of every object in some order."""
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: mixed(value[key], chance) for key in keys}
    return [mixed(each, chance) for each in value] if isinstance(value, list) else value


def files_of(style: str) -> dict[str, bytes]:
    start = json.loads((FOLDER / f"{style}.json").read_text("utf-8"))
    document = {**start["pass"], **UNKNOWN}
    files = {"pass.json": document, "variables.json": start["variables"]}
    named: dict[str, bytes] = {name: json.dumps(each).encode() for name, each in files.items()}
    for number, image in enumerate(start["images"], 1):
        sizes = {mark: (12 * number * scale, 38 * scale) for scale, mark in ((1, ""), (2, "@2x"), (3, "@3x"))}
        named |= {f"{image}{mark}.png": png(*size) for mark, size in sizes.items()}
    for language, text in LANGUAGES.items():
        named[f"{language}.lproj/pass.strings"] = f'"Points" = "{text}";\n'.encode("utf-16")
        named[f"{language}.lproj/logo.png"] = png(50, 50)
    return named


def made(style: str, signer: Signer, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """What was made of a style, by each way, with a word on it."""
    files = files_of(style)
    for name in ("pass.json", "variables.json"):
        files[name] = json.dumps(mixed(json.loads(files[name]), chance), ensure_ascii=False).encode()
    names = list(files)
    chance.shuffle(names)
    with tempfile.TemporaryDirectory() as there:
        folder = Path(there, "card")
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(files[name])
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w") as archive:
            for name in names:
                archive.writestr(name, files[name])
        templates = {
            "folder": Template.from_folder(folder),
            "files": Template.from_files("card", {name: files[name] for name in names}),
            "zip": Template.from_zip(zipped.getvalue(), "card"),
        }
        packed = {way: packed_as(template, signer, chance) for way, template in templates.items()}
        for way, template in templates.items():
            yield f"{way} revision", template.revision.encode()
            with zipfile.ZipFile(io.BytesIO(template.to_zip())) as archive:
                yield f"{way} names", repr(archive.namelist()).encode()
            yield f"{way} manifest", packed[way][0]
            yield f"{way} package", packed[way][1]
        yield "lint", said_by_lint(templates["folder"], chance)
        Path(there, "card.pkpass").write_bytes(packed["folder"][1])
        taken = take_over(open_source(Path(there, "card.pkpass")), every_field=True)
        again = Template.from_files("card", taken.files)
        yield "imported", again.revision.encode()
        yield "imported package", packed_as(again, signer, chance)[1]
        yield "imported report", repr([(note.act, note.where, note.what) for note in taken.notes]).encode()
        yield "imported variables", json.dumps({**taken.variables}, sort_keys=True).encode()


def packed_as(template: Template, signer: Signer, chance: random.Random) -> tuple[bytes, bytes]:
    """(manifest, package) of a pass with data and content of its own."""
    content = mixed({**OWN, "serialNumber": template.name, "formatVersion": 1, "userInfo": {**LANGUAGES}}, chance)
    document = canonical(template.render(defaults(template, chance), content))
    return manifest(template.static, document), build(template.static, document, signer, signer.facts.not_before)


def defaults(template: Template, chance: random.Random) -> Mapping[str, object]:
    values = {name: each.default for name, each in template.declarations.items()}
    found: dict[str, object] = mixed(values, chance)
    return found


def said_by_lint(template: Template, chance: random.Random) -> bytes:
    document = mixed({**template.render({}), **OWN, "formatVersion": 1}, chance)
    # In reading order, which is an order of the document's own: compared as a set of lines.
    return "\n".join(sorted(map(repr, lint(document, template.static, ios=IOS)))).encode()


def main(certificates: Path, seed: str) -> None:
    chance = random.Random(seed)
    parts = [(certificates / f"{name}.pem").read_bytes() for name in ("certificate", "key", "intermediate")]
    signer = Signer.from_pem(*parts)
    for style in STYLES:
        for what, data in made(style, signer, chance):
            print(style, what, hashlib.sha256(data).hexdigest())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
