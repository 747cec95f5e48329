"""``livepass template new``: each style is a whole template from the first minute."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from livepass.cli import starts
from livepass.emulators.authority import Issued
from livepass.pkpass import Signer, Template, build, canonical, lint, read, verify
from livepass.pkpass.fields import BACK_GROUPS, CLASSIC_STYLES, FRONT_GROUPS, POSTER_STYLE, TRANSIT_TYPES
from livepass.pkpass.samples import FILLED_IN

INHERENT = {"posterEventTicket": "nfc"}
"""Style → what a warning about it may name: a poster wants NFC, and only who has Apple's grant can add it."""
SCHEMES = {
    "posterEventTicket": ["posterEventTicket", "eventTicket"],
    "semanticBoardingPass": ["semanticBoardingPass", "boardingPass"],
}
WANTED = {
    # Apple's builder and documentation, both spellings where they differ
    "posterEventTicket": {"eventName", "venueName", "venueRegionName", "venueRoom", "performerNames"},
    "semanticBoardingPass": {
        "airlineCode", "flightNumber", "originalDepartureDate", "originalBoardingDate", "originalArrivalDate",
        "departureAirportCode", "departureAirportTimeZone", "departureLocationTimeZone", "destinationAirportCode",
        "destinationAirportTimeZone", "destinationLocationTimeZone", "passengerName", "departureCityName",
        "destinationCityName", "seats",
    },
}  # fmt: skip

SIZES = {
    # Apple's builder, in points; logos may be wider
    "icon": (38, 38), "logo": (50, 50), "primaryLogo": (126, 30), "secondaryLogo": (135, 12), "artwork": (358, 448),
    "background": (345, 505), "strip": (375, 144), "thumbnail": (90, 90), "footer": (286, 15),
}  # fmt: skip

each_style = pytest.mark.parametrize("style", starts.STYLES)


@pytest.fixture(scope="module")
def signer(pass_certificate: Issued) -> Signer:
    assert pass_certificate.intermediate is not None
    return Signer(pass_certificate.certificate, pass_certificate.key, pass_certificate.intermediate)


def made(livepass: Any, style: str) -> Template:
    livepass("template", "new", style)
    return Template.from_folder(style)


def strings(value: object) -> Iterator[tuple[str, str]]:
    """Key → text, for every text below."""
    for key, each in value.items() if isinstance(value, dict) else ():
        if isinstance(each, str):
            yield key, each
        yield from strings(each)
    for each in value if isinstance(value, list) else ():
        yield from strings(each)


@each_style
def test_lint_has_nothing_to_say(livepass, style):
    livepass("template", "new", style)
    found = livepass("pass", "lint", style, "--json").json["problems"]
    allowed = INHERENT.get(style)
    said = [each["rule"] + each["pointer"] + each["message"] for each in found]
    assert [each for each in said if not (allowed and allowed in each)] == []


@each_style
def test_it_is_filled_from_its_defaults_built_and_believed(livepass, style, signer):
    template = made(livepass, style)
    own = {"passTypeIdentifier": signer.facts.pass_type, "teamIdentifier": signer.facts.team}
    document = {**FILLED_IN, **template.render({}), **own}
    assert not [each for each in lint(document, template.static, signer.facts) if each.severity == "fatal"]
    package = build(template.static, canonical(document), signer, datetime.now(UTC))
    assert verify(read(package)).pass_type == signer.facts.pass_type
    assert dict(read(package).document) == document


@each_style
def test_the_service_takes_it_in_and_makes_a_pass_of_it(project, style):
    project("template", "new", style, "mine")
    assert len(project("template", "import", "mine", "--json").json["variables"]) >= 6
    project("pass", "issue", "pass.test.livepass/1", "--template", "mine")
    project("pass", "build", "pass.test.livepass/1", "-o", "mine.pkpass")
    assert project("pass", "verify", "mine.pkpass", "--json").json["serial"] == "1"


@pytest.mark.parametrize("style", ["coupon", "posterGeneric"])
def test_it_is_the_same_in_every_process(style, tmp_path):
    script = (
        "import sys,hashlib; from livepass.cli import starts; "
        "[print(n, hashlib.sha256(b).hexdigest()) for n, b in sorted(starts.files(sys.argv[1]).items())]"
    )
    said = {
        subprocess.check_output(
            [sys.executable, "-c", script, style], env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed}
        )
        for seed in ("1", "2")
    }
    assert len(said) == 1 and said.pop().count(b"\n") >= 10


@each_style
def test_it_is_what_its_name_says(livepass, style):
    document = made(livepass, style).document
    styles = {each for each in (*CLASSIC_STYLES, POSTER_STYLE) if each in document}
    if style in SCHEMES:
        assert document["preferredStyleSchemes"] == SCHEMES[style] and styles == {SCHEMES[style][1]}
    else:
        assert styles == ({style, "generic"} if style == POSTER_STYLE else {style})
    assert WANTED.get(style, set()) <= set(document.get("semantics", ()))


@each_style
def test_it_shows_what_a_template_can_do(livepass, style):
    template = made(livepass, style)
    assert all(each.description and not each.required and each.used_at for each in template.declarations.values())
    for group in (template.document[each] for each in (*CLASSIC_STYLES, POSTER_STYLE) if each in template.document):
        fields = [field for name in (*FRONT_GROUPS, *BACK_GROUPS) for field in group.get(name, ())]
        assert group["backFields"] and sum("changeMessage" in field for field in fields) >= 2
    assert all("%@" in text for key, text in strings(template.document) if key == "changeMessage")
    assert template.document["barcodes"]


@each_style
def test_its_colours_can_be_read(livepass, style):
    """The contrast that WCAG 2.2 asks of text (AA, 4.5 to 1)."""
    document = made(livepass, style).document
    ground = luminance(document["backgroundColor"])
    for key in ("foregroundColor", "labelColor"):
        lighter, darker = sorted((luminance(document[key]), ground), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, key


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@each_style
def test_its_images_are_whole_and_of_the_right_size(livepass, style):
    files = made(livepass, style).files
    images = {name: data for name, data in files.items() if name.endswith(".png")}
    assert len(images) % 3 == 0 and {"icon.png", "icon@2x.png", "icon@3x.png", "logo@3x.png"} <= set(images)
    for name, data in images.items():
        base, scale = re.fullmatch(r"(\w+?)(?:@(\d)x)?\.png", name).groups()
        width, height = (side * int(scale or 1) for side in SIZES[base])
        assert struct.unpack(">II", data[16:24]) == (width, height), name
        body = data[data.index(b"IDAT") + 4 : data.index(b"IEND") - 8]
        assert len(zlib.decompress(body)) == height * (1 + width * {6: 4, 2: 3}[data[25]]), name
        assert len(set(zlib.decompress(body))) > 3, f"{name} is empty"


@each_style
def test_every_text_has_its_line_in_english(livepass, style):
    template = made(livepass, style)
    lines = template.files["en.lproj/pass.strings"].decode().splitlines()
    found = {json.loads(line.partition(" = ")[0]) for line in lines}
    shown = {"label", "value", "description", "organizationName", "logoText"}
    texts = {text for key, text in strings(template.document) if key in shown and "${" not in text}
    assert texts <= found and template.document["description"] in found
    assert all(re.fullmatch(r'"[^"\\]+" = "[^"\\]+";', line) for line in lines)


@pytest.mark.parametrize(("transit", "kind"), starts.TRANSITS.items())
def test_a_boarding_pass_is_for_a_means_of_transport(livepass, transit, kind):
    livepass("template", "new", "boardingPass", "--transit", transit)
    assert kind in TRANSIT_TYPES
    assert json.loads(Path("boardingPass/pass.json").read_bytes())["boardingPass"]["transitType"] == kind
    assert livepass("pass", "lint", "boardingPass", "--json").json["problems"] == []


def test_only_a_boarding_pass_is(livepass):
    assert "only boardingPass has" in livepass("template", "new", "coupon", "--transit", "air", exit_=2).err
    assert not Path("coupon").exists()


@pytest.mark.parametrize("there", ["file", "folder", "content"])
def test_it_overwrites_nothing(livepass, tmp_path, there):
    target = tmp_path / "mine"
    if there == "file":
        target.write_text("mine")
    else:
        target.mkdir()
        if there == "content":
            (target / "notes.txt").write_text("mine")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    if there == "folder":  # empty: nothing to lose
        assert livepass("template", "new", "coupon", "mine", "--json").json["folder"] == "mine"
        assert (target / "pass.json").exists()
        return
    ran = livepass("template", "new", "coupon", "mine", exit_=4)
    assert "hint: nothing is overwritten: name another folder, as in livepass template new coupon" in ran.err
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_an_unknown_style_is_named_with_the_known_ones(livepass):
    said = livepass("template", "new", "membership", exit_=2).err
    assert all(style in said for style in starts.STYLES)
    assert "did you mean 'storeCard'?" in livepass("template", "new", "storeCrad", exit_=2).err
    assert livepass("template", "new", "storecard", "--json").json["style"] == "storeCard"


def test_a_folder_that_no_template_can_be_named_after_is_refused(livepass, tmp_path):
    assert "'my card' cannot name a template" in livepass("template", "new", "coupon", "my card", exit_=2).err
    assert not list(tmp_path.iterdir())


def test_every_style_is_in_the_help_and_has_a_file(livepass):
    said = livepass("template", "new", "--help").out
    assert all(style in said for style in starts.STYLES)
    assert {path.stem for path in starts.FOLDER.iterdir()} == set(starts.STYLES)


def test_what_a_poster_needs_is_said(livepass):
    assert "which Apple grants on request" in livepass("template", "new", "posterEventTicket").out
    assert livepass("template", "new", "generic", "--json").json["note"] is None
