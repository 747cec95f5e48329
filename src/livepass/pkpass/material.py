"""The files that a certificate comes in: .p12, PEM, Apple's .cer. Opened here, and judged elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)

from livepass.pkpass.certificate import check_readable
from livepass.pkpass.errors import CertificateRefused
from livepass.pkpass.old_encryption import CONVERT, refused_here
from livepass.pkpass.rounds import MOST_ROUNDS, rounds


@dataclass(frozen=True, slots=True)
class Material:
    """What was found in the files: at least one certificate, in the order in which they stand there."""

    certificates: tuple[x509.Certificate, ...]
    key: rsa.RSAPrivateKey | None = field(default=None, repr=False)

    @property
    def leaf(self) -> x509.Certificate:
        """By the key, whatever the order; without one that fits, the first that is no authority's."""
        if self.key is not None:
            for each in self.certificates:
                if belongs(each, self.key):
                    return each
        return next((each for each in self.certificates if not is_authority(each)), self.certificates[0])

    @property
    def others(self) -> tuple[x509.Certificate, ...]:
        """All but the leaf."""
        leaf = self.leaf
        return tuple(each for each in self.certificates if each is not leaf)


def from_p12(data: bytes, password: str | bytes | None) -> Material:
    """A .p12, modern or as old as this OpenSSL can open. Raises ``CertificateRefused``."""
    if rounds(data) > MOST_ROUNDS:
        raise CertificateRefused("the .p12 would take minutes to open", "export it again with fewer rounds")
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(data, _secret(password))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unopened(data) from error
    # Without the mark that joins them, the certificate is one of the others: it is found by the key.
    found = [each for each in (certificate, *others) if each is not None]
    if key is None or not found:
        raise CertificateRefused(
            "the .p12 holds no certificate with its private key",
            "in Keychain Access, export the certificate from My Certificates, where it shows its key",
        )
    for each in found:
        check_readable(each)
    return _material(key, found)


def from_pem(certificate: bytes, key: bytes | None = None, password: str | bytes | None = None) -> Material:
    """Certificates as PEM, or one as DER (Apple's .cer), and a key as PEM or DER. Raises ``CertificateRefused``."""
    found = certificates_in(certificate, "certificate")
    return _material(None if key is None else _private_key(key, password), found)


def certificates_in(data: bytes, what: str) -> list[x509.Certificate]:
    """All certificates of a PEM text, or the one that is DER. ``what`` is it called in ``CertificateRefused``."""
    try:
        pem = b"-----BEGIN" in data
        found = x509.load_pem_x509_certificates(data) if pem else [x509.load_der_x509_certificate(data)]
    except (ValueError, x509.InvalidVersion) as error:
        raise CertificateRefused(f"the {what} could not be read", "give a certificate in PEM or DER form") from error
    for each in found:
        check_readable(each)
    return found


def belongs(certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> bool:
    """Whether the key is the certificate's."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign certificates, by its basic constraints."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _material(key: object, found: list[x509.Certificate]) -> Material:
    if key is not None and not isinstance(key, rsa.RSAPrivateKey):
        raise CertificateRefused("the private key is not RSA", "Apple issues RSA keys for Pass Type IDs")
    return Material(tuple(found), key)


def _unopened(data: bytes) -> CertificateRefused:
    if old := refused_here(data):
        return CertificateRefused(
            f"the .p12 is encrypted with {' and '.join(old)}, which the OpenSSL of this installation refuses", CONVERT
        )
    return CertificateRefused(
        "the .p12 could not be opened: wrong password, or not a .p12",
        "check the password of the export: --password-file FILE",
    )


def _private_key(data: bytes, password: str | bytes | None) -> object:
    load = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
    try:
        return load(data, _secret(password))
    except TypeError as error:  # a password too much, or one too few
        if password:
            raise CertificateRefused("the private key has no password", "leave the password out") from error
        raise CertificateRefused(
            "the private key could not be read: it is encrypted",
            "pass its password along: --key-password-file FILE, or private_key_password",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateRefused(
            "the private key could not be read", "give an RSA key in PEM form, with its password if it has one"
        ) from error


def _secret(password: str | bytes | None) -> bytes | None:
    return (password.encode() if isinstance(password, str) else password) or None
