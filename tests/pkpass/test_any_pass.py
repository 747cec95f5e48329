"""Any pass that the tables allow is built, verified and read back as it was, with every key that nobody knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from livepass.pkpass import Signer, StaticFiles, Template, build, canonical, document_schema, lint, read, verify
from livepass.pkpass.fields import (
    ACTION_KEYS,
    ACTION_TYPES,
    BARCODE_KEYS,
    BARCODES,
    BEACON_KEYS,
    COLORS,
    DATA_DETECTORS,
    DATES,
    FIELD_ENUMS,
    FIELD_GROUPS,
    FIELD_KEYS,
    LEGACY_BARCODES,
    NFC_KEYS,
    RELEVANT_DATE_KEYS,
    STYLE_SCHEMES,
    STYLES,
    TOP_LEVEL,
    TRANSIT_TYPES,
)
from livepass.pkpass.links import STYLE_OF_LINK
from livepass.pkpass.semantic_tags import ENUMS, LISTS, OBJECTS, TAGS
from livepass.pkpass.upcoming import DATE_KEYS, ENTRY_GROUPS, ENTRY_KEYS, ENTRY_TYPES, IMAGE_KEYS, IMAGE_URL_KEYS
from livepass.pkpass.upcoming import IMAGES as ENTRY_IMAGES
from pkpass.conftest import png

ICONS = {"icon.png": png(38, 38), "icon@2x.png": png(76, 76)}
STATIC = StaticFiles.prepare(ICONS)
IDENTITY = ("passTypeIdentifier", "teamIdentifier")
ABOUT_TYPES = {"value-type", "unknown-key", "semantic-tag", "semantic-type", "semantic-enum", "semantic-amount"}
SCHEMA = jsonschema_rs.Draft202012Validator(document_schema())

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="$"), min_size=1, max_size=8)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False, width=32)
dates = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC).isoformat())
anything = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
KINDS: Mapping[str, st.SearchStrategy[Any]] = {
    "string": words,
    "number": numbers,
    "boolean": st.booleans(),
    "object": st.dictionaries(words, anything, max_size=2),
    "strings": st.lists(words, max_size=2),
    "numbers": st.lists(numbers, max_size=2),
    "objects": st.lists(st.dictionaries(words, anything, max_size=1), max_size=2),
    "scalar": words | numbers,
    "any": anything,
    "date": dates,
}


def of(table: Mapping[str, str], needed: tuple[str, ...] = (), **special: Any) -> st.SearchStrategy[dict[str, Any]]:
    """An object with the needed and a few of the other keys of a table, some of them drawn in a special way."""
    strategies = {key: special.get(key, KINDS.get(kind)) for key, kind in table.items()}
    chosen = st.lists(st.sampled_from(sorted(strategies)), max_size=6, unique=True)
    return chosen.flatmap(
        lambda keys: st.fixed_dictionaries({key: strategies[key] for key in dict.fromkeys([*needed, *keys])})
    )


def some(each: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(each, max_size=2)


def tag(name: str) -> st.SearchStrategy[Any]:
    kind = TAGS[name]
    if name in ENUMS:
        return some(st.sampled_from(ENUMS[name])) if kind == "strings" else st.sampled_from(ENUMS[name])
    if kind in LISTS:
        return some(of(OBJECTS[LISTS[kind]]))
    if kind in OBJECTS:
        return of(OBJECTS[kind], tuple(OBJECTS[kind]) if kind == "amount" else ())
    return KINDS[kind]


semantics = of(TAGS, **{name: tag(name) for name in TAGS})
fields = of(
    FIELD_KEYS,
    ("key", "value"),
    semantics=semantics,
    changeMessage=words.map("{} %@".format),
    currencyCode=st.sampled_from(["EUR", "USD"]),
    dataDetectorTypes=some(st.sampled_from(DATA_DETECTORS)),
    row=st.sampled_from([0, 1]),
    **{key: st.sampled_from(enum) for key, enum in FIELD_ENUMS.items()},
)
groups = {group: some(fields) for group in FIELD_GROUPS}
image = of(
    IMAGE_KEYS,
    URLs=some(
        of(
            IMAGE_URL_KEYS,
            ("SHA256", "URL"),
            URL=st.just("https://example.com/a.png"),
            size=st.integers(0, 2_097_152),
        )
    ),
)
entry = of(
    ENTRY_KEYS,
    ("identifier", "name", "type"),
    type=st.sampled_from(ENTRY_TYPES),
    dateInformation=of(DATE_KEYS, date=dates),
    images=st.fixed_dictionaries({}, optional=dict.fromkeys(ENTRY_IMAGES, image)),
    URLs=of({key: "string" for key, style in STYLE_OF_LINK.items() if style == "eventTicket"}),
    semantics=semantics,
    **dict.fromkeys(ENTRY_GROUPS, some(fields)),
)
of_barcode = ("format", "message", "messageEncoding")
encoding = {"messageEncoding": st.just("utf-8")}
location = st.fixed_dictionaries({"latitude": st.integers(-90, 90), "longitude": st.integers(-180, 180)})
special: dict[str, Any] = {
    "barcode": of(BARCODE_KEYS, of_barcode, format=st.sampled_from(LEGACY_BARCODES), **encoding),
    "barcodes": some(of(BARCODE_KEYS, of_barcode, format=st.sampled_from(BARCODES), **encoding)),
    "beacons": some(of(BEACON_KEYS, ("proximityUUID",), **dict.fromkeys(("major", "minor"), st.integers(0, 65535)))),
    "featuredActions": some(of(ACTION_KEYS, ("type",), type=st.sampled_from(ACTION_TYPES))),
    "locations": some(location),
    "maxDistance": st.integers(1, 9),
    "nfc": of(NFC_KEYS, ("message", "encryptionPublicKey")),
    "preferredStyleSchemes": some(st.sampled_from(STYLE_SCHEMES)),
    "relevantDates": some(st.fixed_dictionaries({}, optional=dict.fromkeys(RELEVANT_DATE_KEYS, dates))),
    "semantics": semantics,
    "upcomingPassInformation": some(entry),
    "webServiceURL": st.just("https://example.com/wallet"),
    "authenticationToken": st.text("abcdef0123456789", min_size=16, max_size=20),
    "formatVersion": st.just(1),
    "serialNumber": st.text("abc019.-_", min_size=1),
    **dict.fromkeys(COLORS, st.just("rgb(1, 20, 255)")),
    **dict.fromkeys(DATES, dates),
}
top = {key: kind for key, kind in TOP_LEVEL.items() if key not in STYLES and key not in IDENTITY}
NEEDED = ("formatVersion", "serialNumber", "organizationName", "description")


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A pass.json without its identity: every style, any keys, and some that are in no table."""
    style = draw(st.sampled_from(STYLES))
    content = draw(st.fixed_dictionaries({}, optional=groups))
    if style == "boardingPass":
        content["transitType"] = draw(st.sampled_from(TRANSIT_TYPES))
    return {**draw(of(top, NEEDED, **special)), style: content}


@settings(max_examples=80, deadline=None)
@given(drawn=documents(), unknown=st.dictionaries(words.map("x-{}".format), anything, max_size=3), data=st.data())
def test_it_reads_back_as_it_was(
    signer: Signer, now: datetime, drawn: dict[str, Any], unknown: dict[str, Any], data: st.DataObject
) -> None:
    facts = signer.facts
    document = {**drawn, "passTypeIdentifier": facts.pass_type, "teamIdentifier": facts.team}
    found = [each for each in lint(document, STATIC) if each.rule in ABOUT_TYPES]
    assert found == [], "lint and the tables disagree"
    assert [error.message for error in SCHEMA.iter_errors(document)] == [], "the schema and the tables disagree"

    style = next(style for style in STYLES if style in document)
    document = {**document, **unknown, style: {**document[style], **unknown}}
    document["semantics"] = {**document.get("semantics", {}), **unknown}
    files = {"pass.json": json.dumps(document).encode(), **ICONS}
    rendered = Template.from_files("any", files).render({})
    package = read(build(STATIC, canonical(rendered), signer, now))
    assert verify(package).serial == document["serialNumber"]
    assert package.document == document
    assert package.static_files() == ICONS
    kept = {each.pointer for each in lint(package.document, STATIC) if each.rule in {"unknown-key", "semantic-tag"}}
    assert len(kept) == 3 * len(unknown), "each is reported where it stands"
