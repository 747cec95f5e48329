"""Signatures written byte by byte, for the forms that no library at hand writes."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from emulators.iphone.pass_maker import Maker
from livepass.emulators.iphone import cms

SHA256 = "608648016503040201"
CONTENT = b"manifest"


def tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def oid(hexadecimal: str) -> bytes:
    return tlv(0x06, bytes.fromhex(hexadecimal))


def attribute(kind: str, value: bytes) -> bytes:
    return tlv(0x30, oid("2a864886f70d0109" + kind), tlv(0x31, value))


def certificate(key: Any, with_identifier: bool = True) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signer")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(77).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    if with_identifier:
        builder = builder.add_extension(x509.SubjectKeyIdentifier(b"key-id"), critical=False)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def sign(key: Any, data: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(hashes.SHA256()))
    return bytes(key.sign(data))


def signed_data(
    key: Any,
    *,
    kind: str = "2a864886f70d010702",
    by_key_identifier: bool = False,
    identifier: bytes = b"key-id",
    digest: str = SHA256,
    content_type: bool = True,
    time: bytes = tlv(0x17, b"261123120000Z"),
    signers: int = 1,
    with_identifier: bool = True,
    serial: int = 77,
) -> bytes:
    signer = certificate(key, with_identifier)
    attributes = attribute("04", tlv(0x04, hashlib.sha256(CONTENT).digest())) + attribute("05", time)
    if content_type:
        attributes += attribute("03", oid("2a864886f70d010701"))
    if by_key_identifier:
        name = tlv(0x80, identifier)
    else:
        name = tlv(0x30, signer.issuer.public_bytes(), tlv(0x02, bytes([serial])))
    algorithm = tlv(0x30, oid(digest), b"\x05\0")
    signature = tlv(0x04, sign(key, tlv(0x31, attributes)))
    info = tlv(0x30, tlv(0x02, b"\1"), name, algorithm, tlv(0xA0, attributes), algorithm, signature)
    return tlv(
        0x30,
        oid(kind),
        tlv(
            0xA0,
            tlv(
                0x30,
                tlv(0x02, b"\1"),
                tlv(0x31, algorithm),
                tlv(0x30, oid("2a864886f70d010701")),
                tlv(0xA0, signer.public_bytes(Encoding.DER)),
                tlv(0x31, info * signers),
            ),
        ),
    )


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_an_elliptic_key_signs_as_well(key: Any) -> None:
    signature = cms.verify(signed_data(key), CONTENT)
    assert signature.signing_time == dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
    assert signature.signer.serial_number == 77


def test_a_signer_named_by_key_identifier(key: Any) -> None:
    assert cms.verify(signed_data(key, by_key_identifier=True), CONTENT).signer.serial_number == 77


@pytest.mark.parametrize(
    ("time", "year"),
    [(tlv(0x18, b"20511123120000Z"), 2051), (tlv(0x17, b"491123120000Z"), 2049), (tlv(0x17, b"501123120000Z"), 1950)],
)
def test_both_kinds_of_time_are_read(key: Any, time: bytes, year: int) -> None:
    signing_time = cms.verify(signed_data(key, time=time), CONTENT).signing_time
    assert signing_time is not None and signing_time.year == year


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ({"kind": "2a864886f70d010701"}, "not SignedData"),
        ({"signers": 2}, "2 signers"),
        ({"signers": 0}, "0 signers"),
        ({"digest": "2a864886f70d0205"}, "unknown digest"),
        ({"content_type": False}, "no content type"),
        ({"serial": 78}, "not embedded"),
        ({"by_key_identifier": True, "identifier": b"other"}, "not embedded"),
        ({"by_key_identifier": True, "with_identifier": False}, "not embedded"),
        ({"time": tlv(0x17, b"noon")}, "not a CMS signature"),
    ],
)
def test_one_thing_spoiled_is_one_reason(key: Any, spoil: dict[str, Any], why: str) -> None:
    with pytest.raises(cms.BadSignature, match=why):
        cms.verify(signed_data(key, **spoil), CONTENT)


def test_an_unknown_kind_of_key() -> None:
    with pytest.raises(cms.BadSignature, match="unknown kind of key"):
        cms.verify(signed_data(ed25519.Ed25519PrivateKey.generate()), CONTENT)


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x02\x01\x00", b"\x30\x80\x30", b"\x30\x85\xff\xff\xff\xff\xff"])
def test_rubbish_is_a_bad_signature(data: bytes) -> None:
    with pytest.raises(cms.BadSignature):
        cms.verify(data, CONTENT)


def test_every_truncation_is_a_bad_signature(key: Any, maker: Maker) -> None:
    whole = signed_data(key)
    for length in range(len(whole)):
        with pytest.raises(cms.BadSignature):
            cms.verify(whole[:length], CONTENT)
