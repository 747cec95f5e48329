"""What the phone refuses: start from one valid package, spoil one thing, expect one text."""

from __future__ import annotations

import base64
import datetime as dt
import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options

from emulators.iphone.pass_maker import PASS_TYPE, TEAM, Maker, document, signed, zipped
from livepass.emulators.authority import Authority
from livepass.emulators.authority.signing import Content, sign
from livepass.emulators.iphone import Package, Refused, cms, trust
from livepass.emulators.iphone.document import Rules
from livepass.emulators.iphone.package import NO_SIGNING_DATE, NOT_TRUSTED, NOT_VERIFIED, UNREADABLE, read

FIELDS = {"headerFields": [{"key": "a", "value": 1}]}


def take(maker: Maker, data: bytes, **rules: Any) -> Package:
    return read(data, roots=[maker.authority.root], rules=Rules(**rules))


def refusal(maker: Maker, data: bytes, **rules: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        take(maker, data, **rules)
    return caught.value


def field(group: str = "headerFields", **changes: Any) -> dict[str, Any]:
    entry = {key: value for key, value in ({"key": "a", "value": "1"} | changes).items() if value is not None}
    return {"storeCard": {group: [entry]}}


def test_a_valid_package_is_taken_as_it_is(maker: Maker) -> None:
    package = take(maker, maker())
    assert (package.pass_type, package.serial, package.team) == (PASS_TYPE, "S-1", TEAM)
    assert package.organization == "Coffee Club" and package.warnings == ()
    assert len(package.manifest_hash) == 40 and not package.is_enhanced


DOCUMENTS: list[tuple[dict[str, Any], str]] = [
    *(
        ({key: None}, f"Pass dictionary must contain key '{key}'.")
        for key in ("formatVersion", "serialNumber", "teamIdentifier", "organizationName", "description")
    ),
    ({"authenticationToken": None}, "Pass dictionary must contain key 'authenticationToken'."),
    ({"serialNumber": 7}, "Value for key 'serialNumber' must be of class NSString, but is actually of class NSNumber."),
    ({"voided": "yes"}, "Value for key 'voided' must be of class NSNumber, but is actually of class NSString."),
    ({"userInfo": []}, "Value for key 'userInfo' must be of class NSDictionary, but is actually of class NSArray."),
    ({"formatVersion": 2}, "This version of the operating system only supports passes of versions [1]"),
    ({"teamIdentifier": ""}, "Team identifier is missing"),
    ({"passTypeIdentifier": ""}, "Pass type identifier is missing"),
    (
        {"storeCard": None},
        "Pass dictionary must have an entry for one of {eventTicket, coupon, storeCard, boardingPass, ",
    ),
    ({"storeCard": None, "boardingPass": FIELDS}, "Pass dictionary must contain key 'transitType'."),
    (
        {"authenticationToken": "0123456789abcde"},
        "authenticationToken '0123456789abcde' is too short. It needs to be at least 16 characters.",
    ),
    (
        {"webServiceURL": "http://x.example"},
        "scheme of webServiceURL 'http://x.example' needs to be an https rather than http.",
    ),
    (
        {"expirationDate": "tomorrow"},
        "Unable to parse expirationDate tomorrow as a date. We expect dates in W3C date time ",
    ),
    ({"relevantDate": "2030-01-01"}, "Unable to parse relevantDate 2030-01-01 as a date."),
    ({"relevantDate": "2030-01-01T10:00+0200"}, "Unable to parse relevantDate"),
    ({"backgroundColor": "red"}, "Unable to parse color string 'red'."),
    (
        {"barcode": {"format": "PKBarcodeFormatQR", "message": "1", "messageEncoding": "wingdings"}},
        "message encoding wingdings is not an IANA character set name.",
    ),
    (
        {"barcode": {"format": "PKBarcodeFormatQR", "message": "5 €", "messageEncoding": "iso-8859-1"}},
        "barcode message '5 €' isn't encodable with encoding 'iso-8859-1'.",
    ),
    ({"barcode": {"format": "PKBarcodeFormatQR", "message": "1"}}, "must contain key 'messageEncoding'."),
    ({"barcode": {"format": 1, "message": "1", "messageEncoding": "utf-8"}}, "Value for key 'format' must be"),
    ({"barcode": {"format": "Morse", "message": "1", "messageEncoding": "utf-8"}}, "barcode format 'Morse'"),
    ({"locations": [{"latitude": 91, "longitude": 0}]}, "Latitude must be between -90 and 90."),
    ({"locations": [{"latitude": 0, "longitude": -181}]}, "Longitude must be between -180 and 180."),
    ({"locations": [{"latitude": 0}]}, "Pass dictionary must contain key 'longitude'."),
    ({"locations": [7]}, "Value for key 'locations' must be of class NSDictionary"),
    ({"maxDistance": 0}, "Maximum distance must be greater than zero"),
    ({"appLaunchURL": "x:"}, "appLaunchURL key requires the presence of at least one item in the associatedStoreIdent"),
    ({"nfc": {}}, "Pass dictionary must contain key 'message'."),
    (
        {"nfc": {"message": "m", "encryptionPublicKey": "AAAA"}},
        "nfc encryptionPublicKey 'AAAA' isn't a valid EC compact public key. Valid curves are secp256r1.",
    ),
    ({"sharing": {}}, "sharing is not allowed"),
    (field(key=None), "Pass dictionary must contain key 'key'."),
    (field("backFields", key=None), "Pass dictionary must contain key 'key'."),
    (field(value=None), "field 'a' has no value"),
    (field(dateStyle="PKDateStyleShort"), "has date options"),
    (field(numberStyle="PKNumberStyleDecimal"), "has number options"),
    (field(value=1, numberStyle="PKNumberStyleDecimal", currencyCode="EUR"), "has both numberStyle and currencyCode"),
    (field(value="2030-01-01T10:00Z", dateStyle="x", currencyCode="EUR"), "has number options"),
    (field("auxiliaryFields", row=2), "has a row other than 0 or 1"),
    ({"storeCard": {"headerFields": [{"key": "a", "value": 1}] * 2}}, "duplicate field key 'a'"),
]


@pytest.mark.parametrize(("changes", "text"), DOCUMENTS)
def test_a_bad_document_is_refused_in_the_consoles_words(maker: Maker, changes: dict[str, Any], text: str) -> None:
    assert text in refusal(maker, maker(**changes)).text


ACCEPTED: list[dict[str, Any]] = [
    {"authenticationToken": "0" * 16},
    {"webServiceURL": None, "authenticationToken": None},
    {"expirationDate": "2030-01-01T10:00Z", "relevantDate": "2030-01-01T10:00:59+02:00"},
    {"backgroundColor": "rgb(1, 2,3)", "labelColor": "#fff"},
    {"barcode": {"format": "PKBarcodeFormatEAN13", "message": "1", "messageEncoding": "iso-8859-1"}},
    {"locations": [{"latitude": -90, "longitude": 180}], "maxDistance": 1},
    {"appLaunchURL": "x:", "associatedStoreIdentifiers": [1]},
    {"storeCard": None, "boardingPass": {**FIELDS, "transitType": "PKTransitTypeAir"}},
    {"storeCard": None, "posterGeneric": FIELDS},
    {"unknownKey": {"kept": True}},
    field(value=1.5, currencyCode="EUR"),
]


@pytest.mark.parametrize("changes", ACCEPTED)
def test_what_is_allowed_is_taken(maker: Maker, changes: dict[str, Any]) -> None:
    assert take(maker, maker(**changes)).warnings == ()


REMARKED: list[dict[str, Any]] = [
    {"barcodes": [{"format": "PKBarcodeFormatQR", "message": "€", "messageEncoding": "ascii"}]},
    {"barcodes": ["x"]},
    {"relevantDates": [{"date": "soon"}]},
    {"locations": [{"latitude": 1, "longitude": 1}] * 11},
    field("backFields", value=None),
    {"storeCard": {"backFields": [{"key": "a", "value": 1}] * 2}},
]


@pytest.mark.parametrize("changes", REMARKED)
def test_what_is_only_remarked_is_taken(maker: Maker, changes: dict[str, Any]) -> None:
    assert len(take(maker, maker(**changes)).warnings) == 1


def test_the_version_and_the_developer_menu_change_the_rules(maker: Maker) -> None:
    http = maker(webServiceURL="http://x.example")
    assert take(maker, http, allow_http=True).url == "http://x.example"
    poster = maker(storeCard=None, posterGeneric=FIELDS)
    assert "Pass dictionary must have an entry" in refusal(maker, poster, ios=26).text
    code = maker(barcode={"format": "PKBarcodeFormatEAN13", "message": "1", "messageEncoding": "ascii"})
    assert "barcode format" in refusal(maker, code, ios=26).text


def test_an_nfc_key_of_the_right_curve_is_taken(maker: Maker) -> None:
    def spki(curve: ec.EllipticCurve) -> str:
        key = ec.generate_private_key(curve).public_key()
        return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()

    take(maker, maker(nfc={"message": "m", "encryptionPublicKey": spki(ec.SECP256R1())}))
    refusal(maker, maker(nfc={"message": "m", "encryptionPublicKey": spki(ec.SECP384R1())}))


# ── the archive ─────────────────────────────────────────────────────────────────────────────────────────────────────

Files = dict[str, bytes]


def spoiled(change: Callable[[Files], object]) -> Callable[[Maker], bytes]:
    def make(maker: Maker) -> bytes:
        files = maker.files(document())
        files["signature"] = signed(files["manifest.json"], maker.issued)
        change(files)
        return zipped(files)

    return make


def without_icon(maker: Maker) -> bytes:
    files = {"pass.json": json.dumps(document()).encode()}
    import hashlib

    files["manifest.json"] = json.dumps({"pass.json": hashlib.sha1(files["pass.json"]).hexdigest()}).encode()
    return maker.sealed(files)


ARCHIVES: list[tuple[Callable[[Maker], bytes], str, str]] = [
    (lambda maker: b"<html>", UNREADABLE, "not a zip archive"),
    (lambda maker: maker()[:-30], UNREADABLE, "not a zip archive"),
    (spoiled(lambda files: files.pop("pass.json")), UNREADABLE, "no pass.json"),
    (spoiled(lambda files: files.pop("manifest.json")), UNREADABLE, "no manifest.json"),
    (spoiled(lambda files: files.pop("signature")), "Signature is missing", ""),
    (spoiled(lambda files: files.update({"signature": b""})), "Signature is missing", ""),
    (spoiled(lambda files: files.update({"icon.png": b"other"})), UNREADABLE, "hash of icon.png"),
    (spoiled(lambda files: files.update({".DS_Store": b"x"})), UNREADABLE, ".DS_Store is not in the manifest"),
    (spoiled(lambda files: files.pop("icon.png")), UNREADABLE, "icon.png is in the manifest"),
    (spoiled(lambda files: files.update({"../x": b"x"})), UNREADABLE, "duplicate, encrypted or outside"),
    (spoiled(lambda files: files.update({"manifest.json": b"[]"})), UNREADABLE, "manifest.json is not an object"),
    (lambda maker: maker.build(b"{"), UNREADABLE, "pass.json is not JSON"),
    (spoiled(lambda files: files.update({"manifest.json": files["manifest.json"] + b" "})), NOT_VERIFIED, "digest"),
    (spoiled(lambda files: files.update({"signature": b"junk"})), NOT_VERIFIED, ""),
    (spoiled(lambda files: files.update({"signature": files["signature"][:-400]})), NOT_VERIFIED, ""),
    (without_icon, "Pass does not contain icon.png/icon@2x.png/icon@3x.png", ""),
]


@pytest.mark.parametrize(("make", "text", "why"), ARCHIVES)
def test_a_bad_archive_is_refused(maker: Maker, make: Callable[[Maker], bytes], text: str, why: str) -> None:
    refused = refusal(maker, make(maker))
    assert refused.text == text and why in refused.why


def test_directories_are_no_files_and_bombs_are_refused(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    files = maker.files(document())
    files["signature"] = signed(files["manifest.json"], maker.issued)
    take(maker, zipped({"en.lproj/": b"", **files}))
    monkeypatch.setattr("livepass.emulators.iphone.package.MOST_BYTES", 10)
    assert "too large" in refusal(maker, maker()).why


def test_other_compressions_are_refused(maker: Maker) -> None:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("pass.json", b"{}")
    assert "neither stored nor deflated" in refusal(maker, buffer.getvalue()).why


def test_json_is_read_strictly(maker: Maker) -> None:
    assert "NaN" in refusal(maker, maker.build(b'{"formatVersion": NaN}')).why
    assert "nested too deeply" in refusal(maker, maker.build(b"[" * 100_000)).why


def test_spoiled_bytes_are_refused_and_nothing_worse(maker: Maker) -> None:
    """One byte changed anywhere: refused, or harmless."""
    files = maker.files(document())
    files["signature"] = signed(files["manifest.json"], maker.issued)
    random = Random(1)
    for name in ("signature", "pass.json", "manifest.json") * 150:
        data = bytearray(files[name])
        data[random.randrange(len(data))] = random.randrange(256)
        try:
            take(maker, zipped(files | {name: bytes(data)}))
        except Refused:
            continue
    archive = maker()
    for _ in range(300):
        data = bytearray(archive)
        data[random.randrange(len(data))] = random.randrange(256)
        try:
            take(maker, bytes(data))
        except Refused:
            continue


def test_duplicate_entries_are_refused(maker: Maker) -> None:
    buffer = BytesIO(maker())
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("pass.json", b"{}")
    assert "duplicate" in refusal(maker, buffer.getvalue()).why


# ── the signature ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_signing_date(maker: Maker) -> None:
    options = (PKCS7Options.DetachedSignature, PKCS7Options.Binary, PKCS7Options.NoAttributes)
    assert refusal(maker, maker.build(document(), options=options)).text == NO_SIGNING_DATE


def test_an_attached_signature(maker: Maker) -> None:
    refused = refusal(maker, maker.build(document(), options=(PKCS7Options.Binary,)))
    assert (refused.text, refused.why) == (NOT_VERIFIED, "the content is attached")


def test_a_signature_without_the_signers_certificate(maker: Maker) -> None:
    options = (PKCS7Options.DetachedSignature, PKCS7Options.Binary, PKCS7Options.NoCerts)
    assert "not embedded" in refusal(maker, maker.build(document(), options=options)).why


def test_a_changed_signature_value(maker: Maker) -> None:
    files = maker.files(document())
    signature = bytearray(signed(files["manifest.json"], maker.issued))
    signature[-5] ^= 1
    refused = refusal(maker, zipped(files | {"signature": bytes(signature)}))
    assert "does not match the signer's key" in refused.why


def test_other_digests_verify(maker: Maker) -> None:
    for digest in (hashes.SHA384(), hashes.SHA512()):
        take(maker, maker.build(document(), digest=digest))


def test_indefinite_lengths_are_read(maker: Maker) -> None:
    """What Java's BouncyCastle writes: BER around the same content."""
    files = maker.files(document())
    der = signed(files["manifest.json"], maker.issued)
    outer = cms._one(der, cms.SEQUENCE)
    oid, wrapped = outer.children()
    data = wrapped.children()[0]
    ber = b"\x30\x80" + oid.raw + b"\xa0\x80" + b"\x30\x80" + data.content + b"\0\0" * 3
    assert take(maker, zipped(files | {"signature": ber})).serial == "S-1"


CERTIFICATES: list[tuple[dict[str, Any], str]] = [
    ({"pass_type": "pass.other"}, "another pass type"),
    ({"marker": "pass.other"}, "another pass type"),
    ({"team": "OTHERTEAM1"}, "another team"),
    ({"passbook_eku": False}, "may not sign passes"),
    ({"days": 1, "starts": dt.timedelta(days=-10)}, "outside the validity"),
    ({"starts": dt.timedelta(days=1)}, "outside the validity"),
]


@pytest.mark.parametrize(("spoil", "why"), CERTIFICATES)
def test_a_wrong_certificate_is_not_trusted(maker: Maker, spoil: dict[str, Any], why: str) -> None:
    arguments: dict[str, Any] = {"pass_type": PASS_TYPE, "team": TEAM, **spoil}
    issued = maker.authority.pass_certificate(**arguments, key=maker.issued.key)
    refused = refusal(maker, maker.build(document(), issued=issued))
    assert refused.text == NOT_TRUSTED and why in refused.why


def test_the_wrong_generation_of_the_intermediate(maker: Maker) -> None:
    for other in (maker.authority.other_intermediate("G1"), maker.authority.issuer("G3").certificate):
        assert "no embedded intermediate" in refusal(maker, maker.build(document(), intermediate=other)).why


@pytest.mark.parametrize(
    ("generation", "why"),
    [
        ("G1", "outside the validity"),  # lapsed before the pass was signed
        ("G2", "none that issues signers of passes"),  # Apple Pay's: another marker
        ("G3", None),
        ("G6", None),  # EC, below the other root
    ],
)
def test_what_the_generations_are_good_for(maker: Maker, generation: str, why: str | None) -> None:
    roots = [maker.authority.root, maker.authority.ec_root]
    issued = maker.authority.pass_certificate(PASS_TYPE, TEAM, generation=generation, key=maker.issued.key)
    package = maker.build(document(), issued=issued)
    if why is None:
        assert read(package, roots=roots).team == TEAM
        return
    with pytest.raises(Refused) as caught:
        read(package, roots=roots)
    assert caught.value.text == NOT_TRUSTED and why in caught.value.why


def test_a_root_is_no_intermediate(maker: Maker) -> None:
    """The chain has three links: a signer right below the root has two."""
    server = maker.authority.server_certificate("localhost")
    files = maker.files(document())
    signature = signed(files["manifest.json"], server, intermediate=maker.authority.root)
    assert "no trusted root" in refusal(maker, zipped(files | {"signature": signature})).why


def test_another_certificate_of_the_same_intermediate_misleads_nobody(maker: Maker) -> None:
    """The same name and key below a root that no phone has: cross-signed, or planted."""
    real, strangers = maker.authority.issuer("G4"), Authority(name="Strangers")
    dates = Content(real.certificate.not_valid_before_utc, real.certificate.not_valid_after_utc, authority=True)
    subject, key = real.certificate.subject, real.certificate.public_key()
    other = sign(subject, strangers.root.subject, key, strangers.issuer("G4").key, dates)
    for embedded in ([other, real.certificate], [real.certificate, other]):
        chain = trust._chain(maker.issued.certificate, embedded, [maker.authority.root])
        assert chain == (real.certificate, maker.authority.root)


def test_a_foreign_root(maker: Maker) -> None:
    foreign = Authority(name="Somebody Else")
    with pytest.raises(Refused) as caught:
        read(maker(), roots=[foreign.root])
    assert "no trusted root" in caught.value.why


def test_a_server_certificate_signs_no_passes(maker: Maker) -> None:
    server = maker.authority.server_certificate("localhost")
    files = maker.files(document())
    signature = signed(files["manifest.json"], server, intermediate=maker.authority.intermediate)
    assert refusal(maker, zipped(files | {"signature": signature})).text == NOT_TRUSTED
    with pytest.raises(trust.Distrusted, match="not a Pass Type ID"):
        trust._reject_marker(server.certificate, PASS_TYPE)
    with pytest.raises(trust.Distrusted, match="may not sign"):
        trust._reject_usage(server.certificate)
    with pytest.raises(trust.Distrusted, match="no extended key usage"):
        trust._reject_usage(maker.authority.root)


def test_strings_of_a_language_are_read(maker: Maker) -> None:
    text = '"hello" = "gr\\"üezi";\n/* note */ "bye"="ade\\n";'
    for encoding in ("utf-16", "utf-8"):
        package = take(maker, maker.build(document(), {"de.lproj/pass.strings": text.encode(encoding)}))
        assert package.localized("hello", "de") == 'gr"üezi'
        assert package.localized("bye", "de") == "ade\n"
        assert package.localized("hello", "fr") == "hello"
