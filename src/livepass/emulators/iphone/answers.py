"""How the phone reads bodies: the list of changed serials, and the signed personalization token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from livepass.emulators.iphone import cms, trust
from livepass.emulators.iphone.package import parse_json


@dataclass(frozen=True)
class Listing:
    """A well-formed answer to "what changed?". ``tag`` is None when the key is missing or null."""

    serials: tuple[str, ...]
    tag: str | None


def read_listing(body: bytes) -> Listing | None:
    """The listing, or None when the body is malformed.

    Apple types both keys as strings; the phone is strict about it: a numeric ``lastUpdated`` is malformed.
    """
    try:
        parsed = parse_json(body)
    except ValueError:
        return None
    if not isinstance(parsed, dict):
        return None
    serials, tag = parsed.get("serialNumbers"), parsed.get("lastUpdated")
    if not isinstance(serials, list) or not all(isinstance(serial, str) for serial in serials):
        return None
    if tag is not None and not isinstance(tag, str):
        return None
    return Listing(tuple(serials), tag)


def is_signed_token(signature: bytes, token: str, roots: Sequence[x509.Certificate], pass_type: str, team: str) -> bool:
    """Whether the answer to a sign-up is a trusted signature over the personalization token."""
    try:
        trust.check(cms.verify(signature, token.encode()), roots, pass_type, team)
    except (cms.BadSignature, trust.Distrusted):
        return False
    return True
