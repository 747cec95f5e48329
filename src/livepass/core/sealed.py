"""What is stored sealed, and the keys that every host derives with. Rows without decisions."""

from __future__ import annotations

from dataclasses import field
from enum import Enum

from livepass.core.frozen import frozen

TOKENS = "pass tokens"
"""Purpose of the keys that passes' tokens are derived with; a pass names its own."""
TAGS = "change tags"
"""Purpose of the key that signs change tags."""


class Sealable(Enum):
    """The kinds of things that are sealed, in the order in which they are sealed anew."""

    SHARED_KEY = "shared key"
    CERTIFICATE = "certificate key"
    APNS_KEY = "APNs key"
    SIGNING_REQUEST = "signing request key"
    TOTP = "console TOTP secret"
    TOKEN = "pass token"
    ENROLMENT = "enrolment"
    WEBHOOK = "webhook secret"


@frozen
class SharedKey:
    """A key of the whole installation: made once, read by all. The newest of its purpose derives what is new."""

    id: str
    purpose: str
    sealed: bytes = field(repr=False)
    created_at: int


@frozen
class Sealed:
    """One sealed thing and the row it stands in. ``within`` is a shared key's purpose, a tenant, or a pass type (empty
    for a signing request that names none).
    """

    kind: Sealable
    within: str
    id: str
    sealed: bytes = field(repr=False)


@frozen
class SealedCount:
    """How many things of a kind are sealed with the secret of that id."""

    kind: Sealable
    secret: str
    count: int
