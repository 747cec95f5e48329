"""Certificates that are spoiled in exactly one thing, beyond what the emulated portal can be asked for."""

from __future__ import annotations

import datetime as dt
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from livepass.emulators.authority.ca import Issuer


def again(
    certificate: x509.Certificate,
    issuer: Issuer,
    *,
    key: Any = None,
    ends: dt.datetime | None = None,
    starts: dt.datetime | None = None,
    without: type[x509.ExtensionType] | None = None,
    instead: x509.ExtensionType | None = None,
) -> x509.Certificate:
    """The same certificate, issued anew by ``issuer`` with one thing changed."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(certificate.subject)
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key() if key is not None else certificate.public_key())
        .serial_number(certificate.serial_number)
        .not_valid_before(starts or certificate.not_valid_before_utc)
        .not_valid_after(ends or certificate.not_valid_after_utc)
    )
    for extension in certificate.extensions:
        if not (without is not None and isinstance(extension.value, without)):
            builder = builder.add_extension(extension.value, extension.critical)
    if instead is not None:
        builder = builder.add_extension(instead, critical=True)
    return builder.sign(issuer.key, hashes.SHA256())


SHA256_RSA = bytes.fromhex("2a864886f70d01010b")
WEAK_RSA = {"SHA1": bytes.fromhex("2a864886f70d010105"), "MD5": bytes.fromhex("2a864886f70d010104")}


def weakly_signed(certificate: x509.Certificate, issuer: Issuer, name: str) -> x509.Certificate:
    """The same, signed with a hash that no library signs certificates with any more: so, by hand."""
    made = resigned(certificate.public_bytes(Encoding.DER), certificate.tbs_certificate_bytes, issuer, name)
    return x509.load_der_x509_certificate(made)


def resigned(whole: bytes, signed: bytes, issuer: Issuer, name: str) -> bytes:
    """What ends with its RSA signature, signed again with a weak hash. ``signed`` is what the signature is over."""
    algorithm = {"SHA1": hashes.SHA1(), "MD5": hashes.MD5()}[name]
    assert isinstance(issuer.key, rsa.RSAPrivateKey)
    signature = issuer.key.sign(signed.replace(SHA256_RSA, WEAK_RSA[name]), padding.PKCS1v15(), algorithm)
    return whole.replace(SHA256_RSA, WEAK_RSA[name])[: -len(signature)] + signature


def responder(issuer: Issuer, key: Any, now: dt.datetime, *, usage: bool = True, days: int = 30) -> x509.Certificate:
    """Somebody whom an authority lets answer OCSP for it; without ``usage``, it did not say so."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Responder")]))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(77)
        .not_valid_before(now - dt.timedelta(days=60))
        .not_valid_after(now + dt.timedelta(days=days))
    )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False)
    return builder.sign(issuer.key, hashes.SHA256())
