"""From a client certificate to what it allows: ``read(der, …) -> Credential``.

Which topics a certificate stands for (Apple, "Establishing a certificate-based connection to APNs"): the UID of the
subject, or, when extension 1.2.840.113635.100.6.3.6 is there, the topics listed in it. Extension .6.3.2 marks
certificates for production, .6.3.1 those for development; Pass Type ID certificates carry the first only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from livepass.emulators.apns.verdicts import Credential

Environment = Literal["production", "development"]

OID_TOPICS = ObjectIdentifier("1.2.840.113635.100.6.3.6")
OID_ENVIRONMENT: dict[Environment, ObjectIdentifier] = {
    "development": ObjectIdentifier("1.2.840.113635.100.6.3.1"),
    "production": ObjectIdentifier("1.2.840.113635.100.6.3.2"),
}

DER_UTF8_STRING = 0x0C
DER_SEQUENCE = 0x30


def read(der: bytes, environment: Environment, *, foreign: bool = False) -> Credential:
    """The credential in a certificate. ``foreign`` says that it hangs under no authority that this APNs trusts.

    A certificate that names no topic, or that cannot be parsed, is ``BadCertificate``; it never raises.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        valid_from = certificate.not_valid_before_utc.timestamp()
        valid_until = certificate.not_valid_after_utc.timestamp()
        listed = _extension(certificate, OID_TOPICS)
        uid = _uid(certificate)
        topics = frozenset(_topics(listed)) if listed is not None else frozenset({uid} - {""})
        right_environment = _extension(certificate, OID_ENVIRONMENT[environment]) is not None
    except ValueError:
        return Credential(frozenset(), None, 0, 0, "BadCertificate")
    problem: str | None = None
    if foreign or not topics:
        problem = "BadCertificate"
    elif not right_environment:
        problem = "BadCertificateEnvironment"
    default = uid if listed is None and uid else None
    return Credential(topics, default, valid_from, valid_until, problem, certificate.serial_number)


def _uid(certificate: x509.Certificate) -> str:
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.USER_ID):
        return attribute.value if isinstance(attribute.value, str) else ""
    return ""


def _extension(certificate: x509.Certificate, oid: ObjectIdentifier) -> bytes | None:
    for extension in certificate.extensions:
        if extension.oid == oid and isinstance(extension.value, x509.UnrecognizedExtension):
            return extension.value.value
    return None


def _topics(der: bytes) -> Iterator[str]:
    """The topics in the extension: a sequence of topic, (kinds), topic, (kinds), … ; the kinds are not needed."""
    for tag, content in _elements(der):
        if tag == DER_SEQUENCE:
            yield from (inner.decode() for kind, inner in _elements(content) if kind == DER_UTF8_STRING)


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each DER element in a row. Raises ``ValueError`` when they do not fill the bytes exactly."""
    at = 0
    while at < len(der):
        if at + 2 > len(der):
            raise ValueError("a DER element is cut off")
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size], "big"), at + size
        if at + length > len(der):
            raise ValueError("a DER element is longer than what holds it")
        yield tag, der[at : at + length]
        at += length
