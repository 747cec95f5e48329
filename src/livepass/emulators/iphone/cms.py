"""The phone's own reading of a detached CMS signature (RFC 5652): what was signed, by whom, when.

Reads DER, and BER with indefinite lengths, because Java tools write that and phones accept their passes. Decides
nothing about trust: see ``trust.py``.
"""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

SEQUENCE, SET, INTEGER, OCTETS, OID, UTC_TIME, GENERALIZED_TIME = 0x30, 0x31, 0x02, 0x04, 0x06, 0x17, 0x18
CONTEXT_0, CONTEXT_0_PRIMITIVE, CONTEXT_1 = 0xA0, 0x80, 0xA1

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_CONTENT_TYPE = bytes.fromhex("2a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
_SIGNING_TIME = bytes.fromhex("2a864886f70d010905")
_DIGESTS: dict[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex("2b0e03021a"): hashes.SHA1(),  # noqa: S303  # still in production signatures of 2025
    bytes.fromhex("608648016503040201"): hashes.SHA256(),
    bytes.fromhex("608648016503040202"): hashes.SHA384(),
    bytes.fromhex("608648016503040203"): hashes.SHA512(),
}


# What reading hostile bytes may raise, here and in cryptography.
UNREADABLE = (
    IndexError,
    ValueError,
    TypeError,
    StopIteration,
    RecursionError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
)


class BadSignature(Exception):
    """The signature file does not read as a detached CMS signature, or it does not verify."""


@dataclass(frozen=True)
class Node:
    """One tag-length-value: ``content`` without, ``raw`` with its header."""

    tag: int
    content: bytes
    raw: bytes

    def children(self) -> list[Node]:
        return list(_nodes(self.content))


@dataclass(frozen=True)
class Signature:
    """One verified signature. ``signing_time`` is None when the signed attributes carry none (or there are none)."""

    signer: x509.Certificate
    certificates: tuple[x509.Certificate, ...]
    signing_time: dt.datetime | None


def verify(signature: bytes, content: bytes) -> Signature:
    """Check a detached signature over ``content``. Raises ``BadSignature`` with the reason."""
    try:
        return _verify(signature, content)
    except UNREADABLE as broken:
        raise BadSignature(f"not a CMS signature: {broken}") from broken


def _verify(signature: bytes, content: bytes) -> Signature:
    outer = _one(signature, SEQUENCE).children()
    if outer[0].content != _SIGNED_DATA:
        raise BadSignature("not SignedData")
    parts = outer[1].children()[0].children()
    if len(parts[2].children()) > 1:
        raise BadSignature("the content is attached")
    certificates = tuple(
        x509.load_der_x509_certificate(node.raw)
        for part in parts
        if part.tag == CONTEXT_0
        for node in part.children()
        if node.tag == SEQUENCE
    )
    signers = parts[-1].children()
    if parts[-1].tag != SET or len(signers) != 1:
        raise BadSignature(f"{len(signers)} signers instead of one")
    return _verify_signer(signers[0].children(), certificates, content)


def _verify_signer(parts: list[Node], certificates: tuple[x509.Certificate, ...], content: bytes) -> Signature:
    signer = _signer(parts[1], certificates)
    digest = _DIGESTS.get(parts[2].children()[0].content)
    if digest is None:
        raise BadSignature("unknown digest algorithm")
    signing_time = None
    signed = content
    rest = parts[3:]
    if rest[0].tag == CONTEXT_0:
        attributes = {node.children()[0].content: node.children()[1].children()[0] for node in rest[0].children()}
        if not hmac.compare_digest(
            attributes[_MESSAGE_DIGEST].content if _MESSAGE_DIGEST in attributes else b"", _hash(digest, content)
        ):
            raise BadSignature("the signed digest is not that of manifest.json")
        if _CONTENT_TYPE not in attributes:
            raise BadSignature("no content type among the signed attributes")
        if _SIGNING_TIME in attributes:
            signing_time = _time(attributes[_SIGNING_TIME])
        # RFC 5652 5.4: the signature covers the attributes encoded as a SET OF, not under their [0] tag.
        signed = bytes([SET]) + rest[0].raw[1:]
        rest = rest[1:]
    _check(signer, rest[1].content, signed, digest)
    return Signature(signer, certificates, signing_time)


def _signer(identifier: Node, certificates: tuple[x509.Certificate, ...]) -> x509.Certificate:
    for certificate in certificates:
        if identifier.tag == SEQUENCE:
            issuer, serial = identifier.children()
            number = int.from_bytes(serial.content, "big", signed=True)
            if certificate.serial_number == number and certificate.issuer.public_bytes() == issuer.raw:
                return certificate
        elif identifier.tag == CONTEXT_0_PRIMITIVE and _key_identifier(certificate) == identifier.content:
            return certificate
    raise BadSignature("the signer's certificate is not embedded")


def _key_identifier(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _check(signer: x509.Certificate, signature: bytes, signed: bytes, digest: hashes.HashAlgorithm) -> None:
    key = signer.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(digest))
        else:
            raise BadSignature("unknown kind of key")
    except InvalidSignature:
        raise BadSignature("the signature does not match the signer's key") from None


def _hash(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def _time(node: Node) -> dt.datetime:
    text = node.content.decode("ascii")
    if node.tag == UTC_TIME:
        # RFC 5652 11.3: two-digit years from 50 on are of the last century.
        text = ("19" if text[:2] >= "50" else "20") + text
    return dt.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=dt.UTC)


def _one(data: bytes, tag: int) -> Node:
    node = next(_nodes(data))
    if node.tag != tag:
        raise BadSignature(f"tag {node.tag:#x} where {tag:#x} was due")
    return node


def _nodes(data: bytes) -> Iterator[Node]:
    at = 0
    while at < len(data):
        node = _node(data, at)
        yield node
        at += len(node.raw)


def _node(data: bytes, at: int) -> Node:
    tag, length, start = data[at], data[at + 1], at + 2
    if length == 0x80:
        return _indefinite(data, at)
    if length > 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    if start + length > len(data):
        raise ValueError("truncated")
    return Node(tag, data[start : start + length], data[at : start + length])


def _indefinite(data: bytes, at: int) -> Node:
    start = here = at + 2
    while data[here : here + 2] != b"\0\0":
        here += len(_node(data, here).raw)
    return Node(data[at], data[start:here], data[at : here + 2])
