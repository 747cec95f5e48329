"""Whatever a pass.json holds, it is drawn: no error, no markup of a stranger, nothing that leads out."""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ET
import zlib
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from livepass.pkpass import InvalidPackage
from livepass.pkpass.fields import BARCODES, FIELD_GROUPS, FIELD_KEYS, STYLES, TOP_LEVEL
from livepass.preview import View, draw, page, svg
from pkpass.conftest import png
from pkpass.test_any_pass import documents
from preview.samples import ICON, fields, made

TAGS = frozenset(
    {"article", "div", "section", "h3", "span", "bdi", "font", "img", "svg", "path", "rect"}
    | {"html", "head", "meta", "title", "style", "body", "main", "h1", "figure", "figcaption", "ul", "li", "p"}
)
ATTRIBUTES = frozenset(
    {"class", "id", "lang", "dir", "role", "aria-label", "aria-hidden", "data-field", "color", "src", "alt", "width"}
    | {"height", "viewBox", "preserveAspectRatio", "d", "fill", "fill-rule", "shape-rendering"}
    | {"charset", "name", "content"}
)
OUTSIDE = re.compile(r"(?i)^\s*(javascript|https?|ftp|file|vbscript|//)")

nasty = st.sampled_from(
    [
        "</style><script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "javascript:alert(1)",
        "https://evil.example/a.png",
        "<a href='javascript:alert(1)'>here</a>",
        "<a href=https://evil.example>there",
        "]]><!-- &amp; &#0; ${x} %@ {d} {0.__class__}",
        "\x00\x08\x1b\ufffe\u202e\u2066 text",
        "rgb(1, 2, 3); background: url(https://evil.example)",
        "rgb(999, 2, 3)",
        "9" * 300,
        "\n" * 50,
        "9999-12-31T23:59:59+00:01",
        "0001-01-01T00:00:00+14:00",
    ]
)
words = nasty | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
said = st.fixed_dictionaries(
    {"key": words, "label": words, "value": words},
    optional={"attributedValue": words, **dict.fromkeys(["textAlignment", "row", "currencyCode", "dateStyle"], values)},
)
field = said | st.dictionaries(
    st.sampled_from(sorted(FIELD_KEYS)), values | st.sampled_from(["PKDateStyleFull", True]), max_size=8
)
group = st.lists(said, max_size=3) | st.lists(field | values, max_size=5) | values
style = st.fixed_dictionaries({}, optional={**dict.fromkeys(FIELD_GROUPS, group), "transitType": values})
barcode = st.dictionaries(
    st.sampled_from(["format", "message", "messageEncoding", "altText"]),
    words | st.sampled_from(["PKBarcodeFormatQR", "PKBarcodeFormatEAN13", "utf-8", "iso-8859-1"]) | values,
)
whole_barcode = st.fixed_dictionaries(
    {"format": st.sampled_from(BARCODES), "message": words, "messageEncoding": st.just("utf-8"), "altText": words}
)
texts = st.fixed_dictionaries({}, optional=dict.fromkeys(["organizationName", "logoText", "description"], words))


@st.composite
def hostiles(draw: st.DrawFn) -> dict[str, Any]:
    """A pass.json that somebody wrote to hurt: of the right shape as often as of none."""
    top = draw(st.dictionaries(st.sampled_from(sorted(set(TOP_LEVEL) - set(STYLES))), values, max_size=5))
    codes = draw(st.lists(whole_barcode | barcode | values, max_size=3) | values)
    styles = draw(st.dictionaries(st.sampled_from(STYLES), style | values, min_size=1, max_size=2))
    return {**top, **draw(texts), "barcodes": codes, **styles}


views = st.builds(
    View,
    ios=st.sampled_from([18, 26, 27]),
    scheme=st.sampled_from(["light", "dark"]),
    language=st.sampled_from(["en", "de-CH", "ar", "xx", "", '"><script>', "zh_Hans"]),
    side=st.sampled_from(["front", "back"]),
    now=st.sampled_from([None, datetime(2027, 1, 1, tzinfo=UTC)]),
)


class Seen(HTMLParser):
    """What a parser of HTML makes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.wrong.append(f"<{tag}>")
        for name, value in attrs:
            if name not in {each.lower() for each in ATTRIBUTES}:
                self.wrong.append(f"{tag} {name}")
            # A field may be called anything: its key leads nowhere.
            if OUTSIDE.match(value or "") and name not in ("data-field", "aria-label"):
                self.wrong.append(f"{name}={value}")

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"a comment: {data}")


def check(files: dict[str, bytes], view: View) -> None:
    drawing = draw(files, view, changed=["a", "javascript:alert(1)"])
    assert all(isinstance(each, str) for each in drawing.notes)
    for element in drawing.element.iter():
        assert element.tag in TAGS and set(element.attrib) <= ATTRIBUTES, element
        if "src" in element.attrib:
            assert element.get("src", "").startswith("data:image/png;base64,")
        assert not re.search("url|[(;]", element.get("fill", "") + element.get("color", ""))
    seen = Seen()
    seen.feed(page([("A", drawing), ("B", drawing)], "<title>").decode())
    seen.close()
    assert seen.wrong == []
    ET.fromstring(svg(drawing))


@settings(max_examples=100, deadline=None)
@given(document=hostiles(), view=views)
@example(
    document={"generic": {"primaryFields": [{"key": "</div><script>", "value": 1e308, "currencyCode": ""}]}},
    view=View(),
)
@example(document={"boardingPass": {"primaryFields": [{}], "transitType": []}}, view=View())
def test_hostile_documents_are_drawn(document: dict[str, Any], view: View) -> None:
    check({**ICON, "pass.json": orjson.dumps(document)}, view)


@settings(max_examples=50, deadline=None)
@given(document=documents(), view=views)
def test_every_typed_pass_is_drawn(document: dict[str, Any], view: View) -> None:
    check(made(document), view)


@settings(max_examples=25, deadline=None)
@given(data=st.binary(max_size=64), strings=st.binary(max_size=64))
def test_damaged_files_become_notes(data: bytes, strings: bytes) -> None:
    files = fields(primaryFields=[{"key": "a", "value": "b"}])
    files |= {"logo.png": b"\x89PNG\r\n\x1a\n" + data, "thumbnail@2x.png": data, "en.lproj/pass.strings": strings}
    check(files, View())
    notes = draw(files).notes
    assert any("logo.png is not drawn" in note for note in notes)
    assert any("thumbnail@2x.png is not drawn" in note for note in notes)


def test_an_image_whose_pixels_are_missing_is_not_shown() -> None:
    """It holds together as a file: only its pixels tell."""
    whole = png(50, 50)
    taller = whole[16:24].replace(struct.pack(">I", 50), struct.pack(">I", 60), 2)
    header = b"IHDR" + taller + whole[24:29]
    spoiled = whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:]
    files = fields(primaryFields=[{"key": "a", "value": "b"}])
    assert draw({**files, "logo.png": whole}).notes == ()
    assert draw({**files, "logo.png": spoiled}).notes == (
        "logo.png is not drawn: its pixels are fewer than its header says",
    )


@pytest.mark.parametrize("files", [{}, {"pass.json": b"[]"}, {"pass.json": b"\xff"}, {"pass.json": b'{"a":1,"a":2}'}])
def test_what_is_no_pass_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(InvalidPackage):
        draw(files)
