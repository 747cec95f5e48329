"""One valid pass, one thing spoiled, exactly one rule: many ways to break each (in test_lint_pairs.py: one)."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from livepass.emulators.authority import Authority
from livepass.pkpass import RULES, Signer, StaticFiles, lint, lint_bytes
from livepass.pkpass.fields import STYLES, TOP_LEVEL
from livepass.pkpass.lint import pass_fields
from livepass.pkpass.lint import style as style_rules
from livepass.pkpass.personalization import PERSONALIZATION_KEYS
from livepass.pkpass.strings import strings_bytes
from livepass.pkpass.upcoming import ENTRY_KEYS
from pkpass.conftest import png
from pkpass.lint_pairs import COMPRESSED, FRACTION, NFC, QR, REMOVE, UNCOMPRESSED, WHERE_DATES_ARE, b64, spoiled

P384 = ec.generate_private_key(ec.SECP384R1()).public_key()

# rule, severity, where the problem is shown, {pointer: value to put there}
CASES: list[tuple[str, str, str, dict[str, Any]]] = [
    *(
        ("required-key", "fatal", f"/{key}", {f"/{key}": value})
        for key in ("formatVersion", "passTypeIdentifier", "serialNumber", "teamIdentifier", "organizationName")
        for value in (REMOVE, None)
    ),
    ("required-key", "fatal", "/description", {"/description": " "}),
    ("required-key", "fatal", "/authenticationToken", {"/authenticationToken": REMOVE}),
    ("value-type", "fatal", "/serialNumber", {"/serialNumber": 42}),
    ("value-type", "fatal", "/formatVersion", {"/formatVersion": "1"}),
    ("value-type", "fatal", "/formatVersion", {"/formatVersion": True}),
    ("value-type", "fatal", "/voided", {"/voided": 1}),
    ("value-type", "fatal", "/locations", {"/locations": [1]}),
    ("value-type", "fatal", "/logoText", {"/logoText": None}),
    ("value-type", "fatal", "/associatedStoreIdentifiers", {"/associatedStoreIdentifiers": ["1"]}),
    ("value-type", "fatal", "/storeCard", {"/storeCard": []}),
    ("value-type", "fatal", "/storeCard/backFields", {"/storeCard/backFields": {}}),
    ("value-type", "fatal", "/storeCard/headerFields/0/label", {"/storeCard/headerFields/0/label": 1}),
    ("value-type", "warning", "/storeCard/backFields/0/label", {"/storeCard/backFields/0/label": 1}),
    ("value-type", "fatal", "/barcode/altText", {"/barcode/altText": 1}),
    ("unknown-key", "warning", "/logotext", {"/logotext": "x"}),
    ("unknown-key", "warning", "/storeCard/frontFields", {"/storeCard/frontFields": []}),
    ("unknown-key", "warning", "/storeCard/headerFields/0/lable", {"/storeCard/headerFields/0/lable": "x"}),
    ("format-version", "fatal", "/formatVersion", {"/formatVersion": 2}),
    ("pass-type-identifier", "fatal", "/passTypeIdentifier", {"/passTypeIdentifier": "com.example.card"}),
    ("serial-alphabet", "fatal", "/serialNumber", {"/serialNumber": "a/b"}),
    ("serial-alphabet", "fatal", "/serialNumber", {"/serialNumber": "ä"}),
    ("serial-alphabet", "fatal", "/serialNumber", {"/serialNumber": "x" * 101}),
    ("sharing", "fatal", "/sharing", {"/sharing": {}}),
    ("grouping-identifier", "warning", "/groupingIdentifier", {"/groupingIdentifier": "g"}),
    *(
        ("web-service-url", "fatal", "/webServiceURL", {"/webServiceURL": url})
        for url in (
            "http://passes.example.com",
            "passes.example.com",
            "https://",
            "https://user@passes.example.com",
            "https://passes.example.com/?a=1",
            "https://passes.example.com/?",
            "https://passes.example.com/#a",
            "https://passes.example.com/wallet/v1",
            "https://passes.example.com/v1/",
            "https://passes.example.com:port/",
            "https://[::1",
            "https://passes.example.com/a b",
            "https://pässe.example.com",
        )
    ),
    ("web-service-slash", "warning", "/webServiceURL", {"/webServiceURL": "https://passes.example.com/wallet/"}),
    ("token-length", "fatal", "/authenticationToken", {"/authenticationToken": "x" * 15}),
    ("token-sample", "fatal", "/authenticationToken", {"/authenticationToken": "vxwxd7J8AlNNFPS8k0a0FfUFtq0ewzFdc"}),
    ("token-alphabet", "warning", "/authenticationToken", {"/authenticationToken": "x" * 16 + "\n"}),
    ("style", "fatal", "", {"/storeCard": REMOVE}),
    ("style", "fatal", "", {"/generic": {}}),
    ("style-fallback", "warning", "/posterGeneric", {"/storeCard": REMOVE, "/posterGeneric": {}}),
    ("style-scheme", "warning", "/preferredStyleSchemes/1", {"/preferredStyleSchemes": ["eventTicket", "poster"]}),
    ("transit-type", "fatal", "/boardingPass/transitType", {"/storeCard": REMOVE, "/boardingPass": {}}),
    (
        "transit-type",
        "fatal",
        "/boardingPass/transitType",
        {"/storeCard": REMOVE, "/boardingPass": {"transitType": ["PKTransitTypeAir"]}},
    ),
    ("transit-type", "warning", "/storeCard/transitType", {"/storeCard/transitType": "PKTransitTypeAir"}),
    (
        "poster-groups",
        "warning",
        "/posterGeneric/headerFields",
        {"/posterGeneric": {"headerFields": [{"key": "x", "value": 1}, {"key": "y", "value": 1}]}},
    ),
    ("field-key", "fatal", "/storeCard/headerFields/0/key", {"/storeCard/headerFields/0/key": REMOVE}),
    ("field-key", "fatal", "/storeCard/backFields/0/key", {"/storeCard/backFields/0/key": 7}),
    ("field-key", "fatal", "/storeCard/backFields/0/key", {"/storeCard/backFields/0/key": ""}),
    ("field-key-duplicate", "fatal", "/storeCard/backFields/0/key", {"/storeCard/backFields/0/key": "level"}),
    (
        "field-key-duplicate",
        "warning",
        "/storeCard/additionalInfoFields/0/key",
        {"/storeCard/additionalInfoFields": [{"key": "terms", "value": 1}]},
    ),
    ("field-value", "fatal", "/storeCard/headerFields/0/value", {"/storeCard/headerFields/0/value": REMOVE}),
    ("field-value", "warning", "/storeCard/backFields/0/value", {"/storeCard/backFields/0/value": None}),
    ("field-value-type", "fatal", "/storeCard/backFields/0/value", {"/storeCard/backFields/0/value": True}),
    (
        "field-enum",
        "fatal",
        "/storeCard/secondaryFields/0/dateStyle",
        {"/storeCard/secondaryFields/0/dateStyle": "PKDateStyleTiny"},
    ),
    (
        "field-enum",
        "fatal",
        "/storeCard/auxiliaryFields/0/numberStyle",
        {"/storeCard/auxiliaryFields/0/numberStyle": "PKNumberStyleRoman"},
    ),
    (
        "field-enum",
        "fatal",
        "/storeCard/auxiliaryFields/0/textAlignment",
        {"/storeCard/auxiliaryFields/0/textAlignment": "right"},
    ),
    ("field-date", "fatal", "/storeCard/secondaryFields/0", {"/storeCard/secondaryFields/0/value": "yesterday"}),
    ("field-date", "warning", "/storeCard/backFields/0", {"/storeCard/backFields/0/timeStyle": "PKDateStyleLong"}),
    ("field-number", "fatal", "/storeCard/primaryFields/0", {"/storeCard/primaryFields/0/value": "12.50"}),
    (
        "field-date-and-number",
        "fatal",
        "/storeCard/primaryFields/0",
        {"/storeCard/primaryFields/0/dateStyle": "PKDateStyleLong"},
    ),
    (
        "field-number-style-and-currency",
        "fatal",
        "/storeCard/primaryFields/0",
        {"/storeCard/primaryFields/0/numberStyle": "PKNumberStyleDecimal"},
    ),
    (
        "field-currency",
        "fatal",
        "/storeCard/primaryFields/0/currencyCode",
        {"/storeCard/primaryFields/0/currencyCode": "€"},
    ),
    ("field-row", "fatal", "/storeCard/auxiliaryFields/0/row", {"/storeCard/auxiliaryFields/0/row": 2}),
    ("field-row", "warning", "/storeCard/headerFields/0/row", {"/storeCard/headerFields/0/row": 0}),
    *(
        (
            "field-alignment",
            "warning",
            f"/storeCard/{group}/0/textAlignment",
            {f"/storeCard/{group}/0/textAlignment": "PKTextAlignmentLeft"},
        )
        for group in ("primaryFields", "backFields")
    ),
    (
        "field-detectors",
        "warning",
        "/storeCard/backFields/0/dataDetectorTypes",
        {"/storeCard/backFields/0/dataDetectorTypes": ["PKDataDetectorTypeFax"]},
    ),
    (
        "field-detectors",
        "warning",
        "/storeCard/headerFields/0/dataDetectorTypes",
        {"/storeCard/headerFields/0/dataDetectorTypes": []},
    ),
    (
        "field-attributed",
        "warning",
        "/storeCard/backFields/0/attributedValue",
        {"/storeCard/backFields/0/attributedValue": "<b>Bold</b>"},
    ),
    (
        "change-message",
        "warning",
        "/storeCard/primaryFields/0/changeMessage",
        {"/storeCard/primaryFields/0/changeMessage": "Changed"},
    ),
    *(
        ("color", "fatal", "/labelColor", {"/labelColor": value})
        for value in ("red", "rgb(1,2)", "rgb(1,2,256)", "rgba(1,2,3,4)", "#12345", "rgb(1 2 3)", "rgb(1,2,٣)")
    ),
    ("color-hex", "warning", "/labelColor", {"/labelColor": "#FFaa00"}),
    *(("barcode-key", "fatal", f"/barcode/{key}", {f"/barcode/{key}": REMOVE}) for key in QR),
    *(("barcode-key", "warning", f"/barcodes/0/{key}", {f"/barcodes/0/{key}": 1}) for key in QR),
    ("barcode-format", "fatal", "/barcode/format", {"/barcode/format": "PKBarcodeFormatCode128"}),
    ("barcode-format", "warning", "/barcodes/0/format", {"/barcodes/0/format": "QR"}),
    *(
        (
            "barcode-encoding",
            "fatal" if where == "/barcode" else "warning",
            f"{where}/messageEncoding",
            {f"{where}/messageEncoding": "rot13"},
        )
        for where in ("/barcode", "/barcodes/0")
    ),
    *(
        (
            "barcode-message",
            "fatal" if where == "/barcode" else "warning",
            f"{where}/message",
            {f"{where}/message": "5 €"},
        )
        for where in ("/barcode", "/barcodes/0")
    ),
    *(
        ("date", "fatal", f"/{key}", {f"/{key}": value})
        for key in ("expirationDate", "relevantDate")
        for value in ("2026-11-23", "2026-11-23T10:00:00", "2026-02-30T10:00Z", "2026-11-23T10:00.5Z", "tomorrow")
    ),
    ("date", "fatal", "/expirationDate", {"/expirationDate": "2026-11-23T10:00:00+0100"}),
    ("date", "fatal", "/expirationDate", {"/expirationDate": "2026-11-23T24:00Z"}),
    ("date", "fatal", "/expirationDate", {"/expirationDate": "2026-11-23T10:00z"}),
    ("date", "fatal", "/expirationDate", {"/expirationDate": "2026-02-30T10:00:00.5Z"}),
    ("date", "fatal", "/expirationDate", {"/expirationDate": "2026-02-28T10:00:00.Z"}),
    ("date", "warning", "/relevantDates/0/date", {"/relevantDates/0/date": "soon"}),
    ("date-fraction", "warning", "/relevantDate", {"/relevantDate": "2026-11-23T10:00:00.123456789+01:00"}),
    ("relevant-date", "warning", "/relevantDates/0", {"/relevantDates": [{}]}),
    ("relevant-date", "warning", "/relevantDates/0", {"/relevantDates": [{"startDate": "2026-01-01T00:00Z"}]}),
    (
        "relevant-date",
        "warning",
        "/relevantDates/0",
        {"/relevantDates": [{"startDate": "2026-01-02T00:00Z", "endDate": "2026-01-01T00:00Z"}]},
    ),
    ("location", "fatal", "/locations/0/latitude", {"/locations/0/latitude": 90.1}),
    ("location", "fatal", "/locations/0/longitude", {"/locations/0/longitude": REMOVE}),
    ("location", "fatal", "/locations/0/longitude", {"/locations/0/longitude": "11"}),
    ("location-count", "warning", "/locations", {"/locations": [{"latitude": 1, "longitude": 1}] * 11}),
    ("max-distance", "fatal", "/maxDistance", {"/maxDistance": 0}),
    ("max-distance", "fatal", "/maxDistance", {"/maxDistance": -1}),
    ("beacon", "warning", "/beacons/0/proximityUUID", {"/beacons/0/proximityUUID": "f8f589e9"}),
    ("beacon", "warning", "/beacons/0/major", {"/beacons/0/major": 65536}),
    ("beacon", "warning", "/beacons/0/minor", {"/beacons/0/minor": "1"}),
    ("app-launch-url", "fatal", "/appLaunchURL", {"/appLaunchURL": "club://open"}),
    (
        "app-launch-url",
        "fatal",
        "/appLaunchURL",
        {"/appLaunchURL": "club://open", "/associatedStoreIdentifiers": []},
    ),
    ("nfc", "fatal", "/nfc/message", {"/nfc": {**NFC, "message": ""}}),
    ("nfc", "fatal", "/nfc/encryptionPublicKey", {"/nfc": {"message": "42"}}),
    *(
        ("nfc-key", "fatal", "/nfc/encryptionPublicKey", {"/nfc": {**NFC, "encryptionPublicKey": key}})
        for key in (
            "no base64",
            b64(b"no key"),
            b64(COMPRESSED[:-1]),
            b64(P384.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
        )
    ),
    (
        "nfc-key-form",
        "warning",
        "/nfc/encryptionPublicKey",
        {"/nfc": {**NFC, "encryptionPublicKey": b64(UNCOMPRESSED)}},
    ),
    ("nfc-message", "warning", "/nfc/message", {"/nfc": {**NFC, "message": "ü" * 33}}),
    ("semantic-amount", "warning", "/semantics/balance", {"/semantics/balance/amount": 12.5}),
    ("semantic-amount", "warning", "/semantics/totalPrice", {"/semantics/totalPrice": {"amount": "1"}}),
    (
        "semantic-amount",
        "warning",
        "/storeCard/headerFields/0/semantics/balance",
        {"/storeCard/headerFields/0/semantics": {"balance": "12"}},
    ),
    ("featured-action", "warning", "/featuredActions/0/type", {"/featuredActions": [{"type": "dance"}]}),
    ("featured-action", "warning", "/featuredActions", {"/featuredActions": [{"type": "shop"}] * 3}),
]

LOGO = png(160, 50)
TALLER = LOGO[:33] + png(160, 49)[33:]  # the header of one, the pixels of another

# rule, severity, file name shown, {file: bytes to put there}
FILE_CASES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("icon-missing", "fatal", "icon.png", {"icon.png": REMOVE}),
    ("icon-scale", "warning", "icon.png", {"icon@2x.png": REMOVE}),
    ("image", "fatal", "icon.png", {"icon.png": b"\xff\xd8\xff JPEG"}),
    ("image", "fatal", "icon.png", {"icon.png": b"\x89PNG"}),
    ("image", "fatal", "icon.png", {"icon.png": png(0, 5)}),
    ("image", "warning", "logo.png", {"logo.png": b"GIF89a"}),
    ("image-size", "warning", "logo.png", {"logo.png": png(4097, 1)}),
    ("image", "warning", "de.lproj/footer.png", {"de.lproj/footer.png": b"GIF89a"}),
    *(
        ("image-damaged", "warning", "logo.png", {"logo.png": data})
        for data in (LOGO[:-1], LOGO + b" ", LOGO[:40], TALLER)
    ),
    ("image-damaged", "warning", "icon.png", {"icon.png": png(38, 38)[:-8] + b"DNEI" + bytes(4)}),
    *(
        ("image-larger", "warning", name, {name: png(*sides)})
        for name, sides in (
            ("logo.png", (161, 50)),
            ("footer@2x.png", (573, 30)),
            ("footer.png", (286, 16)),
            ("strip@3x.png", (1128, 433)),
            ("thumbnail.png", (91, 90)),
            ("en.lproj/background.png", (360, 527)),
        )
    ),
    *(
        ("image-cropped", "warning", name, {name: png(*sides)})
        for name, sides in (
            ("strip.png", (375, 98)),
            ("strip@2x.png", (750, 270)),
            ("background.png", (180, 212)),
            ("artwork.png", (358, 358)),
        )
    ),
    *(
        ("image-scale", "warning", name, {name: png(*sides), **others})
        for name, sides, others in (
            ("icon@2x.png", (74, 74), {}),
            ("icon@3x.png", (112, 112), {}),
            ("logo@2x.png", (320, 98), {}),
            ("de.lproj/footer@3x.png", (300, 44), {"de.lproj/footer@2x.png": png(200, 28)}),
            ("footer@3x.png", (300, 43), {"footer.png": png(100, 15), "footer@2x.png": png(200, 29)}),
        )
    ),
    ("image-shadowed", "warning", "en.lproj/logo.png", {"en.lproj/logo.png": png(1, 1)}),
    ("strings-encoding", "warning", "en.lproj/pass.strings", {"en.lproj/pass.strings": b"\xe4"}),
    ("strings-encoding", "warning", "en.lproj/pass.strings", {"en.lproj/pass.strings": b"\xff\xfe\x00"}),
    *(
        ("strings-syntax", "warning", "en.lproj/pass.strings", {"en.lproj/pass.strings": data})
        for data in (b'"points" = "Points"', b"a;" * 10_001, b'"points" = "\\u00e9";', b"<plist/>")
    ),
    (
        "strings-duplicate",
        "warning",
        "en.lproj/pass.strings",
        {"en.lproj/pass.strings": b'"points" = "Points"; "points" = "Score";'},
    ),
    ("strings-keys", "warning", "en.lproj/pass.strings", {"en.lproj/pass.strings": b""}),
    ("strings-keys", "warning", "de.lproj/pass.strings", {"en.lproj/pass.strings": b"points; more;"}),
    *(
        (
            "strings-key-spelling",
            "warning",
            "en.lproj/pass.strings",
            {"en.lproj/pass.strings": strings_bytes({key: "x"}), "de.lproj/pass.strings": REMOVE},
        )
        for key in ("level", " Level", "MEMBERSHIP of  Sample Club", "Now %@\n", "near the club")
    ),
    (
        "strings-change-message",
        "warning",
        "de.lproj/pass.strings",
        {"en.lproj/pass.strings": b'"Now %@" = "Now %@";', "de.lproj/pass.strings": b'"Now %@" = "Neu";'},
    ),
    (
        "image-languages",
        "warning",
        "de.lproj",
        {
            "logo.png": REMOVE,
            **dict.fromkeys(["en.lproj/logo.png", "en.lproj/logo@2x.png", "de.lproj/logo.png"], png(1, 1)),
        },
    ),
    ("reserved-name", "fatal", "pass.json", {"pass.json": b"{}"}),
    ("reserved-name", "fatal", "Manifest.json", {"Manifest.json": b"{}"}),
    ("reserved-name", "fatal", "signature", {"signature": b""}),
    ("file-name", "fatal", "images/logo.png", {"images/logo.png": png(1, 1), "logo.png": REMOVE}),
    ("file-name", "fatal", "my logo.png", {"my logo.png": b""}),
    ("stray-file", "warning", ".DS_Store", {".DS_Store": b""}),
    ("stray-file", "warning", "__MACOSX/._x", {"__MACOSX/._x": b""}),
    ("unknown-file", "warning", "Icon.png", {"Icon.png": b""}),
    ("json-duplicate-key", "fatal", "personalization.json", {"personalization.json": b'{"a":1,"a":1}'}),
    ("json-invalid", "fatal", "personalization.json", {"personalization.json": b"{"}),
]


def shown(found: list[Any]) -> list[tuple[str, str, str]]:
    return [(each.rule, each.severity, each.pointer) for each in found]


def test_a_valid_pass_has_no_problem(
    document: dict[str, Any], files: dict[str, bytes], signer: Signer, static: StaticFiles
) -> None:
    assert lint(document, files, signer.facts) == []
    assert lint(document, static) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"/nfc": NFC},
        {"/featuredActions": [{"identifier": "a", "type": "shop", "url": "https://example.com"}] * 2},
        {"/appLaunchURL": "club://open", "/associatedStoreIdentifiers": [123456789]},
        {"/barcode": {**QR, "messageEncoding": "UTF-8", "message": "5 € 🙂"}},
        {"/relevantDates": [{"startDate": "2026-01-01T00:00Z", "endDate": "2026-01-02T00:00+05:30"}]},
        {"/storeCard": REMOVE, "/boardingPass": {"transitType": "PKTransitTypeAir"}, "/groupingIdentifier": "g"},
        {"/posterGeneric": {"headerFields": [{"key": "p", "value": 1}], "footerFields": []}},
        {"/webServiceURL": REMOVE, "/authenticationToken": REMOVE},
        {"/webServiceURL": REMOVE, "/authenticationToken": "short"},
        {"/webServiceURL": "https://passes.example.com"},
        {"/webServiceURL": "https://passes.example.com/v10"},
        {"/passTypeIdentifier": "pass.com.apple.x", "/sharing": {}},
        {"/preferredStyleSchemes": ["posterEventTicket", "eventTicket"]},
    ],
)
def test_these_are_fine_too(document: dict[str, Any], files: dict[str, bytes], changes: dict[str, Any]) -> None:
    assert lint(spoiled(document, changes), files) == []


@pytest.mark.parametrize(("rule", "severity", "where", "changes"), CASES)
def test_one_thing_wrong_is_one_problem(
    document: dict[str, Any], files: dict[str, bytes], rule: str, severity: str, where: str, changes: dict[str, Any]
) -> None:
    found = lint(spoiled(document, changes), files)
    assert shown(found) == [(rule, severity, where)]
    assert found[0].message
    assert found[0].remedy


@pytest.mark.parametrize(("rule", "severity", "where", "changes"), FILE_CASES)
def test_one_file_wrong_is_one_problem(
    document: dict[str, Any], files: dict[str, bytes], rule: str, severity: str, where: str, changes: dict[str, Any]
) -> None:
    for name, data in changes.items():
        if data is REMOVE:
            del files[name]
        else:
            files[name] = data
    assert shown(lint(document, files)) == [(rule, severity, where)]


@pytest.mark.parametrize(
    "changes",
    [
        # another pass of the template may use it
        {
            name: strings_bytes({"bronze": "B", "silver": "S"})
            for name in ("en.lproj/pass.strings", "de.lproj/pass.strings")
        },
        # both spellings are wanted
        {"en.lproj/pass.strings": b"Level; level;", "de.lproj/pass.strings": b"Level; level;"},
        # the same text twice leaves nothing to doubt
        {"en.lproj/pass.strings": b"points; points;"},
        # the message lost nothing that it had
        {"en.lproj/pass.strings": b"Gold = Or;", "de.lproj/pass.strings": b"Gold = Gold;"},
        # one side sticks out by what nobody notices
        {"background.png": png(340, 506)},
        # halves of a pixel are rounded
        {"footer.png": png(100, 15), "footer@2x.png": png(199, 29), "footer@3x.png": png(299, 44)},
        # what another generation of Wallet shows, is fine
        {"strip.png": png(375, 123), "strip@2x.png": png(750, 246), "background.png": png(180, 220)},
        # an image for one language alone
        {"logo.png": REMOVE, "en.lproj/logo.png": png(1, 1)},
    ],
)
def test_these_files_are_fine_too(document: dict[str, Any], files: dict[str, bytes], changes: dict[str, Any]) -> None:
    changed = {name: data for name, data in {**files, **changes}.items() if data is not REMOVE}
    assert lint(document, changed) == []


def test_a_text_that_stands_there_in_both_spellings_is_no_slip(
    document: dict[str, Any], files: dict[str, bytes]
) -> None:
    for key in ("Gold", "GOLD"):
        files["en.lproj/pass.strings"] = files["de.lproj/pass.strings"] = strings_bytes({key: "x"})
        assert lint({**document, "logoText": "GOLD"}, files) == []


def test_many_spellings_of_many_texts_are_no_flood(document: dict[str, Any], files: dict[str, bytes]) -> None:
    spellings = ["".join(letters) for letters in product(*(["aA", "bB", "cC", "dD", "eE", "fF", "gG", "hH"]))]
    fields = [{"key": f"k{number}", "value": text} for number, text in enumerate(spellings[::2])]
    files["en.lproj/pass.strings"] = files["de.lproj/pass.strings"] = strings_bytes(dict.fromkeys(spellings[1::2], "x"))
    found = lint(spoiled(document, {"/storeCard/backFields": fields}), files)
    assert [each.rule for each in found] == ["strings-key-spelling"] * 2


def test_a_message_that_never_had_its_value_is_told_of_once(document: dict[str, Any], files: dict[str, bytes]) -> None:
    files["en.lproj/pass.strings"] = files["de.lproj/pass.strings"] = strings_bytes({"Changed": "x"})
    found = lint(spoiled(document, {"/storeCard/primaryFields/0/changeMessage": "Changed"}), files)
    assert [each.rule for each in found] == ["change-message"]


def test_what_strings_lack_is_told_by_place_and_name(document: dict[str, Any], files: dict[str, bytes]) -> None:
    files["en.lproj/pass.strings"] = b'points;\n  "more";' + b"".join(b"k%d;" % number for number in range(9))
    (found,) = lint(document, files)
    assert "lacks 'more', 'k0', 'k1', 'k2', 'k3' and 5 more" in found.message
    files["en.lproj/pass.strings"] = b'points = a;\n "points" b;'
    (found,) = lint(document, files)
    assert "en.lproj/pass.strings: line 2, column 11: ; is missing" in found.message
    files["en.lproj/pass.strings"] = b'points = a;\n "points" = b;'
    (found,) = lint(document, files)
    assert "line 2, column 2: 'points' says otherwise in line 1" in found.message
    files["en.lproj/pass.strings"] *= 99
    assert len(lint(document, files)) == 1, "one says enough"


def test_images_are_inflated_up_to_a_sum(document: dict[str, Any]) -> None:
    """128 MiB, which two of these pass: a package full of bombs that tell the truth costs no more than that."""
    large = png(4096, 4096, 6)
    torn = large[:33] + png(4096, 4095, 6)[33:]
    for name, told in (("background.png", True), ("venueMap.png", False)):
        files = {"icon.png": png(38, 38), "logo.png": large, "strip.png": large, name: torn}
        assert ("image-damaged" in {each.rule for each in lint(document, files)}) == told


def test_the_files_of_a_template_are_looked_at_once(document: dict[str, Any], files: dict[str, bytes]) -> None:
    static = StaticFiles.prepare({**files, "logo.png": b"GIF89a", "de.lproj/pass.strings": b"Level; level"})
    first = lint(document, static)
    [looked] = static.memo.values()
    assert first == lint(document, static) == lint(document, static.files) and len(first) == 2
    assert [*static.memo.values()] == [looked] and static.memo["lint"] is looked
    assert static == StaticFiles.prepare(static.files), "what was noted is no part of what they are"


def test_a_field_is_not_taken_for_one_that_merely_equals_it(document: dict[str, Any], files: dict[str, bytes]) -> None:
    """Fields are remembered by what they hold; to Python, some of these are the same."""
    style = next(style for style in STYLES if style in document)

    def forget() -> None:
        pass_fields._of_one.forget()
        style_rules._of_style.forget()

    def found(value: object) -> list[tuple[str, str, str]]:
        field = {"key": "remembered", "label": "L", "value": value}
        changed = {**document, style: {**document[style], "backFields": [field]}}
        return shown(lint(changed, files))

    values: list[Any] = [1, True, 1.0, "1", None, float("nan"), [1], [True], {"a": 1}, b"1", "x" * 5000, set()]
    alone = []
    for value in values:
        forget()
        alone.append(found(value))
    forget()
    for _ in range(2):
        assert [found(value) for value in values] == alone
    assert alone[0] != alone[1] and alone[4] != alone[5]


def test_what_is_kept_of_images_is_kept_by_style(document: dict[str, Any], files: dict[str, bytes]) -> None:
    """A strip that store cards show whole loses its edges on a coupon: also where one template makes both."""
    static = StaticFiles.prepare({**files, "strip.png": png(375, 123)})
    of_coupon = {("coupon" if key == "storeCard" else key): value for key, value in document.items()}
    for _ in range(2):
        assert lint(document, static) == lint(document, static.files) == []
        assert [each.rule for each in lint(of_coupon, static)] == ["image-cropped"]
    assert lint(of_coupon, static) == lint(of_coupon, static.files)


CERTIFICATE_CASES = [
    ("certificate-pass-type", "/passTypeIdentifier", {"/passTypeIdentifier": "pass.other"}),
    ("certificate-team", "/teamIdentifier", {"/teamIdentifier": "OTHER12345"}),
    ("certificate-nfc", "/nfc", {"/nfc": NFC}),
]


@pytest.mark.parametrize(("rule", "where", "changes"), CERTIFICATE_CASES)
def test_the_certificate_must_fit(
    document: dict[str, Any], files: dict[str, bytes], signer: Signer, rule: str, where: str, changes: dict[str, Any]
) -> None:
    wrong = spoiled(document, changes)
    assert shown(lint(wrong, files, signer.facts)) == [(rule, "fatal", where)]
    assert lint(wrong, files) == []


def test_an_nfc_certificate_allows_nfc(document: dict[str, Any], files: dict[str, bytes], authority: Authority) -> None:
    issued = authority.pass_certificate("pass.test.livepass", "TEAM123456", nfc=True)
    facts = Signer.from_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem).facts
    assert lint({**document, "nfc": NFC}, files, facts) == []


BYTES_CASES = [
    ("json-invalid", b"{"),
    ("json-invalid", b"[" * 40 + b"]" * 40),
    ("json-duplicate-key", b'{"formatVersion":1,"formatVersion":1}'),
]


@pytest.mark.parametrize(("rule", "data"), BYTES_CASES)
def test_the_text_of_a_pass_is_checked_too(rule: str, data: bytes) -> None:
    assert shown(lint_bytes(data, {})) == [(rule, "fatal", "")]


def test_a_good_text_is_linted_as_its_document(document: dict[str, Any], files: dict[str, bytes]) -> None:
    from livepass.pkpass import canonical

    assert lint_bytes(canonical(document), files) == []
    assert shown(lint_bytes(canonical({**document, "formatVersion": 2}), files)) == [
        ("format-version", "fatal", "/formatVersion")
    ]


def test_the_table_is_complete() -> None:
    for rule, line in RULES.items():
        assert rule == rule.lower()
        assert line.demand
        assert line.source


def test_unknown_keys_get_a_suggestion(document: dict[str, Any], files: dict[str, bytes]) -> None:
    for wrong, right in (("logotext", "logoText"), ("expirationDat", "expirationDate")):
        (found,) = lint({**document, wrong: "x"}, files)
        assert f"did you mean {right!r}?" in found.message
    (found,) = lint({**document, "zzzzzz": "x"}, files)
    assert "did you mean" not in found.message


@pytest.mark.parametrize("where", WHERE_DATES_ARE)
def test_a_fraction_of_a_second_is_told_of_wherever_a_date_stands(
    document: dict[str, Any], files: dict[str, bytes], where: str
) -> None:
    changes, effect = WHERE_DATES_ARE[where]
    found = [each for each in lint(spoiled(document, {**changes, where: FRACTION}), files) if "date" in each.rule]
    assert [(each.rule, each.severity, each.pointer, each.effect) for each in found] == [
        ("date-fraction", "warning", where, effect)
    ]
    assert found[0].remedy == "write 2026-12-01T20:00:00Z" and "not confirmed" in found[0].message


def test_fatal_problems_come_first(document: dict[str, Any], files: dict[str, bytes]) -> None:
    found = lint({**document, "aaa": 1, "serialNumber": "a/b", "labelColor": "#fff", "maxDistance": 0}, files)
    assert [each.severity for each in found] == ["fatal", "fatal", "warning", "warning"]


def test_an_empty_document_is_reported_not_raised() -> None:
    assert {each.rule for each in lint({}, {})} == {"required-key", "style", "icon-missing"}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PLACES = [
    *(f"/{key}" for key in TOP_LEVEL),
    *(f"/storeCard/headerFields/0/{key}" for key in ("key", "value", "row", "dateStyle", "semantics", "changeMessage")),
    *("/storeCard/primaryFields", "/storeCard/backFields/0/dataDetectorTypes", "/storeCard/transitType"),
    *("/barcode/format", "/barcode/message", "/barcode/messageEncoding", "/barcodes/0", "/locations/0", "/beacons/0"),
    *("/locations/0/latitude", "/beacons/0/major", "/relevantDates/0/date", "/relevantDates/0", "/semantics/balance"),
    *(f"/semantics/{tag}" for tag in ("seats", "venueLocation", "eventType", "passengerCapabilities", "eventEndDate")),
    *(f"/upcomingPassInformation/0/{key}" for key in ENTRY_KEYS),
    *(f"/upcomingPassInformation/0/images/{name}" for name in ("headerImage", "venueMap")),
]
PERSONALIZATIONS = st.dictionaries(st.sampled_from(sorted(PERSONALIZATION_KEYS)), anything).map(
    lambda content: json.dumps(content).encode()
)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_lint_never_raises(data: st.DataObject) -> None:
    base: dict[str, Any] = {
        "storeCard": {"headerFields": [{}], "backFields": [{}]},
        "barcode": {},
        "barcodes": [{}],
        "locations": [{}],
        "beacons": [{}],
        "relevantDates": [{}],
        "semantics": {},
        "upcomingPassInformation": [{"images": {}}],
        "preferredStyleSchemes": ["posterEventTicket", "semanticBoardingPass"],
    }
    place = data.draw(st.sampled_from(PLACES))
    files = {"icon.png": data.draw(st.binary(max_size=30)), "personalization.json": data.draw(PERSONALIZATIONS)}
    lint(spoiled(base, {place: data.draw(anything)}), files, ios=(18, 26, 27))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(TOP_LEVEL)) | st.text(max_size=4), anything, max_size=5))
def test_lint_never_raises_on_any_object(document: dict[str, Any]) -> None:
    lint(document, {})


@pytest.mark.parametrize("value", [[], {}, None, 1, [[]], [{}]])
@pytest.mark.parametrize(
    "document",
    [
        {"barcodes": [{"format": "HERE"}]},
        {"barcodes": "HERE"},
        {"preferredStyleSchemes": ["HERE"]},
        {"featuredActions": [{"type": "HERE"}]},
        {"relevantDates": ["HERE", {"date": "HERE", "startDate": "HERE"}]},
        {"semantics": {"eventType": "HERE", "seats": ["HERE"], "transitStatus": "HERE", "balance": "HERE"}},
        {"upcomingPassInformation": ["HERE", {"type": "HERE", "images": "HERE", "dateInformation": "HERE"}]},
        {"upcomingPassInformation": [{"images": {"venueMap": {"URLs": [{"URL": "HERE", "scale": "HERE"}]}}}]},
        {"boardingPass": {"transitType": "HERE", "primaryFields": [{"key": "HERE", "textAlignment": "HERE"}]}},
    ],
)
def test_lint_never_raises_where_a_word_should_stand(document: dict[str, Any], value: object) -> None:
    def put(inside: object) -> object:
        if isinstance(inside, dict):
            return {key: put(each) for key, each in inside.items()}
        if isinstance(inside, list):
            return [put(each) for each in inside]
        return value if inside == "HERE" else inside

    spoiled_ = put(document)
    assert isinstance(spoiled_, dict)
    assert lint(spoiled_, {}) and lint(spoiled_, {}, ios=(18, 26, 27))
