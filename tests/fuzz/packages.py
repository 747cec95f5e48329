"""Packages and templates: our reader, the phone's, lint, and what a template makes of data."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import zipfile
from collections.abc import Iterable, Mapping
from functools import cache

from cryptography import x509

from fuzz.target import CORPUS, Mutate, Target
from livepass.emulators.iphone import document as phone_document
from livepass.emulators.iphone import package as phone
from livepass.emulators.iphone.document import Rules
from livepass.pkpass import (
    InvalidDocument,
    InvalidPackage,
    InvalidSignature,
    Template,
    TemplateDataError,
    TemplateError,
    canonical,
    lint,
    lint_bytes,
    read,
    verify,
)
from livepass.pkpass.limits import DEFAULT_LIMITS
from livepass.pkpass.notices import foretell, moved_fields
from livepass.pkpass.placeholders import uses
from livepass.pkpass.strict_json import JsonProblem, deepest, parse_object

PARTS = b"\n---\n"
_MESSAGE = 20_000
"""The most characters that lint's remarks on a small document may have together, per byte of it and beside that."""


# ── our reader


def _package(data: bytes) -> None:
    """What is read is read by others too, with the same content; what is verified is a pass of its own type."""
    package = read(data)
    assert sum(map(len, package.files.values())) <= DEFAULT_LIMITS.total_bytes
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        listed = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    assert listed == dict(package.files), "the standard library reads other files"
    assert parse_object(canonical(package.document)) == package.document
    for problem in lint(package.document, package.static_files()):
        assert problem.rule
    verified = verify(package)
    assert package.document["passTypeIdentifier"] == verified.pass_type
    assert verified.signature.signed_at <= verified.certificate.not_after


def _phone(data: bytes) -> None:
    """The emulated phone refuses with a text, and shows what it took."""
    package = phone.read(data, roots=_roots(), rules=Rules(allow_http=True))
    package.fields()
    for name in package.files:
        package.localized("key", name.partition(".")[0])
    assert package.pass_type and package.serial and package.team


@cache
def _roots() -> tuple[x509.Certificate, ...]:
    """Of the authority that signed what the corpus holds. Its keys are gone."""
    return (x509.load_der_x509_certificate((CORPUS / "root.der").read_bytes()),)


def _reshape(data: bytes, most: int, mutate: Mutate, rng: random.Random) -> bytes:
    """Mutate one file, and put hashes, checksums and sizes right again."""
    if rng.random() < 0.4:
        return mutate(data, most)
    files: dict[str, bytes] = {}
    with contextlib.suppress(Exception), zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name)[:65536] for name in archive.namelist()[:20]}
    if not files:
        return mutate(data, most)
    name = rng.choice(sorted(files))
    files[name] = mutate(files[name], 16384)
    if rng.random() < 0.7 and name not in ("manifest.json", "signature"):
        files["manifest.json"] = _manifest(files)
    packed = zipped(files, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
    return packed if len(packed) <= most else data


def _manifest(files: Mapping[str, bytes]) -> bytes:
    generated = ("manifest.json", "signature")
    return json.dumps({k: hashlib.sha1(v).hexdigest() for k, v in files.items() if k not in generated}).encode()


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


# ── a document


def _document(data: bytes) -> None:
    """Lint never raises, nor does the phone's judgement; a change of any document can be told."""
    problems = lint_bytes(data, {})
    assert sum(len(problem.message) + len(problem.remedy) for problem in problems) <= _MESSAGE * (1 + len(data) // 10)
    try:
        parsed = parse_object(data)
    except JsonProblem:
        assert problems
        return
    assert deepest(data) <= 32
    assert parse_object(canonical(parsed)) == parsed
    rejected = phone_document.rejection(parsed, Rules())
    if rejected is None:
        phone_document.remarks(parsed, Rules())
    json.dumps([each.row() for each in moved_fields({}, parsed)])
    assert moved_fields(parsed, parsed) == []
    for moved in (moved_fields(parsed, {}), moved_fields(None, parsed)):
        assert foretell(moved).kind == "silent", "what is new or gone is not announced"


# ── templates


def _template(data: bytes) -> None:
    """pass.json, variables.json, data and content, divided by lines of three hyphens."""
    document, variables, values, content, *_ = [*data.split(PARTS), b"", b"", b""]
    files = {"pass.json": document} | ({"variables.json": variables} if variables else {})
    template = Template.from_files("t", files)
    assert Template.from_zip(template.to_zip()).revision == template.revision
    try:
        given, merged = parse_object(values), parse_object(content) if content else None
    except JsonProblem:
        return
    rendered = template.render(given, None)
    before = parse_object(document)
    assert list(rendered) == list(before), "data made a key"
    if b"${" not in values and b"${" not in variables and b"$${" not in document and "\\" not in data.decode():
        assert not [*uses(rendered)], "a placeholder was left"
    written = canonical(template.render(given, merged))
    assert canonical(template.render(given, merged)) == written
    lint(parse_object(written, 200), template.static)


def _template_zip(data: bytes) -> None:
    template = Template.from_zip(data, "t")
    assert Template.from_zip(template.to_zip()).revision == template.revision
    assert sum(map(len, template.files.values())) <= DEFAULT_LIMITS.total_bytes


# ── inputs

DOCUMENT = {
    "formatVersion": 1,
    "passTypeIdentifier": "pass.test.livepass",
    "serialNumber": "42",
    "teamIdentifier": "TEAM123456",
    "organizationName": "Sample Club",
    "description": "Membership",
    "webServiceURL": "https://passes.example.com/wallet",
    "authenticationToken": "q3Gq0vFzG5h1Qm1p9b0sZw",
    "backgroundColor": "rgb(20, 30, 40)",
    "expirationDate": "2027-11-23T18:30:00+01:00",
    "relevantDates": [{"date": "2026-12-01T10:00Z"}],
    "locations": [{"latitude": 48.1, "longitude": 11.5, "relevantText": "Near"}],
    "barcodes": [{"format": "PKBarcodeFormatQR", "message": "42", "messageEncoding": "iso-8859-1"}],
    "nfc": {"message": "x", "encryptionPublicKey": "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgAC"},
    "semantics": {"balance": {"amount": "12.50", "currencyCode": "EUR"}},
    "storeCard": {
        "primaryFields": [{"key": "balance", "value": 12.5, "currencyCode": "EUR", "changeMessage": "Now %@"}],
        "auxiliaryFields": [{"key": "aux", "value": 3, "row": 1, "textAlignment": "PKTextAlignmentRight"}],
        "backFields": [{"key": "since", "value": "2020-01-01T00:00:00Z", "dateStyle": "PKDateStyleMedium"}],
    },
}
FILES = {
    "icon.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x1d\0\0\0\x1d\x08\x06\0\0\0",
    "en.lproj/pass.strings": b'"a" = "b";',
}


def _documents() -> Iterable[bytes]:
    yield json.dumps(DOCUMENT).encode()
    yield json.dumps({**DOCUMENT, "barcode": {"format": 1}, "maxDistance": -1, "sharing": {}, "locations": {}}).encode()
    yield b'{"a":[[[{"a":1}]]],"a":2}'


def _packages() -> Iterable[bytes]:
    files = {"pass.json": json.dumps(DOCUMENT).encode(), **FILES}
    yield zipped(files | {"manifest.json": _manifest(files), "signature": b"0\x03\x02\x01\x01"})
    yield zipped({"t/pass.json": b'{"a":"${b}"}', "t/variables.json": b'{"b":{"type":"date"}}', "__MACOSX/x": b""})


def _templates() -> Iterable[bytes]:
    text = b'{"a":"${a}","b":["x ${b} $${c}"],"n":1}'
    yield PARTS.join((text, b"", b'{"a":true,"b":1.5}', b'{"a":null,"c":{"d":[1]}}'))
    declared = b'{"a":{"type":"date"},"b":{"type":"integer","default":7,"description":"x"},"c":{"type":"text"}}'
    yield PARTS.join((text, declared, b'{"a":"2026-12-01T10:00Z"}', b""))
    yield PARTS.join((json.dumps(DOCUMENT).encode(), b"{}", b"{}", b'{"storeCard":null,"generic":{}}'))


KEYS = tuple(
    b'"%s"' % key.encode()
    for key in (
        *DOCUMENT,
        "barcode",
        "maxDistance",
        "sharing",
        "appLaunchURL",
        "generic",
        "boardingPass",
        "transitType",
        "key",
        "value",
        "label",
        "row",
        "message",
        "format",
        "messageEncoding",
        "beacons",
        "userInfo",
        "suppressStripShine",
        "associatedStoreIdentifiers",
        "dateStyle",
        "numberStyle",
        "isRelative",
        "altText",
        "relevantDate",
        "voided",
    )
)
JSON_WORDS = (
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"true",
    b"1e999",
    b"-0",
    b"\\ud800",
    b"\\u0000",
    b'""',
    b"9" * 19,
)
ZIP_WORDS = (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x07\x08", b"\x75\x70", b"pass.json", b"manifest.json")
_TEMPLATE_WORDS = (b"${a}", b"$${", b"${", b"}", PARTS, b'{"type":"', b"boolean", b"number", b"string", b'"default":')

TARGETS = (
    Target("pkpass", _package, (InvalidPackage, InvalidSignature), _packages, ZIP_WORDS, 12_000, _reshape),
    Target("phone_package", _phone, (phone.Refused,), _packages, (*ZIP_WORDS, *KEYS), 12_000, _reshape),
    Target("document", _document, (), _documents, (*KEYS, *JSON_WORDS), 4096),
    Target(
        "template",
        _template,
        (TemplateError, TemplateDataError, InvalidDocument),
        _templates,
        (*_TEMPLATE_WORDS, *JSON_WORDS),
        4096,
    ),
    Target("template_zip", _template_zip, (TemplateError,), _packages, (*ZIP_WORDS, *_TEMPLATE_WORDS), 4096, _reshape),
)
