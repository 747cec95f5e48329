"""Whether a certificate was revoked: OCSP (RFC 6960) and CRLs (RFC 5280), bytes in, a ``Standing`` out.

Nothing here raises for what an authority answered: an answer that cannot be believed leaves it unknown, and says why.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from livepass.pkpass.certificate import issued_by
from livepass.pkpass.chain import named_in
from livepass.pkpass.der import parse

OCSP_REQUEST = "application/ocsp-request"
TOLERANCE = timedelta(minutes=5)
"""How much the clocks of an authority and of this machine may differ."""
FRESH_WITHOUT_NEXT = timedelta(days=1)
"""How old an answer may be that names no time of the next one. RFC 6960 leaves it open; we chose a day."""
_WEAK = (hashes.MD5, hashes.SHA1)
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion)
"""What the library raises for bytes that are none; parts are parsed only when looked at."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What an authority says of a certificate. ``why`` is Apple's reason of a revocation, or why nothing is known."""

    state: Literal["good", "revoked", "unknown"]
    why: str = ""
    revoked_at: datetime | None = None


GOOD = Standing("good")


def unknown(why: str) -> Standing:
    """Nothing is known, and that is no refusal."""
    return Standing("unknown", why)


# ── where to ask


def responders(leaf: x509.Certificate) -> list[str]:
    """The addresses of OCSP responders that the certificate names."""
    return named_in(leaf, AuthorityInformationAccessOID.OCSP)


def lists(leaf: x509.Certificate) -> list[str]:
    """The addresses of revocation lists that the certificate names."""
    try:
        points = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return []
    names = [name for point in points for name in point.full_name or ()]
    return [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]


# ── OCSP


def ocsp_request(leaf: x509.Certificate, intermediate: x509.Certificate) -> bytes:
    """The question, DER. The certificate is named by SHA-1, which every responder knows (RFC 5019). No nonce, so that
    responders may answer from a store.
    """
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, intermediate, hashes.SHA1())  # noqa: S303 - a name, no proof
    return builder.build().public_bytes(Encoding.DER)


def read_ocsp(data: bytes, leaf: x509.Certificate, intermediate: x509.Certificate, at: datetime) -> Standing:
    """What a responder answered, if it may be believed at ``at``."""
    try:
        response = ocsp.load_der_ocsp_response(data)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return unknown(f"the responder answered {response.response_status.name.lower()}")
        if not _vouched_for(response, intermediate, at):
            return unknown("the answer is not signed by the issuer, nor by a responder that it authorised")
        for single in response.responses:
            if _is_about(single, leaf, intermediate):
                return _said(single, at)
    except _UNREADABLE:
        return unknown("the answer cannot be read")
    return unknown("the answer is about another certificate")


def _said(single: ocsp.OCSPSingleResponse, at: datetime) -> Standing:
    if late := _not_fresh(single.this_update_utc, single.next_update_utc, at):
        return unknown(late)
    if single.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        reason = single.revocation_reason
        return Standing("revoked", reason.value if reason else "", single.revocation_time_utc)
    if single.certificate_status is ocsp.OCSPCertStatus.GOOD:
        return GOOD
    return unknown("the responder does not know the certificate")


def _is_about(single: ocsp.OCSPSingleResponse, leaf: x509.Certificate, intermediate: x509.Certificate) -> bool:
    """Issuer by name and key, and serial number: a serial number alone is unique to one issuer only."""
    named = hashes.Hash(single.hash_algorithm)
    named.update(intermediate.subject.public_bytes())
    keyed = hashes.Hash(single.hash_algorithm)
    keyed.update(_key_bits(intermediate))
    return (single.serial_number, single.issuer_name_hash, single.issuer_key_hash) == (
        leaf.serial_number,
        named.finalize(),
        keyed.finalize(),
    )


def _vouched_for(response: ocsp.OCSPResponse, intermediate: x509.Certificate, at: datetime) -> bool:
    """Signed by the issuer, or by somebody whom it certified for that and whom the answer names (RFC 6960 §4.2.2.2)."""
    for signer in (intermediate, *response.certificates):
        delegated = signer == intermediate or _may_answer_for(signer, intermediate, at)
        if delegated and _is_responder(response, signer) and _signed(response, signer):
            return True
    return False


def _may_answer_for(signer: x509.Certificate, intermediate: x509.Certificate, at: datetime) -> bool:
    try:
        usages = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    valid = signer.not_valid_before_utc - TOLERANCE <= at <= signer.not_valid_after_utc + TOLERANCE
    return valid and ExtendedKeyUsageOID.OCSP_SIGNING in usages and issued_by(signer, intermediate)


def _is_responder(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    if response.responder_name is not None:
        return response.responder_name == signer.subject
    return response.responder_key_hash == hashlib.sha1(_key_bits(signer), usedforsecurity=False).digest()


def _signed(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    algorithm, key = response.signature_hash_algorithm, signer.public_key()
    if algorithm is None or isinstance(algorithm, _WEAK):
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _key_bits(certificate: x509.Certificate) -> bytes:
    """The public key as OCSP hashes it: the content of the BIT STRING, without what says which algorithm it is for."""
    info = parse(certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return info.children()[1].value[1:]  # without the count of unused bits


# ── revocation lists


def read_crl(
    data: bytes, leaf: x509.Certificate, intermediate: x509.Certificate, at: datetime, address: str
) -> Standing:
    """What a revocation list from ``address`` says, if it may be believed at ``at``."""
    try:
        found = x509.load_pem_x509_crl(data) if b"-----BEGIN" in data else x509.load_der_x509_crl(data)
        if found.issuer != intermediate.subject or isinstance(found.signature_hash_algorithm, _WEAK):
            return unknown("the revocation list is another authority's, or signed weakly")
        if not found.is_signature_valid(intermediate.public_key()):  # type: ignore[arg-type]
            return unknown("the revocation list is not signed by the issuer")
        if not _covers(found, address):
            return unknown("the revocation list does not cover the certificate")
        if late := _not_fresh(found.last_update_utc, found.next_update_utc, at):
            return unknown(late)
        entry = found.get_revoked_certificate_by_serial_number(leaf.serial_number)
        return GOOD if entry is None else _entry(entry)
    except _UNREADABLE:
        return unknown("the revocation list cannot be read")


def _covers(found: x509.CertificateRevocationList, address: str) -> bool:
    """A list may be of a part of the certificates: which, stands in it (RFC 5280 §5.2.5)."""
    for extension in found.extensions:
        value = extension.value
        if isinstance(value, x509.IssuingDistributionPoint):
            names = [each.value for each in value.full_name or () if isinstance(each, x509.UniformResourceIdentifier)]
            partly = value.only_contains_ca_certs or value.only_contains_attribute_certs or value.only_some_reasons
            if partly or value.indirect_crl or (value.full_name and address not in names):
                return False
        elif extension.critical:
            return False  # a delta, or something that changes what the list means
    return True


def _entry(entry: x509.RevokedCertificate) -> Standing:
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except x509.ExtensionNotFound:
        reason = ""
    return Standing("revoked", reason, entry.revocation_date_utc)


def _not_fresh(issued: datetime, following: datetime | None, at: datetime) -> str:
    """Why an answer of ``issued`` is of no use at ``at``; empty: it is."""
    last = following if following is not None else issued + FRESH_WITHOUT_NEXT
    if issued - TOLERANCE > at:
        return f"the answer is dated {issued.astimezone(UTC):%Y-%m-%d %H:%M} UTC, which is in the future here"
    if at > last + TOLERANCE:
        return f"the answer was good until {last.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return ""
