"""What a pass.json may say: keys, types and values. Data only; ``lint`` reads it.

Beside it: ``semantic_tags``, ``links``, ``upcoming``, ``personalization``, and ``since``, which iOS brought what.

Source, unless a row says otherwise: Apple, Wallet Passes, "Pass", "PassFields", "PassFieldContent" and the pages below
them, as of iOS 27, together with what Apple's open-source pass builder accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from livepass.pkpass.links import STYLE_OF_LINK

OBJECT: Final = (dict, Mapping)
"""What is a JSON object. Nearly all are a dict, and to ask for that alone takes a quarter of the time."""


def _strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _numbers(value: object) -> bool:
    return isinstance(value, list) and all(is_number(each) for each in value)


def _objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, OBJECT) for each in value)


def is_number(value: object) -> bool:
    """A JSON number; ``True`` is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


# Kind → does a value have it, and how to say so
KINDS: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "string": (lambda value: isinstance(value, str), "a string"),
    "number": (is_number, "a number"),
    "boolean": (lambda value: isinstance(value, bool), "true or false"),
    "object": (lambda value: isinstance(value, OBJECT), "an object"),
    "strings": (_strings, "a list of strings"),
    "numbers": (_numbers, "a list of numbers"),
    "objects": (_objects, "a list of objects"),
    "scalar": (lambda value: isinstance(value, str) or is_number(value), "a string or a number"),
    "any": (lambda value: True, "anything"),
}

REQUIRED: Final = (
    "description",
    "formatVersion",
    "organizationName",
    "passTypeIdentifier",
    "serialNumber",
    "teamIdentifier",
)

CLASSIC_STYLES: Final = ("boardingPass", "coupon", "eventTicket", "generic", "storeCard")
POSTER_STYLE: Final = "posterGeneric"  # iOS 27; older phones need a classic style beside it
STYLES: Final = (*CLASSIC_STYLES, POSTER_STYLE)
STYLE_SCHEMES: Final = ("posterEventTicket", "eventTicket", "semanticBoardingPass", "boardingPass")
GROUPED_STYLES: Final = ("boardingPass", "eventTicket")  # the two that groupingIdentifier works with

TRANSIT_TYPES: Final = (
    "PKTransitTypeAir",
    "PKTransitTypeBoat",
    "PKTransitTypeBus",
    "PKTransitTypeGeneric",
    "PKTransitTypeTrain",
)

# Groups on the front, where a phone takes even a warning for a refusal; and the others, where it only logs.
FRONT_GROUPS: Final = ("headerFields", "primaryFields", "secondaryFields", "auxiliaryFields")
BACK_GROUPS: Final = ("backFields", "additionalInfoFields", "footerFields")
FIELD_GROUPS: Final = (*FRONT_GROUPS, *BACK_GROUPS)

FIELD_KEYS: Final[Mapping[str, str]] = {
    "attributedValue": "scalar",
    "changeMessage": "string",
    "currencyCode": "string",
    "dataDetectorTypes": "strings",
    "dateStyle": "string",
    "ignoresTimeZone": "boolean",
    "isRelative": "boolean",
    "key": "string",
    "label": "string",
    "numberStyle": "string",
    "row": "number",
    "semantics": "object",
    "textAlignment": "string",
    "timeStyle": "string",
    "value": "scalar",
}

_DATE_STYLES: Final = (
    "PKDateStyleNone",
    "PKDateStyleShort",
    "PKDateStyleMedium",
    "PKDateStyleLong",
    "PKDateStyleFull",
)
FIELD_ENUMS: Final[Mapping[str, tuple[str, ...]]] = {
    "dateStyle": _DATE_STYLES,
    "timeStyle": _DATE_STYLES,
    "numberStyle": ("PKNumberStyleDecimal", "PKNumberStylePercent", "PKNumberStyleScientific", "PKNumberStyleSpellOut"),
    "textAlignment": (
        "PKTextAlignmentLeft",
        "PKTextAlignmentCenter",
        "PKTextAlignmentRight",
        "PKTextAlignmentNatural",
    ),
}
DATE_OPTIONS: Final = ("dateStyle", "timeStyle", "isRelative", "ignoresTimeZone")
NUMBER_OPTIONS: Final = ("numberStyle", "currencyCode")
UNALIGNED_GROUPS: Final = ("primaryFields", "backFields")
DATA_DETECTORS: Final = (
    "PKDataDetectorTypePhoneNumber",
    "PKDataDetectorTypeLink",
    "PKDataDetectorTypeAddress",
    "PKDataDetectorTypeCalendarEvent",
)

COLORS: Final = (
    "backgroundColor",
    "footerBackgroundColor",
    "foregroundColor",
    "labelColor",
    "secondaryBackgroundColor",
    "stripColor",
)
DATES: Final = ("expirationDate", "relevantDate")

LEGACY_BARCODES: Final = ("PKBarcodeFormatQR", "PKBarcodeFormatPDF417", "PKBarcodeFormatAztec")
BARCODES: Final = (
    *LEGACY_BARCODES,
    "PKBarcodeFormatCode128",
    "PKBarcodeFormatCode39",  # this row and below: iOS 27; older phones skip them
    "PKBarcodeFormatCodabar",
    "PKBarcodeFormatEAN13",
    "PKBarcodeFormatI2of5",
)
BARCODE_KEYS: Final[Mapping[str, str]] = {
    "altText": "string",
    "format": "string",
    "message": "string",
    "messageEncoding": "string",
}

# IANA character set name, lower case → Python's codec. Names outside the registry ("latin1 ", "rot13") must not pass.
CHARSETS: Final[Mapping[str, str]] = {
    "ascii": "ascii",
    "big5": "big5",
    "euc-jp": "euc_jp",
    "euc-kr": "euc_kr",
    "gb18030": "gb18030",
    "gb2312": "gb2312",
    "gbk": "gbk",
    "iso-2022-jp": "iso2022_jp",
    "iso-8859-10": "iso8859_10",
    "iso-8859-13": "iso8859_13",
    "iso-8859-14": "iso8859_14",
    "iso-8859-15": "iso8859_15",
    "iso-8859-16": "iso8859_16",
    **{f"iso-8859-{part}": f"iso8859_{part}" for part in range(1, 10)},
    "koi8-r": "koi8_r",
    "koi8-u": "koi8_u",
    "latin1": "latin_1",
    "macintosh": "mac_roman",
    "shift_jis": "shift_jis",
    "us-ascii": "ascii",
    "utf-16": "utf_16",
    "utf-16be": "utf_16_be",
    "utf-16le": "utf_16_le",
    "utf-32": "utf_32",
    "utf-8": "utf_8",
    **{f"windows-{page}": f"cp{page}" for page in range(1250, 1259)},
}

LOCATION_KEYS: Final[Mapping[str, str]] = {
    "altitude": "number",
    "latitude": "number",
    "longitude": "number",
    "relevantText": "string",
}
MOST_LOCATIONS: Final = 10
BEACON_KEYS: Final[Mapping[str, str]] = {
    "major": "number",
    "minor": "number",
    "proximityUUID": "string",
    "relevantText": "string",
}
# Renamed between iOS 18 ("relevantDate") and iOS 26 ("date"); good passes carry both.
RELEVANT_DATE_KEYS: Final = ("date", "relevantDate", "startDate", "endDate")

NFC_KEYS: Final[Mapping[str, str]] = {
    "encryptionPublicKey": "string",
    "message": "string",
    "requiresAuthentication": "boolean",
}
LONGEST_NFC_MESSAGE: Final = 64  # bytes of UTF-8; Apple's builder cuts the rest off

ACTION_TYPES: Final = (
    "addToBalance",
    "bookAppointment",
    "bookCar",
    "bookFlight",
    "bookStay",
    "call",
    "listenToMusic",
    "membershipBenefits",
    "order",
    "place",
    "shop",
    "viewOffersRewards",
    "viewSchedule",
    "watchTrailer",
)
MOST_ACTIONS: Final = 2
ACTION_KEYS: Final[Mapping[str, str]] = {"identifier": "string", "type": "string", "url": "string"}

TOP_LEVEL: Final[Mapping[str, str]] = {
    "appLaunchURL": "string",
    "associatedStoreIdentifiers": "numbers",
    "authenticationToken": "string",
    "auxiliaryStoreIdentifiers": "numbers",
    "barcode": "object",
    "barcodes": "objects",
    "beacons": "objects",
    "description": "string",
    "eventLogoText": "string",
    "featuredActions": "objects",
    "formatVersion": "number",
    "groupingIdentifier": "string",
    "locations": "objects",
    "logoSymbolName": "string",
    "logoText": "string",
    "maxDistance": "number",
    "nfc": "object",
    "organizationName": "string",
    "passTypeIdentifier": "string",
    "preferredStyleSchemes": "strings",
    "relevantDates": "objects",
    "semantics": "object",
    "serialNumber": "string",
    "sharing": "object",
    "sharingProhibited": "boolean",
    "suppressHeaderDarkening": "boolean",
    "suppressStripShine": "boolean",
    "teamIdentifier": "string",
    "upcomingPassInformation": "objects",
    "useAutomaticColors": "boolean",
    "userInfo": "any",
    "voided": "boolean",
    "webServiceURL": "string",
    **dict.fromkeys(STYLES, "object"),
    **dict.fromkeys(COLORS, "string"),
    **dict.fromkeys(DATES, "string"),
    **dict.fromkeys(STYLE_OF_LINK, "string"),
}

# Every image a package may hold, without scale and extension
IMAGES: Final = (
    "icon",
    "logo",
    "primaryLogo",
    "secondaryLogo",
    "artwork",
    "background",
    "strip",
    "thumbnail",
    "footer",
    "venueMap",
    "personalizationLogo",
)
SCALES: Final = ("", "@2x", "@3x")
OTHER_FILES: Final = ("personalization.json", "tooling.json")
LOCALIZED_TEXTS: Final = ("pass.strings",)

# In Apple's own sample passes, hence in half the tutorials: known to everybody, so no secret.
SAMPLE_TOKENS: Final = frozenset({"vxwxd7J8AlNNFPS8k0a0FfUFtq0ewzFdc"})
SHORTEST_TOKEN: Final = 16
