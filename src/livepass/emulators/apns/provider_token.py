"""Provider tokens as this APNs checks them: which keys it knows, and what one connection allows with them.

Rules from Apple, "Establishing a token-based connection to APNs" and "Handling notification responses from APNs", by
row of ``Bearer.credential``. Where Apple is silent: a token dated more than ten minutes ahead is invalid (we chose), a
connection that showed an expired token stays of no use (met by pushy), and a change of tokens is counted from when the
one before was first seen on the connection (the strictest reading of "not more often than every twenty minutes").
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from livepass.emulators.apns.credential import Environment
from livepass.emulators.apns.verdicts import Credential

SCHEME = "bearer "
LIFETIME_SECONDS = 3600.0
UPDATE_SECONDS = 1200.0
AHEAD_SECONDS = 600.0
REMEMBERED = 1000
"""Tokens whose signatures were checked, and need not be again."""


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """A key as Apple knows it. ``topics`` ``None``: all topics of its team. ``environment`` ``None``: both."""

    id: str
    team: str
    public: ec.EllipticCurvePublicKey = field(repr=False)
    topics: frozenset[str] | None = None
    environment: Environment | None = None

    @classmethod
    def of(
        cls,
        id_: str,
        team: str,
        pem: bytes,
        topics: Iterable[str] | None = None,
        environment: Environment | None = None,
    ) -> ProviderKey:
        """From the PEM of a .p8, or of its public key. ``ValueError`` for anything but a key on P-256."""
        loaded = load_pem_public_key(pem) if b"PUBLIC" in pem else load_pem_private_key(pem, None)
        public = loaded.public_key() if isinstance(loaded, ec.EllipticCurvePrivateKey) else loaded
        if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
            raise ValueError("an APNs key is on the curve P-256")
        return cls(id_, team, public, None if topics is None else frozenset(topics), environment)

    def as_json(self) -> dict[str, object]:
        topics = None if self.topics is None else sorted(self.topics)
        return {"id": self.id, "team": self.team, "topics": topics, "environment": self.environment}


@dataclass(frozen=True, slots=True)
class _Read:
    """A token whose signature holds."""

    key: ProviderKey
    issued_at: float


class Provider:
    """What this APNs knows of keys and teams. ``lifetime`` and ``updates`` are Apple's hour and twenty minutes."""

    def __init__(self, environment: Environment) -> None:
        self.keys: dict[str, ProviderKey] = {}
        self.topics_of_team: dict[str, frozenset[str]] = {}
        self.environment = environment
        self.lifetime = LIFETIME_SECONDS
        self.updates = UPDATE_SECONDS
        self._read: dict[str, _Read] = {}

    def put(self, key: ProviderKey) -> None:
        """Know a key from now on; the one of that id is replaced."""
        self._read.clear()
        self.keys[key.id] = key

    def revoke(self, key_id: str) -> bool:
        """Know a key no more; false when it was not known."""
        self._read.clear()
        return self.keys.pop(key_id, None) is not None

    def topics(self, key: ProviderKey) -> frozenset[str] | None:
        """What a key may push to now; ``None``: everything."""
        team = self.topics_of_team.get(key.team)
        if key.topics is None or team is None:
            return team if key.topics is None else key.topics
        return team & key.topics

    def read(self, text: str) -> _Read | None:
        """A token whose key is known and whose signature, algorithm and team hold; otherwise ``None``."""
        known = self._read.get(text)
        if known is None:
            known = self._checked(text)
            if known is not None:
                if len(self._read) >= REMEMBERED:
                    self._read.clear()
                self._read[text] = known
        return known

    def _checked(self, text: str) -> _Read | None:
        try:
            head_text, claims_text, signature_text = text.split(".")
            head, claims = json.loads(_bytes(head_text)), json.loads(_bytes(claims_text))
            signature = _bytes(signature_text)
            key = self.keys.get(head["kid"])
            issued_at = claims["iat"]
            if key is None or head["alg"] != "ES256" or claims["iss"] != key.team or len(signature) != 64:
                return None
            if isinstance(issued_at, bool) or not isinstance(issued_at, int):
                return None
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            message = f"{head_text}.{claims_text}".encode()
            key.public.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
        except (ValueError, KeyError, TypeError, RecursionError, binascii.Error, InvalidSignature):
            return None
        return _Read(key, float(issued_at))


@dataclass(slots=True)
class Bearer:
    """The tokens of one connection that has no client certificate."""

    provider: Provider
    first: ProviderKey | None = None
    topics: frozenset[str] | None = None
    token: str = ""
    since: float = 0.0
    expired: bool = False

    def credential(self, authorization: str | None, now: float) -> Credential | None:
        """What this request may do; ``None`` when it shows no token. ``now`` is UNIX seconds."""
        if authorization is None:
            return None
        problem = self._problem(authorization, now)
        return Credential(self.topics, None, 0, float("inf"), problem, by_token=True)

    def _problem(self, authorization: str, now: float) -> str | None:
        text = authorization[len(SCHEME) :] if authorization.lower().startswith(SCHEME) else ""
        read = self.provider.read(text)
        if read is None or read.issued_at > now + AHEAD_SECONDS:
            return "InvalidProviderToken"
        if self.expired or now - read.issued_at > self.provider.lifetime:
            self.expired = True
            return "ExpiredProviderToken"
        if read.key.environment not in (None, self.provider.environment):
            return "BadEnvironmentKeyIdInToken"
        if self.first is not None and self.first.team != read.key.team:
            return "UnrelatedKeyIdInToken"
        if self.token and text != self.token and now - self.since < self.provider.updates:
            return "TooManyProviderTokenUpdates"
        if self.first is None:
            self.first, self.topics = read.key, self.provider.topics(read.key)
        if text != self.token:
            self.token, self.since = text, now
        return None


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
