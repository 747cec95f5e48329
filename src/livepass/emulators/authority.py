"""A throwaway certificate authority that issues what Apple's portal issues, for tests and the demo.

The shapes follow real Pass Type ID certificates (subject ``UID``/``OU``, marker extension, both EKUs, policy) and
a WWDR-like intermediate, so that what accepts these by rule accepts Apple's by the same rule. The root is not
Apple's: a real phone refuses every pass signed under it, and nothing may treat it as more than a stand-in.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

OID_UID = NameOID.USER_ID
OID_PASS_TYPE_MARKER = ObjectIdentifier("1.2.840.113635.100.6.1.16")
OID_NFC_MARKER = ObjectIdentifier("1.2.840.113635.100.6.1.26")
OID_APNS_PRODUCTION = ObjectIdentifier("1.2.840.113635.100.6.3.2")
OID_WWDR_INTERMEDIATE = ObjectIdentifier("1.2.840.113635.100.6.2.1")
OID_PASSBOOK_SIGNING = ObjectIdentifier("1.2.840.113635.100.4.14")
OID_APPLE_POLICY = ObjectIdentifier("1.2.840.113635.100.5.1")

DER_NULL = b"\x05\x00"


@dataclass(frozen=True)
class Issued:
    """A certificate with its key and the intermediate that signed it (``None`` under the root itself)."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    intermediate: x509.Certificate | None

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def intermediate_pem(self) -> bytes:
        if self.intermediate is None:
            return b""
        return self.intermediate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def p12(self, password: str = "") -> bytes:
        """The certificate, key and intermediate as Keychain would export them."""
        encryption: serialization.KeySerializationEncryption = (
            serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        )
        chain = [self.intermediate] if self.intermediate is not None else None
        return pkcs12.serialize_key_and_certificates(b"pass", self.key, self.certificate, chain, encryption)


class Authority:
    """Root, WWDR-like intermediate, and the certificates below them.

    ``now`` anchors every validity period; pass it to issue certificates that are old or not valid yet.
    """

    def __init__(self, now: dt.datetime | None = None, name: str = "Livepass Demo") -> None:
        self._now = (now or dt.datetime.now(dt.UTC)).replace(microsecond=0)
        self._name = name
        self._root_key = _new_key()
        root_name = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "XX"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
                x509.NameAttribute(NameOID.COMMON_NAME, f"{name} Root CA"),
            ]
        )
        self.root = self._sign(
            root_name, root_name, self._root_key, self._root_key, days=7300, ca=True, path_length=None
        )
        self._intermediate_key = _new_key()
        self.intermediate = self._new_intermediate("G4", self._intermediate_key)

    @property
    def root_pem(self) -> bytes:
        return self.root.public_bytes(serialization.Encoding.PEM)

    def other_intermediate(self, generation: str = "G1") -> x509.Certificate:
        """Another generation of the intermediate, which did *not* sign the leaves: the classic mix-up."""
        return self._new_intermediate(generation, _new_key())

    def pass_certificate(
        self,
        pass_type: str,
        team: str = "DEMO000000",
        *,
        organization: str | None = None,
        nfc: bool = False,
        marker: str | None = None,
        passbook_eku: bool = True,
        starts: dt.timedelta = dt.timedelta(hours=-1),
        days: int = 395,
        key: rsa.RSAPrivateKey | None = None,
    ) -> Issued:
        """A Pass Type ID certificate. ``marker``, ``passbook_eku``, ``starts``, ``days`` spoil one thing at a time."""
        key = key or _new_key()
        kind = "Pass Type ID with NFC" if nfc else "Pass Type ID"
        subject = x509.Name(
            [
                x509.NameAttribute(OID_UID, pass_type),
                x509.NameAttribute(NameOID.COMMON_NAME, f"{kind}: {pass_type}"),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, team),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization or self._name),
                x509.NameAttribute(NameOID.COUNTRY_NAME, "XX"),
            ]
        )
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if passbook_eku:
            usages.append(OID_PASSBOOK_SIGNING)
        extra: list[tuple[ObjectIdentifier, bytes]] = [
            (OID_PASS_TYPE_MARKER, _der_utf8(pass_type if marker is None else marker)),
            (OID_APNS_PRODUCTION, DER_NULL),
        ]
        if nfc:
            extra.append((OID_NFC_MARKER, _der_utf8(pass_type)))
        certificate = self._sign(
            subject,
            self.intermediate.subject,
            key,
            self._intermediate_key,
            days=days,
            starts=starts,
            usages=usages,
            extra=extra,
            policy=True,
        )
        return Issued(certificate, key, self.intermediate)

    def server_certificate(
        self,
        *hosts: str,
        days: int = 90,
        starts: dt.timedelta = dt.timedelta(hours=-1),
        below_intermediate: bool = False,
    ) -> Issued:
        """A TLS server certificate for the given names and addresses, signed by the root, or one step below it."""
        above, above_key = self.root, self._root_key
        if below_intermediate:
            above, above_key = self.intermediate, self._intermediate_key
        key = _new_key()
        names: list[x509.GeneralName] = []
        for host in hosts or ("localhost", "127.0.0.1"):
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                names.append(x509.DNSName(host))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0] if hosts else "localhost")])
        certificate = self._sign(
            subject,
            above.subject,
            key,
            above_key,
            days=days,
            starts=starts,
            usages=[ExtendedKeyUsageOID.SERVER_AUTH],
            alternative_names=names,
        )
        return Issued(certificate, key, above if below_intermediate else None)

    def _new_intermediate(self, generation: str, key: rsa.RSAPrivateKey) -> x509.Certificate:
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, f"{self._name} Developer Relations Certification Authority"),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, generation),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self._name),
                x509.NameAttribute(NameOID.COUNTRY_NAME, "XX"),
            ]
        )
        return self._sign(
            name,
            self.root.subject,
            key,
            self._root_key,
            days=3650,
            starts=dt.timedelta(days=-1500),
            ca=True,
            path_length=0,
            extra=[(OID_WWDR_INTERMEDIATE, DER_NULL)],
        )

    def _sign(
        self,
        subject: x509.Name,
        issuer: x509.Name,
        key: rsa.RSAPrivateKey,
        issuer_key: rsa.RSAPrivateKey,
        *,
        days: int,
        starts: dt.timedelta = dt.timedelta(days=-2000),
        ca: bool = False,
        path_length: int | None = None,
        usages: Sequence[ObjectIdentifier] = (),
        alternative_names: Sequence[x509.GeneralName] = (),
        extra: Sequence[tuple[ObjectIdentifier, bytes]] = (),
        policy: bool = False,
    ) -> x509.Certificate:
        not_before = self._now + starts
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(not_before + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=ca,
                    crl_sign=ca,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
        )
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
        if alternative_names:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(alternative_names)), critical=False)
        if policy:
            information = x509.PolicyInformation(OID_APPLE_POLICY, None)
            builder = builder.add_extension(x509.CertificatePolicies([information]), critical=False)
        for oid, value in extra:
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
        return builder.sign(issuer_key, hashes.SHA256())


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _der_utf8(text: str) -> bytes:
    data = text.encode()
    if len(data) > 127:
        raise ValueError(f"a pass type identifier of {len(data)} bytes is too long for the marker extension")
    return b"\x0c" + bytes([len(data)]) + data
