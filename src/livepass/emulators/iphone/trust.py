"""Whether a signature may sign passes of this type for this team: the phone's trust rules, one check each.

Source: Apple's open Security framework (its policy for signers of passes) and inspection of real passes. The roots are
passed in; a real phone has Apple's. Validity is judged at the signing time, so a pass outlives the certificate that
signed it. Not judged here: weak keys and digests, whose limits our sources do not give, and revocation, which a phone
looks up by itself and later.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID, ObjectIdentifier

from livepass.emulators.iphone import cms

MARKER = ObjectIdentifier("1.2.840.113635.100.6.1.16")
INTERMEDIATE_MARKER = ObjectIdentifier("1.2.840.113635.100.6.2.1")
ENHANCED = ObjectIdentifier("1.2.840.113635.100.6.1.26")
PASSBOOK_SIGNING = ObjectIdentifier("1.2.840.113635.100.4.14")


class Distrusted(Exception):
    """The certificates do not carry this pass; the message says which rule failed (a real phone does not)."""


def check(signature: cms.Signature, roots: Sequence[x509.Certificate], pass_type: str, team: str) -> None:
    """Apply every rule. Raises ``Distrusted``. The caller has checked that there is a signing time."""
    try:
        _check(signature, roots, pass_type, team)
    except cms.UNREADABLE as broken:
        raise Distrusted(f"a certificate does not read: {broken}") from broken


def _check(signature: cms.Signature, roots: Sequence[x509.Certificate], pass_type: str, team: str) -> None:
    leaf = signature.signer
    intermediate, root = _chain(leaf, signature.certificates, roots)
    _reject_outside_validity([leaf, intermediate, root], signature.signing_time)
    _reject_intermediate(intermediate)
    _reject_marker(leaf, pass_type)
    _reject_usage(leaf)
    _reject_team(leaf, team)


def is_enhanced(certificate: x509.Certificate) -> bool:
    """Whether the certificate may sign passes with an ``nfc`` dictionary."""
    return any(extension.oid == ENHANCED for extension in certificate.extensions)


def _chain(
    leaf: x509.Certificate, embedded: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]
) -> tuple[x509.Certificate, x509.Certificate]:
    """Intermediate and root: the chain has exactly three links, and the middle one travels inside the signature."""
    issuers = [found for found in embedded if found != leaf and _is_authority(found) and _issued(leaf, found)]
    if not issuers:
        raise Distrusted("no embedded intermediate issued the signer's certificate")
    for intermediate in issuers:
        for root in roots:
            if intermediate != root and _issued(intermediate, root):
                return intermediate, root
    raise Distrusted("the intermediate leads to no trusted root")


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _reject_outside_validity(chain: Sequence[x509.Certificate], at: dt.datetime | None) -> None:
    for certificate in chain:
        if at is None or not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            raise Distrusted("signed outside the validity of a certificate in the chain")


def _reject_intermediate(certificate: x509.Certificate) -> None:
    if not any(extension.oid == INTERMEDIATE_MARKER for extension in certificate.extensions):
        raise Distrusted("the intermediate is none that issues signers of passes")


def _reject_marker(leaf: x509.Certificate, pass_type: str) -> None:
    for extension in leaf.extensions:
        if extension.oid == MARKER and isinstance(extension.value, x509.UnrecognizedExtension):
            # The value is a DER UTF8String: two bytes of header, then the pass type.
            if extension.value.value[2:] == pass_type.encode():
                return
            raise Distrusted("the certificate is for another pass type")
    raise Distrusted("not a Pass Type ID certificate")


def _reject_usage(leaf: x509.Certificate) -> None:
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        raise Distrusted("the certificate has no extended key usage") from None
    if PASSBOOK_SIGNING not in usages:
        raise Distrusted("the certificate may not sign passes")


def _reject_team(leaf: x509.Certificate, team: str) -> None:
    units = leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    if [unit.value for unit in units] != [team]:
        raise Distrusted("the certificate belongs to another team")
