"""A JSON Schema (draft 2020-12) of pass.json, made from the tables: for editors, which complete and check by it.

It says less than ``lint``: what depends on two places at once has no place in it. Unknown keys are allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from livepass.pkpass import fields, semantic_tags, upcoming
from livepass.pkpass.dates import DATE_PATTERN
from livepass.pkpass.links import STYLE_OF_LINK
from livepass.pkpass.lint.problem import RULES
from livepass.pkpass.since import KEYS_SINCE

Schema = dict[str, object]

_FILLED_IN: Final = ("formatVersion", "passTypeIdentifier", "serialNumber", "teamIdentifier")
"""What a template may leave out of the required keys: livepass adds them to every pass."""

_KINDS: Final[Mapping[str, Schema]] = {
    "string": {"type": "string"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "object": {"type": "object"},
    "strings": {"type": "array", "items": {"type": "string"}},
    "numbers": {"type": "array", "items": {"type": "number"}},
    "objects": {"type": "array", "items": {"type": "object"}},
    "scalar": {"type": ["string", "number"]},
    "any": {},
    "date": {"type": "string", "pattern": f"^{DATE_PATTERN}$"},
}
_COLOR: Final[Schema] = {
    "type": "string",
    "pattern": r"^\s*rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)\s*$",
}
_PLACEHOLDER: Final[Schema] = {"type": "string", "pattern": r"\$\{"}
_PORT: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": 65535}

# Key at the top → the rule of lint whose demand describes it
_SAID_BY: Final[Mapping[str, str]] = {
    "appLaunchURL": "app-launch-url",
    "authenticationToken": "token-length",
    "barcode": "barcode-format",
    "barcodes": "barcode-fallback",
    "beacons": "beacon",
    "featuredActions": "featured-action",
    "groupingIdentifier": "grouping-identifier",
    "locations": "location-count",
    "nfc": "nfc",
    "passTypeIdentifier": "pass-type-identifier",
    "posterGeneric": "style-fallback",
    "preferredStyleSchemes": "style-scheme",
    "relevantDates": "relevant-date-spelling",
    "semantics": "semantic-tag",
    "serialNumber": "serial-alphabet",
    "sharing": "sharing",
    "upcomingPassInformation": "upcoming-entry",
    "webServiceURL": "web-service-url",
    **dict.fromkeys(fields.COLORS, "color"),
    **dict.fromkeys(fields.DATES, "date"),
}


def document_schema(*, template: bool = False) -> Schema:
    """The schema of a pass.json; of a template's with ``template``: ``${variables}`` may stand for any value in it."""
    filled_in = _FILLED_IN if template else ()
    document: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pass.json of a template" if template else "pass.json",
        **_object(_top_level(), (key for key in fields.REQUIRED if key not in filled_in)),
        "anyOf": [{"required": [style]} for style in fields.STYLES],
        "$defs": {
            "field": _field(),
            "semantics": _object({tag: _tag(tag) for tag in semantic_tags.TAGS}),
            "upcoming": _upcoming(),
        },
    }
    return _with_placeholders(document) if template else document


def _object(properties: Mapping[str, Schema], required: Iterable[str] = ()) -> Schema:
    needed = list(required)
    return {
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": True,
        **({"required": needed} if needed else {}),
    }


def _of(table: Mapping[str, str], **special: Schema) -> dict[str, Schema]:
    """The properties of a table of key → kind, some of them more exactly."""
    return {key: special.get(key, _KINDS[kind]) for key, kind in table.items()}


def _list(items: Schema, **more: object) -> Schema:
    return {"type": "array", "items": items, **more}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _words(words: Iterable[str]) -> Schema:
    return {"enum": list(words)}


def _top_level() -> dict[str, Schema]:
    special: dict[str, Schema] = {
        "formatVersion": {"const": 1},
        "barcode": _barcode(fields.LEGACY_BARCODES),
        "barcodes": _list(_barcode(fields.BARCODES)),
        "beacons": _list(_object(_of(fields.BEACON_KEYS, major=_PORT, minor=_PORT), ["proximityUUID"])),
        "featuredActions": _list(
            _object(_of(fields.ACTION_KEYS, type=_words(fields.ACTION_TYPES)), ["type"]), maxItems=fields.MOST_ACTIONS
        ),
        "locations": _list(_location(), maxItems=fields.MOST_LOCATIONS),
        "maxDistance": {"type": "number", "exclusiveMinimum": 0},
        "nfc": _object(_of(fields.NFC_KEYS), ["message", "encryptionPublicKey"]),
        "preferredStyleSchemes": _list(_words(fields.STYLE_SCHEMES)),
        "relevantDates": _list(_object(dict.fromkeys(fields.RELEVANT_DATE_KEYS, _KINDS["date"]))),
        "semantics": _ref("semantics"),
        "upcomingPassInformation": _list(_ref("upcoming")),
        "webServiceURL": {"type": "string", "format": "uri", "pattern": "^https://"},
        "authenticationToken": {"type": "string", "minLength": fields.SHORTEST_TOKEN},
        **{style: _style(style) for style in fields.STYLES},
        **dict.fromkeys(fields.COLORS, _COLOR),
        **dict.fromkeys(fields.DATES, _KINDS["date"]),
        **{key: _link(key) for key in STYLE_OF_LINK},
    }
    return {key: {**each, **_description(key)} for key, each in _of(fields.TOP_LEVEL, **special).items()}


def _description(key: str) -> Schema:
    """What lint demands of it, and which iOS brought it."""
    said = [RULES[_SAID_BY[key]].demand] if key in _SAID_BY else []
    if key in STYLE_OF_LINK:
        said.append("boarding passes" if STYLE_OF_LINK[key] == "boardingPass" else "poster event tickets")
    if key in KEYS_SINCE:
        said.append(f"iOS {KEYS_SINCE[key]} and newer")
    return {"description": "; ".join(said)} if said else {}


def _link(key: str) -> Schema:
    if key.endswith("Email"):
        return {"type": "string", "format": "email"}
    return {"type": "string"} if key.endswith("PhoneNumber") else {"type": "string", "format": "uri"}


def _barcode(formats: Iterable[str]) -> Schema:
    return _object(_of(fields.BARCODE_KEYS, format=_words(formats)), ["format", "message", "messageEncoding"])


def _location() -> Schema:
    most = {"latitude": 90, "longitude": 180}
    degrees: dict[str, Schema] = {
        key: {"type": "number", "minimum": -each, "maximum": each} for key, each in most.items()
    }
    return _object(_of(fields.LOCATION_KEYS, **degrees), degrees)


def _style(style: str) -> Schema:
    groups = dict.fromkeys(fields.FIELD_GROUPS, _list(_ref("field")))
    if style != "boardingPass":
        return _object(groups)
    return _object({**groups, "transitType": _words(fields.TRANSIT_TYPES)}, ["transitType"])


def _field() -> Schema:
    special: dict[str, Schema] = {
        "currencyCode": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "dataDetectorTypes": _list(_words(fields.DATA_DETECTORS)),
        "key": {"type": "string", "minLength": 1, "description": RULES["field-key-duplicate"].demand},
        "changeMessage": {"type": "string", "pattern": "%@", "description": RULES["change-message"].demand},
        "row": {"enum": [0, 1], "description": RULES["field-row"].demand},
        "semantics": _ref("semantics"),
        **{key: _words(words) for key, words in fields.FIELD_ENUMS.items()},
    }
    return _object(_of(fields.FIELD_KEYS, **special), ["key", "value"])


def _tag(tag: str) -> Schema:
    kind = semantic_tags.TAGS[tag]
    if tag in semantic_tags.ENUMS:
        words = _words(semantic_tags.ENUMS[tag])
        return _list(words) if kind == "strings" else words
    if kind in semantic_tags.LISTS:
        return _list(_object(_of(semantic_tags.OBJECTS[semantic_tags.LISTS[kind]])))
    if kind in semantic_tags.OBJECTS:
        keys = semantic_tags.OBJECTS[kind]
        return _object(_of(keys), keys if kind == "amount" else ())
    return _KINDS[kind]


def _upcoming() -> Schema:
    digest: Schema = {"type": "string", "minLength": 1, "description": RULES["upcoming-image"].demand}
    url = _of(
        upcoming.IMAGE_URL_KEYS,
        SHA256=digest,
        URL={"type": "string", "format": "uri", "pattern": "^https://"},
        size={"type": "number", "maximum": upcoming.LARGEST_IMAGE},
    )
    image = _object(_of(upcoming.IMAGE_KEYS, URLs=_list(_object(url, ["SHA256", "URL"]))))
    special: dict[str, Schema] = {
        "type": _words(upcoming.ENTRY_TYPES),
        "dateInformation": _object(_of(upcoming.DATE_KEYS, date=_KINDS["date"])),
        "images": _object(dict.fromkeys(upcoming.IMAGES, image)),
        "semantics": _ref("semantics"),
        **dict.fromkeys(upcoming.ENTRY_GROUPS, _list(_ref("field"))),
    }
    return _object(_of(upcoming.ENTRY_KEYS, **special), upcoming.ENTRY_NEEDS)


_EXACT: Final = frozenset({"enum", "const", "pattern", "minLength", "format"})


def _with_placeholders(schema: Schema) -> Schema:
    """The same, with a ``${variable}`` allowed wherever a single value must be more than just some string."""
    result: Schema = {key: _inside(value) for key, value in schema.items()}
    single = schema.get("type") in {"number", "integer", "boolean"} if isinstance(schema.get("type"), str) else False
    if not single and not _EXACT & schema.keys():
        return result
    said = {"description": result.pop("description")} if "description" in result else {}
    return {"anyOf": [result, _PLACEHOLDER], **said}


def _inside(value: object) -> object:
    if not isinstance(value, dict):
        return [_inside(each) for each in value] if isinstance(value, list) else value
    # A table of names, such as "properties", is no schema itself: all its values are.
    if value and all(isinstance(each, dict) for each in value.values()):
        return {key: _with_placeholders(each) for key, each in value.items()}
    return _with_placeholders(value)
