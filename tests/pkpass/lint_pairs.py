"""For each rule of lint a pass that breaks only it, and its fixed twin, both as changes to the sound pass."""

from __future__ import annotations

import base64
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pkpass.conftest import png

REMOVE = object()
P256 = ec.generate_private_key(ec.SECP256R1()).public_key()
UNCOMPRESSED = P256.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
COMPRESSED = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + P256.public_bytes(
    Encoding.X962, PublicFormat.CompressedPoint
)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


NFC = {"message": "42", "encryptionPublicKey": b64(COMPRESSED), "requiresAuthentication": False}
POINTS = b'"points" = "Points";'
QR = {"format": "PKBarcodeFormatQR", "message": "42", "messageEncoding": "iso-8859-1"}
ACTION = {"identifier": "a", "type": "shop", "url": "https://example.com"}
AMOUNT = {"amount": "12.50", "currencyCode": "EUR"}
ENTRY = {
    "identifier": "night-1",
    "name": "First night",
    "type": "event",
    "isActive": True,
    "dateInformation": {"date": "2026-12-01T20:00:00+01:00", "timeZone": "Europe/Berlin", "isAllDay": False},
    "images": {
        "headerImage": {"URLs": [{"URL": "https://example.com/a.png", "SHA256": "ab" * 32, "scale": 2, "size": 9000}]},
        "venueMap": {"reuseExisting": True},
    },
    "URLs": {"sellURL": "https://example.com/sell"},
    "auxiliaryStoreIdentifiers": [123456789],
    "backFields": [{"key": "doors", "value": "19:00"}],
    "semantics": {"eventName": "First night"},
}
FRACTION = "2026-12-01T20:00:00.000Z"
WHERE_DATES_ARE = {
    # pointer → (changes beside the fraction there, what comes of a date there that phones cannot read)
    "/expirationDate": ({}, "refused"),
    "/relevantDate": ({}, "refused"),
    "/relevantDates/0/date": ({}, "logged"),
    "/storeCard/secondaryFields/0/value": ({}, "refused"),
    "/storeCard/backFields/0/value": ({"/storeCard/backFields/0/dateStyle": "PKDateStyleLong"}, "logged"),
    "/semantics/eventStartDate": ({}, "logged"),
    "/semantics/eventStartDateInfo/date": ({"/semantics/eventStartDateInfo": {}}, "logged"),
    "/storeCard/primaryFields/0/semantics/eventStartDate": ({"/storeCard/primaryFields/0/semantics": {}}, "logged"),
    "/upcomingPassInformation/0/dateInformation/date": ({"/upcomingPassInformation": [ENTRY]}, "logged"),
}
EVENT_TAGS = {
    "eventName": "First night",
    "eventType": "PKEventTypeLivePerformance",
    "performerNames": ["The Number Two Band"],
    "venueName": "Engine Hall",
    "venueRegionName": "Munich",
    "venueRoom": "Great Hall",
}
POSTER_EVENT = {
    "/storeCard": REMOVE,
    "/eventTicket": {},
    "/preferredStyleSchemes": ["posterEventTicket", "eventTicket"],
    "/semantics": EVENT_TAGS,
    "/nfc": NFC,
    "background.png": png(345, 505),
}
FLIGHT_TAGS = {
    "airlineCode": "EX",
    "flightNumber": 123,
    **{f"original{what}Date": "2026-12-01T20:00:00+01:00" for what in ("Departure", "Boarding", "Arrival")},
    **{
        f"{end}{what}": value
        for end, code, city, zone in (
            ("departure", "MUC", "Munich", "Europe/Berlin"),
            ("destination", "LHR", "London", "Europe/London"),
        )
        for what, value in (
            ("AirportCode", code),
            ("CityName", city),
            ("LocationTimeZone", zone),
            ("AirportTimeZone", zone),
        )
    },
    "passengerName": {"givenName": "Ada", "familyName": "Lovelace"},
    "seats": [{"seatNumber": "7", "seatRow": "A"}],
}
AIR = {"/storeCard": REMOVE, "/boardingPass": {"transitType": "PKTransitTypeAir"}}
SEMANTIC_BOARDING = {
    **AIR,
    "/preferredStyleSchemes": ["semanticBoardingPass", "boardingPass"],
    "/semantics": FLIGHT_TAGS,
}
PERSONALIZATION = (
    b'{"description": "Join", "requiredPersonalizationFields": ["PKPassPersonalizationFieldEmailAddress"]}'
)
REWARDS = {"/nfc": NFC, "personalization.json": PERSONALIZATION, "personalizationLogo@2x.png": png(300, 100)}
CODE39 = {**QR, "format": "PKBarcodeFormatCode39"}


@dataclass(frozen=True)
class Pair:
    """Two passes. Changes: a pointer into pass.json, or the name of a file, and what to put there."""

    broken: Mapping[str, Any]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    ios: tuple[int, ...] | None = None


def _told(first: str, second: str) -> dict[str, Any]:
    """A field in front and one at the back that tell of a variable each."""
    return {
        f"/storeCard/{group}/0": {"key": group, "value": f"${{{name}}}", "changeMessage": "Now %@"}
        for group, name in (("headerFields", first), ("backFields", second))
    }


_FIRST = "/storeCard/headerFields/0"
PAIRS: Mapping[str, Pair] = {
    # The two of the text itself: "" is the whole pass.json.
    "json-invalid": Pair({"": b"{"}),
    "json-duplicate-key": Pair({"": b'{"formatVersion":1,"formatVersion":1}'}),
    "required-key": Pair({"/description": REMOVE}),
    "value-type": Pair({"/voided": "no"}, {"/voided": False}),
    "unknown-key": Pair({"/logotext": "x"}, {"/logoText": "x"}),
    "format-version": Pair({"/formatVersion": 2}, {"/formatVersion": 1}),
    "pass-type-identifier": Pair({"/passTypeIdentifier": "com.example"}, {"/passTypeIdentifier": "pass.com.example"}),
    "serial-alphabet": Pair({"/serialNumber": "a/b"}, {"/serialNumber": "a-b"}),
    "certificate-pass-type": Pair({"/passTypeIdentifier": "pass.other"}),
    "certificate-team": Pair({"/teamIdentifier": "OTHER12345"}),
    "certificate-nfc": Pair({"/nfc": NFC}),
    "sharing": Pair({"/sharing": {}}, {"/sharingProhibited": True}),
    "grouping-identifier": Pair({"/groupingIdentifier": "g"}, {**AIR, "/groupingIdentifier": "g"}),
    "web-service-url": Pair({"/webServiceURL": "http://example.com"}, {"/webServiceURL": "https://example.com"}),
    "web-service-slash": Pair({"/webServiceURL": "https://example.com/"}, {"/webServiceURL": "https://example.com"}),
    "token-length": Pair({"/authenticationToken": "x" * 15}, {"/authenticationToken": "x" * 16}),
    "token-sample": Pair({"/authenticationToken": "vxwxd7J8AlNNFPS8k0a0FfUFtq0ewzFdc"}),
    "token-alphabet": Pair({"/authenticationToken": "x" * 16 + "ä"}, {"/authenticationToken": "x" * 16 + "a"}),
    "style": Pair({"/generic": {}}, {"/storeCard": REMOVE, "/generic": {}}),
    "style-fallback": Pair({"/storeCard": REMOVE, "/posterGeneric": {}}, {"/posterGeneric": {}}),
    "style-scheme": Pair({"/preferredStyleSchemes": ["poster"]}, {"/preferredStyleSchemes": ["posterEventTicket"]}),
    "transit-type": Pair({**AIR, "/boardingPass": {"transitType": "PKTransitTypeRocket"}}, AIR),
    "poster-groups": Pair(
        {"/posterGeneric": {"headerFields": [{"key": "x", "value": 1}, {"key": "y", "value": 1}]}},
        {"/posterGeneric": {"headerFields": [{"key": "x", "value": 1}], "backFields": [{"key": "y", "value": 1}]}},
    ),
    "poster-event": Pair({**POSTER_EVENT, "/semantics/venueRoom": REMOVE}, POSTER_EVENT),
    "semantic-boarding": Pair({**SEMANTIC_BOARDING, "/semantics/airlineCode": REMOVE}, SEMANTIC_BOARDING),
    "link-style": Pair({"/managementURL": "https://example.com"}, {**AIR, "/managementURL": "https://example.com"}),
    "field-key": Pair({f"{_FIRST}/key": ""}, {f"{_FIRST}/key": "k"}),
    "field-key-duplicate": Pair({f"{_FIRST}/key": "terms"}, {f"{_FIRST}/key": "other"}),
    "field-value": Pair({f"{_FIRST}/value": REMOVE}, {f"{_FIRST}/value": ""}),
    "field-value-type": Pair({f"{_FIRST}/value": True}, {f"{_FIRST}/value": 1}),
    "field-enum": Pair({f"{_FIRST}/textAlignment": "right"}, {f"{_FIRST}/textAlignment": "PKTextAlignmentRight"}),
    "field-date": Pair(
        {f"{_FIRST}/dateStyle": "PKDateStyleLong"},
        {f"{_FIRST}/dateStyle": "PKDateStyleLong", f"{_FIRST}/value": "2026-12-01T20:00Z"},
    ),
    "field-number": Pair({f"{_FIRST}/currencyCode": "EUR"}, {f"{_FIRST}/currencyCode": "EUR", f"{_FIRST}/value": 1}),
    "field-date-and-number": Pair({"/storeCard/primaryFields/0/dateStyle": "PKDateStyleLong"}),
    "field-number-style-and-currency": Pair({"/storeCard/primaryFields/0/numberStyle": "PKNumberStyleDecimal"}),
    "field-currency": Pair(
        {"/storeCard/primaryFields/0/currencyCode": "eur"}, {"/storeCard/primaryFields/0/currencyCode": "USD"}
    ),
    "field-row": Pair({"/storeCard/auxiliaryFields/0/row": 2}, {"/storeCard/auxiliaryFields/0/row": 0}),
    "field-alignment": Pair({"/storeCard/backFields/0/textAlignment": "PKTextAlignmentLeft"}),
    "field-detectors": Pair({f"{_FIRST}/dataDetectorTypes": ["PKDataDetectorTypeLink"]}),
    "field-attributed": Pair(
        {f"{_FIRST}/attributedValue": "<b>x</b>"}, {f"{_FIRST}/attributedValue": "<a href='https://example.com'>x</a>"}
    ),
    "change-message": Pair({f"{_FIRST}/changeMessage": "Changed"}, {f"{_FIRST}/changeMessage": "Now %@"}),
    "change-message-shared": Pair(_told("points", "points"), _told("points", "level")),
    "color": Pair({"/labelColor": "red"}, {"/labelColor": "rgb(255, 0, 0)"}),
    "color-hex": Pair({"/labelColor": "#ff0000"}, {"/labelColor": "rgb(255, 0, 0)"}),
    "barcode-key": Pair({"/barcode/messageEncoding": REMOVE}),
    "barcode-format": Pair({"/barcode/format": "PKBarcodeFormatCode128"}, {"/barcode/format": "PKBarcodeFormatAztec"}),
    "barcode-encoding": Pair({"/barcode/messageEncoding": "latin"}, {"/barcode/messageEncoding": "utf-8"}),
    "barcode-message": Pair({"/barcode/message": "5 €"}, {"/barcode/message": "5 EUR"}),
    "barcode-fallback": Pair(
        {"/barcode": REMOVE, "/barcodes": [CODE39]}, {"/barcode": REMOVE, "/barcodes": [CODE39, QR]}
    ),
    "date": Pair({"/expirationDate": "2026-12-01"}, {"/expirationDate": "2026-12-01T00:00Z"}),
    "date-fraction": Pair({"/expirationDate": "2026-12-01T00:00:00.000Z"}, {"/expirationDate": "2026-12-01T00:00:00Z"}),
    "relevant-date": Pair(
        {"/relevantDates": [{"startDate": "2026-12-01T00:00Z"}]},
        {"/relevantDates": [{"startDate": "2026-12-01T00:00Z", "endDate": "2026-12-02T00:00Z"}]},
    ),
    "relevant-date-spelling": Pair({"/relevantDates/0/relevantDate": REMOVE}),
    "location": Pair({"/locations/0/latitude": 91}, {"/locations/0/latitude": 90}),
    "location-count": Pair(
        *({"/locations": [{"latitude": 1, "longitude": 1}] * count} for count in (11, 10)),
    ),
    "max-distance": Pair({"/maxDistance": 0}, {"/maxDistance": 1}),
    "beacon": Pair({"/beacons/0/minor": 65536}, {"/beacons/0/minor": 65535}),
    "app-launch-url": Pair(
        {"/appLaunchURL": "club://"}, {"/appLaunchURL": "club://", "/associatedStoreIdentifiers": [123456789]}
    ),
    "nfc": Pair({"/nfc": {**NFC, "message": ""}}, {"/nfc": NFC}),
    "nfc-grant": Pair({"/nfc": NFC}),
    "nfc-key": Pair({"/nfc": {**NFC, "encryptionPublicKey": "AAAA"}}, {"/nfc": NFC}),
    "nfc-key-form": Pair({"/nfc": {**NFC, "encryptionPublicKey": b64(UNCOMPRESSED)}}, {"/nfc": NFC}),
    "nfc-message": Pair({"/nfc": {**NFC, "message": "x" * 65}}, {"/nfc": {**NFC, "message": "x" * 64}}),
    "semantic-amount": Pair({"/semantics/balance": 12.5}, {"/semantics/balance": AMOUNT}),
    "semantic-tag": Pair({"/semantics": {"venue": "x"}}, {"/semantics": {"venueName": "x"}}),
    "semantic-type": Pair({"/semantics": {"flightNumber": "123"}}, {"/semantics": {"flightNumber": 123}}),
    "semantic-enum": Pair({"/semantics": {"eventType": "Movie"}}, {"/semantics": {"eventType": "PKEventTypeMovie"}}),
    "semantic-spelling": Pair(
        {"/semantics": {"loungePlaceIDs": ["I1"]}},
        {"/semantics": {"loungePlaceIDs": ["I1"], "airlineLoungePlaceID": "I1"}},
    ),
    "featured-action": Pair(
        *(
            {"/featuredActions": [{"identifier": "a", "type": kind, "url": "https://example.com"}]}
            for kind in ("", "shop")
        )
    ),
    "upcoming-entry": Pair(
        {"/upcomingPassInformation": [ENTRY, ENTRY]},
        {"/upcomingPassInformation": [ENTRY, {**ENTRY, "identifier": "night-2"}]},
    ),
    "upcoming-image": Pair(
        *(
            {
                "/upcomingPassInformation": [ENTRY],
                "/upcomingPassInformation/0/images/headerImage/URLs/0/URL": f"{scheme}://example.com/a.png",
            }
            for scheme in ("http", "https")
        )
    ),
    "personalization": Pair({**REWARDS, "/nfc": REMOVE}, REWARDS),
    "newer-than-ios": Pair(
        {"/upcomingPassInformation": [ENTRY]}, {"/relevantDate": "2026-12-01T20:00Z"}, ios=(18, 26, 27)
    ),
    "icon-missing": Pair({"icon.png": REMOVE}),
    "icon-scale": Pair({"icon@2x.png": REMOVE}),
    "image": Pair({"logo.png": b"GIF89a"}, {"logo.png": png(160, 50)}),
    "image-size": Pair({"logo.png": png(4097, 1)}, {"logo.png": png(160, 1)}),
    "image-damaged": Pair({"logo.png": png(160, 50)[:-1]}, {"logo.png": png(160, 50)}),
    "image-larger": Pair({"logo.png": png(161, 50)}, {"logo.png": png(160, 50)}),
    "image-cropped": Pair({"strip.png": png(375, 98)}, {"strip.png": png(375, 144)}),
    "image-scale": Pair(
        {"logo.png": png(160, 50), "logo@2x.png": png(320, 98)},
        {"logo.png": png(160, 50), "logo@2x.png": png(320, 100)},
    ),
    "image-shadowed": Pair(
        {"en.lproj/logo.png": png(160, 50)}, {"logo.png": REMOVE, "en.lproj/logo.png": png(160, 50)}
    ),
    "strings-encoding": Pair(
        {"en.lproj/pass.strings": b"\xe4"}, {"en.lproj/pass.strings": '"points" = "Wärme";'.encode()}
    ),
    "strings-syntax": Pair({"en.lproj/pass.strings": b'"points" = "Points"'}, {"en.lproj/pass.strings": POINTS}),
    "strings-duplicate": Pair(
        {"en.lproj/pass.strings": POINTS + b'"points" = "Score";'}, {"en.lproj/pass.strings": POINTS + POINTS}
    ),
    "strings-keys": Pair({"en.lproj/pass.strings": b""}, {"en.lproj/pass.strings": POINTS}),
    "strings-key-spelling": Pair(
        {"en.lproj/pass.strings": b'level = "Step";', "de.lproj/pass.strings": REMOVE},
        {"en.lproj/pass.strings": b'Level = "Step";', "de.lproj/pass.strings": REMOVE},
    ),
    "strings-change-message": Pair(
        {"en.lproj/pass.strings": b'"Now %@" = "Now %@";', "de.lproj/pass.strings": b'"Now %@" = "Neu";'},
        {"en.lproj/pass.strings": b'"Now %@" = "Now %@";', "de.lproj/pass.strings": b'"Now %@" = "Neu: %@";'},
    ),
    "image-languages": Pair(
        {
            "logo.png": REMOVE,
            "en.lproj/logo.png": png(160, 50),
            "en.lproj/logo@2x.png": png(320, 100),
            "de.lproj/logo.png": png(160, 50),
        },
        {"logo.png": REMOVE, "en.lproj/logo.png": png(160, 50), "de.lproj/logo.png": png(160, 50)},
    ),
    "reserved-name": Pair({"signature": b""}),
    "file-name": Pair({"my logo.png": b""}),
    "stray-file": Pair({".DS_Store": b""}),
    "unknown-file": Pair({"Logo.png": png(160, 50)}, {"logo.png": png(160, 50)}),
}


def applied(
    document: Mapping[str, Any], files: Mapping[str, bytes], changes: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The sound pass with these changes; what is not there cannot be removed a second time."""
    in_files = {name: value for name, value in changes.items() if not name.startswith("/")}
    changed = {name: value for name, value in {**files, **in_files}.items() if value is not REMOVE}
    return spoiled(document, {name: value for name, value in changes.items() if name not in in_files}), changed


def spoiled(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = copy.deepcopy(dict(document))
    for pointer, value in changes.items():
        *path, last = [int(part) if part.isdigit() else part for part in pointer.split("/")[1:]]
        holder: Any = result
        for part in path:
            holder = holder[part]
        if value is REMOVE:
            holder.pop(last, None)
        else:
            holder[last] = copy.deepcopy(value)
    return result
