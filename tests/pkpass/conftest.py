"""What the tests of the package share: a valid pass, its files and its signer."""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, datetime

import pytest

from livepass.emulators.authority import Authority, Issued
from livepass.pkpass import Signer, StaticFiles
from pkpass.mutations import Materials


def png(width: int, height: int, colour: int = 0) -> bytes:
    """A real PNG, all black: of grey, or as ``colour`` 6 of four samples, and all transparent."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    rows = zlib.compress(b"\0" * (width * (4 if colour else 1) + 1) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def files() -> dict[str, bytes]:
    return {
        "icon.png": png(38, 38),
        "icon@2x.png": png(76, 76),
        "logo.png": png(160, 50),
        "en.lproj/pass.strings": b'"points" = "Points";\n' * 20,
        "de.lproj/pass.strings": '"points" = "Punkte für dich";\n'.encode("utf-16"),
    }


@pytest.fixture
def document() -> dict[str, object]:
    """A pass about which lint has nothing to say."""
    return {
        "formatVersion": 1,
        "passTypeIdentifier": "pass.test.livepass",
        "serialNumber": "membership.42",
        "teamIdentifier": "TEAM123456",
        "organizationName": "Sample Club",
        "description": "Membership of Sample Club",
        "webServiceURL": "https://passes.example.com:8443/wallet",
        "authenticationToken": "q3Gq0vFzG5h1Qm1p9b0sZw",
        "backgroundColor": "rgb(20, 30, 40)",
        "foregroundColor": "rgb(255,255,255)",
        "expirationDate": "2027-11-23T18:30:00+01:00",
        "relevantDates": [{"date": "2026-12-01T10:00Z", "relevantDate": "2026-12-01T10:00Z"}],
        "maxDistance": 200,
        "locations": [{"latitude": 48.1, "longitude": 11.5, "relevantText": "Near the club"}],
        "beacons": [{"proximityUUID": "f8f589e9-c07e-58b0-aeab-a36be4d48fac", "major": 1}],
        "barcode": {"format": "PKBarcodeFormatQR", "message": "42", "messageEncoding": "iso-8859-1"},
        "barcodes": [
            {"format": "PKBarcodeFormatCode128", "message": "42", "messageEncoding": "iso-8859-1", "altText": "42"}
        ],
        "userInfo": {"anything": [1, {"goes": None}]},
        "semantics": {"balance": {"amount": "12.50", "currencyCode": "EUR"}},
        "storeCard": {
            "headerFields": [{"key": "level", "label": "Level", "value": "Gold"}],
            "primaryFields": [{"key": "balance", "value": 12.5, "currencyCode": "EUR", "changeMessage": "Now %@"}],
            "secondaryFields": [
                {"key": "since", "value": "2020-01-01T00:00:00Z", "dateStyle": "PKDateStyleMedium", "isRelative": True}
            ],
            "auxiliaryFields": [{"key": "aux", "value": 3, "row": 1, "textAlignment": "PKTextAlignmentRight"}],
            "backFields": [
                {
                    "key": "terms",
                    "value": "Call us",
                    "attributedValue": "<a href='https://example.com'>Terms</a>",
                    "dataDetectorTypes": ["PKDataDetectorTypePhoneNumber"],
                }
            ],
        },
    }


@pytest.fixture
def static(files: dict[str, bytes]) -> StaticFiles:
    return StaticFiles.prepare(files)


@pytest.fixture(scope="session")
def signer(pass_certificate: Issued) -> Signer:
    assert pass_certificate.intermediate is not None
    return Signer(pass_certificate.certificate, pass_certificate.key, pass_certificate.intermediate)


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="session")
def other_authority() -> Authority:
    return Authority(name="Somebody Else")


@pytest.fixture(scope="session")
def materials(authority: Authority, other_authority: Authority, pass_certificate: Issued, now: datetime) -> Materials:
    return Materials.make(authority, other_authority, pass_certificate, now)
