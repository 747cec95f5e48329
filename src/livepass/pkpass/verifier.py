"""Would a phone believe this package? Hashes, signature, chain and identity, in the order in which a phone looks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from livepass.pkpass.certificate import CertificateFacts, facts, issued_by
from livepass.pkpass.cms_read import SignatureFacts, verify_signature
from livepass.pkpass.errors import CertificateNotValid, CertificateRefused, InvalidPackage, InvalidSignature
from livepass.pkpass.names import MANIFEST, SIGNATURE
from livepass.pkpass.reader import Package


@dataclass(frozen=True, slots=True)
class Verified:
    """A package that holds together. ``root_checked`` tells whether the chain was followed to a given root."""

    pass_type: str
    team: str
    serial: str
    certificate: CertificateFacts
    signature: SignatureFacts
    root_checked: bool


def verify(
    package: Package,
    *,
    at_signing_time: bool = True,
    roots: Sequence[x509.Certificate] | None = None,
    at: datetime | None = None,
) -> Verified:
    """Check everything that needs no phone. ``roots`` follows the chain to one of them; without, it ends at WWDR.

    Certificates are judged at the signing time, as phones do; with ``at_signing_time=False`` at ``at`` (aware).
    Raises ``InvalidPackage`` for files and identity, ``InvalidSignature`` for signature and chain.
    """
    if not at_signing_time and at is None:
        raise ValueError("give the instant to judge the certificates at, or judge them at the signing time")
    _check_hashes(package)
    signature = verify_signature(package.manifest_bytes, package.signature)
    intermediate, root = _chain(signature, roots)
    judged_at = signature.signed_at if at_signing_time or at is None else at
    certificate = _trusted(signature, intermediate, root, judged_at)
    _check_identity(package, certificate)
    return Verified(
        pass_type=certificate.pass_type,
        team=certificate.team,
        serial=str(package.document.get("serialNumber", "")),
        certificate=certificate,
        signature=signature,
        root_checked=root is not None,
    )


def _check_hashes(package: Package) -> None:
    """Apple, Wallet Passes, "Building a Pass": the manifest lists every file but itself and the signature."""
    present = package.files.keys() - {MANIFEST, SIGNATURE}
    for name in sorted(present - package.manifest.keys()):
        raise InvalidPackage(f"{name!r} is not listed in manifest.json", "build the package again")
    for name in sorted(package.manifest.keys() - present):
        raise InvalidPackage(f"manifest.json lists {name!r}, which it should not or which is missing", "build it again")
    for name, expected in sorted(package.manifest.items()):
        actual = hashlib.sha1(package.files[name], usedforsecurity=False).hexdigest()
        if actual != expected:
            raise InvalidPackage(f"{name!r} is not the file that manifest.json lists", "build the package again")


def _chain(
    signature: SignatureFacts, roots: Sequence[x509.Certificate] | None
) -> tuple[x509.Certificate, x509.Certificate | None]:
    """Exactly leaf, intermediate, root: Apple's policy takes no longer chain."""
    intermediate = next((each for each in signature.others if issued_by(signature.certificate, each)), None)
    if intermediate is None:
        raise InvalidSignature(
            f"the signature lacks the intermediate that issued its certificate "
            f"({signature.certificate.issuer.rfc4514_string()})",
            "sign with the WWDR generation that the certificate names",
        )
    if roots is None:
        return intermediate, None
    root = next((each for each in roots if issued_by(intermediate, each)), None)
    if root is None:
        raise InvalidSignature(
            f"none of the given roots issued the intermediate; it names {intermediate.issuer.rfc4514_string()}",
            "phones take Apple Root CA only",
        )
    return intermediate, root


def _trusted(
    signature: SignatureFacts, intermediate: x509.Certificate, root: x509.Certificate | None, at: datetime
) -> CertificateFacts:
    try:
        certificate = facts(signature.certificate, intermediate, root)
        certificate.check_valid(at)
    except (CertificateRefused, CertificateNotValid) as error:
        raise InvalidSignature(error.reason, error.hint) from error
    if root is not None and not root.not_valid_before_utc <= at <= root.not_valid_after_utc:
        raise InvalidSignature("the root does not cover that instant", "give the root that is valid then")
    return certificate


def _check_identity(package: Package, certificate: CertificateFacts) -> None:
    """The reason most passes are refused on a first try: right certificate, another pass type or team."""
    for key, expected in (("passTypeIdentifier", certificate.pass_type), ("teamIdentifier", certificate.team)):
        if package.document.get(key) != expected:
            raise InvalidPackage(
                f"pass.json has {key} {package.document.get(key)!r}, but the certificate is for {expected!r}",
                f"put {expected!r} into pass.json, or sign with the certificate of the other",
            )
