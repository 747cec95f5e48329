"""A ``signature`` file, read and checked against its manifest, by the rules of Apple's open-source CMS code.

Only arithmetic happens here: the digest, the signature, the shape. Whether the certificates deserve trust is
``verifier``'s question. Every input, however mangled, ends in facts or in ``InvalidSignature``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature as BadSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from livepass.pkpass import oids
from livepass.pkpass.der import (
    BIT_STRING,
    CONTEXT_0,
    CONTEXT_1,
    GENERALIZED_TIME,
    INTEGER,
    NULL,
    OCTET_STRING,
    OID,
    SEQUENCE,
    SET,
    UTC_TIME,
    DerError,
    Node,
    oid,
    parse,
    tlv,
)
from livepass.pkpass.errors import InvalidSignature

_LARGEST = 64 * 1024  # bytes; real ones have 2 to 5 KB

# SHA-1 signers are still in circulation and phones take them; we sign with SHA-256 only.
_DIGESTS: dict[bytes, tuple[str, hashes.HashAlgorithm]] = {
    oid("1.3.14.3.2.26"): ("sha1", hashes.SHA1()),  # noqa: S303
    oid(oids.SHA256): ("sha256", hashes.SHA256()),
    oid("2.16.840.1.101.3.4.2.2"): ("sha384", hashes.SHA384()),
    oid("2.16.840.1.101.3.4.2.3"): ("sha512", hashes.SHA512()),
}
# Signature algorithm → the digest it implies; plain rsaEncryption leaves that to the digest algorithm.
_SIGNATURES: dict[bytes, str | None] = {
    oid(oids.RSA_ENCRYPTION): None,
    oid("1.2.840.113549.1.1.5"): "sha1",
    oid("1.2.840.113549.1.1.11"): "sha256",
    oid("1.2.840.113549.1.1.12"): "sha384",
    oid("1.2.840.113549.1.1.13"): "sha512",
}
_ATTRIBUTE_NAMES = {
    oid(oids.CONTENT_TYPE): "contentType",
    oid(oids.MESSAGE_DIGEST): "messageDigest",
    oid(oids.SIGNING_TIME): "signingTime",
}
_NULL = tlv(NULL)
_OPTIONAL: tuple[list[int], ...] = ([], [CONTEXT_0], [CONTEXT_1], [CONTEXT_0, CONTEXT_1])
"""What may stand before the signers, RFC 5652 §5.1: certificates, revocation lists. Other readers take nothing else."""
_TIMES = {UTC_TIME: ("%y%m%d%H%M%SZ", 13), GENERALIZED_TIME: ("%Y%m%d%H%M%SZ", 15)}

_SIGN_AGAIN = "sign manifest.json again: detached CMS, binary, with signing time and the WWDR intermediate"


@dataclass(frozen=True, slots=True)
class SignatureFacts:
    """A signature that fits its manifest. ``others`` are the further certificates inside, in file order.

    ``attributes`` lists the signed attributes by name, sorted, or by their DER in hexadecimal when unknown.
    """

    signed_at: datetime
    digest: str
    certificate: x509.Certificate
    others: tuple[x509.Certificate, ...]
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _SignerInfo:
    identity: bytes
    digest: str
    algorithm: hashes.HashAlgorithm
    signed: bytes
    attributes: dict[bytes, Node]
    signature: bytes


def verify_signature(manifest: bytes, signature_der: bytes) -> SignatureFacts:
    """Check that ``signature_der`` is a detached CMS signature over exactly ``manifest``.

    Raises ``InvalidSignature`` (and nothing else) naming the first thing that was wrong.
    """
    try:
        content, certificates, digests, info = _open(signature_der)
        signer = _signer_info(info, digests)
        signed_at = _check_attributes(manifest, content, signer)
        certificate, others = _select(certificates, signer.identity)
    except DerError as error:
        raise InvalidSignature(f"the signature is not the CMS structure it should be: {error}", _SIGN_AGAIN) from error
    _check_arithmetic(certificate, signer)
    names = sorted(_ATTRIBUTE_NAMES.get(key, key.hex()) for key in signer.attributes)
    return SignatureFacts(signed_at, signer.digest, certificate, others, tuple(names))


def _open(data: bytes) -> tuple[bytes, list[bytes], list[bytes], Node]:
    """Content type, certificates (DER), digest algorithms and the one SignerInfo of a ContentInfo."""
    if len(data) > _LARGEST:
        raise DerError(f"{len(data)} bytes are too many")
    kind, wrapped = _exactly(parse(data).want(SEQUENCE), 2)
    if kind.encoded != oid(oids.SIGNED_DATA):
        raise DerError("it is not SignedData")
    (signed_data,) = _exactly(wrapped.want(CONTEXT_0), 1)
    version, digests, inner, *optional, signers = _at_least(signed_data.want(SEQUENCE), 4)
    version.want(INTEGER)
    announced = [_algorithm(each) for each in digests.want(SET).children()]
    if [node.tag for node in optional] not in _OPTIONAL:
        raise DerError("it holds parts that nobody knows")
    content = _at_least(inner.want(SEQUENCE), 1)
    if len(content) > 1:
        raise InvalidSignature("the signature carries the signed content inside", _SIGN_AGAIN)
    certificates = [
        each.encoded for node in optional if node.tag == CONTEXT_0 for each in node.children() if each.tag == SEQUENCE
    ]
    infos = signers.want(SET).children()
    if len(infos) != 1:
        raise InvalidSignature(f"the signature has {len(infos)} signers", "Wallet takes exactly one; " + _SIGN_AGAIN)
    return content[0].want(OID).encoded, certificates, announced, infos[0]


def _signer_info(info: Node, announced: list[bytes]) -> _SignerInfo:
    version, identity, digest_node, *rest = _at_least(info.want(SEQUENCE), 5)
    version.want(INTEGER)
    if rest[0].tag != CONTEXT_0:
        raise InvalidSignature("the signature has no signed attributes, hence no signing time", _SIGN_AGAIN)
    if len(rest) < 3 or not rest[0].definite:
        raise DerError("the signer's part is incomplete")
    attributes, algorithm, value, *unsigned = rest
    if [node.tag for node in unsigned] not in ([], [CONTEXT_1]):
        raise DerError("the signer's part holds what nobody knows")
    if _algorithm(digest_node) not in announced:
        raise DerError("the signer's digest algorithm is not among those that the signature announces")
    digest = _DIGESTS.get(_algorithm(digest_node))
    implied = _SIGNATURES.get(_algorithm(algorithm), "unknown")
    if digest is None or implied not in {None, digest[0]}:
        raise InvalidSignature("the signature uses an algorithm that is not RSA with SHA-1 or SHA-2", _SIGN_AGAIN)
    return _SignerInfo(
        identity=identity.want(SEQUENCE).value,
        digest=digest[0],
        algorithm=digest[1],
        # Signed is the SET, although the file stores it under the tag [0].
        signed=tlv(SET, attributes.value),
        attributes=_attributes(attributes),
        signature=value.want(OCTET_STRING).value,
    )


def _attributes(node: Node) -> dict[bytes, Node]:
    found: dict[bytes, Node] = {}
    for attribute in node.children():
        key, values = _exactly(attribute.want(SEQUENCE), 2)
        if key.want(OID).encoded in found:
            raise DerError("a signed attribute is there twice")
        # RFC 5652 §11: the three that we read have one value; of two, each reader could believe another.
        known = key.encoded in _ATTRIBUTE_NAMES
        found[key.encoded] = (_exactly if known else _at_least)(values.want(SET), 1)[0]
    return found


def _check_attributes(manifest: bytes, content: bytes, signer: _SignerInfo) -> datetime:
    """Content type and digest must fit, and there must be a signing time, which is returned."""
    kind = signer.attributes.get(oid(oids.CONTENT_TYPE))
    digest = signer.attributes.get(oid(oids.MESSAGE_DIGEST))
    time = signer.attributes.get(oid(oids.SIGNING_TIME))
    if kind is None or content != oid(oids.DATA) or kind.encoded != content:
        raise InvalidSignature("the signature's content type is not plain data", _SIGN_AGAIN)
    if time is None:
        raise InvalidSignature("the signature must contain a signing date", _SIGN_AGAIN)
    if digest is None or digest.want(OCTET_STRING).value != hashlib.new(signer.digest, manifest).digest():
        raise InvalidSignature("the signature was made over another manifest.json", _SIGN_AGAIN)
    return _time(time)


def _time(node: Node) -> datetime:
    form, length = _TIMES.get(node.tag, ("", -1))
    if len(node.value) != length:
        raise DerError("the signing time is not a time")
    try:
        moment = datetime.strptime(node.value.decode("ascii"), form).replace(tzinfo=UTC)
        # X.509 splits the short century at 50, the C library at 69.
        return moment.replace(year=moment.year - 100) if node.tag == UTC_TIME and moment.year >= 2050 else moment
    except ValueError as error:
        raise DerError("the signing time is not a time") from error


def _select(certificates: list[bytes], identity: bytes) -> tuple[x509.Certificate, tuple[x509.Certificate, ...]]:
    """The signer's certificate, and the others."""
    signer: x509.Certificate | None = None
    others = []
    for data in certificates:
        certificate = _load(data)
        if signer is None and issuer_and_serial(data) == identity:
            signer = certificate
        else:
            others.append(certificate)
    if signer is None:
        raise InvalidSignature("the signer's certificate is not in the signature", _SIGN_AGAIN)
    return signer, tuple(others)


def _load(data: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(data)
        certificate.public_key()
        _ = certificate.extensions, certificate.subject, certificate.issuer
        # Bits that are left over would be ignored, and the same certificate could be written in several ways.
        if parse(data).children()[2].want(BIT_STRING).value[:1] != b"\0":
            raise DerError("its signature is no whole number of bytes")
    except Exception as error:  # whatever the parser throws at a stranger's bytes, the verdict is the same
        raise InvalidSignature(f"a certificate in the signature is damaged: {error}", _SIGN_AGAIN) from error
    return certificate


def issuer_and_serial(certificate: bytes) -> bytes:
    """Issuer and serial number of a certificate (DER), byte for byte as they stand in it, joined."""
    fields = parse(certificate).children()[0].children()
    at = 1 if fields[0].tag == CONTEXT_0 else 0
    return fields[at + 2].encoded + fields[at].encoded


def _check_arithmetic(certificate: x509.Certificate, signer: _SignerInfo) -> None:
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise InvalidSignature("the signing key is not RSA", "Apple issues RSA keys for Pass Type IDs")
    try:
        key.verify(signer.signature, signer.signed, padding.PKCS1v15(), signer.algorithm)
    except BadSignature as error:
        raise InvalidSignature("the signature does not fit its certificate", _SIGN_AGAIN) from error


def _algorithm(node: Node) -> bytes:
    kind, *parameters = _at_least(node.want(SEQUENCE), 1)
    # RFC 5754 §2: none or NULL, for all that we know.
    if [each.encoded for each in parameters] not in ([], [_NULL]):
        raise DerError("an algorithm has parameters that it does not take")
    return kind.want(OID).encoded


def _exactly(node: Node, count: int) -> list[Node]:
    children = node.children()
    if len(children) != count:
        raise DerError(f"{count} parts were expected where there are {len(children)}")
    return children


def _at_least(node: Node, count: int) -> list[Node]:
    children = node.children()
    if len(children) < count:
        raise DerError(f"{count} parts were expected where there are {len(children)}")
    return children
