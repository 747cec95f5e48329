"""What a Pass Type ID certificate says, and the rules by which a phone takes or refuses it.

The rules are those of the pass signing policy in Apple's open-source Security framework: marker extension equal to the
pass type, organisational unit equal to the team, the passbook usage, and exactly leaf → WWDR intermediate → root.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature as BadSignature
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

from livepass.pkpass import oids
from livepass.pkpass.der import DerError, parse
from livepass.pkpass.errors import CertificateNotValid, CertificateRefused

SMALLEST_KEY = 2048
_UTF8_STRING = 0x0C

# Published at apple.com/certificateauthority. SHA-256 of the DER.
APPLE_ROOT = "b0b1730ecbc7ff4505142c49f1295e6eda6bcaed7e2c68c5be91b5a11001f024"
APPLE_INTERMEDIATES = frozenset({"ea4757885538dd8cb59ff4556f676087d83c85e70902c122e42c0808b5bce14c"})  # WWDR G4
_APPLE_ROOT_NAME = "CN=Apple Root CA,OU=Apple Certification Authority,O=Apple Inc.,C=US"

RootEvidence = Literal["apple", "claims-apple", "foreign"]
_ROOT_STATEMENTS: dict[RootEvidence, str] = {
    "apple": "chains to Apple Root CA, proved by fingerprint",
    "claims-apple": "the intermediate names Apple Root CA as its issuer, which nothing here can prove",
    "foreign": "does not chain to Apple Root CA: no phone takes its passes",
}


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """A Pass Type ID certificate in words. Instants are aware UTC; ``serial`` and ``sha256`` lower-case hexadecimal.

    ``root`` says how much is known about the top of the chain: "apple" only when a pinned fingerprint proves it,
    "claims-apple" when the intermediate carries the right issuer name and marker (which anybody can write).
    """

    pass_type: str
    team: str
    organization: str
    common_name: str
    issuer: str
    nfc: bool
    not_before: datetime
    not_after: datetime
    serial: str
    sha256: str
    intermediate_not_before: datetime
    intermediate_not_after: datetime
    root: RootEvidence
    generation: str
    """Of the intermediate: "G4" since 2022; empty where its name says none."""
    key_bits: int
    pushes: bool
    """Whether it carries the marker by which APNs' production takes it."""

    @property
    def root_is_apple(self) -> bool:
        """True only when proved by fingerprint."""
        return self.root == "apple"

    @property
    def root_statement(self) -> str:
        """The sentence to show for ``root``."""
        return _ROOT_STATEMENTS[self.root]

    def check_valid(self, at: datetime) -> None:
        """Raises ``CertificateNotValid`` unless leaf and intermediate both cover ``at``."""
        periods = (
            ("certificate", self.not_before, self.not_after, "get a new Pass Type ID certificate from Apple's portal"),
            (
                "intermediate",
                self.intermediate_not_before,
                self.intermediate_not_after,
                "use the current WWDR intermediate from apple.com/certificateauthority",
            ),
        )
        for what, first, last, hint in periods:
            if at < first:
                raise CertificateNotValid(
                    f"the {what} is valid from {first:%Y-%m-%d %H:%M:%S} UTC, later than {at:%Y-%m-%d %H:%M:%S}",
                    "check this machine's clock",
                )
            if at > last:
                raise CertificateNotValid(f"the {what} expired on {last:%Y-%m-%d %H:%M:%S} UTC", hint)


def facts(
    certificate: x509.Certificate, intermediate: x509.Certificate, root: x509.Certificate | None = None
) -> CertificateFacts:
    """Apply every rule that needs no clock, and report. Raises ``CertificateRefused`` naming the broken rule."""
    pass_type, team = identity(certificate)
    check_usage(certificate)
    check_issuer(certificate, intermediate)
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return CertificateFacts(
        pass_type=pass_type,
        team=team,
        organization=_subject(certificate, NameOID.ORGANIZATION_NAME),
        common_name=_subject(certificate, NameOID.COMMON_NAME),
        issuer=certificate.issuer.rfc4514_string(),
        nfc=extension(certificate, oids.NFC_MARKER) is not None,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        serial=f"{certificate.serial_number:x}",
        sha256=fingerprint(certificate),
        intermediate_not_before=intermediate.not_valid_before_utc,
        intermediate_not_after=intermediate.not_valid_after_utc,
        root=_root_evidence(intermediate, root),
        generation=generation(certificate.issuer),
        key_bits=key.key_size,
        pushes=extension(certificate, oids.APNS_PRODUCTION) is not None,
    )


def facts_of(chain_pem: bytes) -> CertificateFacts:
    """Of a chain as ``Signer.chain_pem`` lays it out. Raises ``CertificateRefused``."""
    try:
        certificate, intermediate, *root = x509.load_pem_x509_certificates(chain_pem)
    except (ValueError, x509.InvalidVersion) as error:
        raise CertificateRefused("the chain is damaged", "import the certificate again") from error
    return facts(certificate, intermediate, root[0] if root else None)


def check_readable(certificate: x509.Certificate) -> None:
    """Raises ``CertificateRefused`` when a part that we look at is damaged: parts are parsed only when looked at."""
    try:
        certificate.public_key()
        _ = certificate.extensions, certificate.subject, certificate.issuer
    except Exception as error:  # the parser has many ways to say so
        raise CertificateRefused(
            "the certificate is damaged", "use the certificate exactly as Apple issued it"
        ) from error


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the DER, lower-case hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether ``issuer`` has the name the certificate names *and* the key that signed it."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, UnsupportedAlgorithm, BadSignature):
        return False
    return True


def generation(issuer: x509.Name) -> str:
    """Which WWDR generation an issuer's name is: "G4". Empty for a name that says none.

    By the names of Apple's own intermediates: G3 and later say it in the unit, G2 in the common name, and G1, the
    first, not at all.
    """
    units = [str(each.value) for each in issuer.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)]
    names = [str(each.value) for each in issuer.get_attributes_for_oid(NameOID.COMMON_NAME)]
    for said in (*units, *(name.rpartition(" - ")[2] for name in names)):
        if re.fullmatch(r"G[1-9][0-9]?", said):
            return said
    return "G1" if "Apple Worldwide Developer Relations" in units else ""


def identity(certificate: x509.Certificate) -> tuple[str, str]:
    """Pass type and team, after checking that subject and marker agree. Raises ``CertificateRefused``."""
    pass_type = _subject(certificate, NameOID.USER_ID)
    team = _subject(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME)
    if not pass_type or not team:
        raise CertificateRefused(
            "the certificate's subject names no pass type (UID) or no team (OU)",
            "this is not a Pass Type ID certificate; create one under Identifiers → Pass Type IDs",
        )
    marker = _marker(certificate)
    if marker is None:
        raise CertificateRefused(
            "the certificate lacks Apple's pass type marker (1.2.840.113635.100.6.1.16)",
            "use the certificate exactly as Apple issued it; some tools drop extensions when converting",
        )
    if marker != pass_type:
        raise CertificateRefused(
            f"the certificate is for {pass_type!r} but marked {marker!r}, so phones refuse its passes",
            "create it again and leave the certificate name field in Apple's portal empty",
        )
    return pass_type, team


def _marker(certificate: x509.Certificate) -> str | None:
    value = extension(certificate, oids.PASS_TYPE_MARKER)
    if value is None:
        return None
    try:
        return parse(value).want(_UTF8_STRING).value.decode()
    except (DerError, UnicodeDecodeError) as error:
        raise CertificateRefused(
            "the pass type marker of the certificate is damaged", "use the certificate exactly as Apple issued it"
        ) from error


def check_usage(certificate: x509.Certificate) -> None:
    """Raises ``CertificateRefused`` for one that is not meant for passes, or whose key is weak."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usages = x509.ExtendedKeyUsage([])
    if oids.PASSBOOK_SIGNING not in usages:
        raise CertificateRefused(
            "the certificate is not meant for signing passes (extended key usage 1.2.840.113635.100.4.14 is missing)",
            "use a Pass Type ID certificate, not one for apps or for APNs alone",
        )
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < SMALLEST_KEY:
        raise CertificateRefused(
            f"the certificate's key is not RSA of {SMALLEST_KEY} bits or more",
            f"make the signing request anew with an RSA key of {SMALLEST_KEY} bits",
        )


def check_issuer(certificate: x509.Certificate, intermediate: x509.Certificate) -> None:
    """Raises ``CertificateRefused`` unless the intermediate is Apple's kind, and signed the certificate."""
    if certificate.issuer != intermediate.subject:
        raise CertificateRefused(
            f"the certificate was issued by {certificate.issuer.rfc4514_string()!r}, "
            f"but the intermediate is {intermediate.subject.rfc4514_string()!r}",
            "download the WWDR generation that the certificate names (G4 since 2022) from "
            "apple.com/certificateauthority",
        )
    if not issued_by(certificate, intermediate):
        raise CertificateRefused(
            "the intermediate has the right name, but its key did not sign the certificate",
            "download the WWDR intermediate again from apple.com/certificateauthority",
        )
    if extension(intermediate, oids.WWDR_MARKER) is None:
        raise CertificateRefused(
            "the intermediate lacks the WWDR marker (1.2.840.113635.100.6.2.1), so phones refuse the chain",
            "use Apple's own WWDR intermediate",
        )


def _root_evidence(intermediate: x509.Certificate, root: x509.Certificate | None) -> RootEvidence:
    if fingerprint(intermediate) in APPLE_INTERMEDIATES:
        return "apple"
    if root is not None and fingerprint(root) == APPLE_ROOT and issued_by(intermediate, root):
        return "apple"
    # The name alone proves nothing: anybody can write it.
    return "claims-apple" if intermediate.issuer.rfc4514_string() == _APPLE_ROOT_NAME else "foreign"


def _subject(certificate: x509.Certificate, oid: ObjectIdentifier) -> str:
    values = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(oid)]
    return str(values[0]) if len(values) == 1 else ""


def extension(certificate: x509.Certificate, oid: ObjectIdentifier) -> bytes | None:
    """The bytes of an extension; ``None``: it is not there."""
    for extension in certificate.extensions:
        if extension.oid == oid:
            value = extension.value
            return value.value if isinstance(value, x509.UnrecognizedExtension) else value.public_bytes()
    return None
