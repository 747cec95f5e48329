"""The phone's rules for ``pass.json``: what refuses a pass, what is only remarked.

Two chains of small rules over the parsed document. ``_REJECTIONS`` yield fatal texts, in the words a Mac's console
shows; ``_REMARKS`` yield warnings of an accepted pass. The texts are field reports (protocol sheet 3.6 and 4.6), not
Apple's pages. The order in which a real phone checks is unknown; ours is outermost first.
"""

from __future__ import annotations

import codecs
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

STRING, NUMBER, DICTIONARY, ARRAY = "NSString", "NSNumber", "NSDictionary", "NSArray"

REQUIRED: Final = {
    "formatVersion": NUMBER,
    "passTypeIdentifier": STRING,
    "serialNumber": STRING,
    "teamIdentifier": STRING,
    "organizationName": STRING,
    "description": STRING,
}
OPTIONAL: Final = {
    "webServiceURL": STRING,
    "authenticationToken": STRING,
    "expirationDate": STRING,
    "relevantDate": STRING,
    "relevantDates": ARRAY,
    "voided": NUMBER,
    "groupingIdentifier": STRING,
    "sharingProhibited": NUMBER,
    "backgroundColor": STRING,
    "foregroundColor": STRING,
    "labelColor": STRING,
    "stripColor": STRING,
    "footerBackgroundColor": STRING,
    "logoText": STRING,
    "suppressStripShine": NUMBER,
    "barcode": DICTIONARY,
    "barcodes": ARRAY,
    "locations": ARRAY,
    "beacons": ARRAY,
    "maxDistance": NUMBER,
    "associatedStoreIdentifiers": ARRAY,
    "auxiliaryStoreIdentifiers": ARRAY,
    "appLaunchURL": STRING,
    "userInfo": DICTIONARY,
    "nfc": DICTIONARY,
    "semantics": DICTIONARY,
    "sharing": DICTIONARY,
}
STYLES: Final = ("eventTicket", "coupon", "storeCard", "boardingPass", "generic")
STYLES_OF_27: Final = (*STYLES, "posterGeneric")
# In these groups even a warning refuses the pass; in the quiet ones it is only logged.
STRICT_GROUPS: Final = ("headerFields", "primaryFields", "secondaryFields", "auxiliaryFields")
QUIET_GROUPS: Final = ("backFields", "additionalInfoFields", "footerFields")
COLOURS: Final = ("backgroundColor", "foregroundColor", "labelColor", "stripColor", "footerBackgroundColor")
TRANSIT_TYPES: Final = tuple(f"PKTransitType{kind}" for kind in ("Air", "Boat", "Bus", "Generic", "Train"))
BARCODES: Final = tuple(f"PKBarcodeFormat{kind}" for kind in ("QR", "PDF417", "Aztec", "Code128"))
BARCODES_OF_27: Final = (*BARCODES, *(f"PKBarcodeFormat{kind}" for kind in ("Code39", "Codabar", "EAN13", "I2of5")))
SHORTEST_TOKEN: Final = 16
MOST_LOCATIONS: Final = 10

_COLOUR = re.compile(r"rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)|#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?P<fraction>\.\d+)?)?(?:Z|[+-]\d\d:\d\d)")

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Rules:
    """What the phone's version and switches change about the rules."""

    ios: int = 27
    allow_http: bool = False
    fractional_seconds_refused: bool = True

    @property
    def styles(self) -> tuple[str, ...]:
        return STYLES_OF_27 if self.ios >= 27 else STYLES

    @property
    def barcodes(self) -> tuple[str, ...]:
        return BARCODES_OF_27 if self.ios >= 27 else BARCODES


def rejection(document: Json, rules: Rules) -> str | None:
    """The first text that refuses the document, or None."""
    return next((text for rule in _REJECTIONS for text in rule(document, rules)), None)


def remarks(document: Json, rules: Rules) -> list[str]:
    """What is wrong with an accepted document without refusing it."""
    return [text for rule in _REMARKS for text in rule(document, rules)]


def style_of(document: Json) -> str | None:
    """The style key of the document; a poster pass with a fallback shows its classic style first."""
    return next((style for style in STYLES_OF_27 if style in document), None)


def groups(document: Json) -> Iterator[tuple[str, list[Any]]]:
    """Every field group of every style present, with its fields."""
    for style in STYLES_OF_27:
        body = document.get(style)
        if isinstance(body, Mapping):
            for group in (*STRICT_GROUPS, *QUIET_GROUPS):
                fields = body.get(group)
                if isinstance(fields, list):
                    yield group, fields


# ── what refuses a pass ─────────────────────────────────────────────────────────────────────────────────────────────


def _class(value: object) -> str:
    for kinds, name in (((str,), STRING), ((bool, int, float), NUMBER), ((Mapping,), DICTIONARY), ((list,), ARRAY)):
        if isinstance(value, kinds):
            return name
    return "NSNull"


def _wrong_class(document: Json, key: str, wanted: str) -> str | None:
    actual = _class(document[key])
    if actual == wanted:
        return None
    return f"Value for key '{key}' must be of class {wanted}, but is actually of class {actual}."


def _reject_missing(document: Json, rules: Rules) -> Iterator[str]:
    for key, wanted in REQUIRED.items():
        if key not in document:
            yield f"Pass dictionary must contain key '{key}'."
        elif text := _wrong_class(document, key, wanted):
            yield text


def _reject_types(document: Json, rules: Rules) -> Iterator[str]:
    for key, wanted in OPTIONAL.items():
        if key in document and (text := _wrong_class(document, key, wanted)):
            yield text


def _reject_version(document: Json, rules: Rules) -> Iterator[str]:
    if document["formatVersion"] != 1:
        yield "This version of the operating system only supports passes of versions [1]"


def _reject_empty(document: Json, rules: Rules) -> Iterator[str]:
    for key, name in (("teamIdentifier", "Team identifier"), ("passTypeIdentifier", "Pass type identifier")):
        if not document[key]:
            yield f"{name} is missing"


def _reject_style(document: Json, rules: Rules) -> Iterator[str]:
    if not any(isinstance(document.get(style), Mapping) for style in rules.styles):
        yield f"Pass dictionary must have an entry for one of {{{', '.join(rules.styles)}}}."
    boarding = document.get("boardingPass")
    if isinstance(boarding, Mapping) and boarding.get("transitType") not in TRANSIT_TYPES:
        yield "Pass dictionary must contain key 'transitType'."


def _reject_web_service(document: Json, rules: Rules) -> Iterator[str]:
    url = document.get("webServiceURL")
    if url is None:
        return
    if "authenticationToken" not in document:
        yield "Pass dictionary must contain key 'authenticationToken'."
        return
    token = document["authenticationToken"]
    if len(token) < SHORTEST_TOKEN:
        yield f"authenticationToken '{token}' is too short. It needs to be at least 16 characters."
    scheme = url.partition(":")[0].lower()
    if scheme != "https" and not (scheme == "http" and rules.allow_http):
        yield f"scheme of webServiceURL '{url}' needs to be an https rather than {scheme}."


def _unreadable_date(key: str, value: object, rules: Rules) -> str | None:
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match and not (match["fraction"] and rules.fractional_seconds_refused):
        return None
    return (
        f"Unable to parse {key} {value} as a date. We expect dates in W3C date time stamp format, either "
        '"Complete date plus hours and minutes" or "Complete date plus hours, minutes and seconds".'
    )


def _reject_dates(document: Json, rules: Rules) -> Iterator[str]:
    for key in ("expirationDate", "relevantDate"):
        if key in document and (text := _unreadable_date(key, document[key], rules)):
            yield text


def _reject_colours(document: Json, rules: Rules) -> Iterator[str]:
    for key in COLOURS:
        if key in document and not _COLOUR.fullmatch(document[key].strip()):
            yield f"Unable to parse color string '{document[key]}'."


def _bad_barcode(barcode: object, rules: Rules) -> str | None:
    if not isinstance(barcode, Mapping):
        return f"Value for key 'barcode' must be of class {DICTIONARY}, but is actually of class {_class(barcode)}."
    for key in ("format", "message", "messageEncoding"):
        if key not in barcode:
            return f"Pass dictionary must contain key '{key}'."
        if text := _wrong_class(barcode, key, STRING):
            return text
    encoding, message = barcode["messageEncoding"], barcode["message"]
    try:
        codecs.lookup(encoding)
    except (LookupError, ValueError):
        return f"message encoding {encoding} is not an IANA character set name."
    try:
        message.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return f"barcode message '{message}' isn't encodable with encoding '{encoding}'."
    if barcode["format"] not in rules.barcodes:
        return f"barcode format '{barcode['format']}' is not known."
    return None


def _reject_barcode(document: Json, rules: Rules) -> Iterator[str]:
    if "barcode" in document and (text := _bad_barcode(document["barcode"], rules)):
        yield text


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _reject_places(document: Json, rules: Rules) -> Iterator[str]:
    for place in document.get("locations", []):
        if not isinstance(place, Mapping):
            yield f"Value for key 'locations' must be of class {DICTIONARY}, but is actually of class {_class(place)}."
            continue
        for key, name, limit in (("latitude", "Latitude", 90), ("longitude", "Longitude", 180)):
            value = place.get(key)
            if key not in place:
                yield f"Pass dictionary must contain key '{key}'."
            elif not isinstance(value, (int, float)) or not -limit <= value <= limit:
                yield f"{name} must be between -{limit} and {limit}."
    if document.get("maxDistance", 1) <= 0:
        yield "Maximum distance must be greater than zero"


def _reject_launch(document: Json, rules: Rules) -> Iterator[str]:
    if "appLaunchURL" in document and not (
        document.get("associatedStoreIdentifiers") or document.get("auxiliaryStoreIdentifiers")
    ):
        yield (
            "appLaunchURL key requires the presence of at least one item in the associatedStoreIdentifiers or "
            "auxiliaryStoreIdentifiers array."
        )


def _reject_nfc(document: Json, rules: Rules) -> Iterator[str]:
    nfc = document.get("nfc")
    if nfc is None:
        return
    if "message" not in nfc:
        yield "Pass dictionary must contain key 'message'."
    if "encryptionPublicKey" in nfc and not _is_p256(nfc["encryptionPublicKey"]):
        key = nfc["encryptionPublicKey"]
        yield f"nfc encryptionPublicKey '{key}' isn't a valid EC compact public key. Valid curves are secp256r1."


def _is_p256(text: object) -> bool:
    try:
        key = load_der_public_key(b64decode(str(text), validate=True))
    except Exception:  # whatever the library cannot read is not a key
        return False
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)


def _reject_sharing(document: Json, rules: Rules) -> Iterator[str]:
    if "sharing" in document and not document["passTypeIdentifier"].startswith("pass.com.apple."):
        yield "sharing is not allowed for this pass type."


def _reject_fields(document: Json, rules: Rules) -> Iterator[str]:
    for group, field, text in _field_faults(document, rules):
        if group in STRICT_GROUPS or not _has_key(field):
            yield text


_REJECTIONS: tuple[Callable[[Json, Rules], Iterator[str]], ...] = (
    _reject_missing,
    _reject_types,
    _reject_version,
    _reject_empty,
    _reject_style,
    _reject_web_service,
    _reject_dates,
    _reject_colours,
    _reject_barcode,
    _reject_places,
    _reject_launch,
    _reject_nfc,
    _reject_sharing,
    _reject_fields,
)


# ── fields: fatal in front, remarked on the back ────────────────────────────────────────────────────────────────────


def _has_key(field: object) -> bool:
    return isinstance(field, Mapping) and isinstance(field.get("key"), str)


def _field_faults(document: Json, rules: Rules) -> Iterator[tuple[str, object, str]]:
    """(group, field, text) for every fault. Keys must be unique across all groups."""
    for style in STYLES_OF_27:
        seen: set[str] = set()
        for group, fields in groups({style: document.get(style)}):
            for field in fields:
                if not _has_key(field):
                    yield group, field, "Pass dictionary must contain key 'key'."
                    continue
                if field["key"] in seen:
                    yield group, field, f"duplicate field key '{field['key']}'"
                seen.add(field["key"])
                for text in _value_faults(group, field, rules):
                    yield group, field, text


def _value_faults(group: str, field: Json, rules: Rules) -> Iterator[str]:
    key, value = field["key"], field.get("value")
    dated = [option for option in ("dateStyle", "timeStyle", "isRelative", "ignoresTimeZone") if option in field]
    counted = [option for option in ("numberStyle", "currencyCode") if option in field]
    if not isinstance(value, str) and not _is_number(value):
        yield f"field '{key}' has no value"
        return
    if dated and _unreadable_date(key, value, rules):
        yield f"field '{key}' has date options, but '{value}' is not a date"
    if counted and not _is_number(value):
        yield f"field '{key}' has number options, but '{value}' is not a number"
    if dated and counted:
        yield f"field '{key}' has both date and number options"
    if len(counted) > 1:
        yield f"field '{key}' has both numberStyle and currencyCode"
    if group == "auxiliaryFields" and field.get("row", 0) not in (0, 1):
        yield f"field '{key}' has a row other than 0 or 1"


# ── what is only remarked ───────────────────────────────────────────────────────────────────────────────────────────


def _remark_fields(document: Json, rules: Rules) -> Iterator[str]:
    return (text for group, _, text in _field_faults(document, rules) if group in QUIET_GROUPS)


def _remark_barcodes(document: Json, rules: Rules) -> Iterator[str]:
    return (text for barcode in document.get("barcodes", []) if (text := _bad_barcode(barcode, rules)))


def _remark_relevance(document: Json, rules: Rules) -> Iterator[str]:
    for entry in document.get("relevantDates", []):
        for key in ("date", "relevantDate", "startDate", "endDate"):
            if isinstance(entry, Mapping) and key in entry and (text := _unreadable_date(key, entry[key], rules)):
                yield text
    if len(document.get("locations", [])) > MOST_LOCATIONS:
        yield f"only the first {MOST_LOCATIONS} locations are used"


_REMARKS: tuple[Callable[[Json, Rules], Iterator[str]], ...] = (_remark_fields, _remark_barcodes, _remark_relevance)
