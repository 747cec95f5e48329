"""What a certificate needs beside itself: its key, and the intermediate that issued it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from livepass.core.fetching import CannotFetch
from livepass.core.model import Certificate, SigningRequest
from livepass.core.sealed import Sealable, Sealed
from livepass.pkpass import chain, material
from livepass.pkpass.admission import check_intermediate
from livepass.pkpass.certificate import fingerprint, generation
from livepass.pkpass.errors import CertificateRefused
from livepass.pkpass.material import Material
from livepass.pkpass.signing_request import public_sha256
from livepass.service.refusals import Refusal
from livepass.service.revocation import LARGEST_ANSWER, MOST_ADDRESSES
from livepass.service.seams import Authorities

log = logging.getLogger(__name__)


# ── the key


def find_key(
    read: Material, waiting: Sequence[SigningRequest], stored: Sequence[Certificate], within: Collection[str] | None
) -> tuple[rsa.RSAPrivateKey | Sealed, SigningRequest | None]:
    """The key that came along, or the one that lies here, by its public key; and the request that it answers.

    ``waiting`` are the requests that the caller may see. Raises ``Refusal``.
    """
    leaf = read.leaf
    wanted = public_sha256(leaf.public_key())
    request = next((each for each in waiting if each.public_sha256 == wanted), None)
    if read.key is not None:
        if not material.belongs(leaf, read.key):
            raise Refusal(
                "the private key does not belong to the certificate",
                hint="use the key that the signing request for this certificate was made with",
                code="certificate_refused",
            )
        return read.key, request
    if request is not None:
        return Sealed(Sealable.SIGNING_REQUEST, request.pass_type, request.id, request.key_sealed), request
    for each in stored:
        if (within is None or each.pass_type in within) and _public_sha256(each) == wanted:
            return Sealed(Sealable.CERTIFICATE, each.pass_type, each.id, each.key_sealed), None
    raise _no_key(wanted, waiting)


def _no_key(wanted: str, waiting: Sequence[SigningRequest]) -> Refusal:
    ids = ", ".join(f"{each.id} ({each.pass_type})" if each.pass_type else each.id for each in waiting)
    there = f"the keys that wait here are {ids}" if waiting else "no key waits here"
    return Refusal(
        f"the private key of this certificate is not here: its id would be {wanted[:16]}, and {there}",
        hint="a key never leaves where the signing request was made. Made in Keychain Access: export the certificate "
        "there from My Certificates as .p12, which holds the key. Made with openssl: --pem CERT --key FILE. Made by "
        "another livepass: import it there. Lost: livepass cert csr --out FILE.csr, and have the portal issue another "
        "certificate for the same identifier; the old one may stay",
        code="no_key",
    )


# ── the intermediate


async def find_intermediate(
    read: Material, given: bytes, stored: Sequence[Certificate], authorities: Authorities, at: datetime
) -> tuple[x509.Certificate, x509.Certificate | None]:
    """The intermediate by the table of ``pkpass.chain``, and the root where that came along. ``given`` is PEM or DER;
    empty: none was. Raises ``CertificateRefused``.
    """
    leaf = read.leaf
    along = material.certificates_in(given, "intermediate") if given else []
    around = [*along, *read.others, *_kept(stored)]
    found = chain.given(leaf, along)
    if found is None:
        found, valid = chain.at_hand(leaf, around, at)
        if found is None or not valid:
            found = await _fetched(read, found, authorities)
    check_intermediate(leaf, found, at)
    return found, chain.root_of(found, around)


async def _fetched(read: Material, outdated: x509.Certificate | None, authorities: Authorities) -> x509.Certificate:
    """From the address in the leaf. Raises ``CertificateRefused`` that says what a person can do instead."""
    leaf, said = read.leaf, []
    for address in chain.addresses(leaf)[:MOST_ADDRESSES]:
        try:
            [fetched, *_] = material.certificates_in(await authorities.ask(address, most=LARGEST_ANSWER), "answer")
        except CannotFetch as error:
            said.append(str(error))
        except CertificateRefused:
            said.append(f"{address}: it answered something else than a certificate")
        else:
            if chain.fits(leaf, fetched):
                return fetched
            said.append(f"{address}: it answered {_named(fetched)}, which did not issue this certificate")
    if outdated is not None:
        return outdated  # whoever judges it says when it expired, and what to download
    along = f"; what came along is {_named(read.others[0])}" if read.others else ""
    tried = f" ({'; '.join(said)})" if said else ", and the certificate says nowhere where to fetch it"
    which = generation(leaf.issuer) or repr(leaf.issuer.rfc4514_string())
    raise CertificateRefused(f"the WWDR intermediate {which} is missing{along}{tried}", chain.download(leaf))


def _named(certificate: x509.Certificate) -> str:
    return generation(certificate.subject) or repr(certificate.subject.rfc4514_string())


# ── what is here


def _kept(stored: Sequence[Certificate]) -> list[x509.Certificate]:
    """The authorities of all certificates that are here."""
    found = {fingerprint(each): each for row in stored for each in _chain(row)[1:]}
    return list(found.values())


def _public_sha256(row: Certificate) -> str:
    return next((public_sha256(each.public_key()) for each in _chain(row)[:1]), "")


def _chain(row: Certificate) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(row.chain_pem)
    except (ValueError, x509.InvalidVersion):
        log.warning("the chain of certificate %s is damaged: import it again", row.id)
        return []
