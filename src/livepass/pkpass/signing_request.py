"""The request (PKCS #10) with which Apple's portal issues a certificate for a key that it never sees."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from livepass.pkpass.errors import CertificateRefused

MOST_NAME = 64
MOST_ADDRESS = 255
"""Characters of a common name or an organisation, and of an e-mail address (RFC 5280, appendix A)."""


def request_pem(key: rsa.RSAPrivateKey, pass_type: str = "", team: str = "", email: str = "") -> bytes:
    """The request for a key. Apple writes the certificate's subject itself: this one only helps people to tell requests
    apart. Raises ``CertificateRefused`` for a name that no request can hold.
    """
    if len(team) > MOST_NAME:
        raise CertificateRefused(f"the team has {len(team)} characters", f"a request holds {MOST_NAME} of them at most")
    if len(email) > MOST_ADDRESS or not email.isascii():
        raise CertificateRefused(
            f"{email[:MOST_ADDRESS]!r} is not an address that a request can hold",
            f"use {MOST_ADDRESS} characters of ASCII at most, or leave it out",
        )
    named = (
        (NameOID.COMMON_NAME, (pass_type or "livepass")[:MOST_NAME]),
        (NameOID.ORGANIZATION_NAME, team),
        (NameOID.EMAIL_ADDRESS, email),
    )
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in named if value])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM)


def public_sha256(key: CertificatePublicKeyTypes) -> str:
    """What a key is found by: SHA-256 of the SubjectPublicKeyInfo (DER), in lower-case hexadecimal."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
