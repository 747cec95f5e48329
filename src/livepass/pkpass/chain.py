"""Which intermediate completes a certificate, and which of several.

| where it comes from | what it is good for |
|---|---|
| given | passed along for this certificate: taken before all others, and refused where it does not fit |
| at hand | in the same file, or kept for another certificate: of those that fit, the one that lasts longest |
| fetched | from the address that the certificate names (AIA): asked only where nothing at hand is valid now |

One that lasts longest, because the same authority key may be certified anew: importing an old file again must not put
an older intermediate in the place of a newer one. Whatever the source, it is found by the leaf's authority key id,
and its key must have signed the leaf.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from livepass.pkpass.certificate import generation, issued_by
from livepass.pkpass.errors import CertificateRefused

WHERE = "https://www.apple.com/certificateauthority/"


def fits(leaf: x509.Certificate, intermediate: x509.Certificate) -> bool:
    """Whether ``intermediate`` is the authority that issued ``leaf``: by key id (where both say it), name and key."""
    wanted, there = _authority_key_id(leaf), _own_key_id(intermediate)
    if wanted is not None and there is not None and wanted != there:
        return False
    return issued_by(leaf, intermediate)


def given(leaf: x509.Certificate, candidates: Sequence[x509.Certificate]) -> x509.Certificate | None:
    """The one that was passed along; ``None``: none was. Raises ``CertificateRefused`` when none of them fits."""
    found = [each for each in candidates if fits(leaf, each)]
    if candidates and not found:
        if candidates[0].subject == leaf.issuer:
            raise CertificateRefused(
                "the intermediate that was given has the right name, but its key did not sign the certificate",
                download(leaf),
            )
        raise CertificateRefused(
            f"the intermediate that was given is {_called(candidates[0].subject)}, "
            f"but the certificate was issued by {_called(leaf.issuer)}",
            download(leaf),
        )
    return max(found, key=_lasts, default=None)


def at_hand(
    leaf: x509.Certificate, candidates: Sequence[x509.Certificate], at: datetime
) -> tuple[x509.Certificate | None, bool]:
    """The one that fits, is valid at ``at`` and lasts longest, and whether any is valid; nothing fits: ``None``."""
    found = [(_valid(each, at), _lasts(each), each) for each in candidates if fits(leaf, each)]
    valid, _, best = max(found, key=lambda one: one[:2], default=(False, at, None))
    return best, valid


def root_of(intermediate: x509.Certificate, candidates: Sequence[x509.Certificate]) -> x509.Certificate | None:
    """The authority above the intermediate, where it came along."""
    return next((each for each in candidates if each != intermediate and issued_by(intermediate, each)), None)


def addresses(leaf: x509.Certificate) -> list[str]:
    """Where the leaf says that its issuer's certificate can be fetched (AIA caIssuers), in its order."""
    return named_in(leaf, AuthorityInformationAccessOID.CA_ISSUERS)


def named_in(leaf: x509.Certificate, method: x509.ObjectIdentifier) -> list[str]:
    """The addresses that the leaf's authority information access names for ``method``."""
    try:
        found = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return []
    locations = [each.access_location for each in found if each.access_method == method]
    return [each.value for each in locations if isinstance(each, x509.UniformResourceIdentifier)]


def download(leaf: x509.Certificate) -> str:
    """How a person gets the right intermediate."""
    which = generation(leaf.issuer)
    from_where = " or ".join([*addresses(leaf)[:1], WHERE])
    what = f"the WWDR intermediate {which}" if which else f"the intermediate {leaf.issuer.rfc4514_string()!r}"
    return f"download {what} from {from_where} and pass it along: --intermediate FILE, or intermediate_pem"


def _called(name: x509.Name) -> str:
    said = generation(name)
    return f"{name.rfc4514_string()!r}" + (f" ({said})" if said else "")


def _valid(certificate: x509.Certificate, at: datetime) -> bool:
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def _lasts(certificate: x509.Certificate) -> datetime:
    return certificate.not_valid_after_utc


def _authority_key_id(leaf: x509.Certificate) -> bytes | None:
    try:
        return leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return None


def _own_key_id(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None
