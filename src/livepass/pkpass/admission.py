"""What a certificate must be to be taken in, beyond what a phone checks of a pass that is already signed.

Each rule refuses with a reason and with what to do. A phone may still take an old pass of a certificate that is refused
here: Apple's own certificates were signed with SHA-1 before 2022.
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from livepass.pkpass import chain, oids
from livepass.pkpass.certificate import SMALLEST_KEY, check_issuer, check_usage, extension, identity
from livepass.pkpass.errors import CertificateRefused
from livepass.pkpass.material import is_authority

_WEAK = (hashes.MD5, hashes.SHA1)
_ANEW = "issue another Pass Type ID certificate for the same identifier in Apple's portal"
_SMALLEST_CURVE = 256


def check_leaf(leaf: x509.Certificate, at: datetime) -> tuple[str, str]:
    """Everything that the certificate says by itself; answers pass type and team. Raises ``CertificateRefused``."""
    if is_authority(leaf):
        raise CertificateRefused(
            "this is the certificate of an authority, not a Pass Type ID certificate",
            "give the certificate that the portal issued; an intermediate goes along with it: --intermediate FILE",
        )
    found = identity(leaf)
    check_usage(leaf)
    _check_environment(leaf)
    _check_hash(leaf, "certificate", _ANEW)
    _check_period(leaf, "certificate", at, f"{_ANEW}; several may be valid at once, so the next one may come early")
    return found


def check_intermediate(leaf: x509.Certificate, intermediate: x509.Certificate, at: datetime) -> None:
    """Whether the chain holds now. Raises ``CertificateRefused``."""
    check_issuer(leaf, intermediate)
    if not is_authority(intermediate):
        raise CertificateRefused("the intermediate is not the certificate of an authority", chain.download(leaf))
    _check_key(intermediate, leaf)
    _check_hash(intermediate, "intermediate", chain.download(leaf))
    _check_period(intermediate, "intermediate", at, chain.download(leaf))


def _check_environment(leaf: x509.Certificate) -> None:
    # Apple: live passes work in APNs' production alone. Real certificates carry its marker, and not the sandbox's.
    sandbox, production = (extension(leaf, each) is not None for each in (oids.APNS_SANDBOX, oids.APNS_PRODUCTION))
    if sandbox and not production:
        raise CertificateRefused(
            "the certificate is for APNs' sandbox alone (1.2.840.113635.100.6.3.1 without .6.3.2): no phone with a "
            "live pass could be pushed to",
            "use a Pass Type ID certificate: Certificates → + → Pass Type ID Certificate; they are for production",
        )


def _check_key(intermediate: x509.Certificate, leaf: x509.Certificate) -> None:
    key = intermediate.public_key()
    strong = (isinstance(key, rsa.RSAPublicKey) and key.key_size >= SMALLEST_KEY) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= _SMALLEST_CURVE
    )
    if not strong:
        raise CertificateRefused("the intermediate's key is too weak", chain.download(leaf))


def _check_hash(certificate: x509.Certificate, what: str, remedy: str) -> None:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm as error:
        raise CertificateRefused(f"the {what} is signed in a way that is not known here", remedy) from error
    if isinstance(algorithm, _WEAK):
        raise CertificateRefused(
            f"the {what} is signed with {algorithm.name.upper()}, which proves nothing any more", remedy
        )


def _check_period(certificate: x509.Certificate, what: str, at: datetime, remedy: str) -> None:
    if at > certificate.not_valid_after_utc:
        raise CertificateRefused(
            f"the {what} expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC", remedy
        )
    # Refused, not only warned of: it cannot prove itself before then, and Apple's are valid from the day they are
    # issued, so that the clock is what is wrong, and signatures would carry the wrong time.
    if at < certificate.not_valid_before_utc:
        raise CertificateRefused(
            f"the {what} is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC, and it is "
            f"{at:%Y-%m-%d %H:%M:%S} here",
            "check this machine's clock; if it is right, import the certificate again when it has become valid",
        )
