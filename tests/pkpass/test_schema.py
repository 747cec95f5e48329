"""The schema for editors: it takes every sound pass and template, refuses what is mistyped, and knows every key."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from livepass.cli.demo_passes import SAMPLES
from livepass.cli.starter import PASS
from livepass.cli.starts import FOLDER, STYLES
from livepass.pkpass import RULES, Template, document_schema
from livepass.pkpass.fields import FIELD_KEYS, TOP_LEVEL
from livepass.pkpass.samples import FILLED_IN
from livepass.pkpass.semantic_tags import TAGS
from livepass.pkpass.upcoming import ENTRY_KEYS
from pkpass.lint_pairs import ENTRY, NFC, PAIRS, POSTER_EVENT, SEMANTIC_BOARDING, applied

OF_PASS = jsonschema_rs.Draft202012Validator(document_schema(), validate_formats=True)
OF_TEMPLATE = jsonschema_rs.Draft202012Validator(document_schema(template=True), validate_formats=True)
SOUND = {rule: pair.fixed for rule, pair in PAIRS.items() if "" not in pair.fixed and rule != "newer-than-ios"}
# What the schema sees of what lint says: types, words, ranges and required keys in one place. Not what two places make.
SEEN = {
    "required-key", "value-type", "format-version", "web-service-url", "token-length", "style-scheme", "transit-type",
    "field-key", "field-value", "field-value-type", "field-enum", "field-currency", "field-row", "change-message",
    "color", "color-hex", "barcode-key", "barcode-format", "date", "location", "location-count", "max-distance",
    "date-fraction", "beacon", "semantic-amount", "semantic-type", "semantic-enum", "featured-action", "upcoming-image",
}  # fmt: skip


def faults(validator: Any, document: Any) -> list[str]:
    return [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(document)]


@pytest.mark.parametrize("template", [False, True])
def test_it_is_a_schema(template: bool) -> None:
    jsonschema_rs.meta.validate(document_schema(template=template))


@pytest.mark.parametrize("rule", SOUND)
def test_every_sound_pass_fits(document: dict[str, Any], rule: str) -> None:
    changed, _ = applied(document, {}, SOUND[rule])
    assert faults(OF_PASS, changed) == faults(OF_TEMPLATE, changed) == []


@pytest.mark.parametrize("rule", sorted(RULES.keys() - {"json-invalid", "json-duplicate-key", "newer-than-ios"}))
def test_it_refuses_what_can_be_seen_in_one_place(document: dict[str, Any], rule: str) -> None:
    changed, _ = applied(document, {}, PAIRS[rule].broken)
    if rule == "style":  # two styles, which "any of them" allows; none it does not
        del changed["storeCard"], changed["generic"]
        assert faults(OF_PASS, changed)
    else:
        assert bool(faults(OF_PASS, changed)) == (rule in SEEN), faults(OF_PASS, changed)


@pytest.mark.parametrize("key", sorted(key for key, kind in TOP_LEVEL.items() if kind != "any"))
def test_every_key_at_the_top_has_its_type(document: dict[str, Any], key: str) -> None:
    assert faults(OF_PASS, {**document, key: None})
    assert faults(OF_TEMPLATE, {**document, key: None})


@pytest.mark.parametrize(
    "more",
    [
        {"semantics": {"totalPrice": {"amount": "1"}}},
        {"locations": [{"latitude": 1}]},
        {"beacons": [{"major": 1}]},
        {"nfc": {"message": "1"}},
        {"upcomingPassInformation": [{"identifier": "a", "type": "event"}]},
        {"contactVenueEmail": "nobody"},
        {"sellURL": "no address"},
    ],
)
def test_what_is_incomplete_does_not_fit(document: dict[str, Any], more: dict[str, Any]) -> None:
    assert len(faults(OF_PASS, {**document, **more})) == 1


def test_unknown_keys_are_allowed_anywhere(document: dict[str, Any]) -> None:
    entry = {**ENTRY, "new": 1}
    more = {
        "new": 1,
        "nfc": {**NFC, "new": 1},
        "semantics": {"new": 1, "duration": 90.5},
        "upcomingPassInformation": [entry],
    }
    document["storeCard"]["headerFields"][0]["new"] = {"any": "thing"}
    assert faults(OF_PASS, {**document, **more}) == []


@pytest.mark.parametrize("template", [PASS, *(sample.document for sample in SAMPLES)])
def test_our_own_templates_fit(template: dict[str, Any]) -> None:
    assert faults(OF_TEMPLATE, template) == []
    assert faults(OF_PASS, template), "a pass needs the keys that livepass fills in"


@pytest.mark.parametrize("style", STYLES)
def test_every_start_fits_and_so_does_its_pass(document: dict[str, Any], style: str) -> None:
    start = json.loads((FOLDER / f"{style}.json").read_text("utf-8"))
    files = {name: json.dumps(start[part]).encode() for name, part in FILES.items()}
    template = Template.from_files(style, files)
    assert faults(OF_TEMPLATE, dict(template.document)) == []
    made = {**{key: document[key] for key in FILLED_IN}, **template.render({})}
    assert faults(OF_PASS, made) == []
    for missing in ("description", "organizationName", "serialNumber"):
        assert faults(OF_PASS, {key: each for key, each in made.items() if key != missing}) != []
    for key, wrong in WRONG.items():
        assert faults(OF_PASS, {**made, key: wrong}) != [], key
        assert faults(OF_TEMPLATE, {**template.document, key: wrong}) != [], key


FILES = {"pass.json": "pass", "variables.json": "variables"}
WRONG: dict[str, Any] = {
    "backgroundColor": "navy",
    "expirationDate": "31.12.2027",
    "barcodes": [{"format": "QR", "message": "1", "messageEncoding": "utf-8"}],
    "voided": "yes",
    "maxDistance": "100",
    "relevantDates": "2027-12-31T12:00:00Z",
    "locations": [{"lat": 1, "lon": 1}],
    "semantics": {"eventStartDate": 1_900_000_000},
    "generic": {"primaryFields": [{"value": "no key"}]},
}


@pytest.mark.parametrize("changes", [POSTER_EVENT, SEMANTIC_BOARDING])
def test_variables_may_stand_for_any_value(document: dict[str, Any], changes: dict[str, Any]) -> None:
    changed, _ = applied(document, {}, {**changes, "/upcomingPassInformation": [ENTRY]})
    filled = _all_variables(changed)
    assert faults(OF_TEMPLATE, filled) == []
    assert faults(OF_PASS, filled)


def _all_variables(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _all_variables(each) for key, each in value.items()}
    return [_all_variables(each) for each in value] if isinstance(value, list) else "${x}"


def test_every_key_of_the_tables_is_in_it() -> None:
    schema: dict[str, Any] = document_schema()
    names = {name: part["properties"].keys() for name, part in schema["$defs"].items()}
    assert (schema["properties"].keys(), names) == (
        TOP_LEVEL.keys(),
        {"field": FIELD_KEYS.keys(), "semantics": TAGS.keys(), "upcoming": ENTRY_KEYS.keys()},
    )
    assert "iOS 26" in schema["properties"]["changeSeatURL"]["description"]
