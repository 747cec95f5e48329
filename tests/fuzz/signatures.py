"""Signatures and certificates: our CMS reader, the phone's, and what operators import."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives.serialization import Encoding

from fuzz.target import SECRET, Mutate, Target
from livepass.emulators.authority import Authority, Issued
from livepass.emulators.iphone import cms as phone_cms
from livepass.pkpass import CertificateRefused, InvalidSignature, SignatureFacts, Signer, verify_signature
from livepass.pkpass.certificate import fingerprint
from livepass.pkpass.der import DerError, parse
from pkpass.mutations import CONTENT_TYPE, DATA, MESSAGE_DIGEST, SIGNING_TIME, Cms, attribute, oid, tlv

MANIFEST = b"{}"
SIGNED_AT = datetime(2026, 11, 28, 1, 2, 3, tzinfo=UTC)
_DIGEST = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
"""SHA-256 of the manifest."""


@cache
def _issued() -> Issued:
    return Authority(SIGNED_AT).pass_certificate("pass.test.livepass", "TEAM123456")


def _signature(data: bytes) -> SignatureFacts:
    """What we believe, the phone's own reading believes too, and at the same time."""
    read = verify_signature(MANIFEST, data)
    again = phone_cms.verify(data, MANIFEST)
    assert again.signing_time == read.signed_at, "the phone reads another signing time"
    assert fingerprint(again.signer) == fingerprint(read.certificate), "the phone sees another signer"
    short, long = (read.signed_at.strftime(form).encode() for form in ("%y%m%d%H%M%SZ", "%Y%m%d%H%M%SZ"))
    assert short in data or long in data, "the signing time was read out of another spelling"
    return read


def _attributes(data: bytes) -> None:
    """As ``cms``, past the arithmetic: any signed attributes, and our signature over them."""
    read = _signature(Cms(_issued(), SIGNED_AT, order=lambda _: [data]).made(MANIFEST))
    assert len(read.attributes) == len(parse(tlv(0x31, data)).children()), "an attribute was stepped over"


def _phones_reading(data: bytes) -> None:
    phone_cms.verify(data, MANIFEST)


def _der(data: bytes) -> None:
    """Every value lies within its container, and its parts fill it."""
    pending = [parse(data)]
    seen = 0
    while pending and seen < 2000:
        node = pending.pop()
        seen += 1
        assert 0 <= node.start < node.body <= node.stop <= node.end <= len(data)
        if node.tag & 0x20:
            try:
                children = node.children()
            except DerError:
                continue
            assert b"".join(child.encoded for child in children) == node.value
            pending += children


def _certificate(data: bytes) -> None:
    """A .cer or .pem that an operator imports, with the key of the one that it was."""
    issued = _issued()
    Signer.from_pem(data, _key_pem(), issued.intermediate_pem)


@cache
def _key_pem() -> bytes:
    return _issued().key_pem


def _p12(data: bytes) -> None:
    Signer.from_p12(data, SECRET)


def _key(data: bytes) -> None:
    issued = _issued()
    Signer.from_pem(issued.certificate_pem, data, issued.intermediate_pem, SECRET)


# ── inputs


def _good_attributes() -> bytes:
    return b"".join(
        (
            attribute(CONTENT_TYPE, oid(DATA)),
            attribute(SIGNING_TIME, tlv(0x17, b"261128010203Z")),
            attribute(MESSAGE_DIGEST, tlv(0x04, bytes.fromhex(_DIGEST))),
        )
    )


def _signatures() -> Iterable[bytes]:
    yield Cms(_issued(), SIGNED_AT).made(MANIFEST)
    yield Cms(_issued(), SIGNED_AT, digest="sha1").made(MANIFEST)
    yield Cms(_issued(), SIGNED_AT, signers=2).made(MANIFEST)


def _certificates() -> Iterable[bytes]:
    issued = _issued()
    yield issued.certificate.public_bytes(Encoding.DER)
    yield issued.certificate_pem


def _reshape(data: bytes, most: int, mutate: Mutate, rng: random.Random) -> bytes:
    """Mutate one value of the structure and write the lengths above it anew."""
    if rng.random() < 0.3:
        return mutate(data, most)
    made = _mended(data, mutate, rng, 0)
    return made if made and len(made) <= most else data


def _reshape_members(data: bytes, most: int, mutate: Mutate, rng: random.Random) -> bytes:
    """As above, for what stands in a SET without its header."""
    try:
        return parse(_reshape(tlv(0x31, data), most, mutate, rng)).value[:most]
    except DerError:
        return mutate(data, most)


def _mended(data: bytes, mutate: Mutate, rng: random.Random, depth: int) -> bytes:
    try:
        node = parse(data)
        children = node.children() if node.tag & 0x20 and depth < 12 else []
    except DerError:
        return mutate(data, 8192)
    if not children or rng.random() < 0.08:
        return tlv(node.tag, mutate(node.value, 8192)) if rng.random() < 0.9 else mutate(data, 8192)
    parts = [child.encoded for child in children]
    at = rng.randrange(len(parts))
    match rng.randrange(12):
        case 0:
            parts.insert(rng.randrange(len(parts) + 1), parts[at])
        case 1:
            del parts[at]
        case _:
            parts[at] = _mended(parts[at], mutate, rng, depth + 1)
    return tlv(node.tag, *parts)


_OIDS = tuple(oid(each) for each in (CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_TIME, DATA, "1.2.840.113549.1.1.11"))
_WORDS = (
    *_OIDS,
    b"\x30\x80",
    b"\0\0",
    b"\xa0\x80",
    b"\x31\x00",
    b"\x05\0",
    b"\x18\x0f20261128010203Z",
    b"\x17\x0d261128010203Z",
)
_PEM = (b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n", b"\n")
TARGETS = (
    Target("cms", _signature, (InvalidSignature,), _signatures, _WORDS, 8192, _reshape),
    Target(
        "cms_attributes", _attributes, (InvalidSignature,), lambda: (_good_attributes(),), _WORDS, 512, _reshape_members
    ),
    Target("phone_cms", _phones_reading, (phone_cms.BadSignature,), _signatures, _WORDS, 8192, _reshape),
    Target("der", _der, (DerError,), lambda: [b"0\x80\x04\x01a\0\0", *_signatures()], _WORDS, 8192, _reshape),
    Target("certificate", _certificate, (CertificateRefused,), _certificates, (*_WORDS, *_PEM), 4096, _reshape),
    Target(
        "p12",
        _p12,
        (CertificateRefused,),
        lambda: (_issued().p12(SECRET), _issued().p12()),
        _WORDS,
        8192,
        _reshape,
        keeps=False,
    ),
    Target("key", _key, (CertificateRefused,), lambda: (_issued().key_pem,), _PEM, 4096, keeps=False),
)
