"""Asks a certificate's authority whether it was revoked: its OCSP responders, then its revocation lists."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509

from livepass.core.fetching import CannotFetch
from livepass.pkpass.revocation import (
    OCSP_REQUEST,
    Standing,
    lists,
    ocsp_request,
    read_crl,
    read_ocsp,
    responders,
    unknown,
)
from livepass.service.seams import Authorities, Revocation, Revocations

LARGEST_ANSWER = 64 * 1024
LARGEST_LIST = 16 * 1024 * 1024
MOST_ADDRESSES = 2
"""Of each kind: Apple's certificates name one, and an uploaded file may name thousands."""
NOBODY_TO_ASK = "the certificate names nobody to ask"


async def revocation(
    authorities: Authorities, leaf: x509.Certificate, intermediate: x509.Certificate, now: int
) -> Standing:
    """Good, revoked, or unknown and why. Never raises for what others do: who cannot be reached says nothing."""
    at = datetime.fromtimestamp(now / 1000, UTC)
    said = []
    for address in responders(leaf)[:MOST_ADDRESSES]:
        question = ocsp_request(leaf, intermediate)
        try:
            answer = await authorities.ask(address, body=question, media=OCSP_REQUEST, most=LARGEST_ANSWER)
        except CannotFetch as error:
            said.append(str(error))
            continue
        standing = read_ocsp(answer, leaf, intermediate, at)
        if standing.state != "unknown":
            return standing
        said.append(f"{address}: {standing.why}")
    for address in lists(leaf)[:MOST_ADDRESSES]:
        try:
            answer = await authorities.ask(address, most=LARGEST_LIST)
        except CannotFetch as error:
            said.append(str(error))
            continue
        standing = read_crl(answer, leaf, intermediate, at, address)
        if standing.state != "unknown":
            return standing
        said.append(f"{address}: {standing.why}")
    return unknown("; ".join(said) or NOBODY_TO_ASK)


def asking(authorities: Authorities) -> Revocations:
    """The question about a stored chain, for whoever watches it."""

    async def ask(chain_pem: bytes, now: int) -> Revocation:
        leaf, intermediate, *_ = x509.load_pem_x509_certificates(chain_pem)
        standing = await revocation(authorities, leaf, intermediate, now)
        at = None if standing.revoked_at is None else int(standing.revoked_at.timestamp() * 1000)
        return Revocation(standing.state, at, standing.why)

    return ask
