"""How one certificate is put together and signed; what goes into it is decided in ``ca``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import AuthorityInformationAccessOID, ObjectIdentifier

from livepass.emulators.authority.shapes import OID_APPLE_POLICY, PrivateKey, PublicKey


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a relying party may ask about a certificate: its issuer's, its status, the list of those revoked."""

    issuer: str
    ocsp: str
    crl: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a certificate says beside names and key. ``usages`` are EKUs, ``extra`` are (OID, DER value) pairs."""

    starts: dt.datetime
    ends: dt.datetime
    authority: bool = False
    path_length: int | None = None
    usages: Sequence[ObjectIdentifier] = ()
    alternative_names: Sequence[x509.GeneralName] = ()
    extra: Sequence[tuple[ObjectIdentifier, bytes]] = ()
    policy: bool = False
    addresses: Addresses | None = None
    no_check: bool = False


def sign(
    subject: x509.Name, issuer: x509.Name, public_key: PublicKey, issuer_key: PrivateKey, content: Content
) -> x509.Certificate:
    """The certificate of ``public_key`` in the name ``subject``."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(content.starts)
        .not_valid_after(content.ends)
    )
    for extension, critical in _extensions(public_key, issuer_key, content):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer_key, hashes.SHA256())


def _extensions(
    public_key: PublicKey, issuer_key: PrivateKey, content: Content
) -> list[tuple[x509.ExtensionType, bool]]:
    made: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=content.authority, path_length=content.path_length), True),
        (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False),
        (_key_usage(content.authority), True),
    ]
    if content.usages:
        made.append((x509.ExtendedKeyUsage(list(content.usages)), False))
    if content.alternative_names:
        made.append((x509.SubjectAlternativeName(list(content.alternative_names)), False))
    if content.policy:
        made.append((x509.CertificatePolicies([x509.PolicyInformation(OID_APPLE_POLICY, None)]), False))
    if content.addresses is not None:
        made += [(_access(content.addresses), False), (_list_of_revoked(content.addresses), False)]
    if content.no_check:
        made.append((x509.OCSPNoCheck(), False))
    made += [(x509.UnrecognizedExtension(oid, value), False) for oid, value in content.extra]
    return made


def _key_usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _access(addresses: Addresses) -> x509.AuthorityInformationAccess:
    return x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(addresses.issuer)
            ),
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(addresses.ocsp)),
        ]
    )


def _list_of_revoked(addresses: Addresses) -> x509.CRLDistributionPoints:
    name = x509.UniformResourceIdentifier(addresses.crl)
    return x509.CRLDistributionPoints([x509.DistributionPoint([name], None, None, None)])
