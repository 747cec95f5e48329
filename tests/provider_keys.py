"""APNs keys and provider tokens for tests, minted here and not by the product."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from livepass.core.provider_token import PushKey
from livepass.emulators.apns import ProviderKey
from livepass.keys import push_keys

TEAM = "TEAM123456"


@dataclass
class Minted:
    """A key as Apple would make one."""

    id: str = "ABC123DEFG"
    team: str = TEAM
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @cached_property
    def p8(self) -> bytes:
        """Apple's file."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def known(self, **more: Any) -> ProviderKey:
        """As an emulated APNs knows it."""
        return ProviderKey.of(self.id, self.team, self.p8, **more)

    @property
    def opened(self) -> PushKey:
        """As the product opens it."""
        return push_keys.opened(push_keys.read_p8(self.p8), self.id, self.team)

    def bearer(self, at: float, *, alg: str = "ES256", **claims: Any) -> str:
        """The value of ``authorization``, issued at a second; the same for the same."""
        said = ({"alg": alg, "kid": self.id}, {"iss": self.team, "iat": int(at), **claims})
        text = ".".join(_b64(json.dumps(part).encode()) for part in said)
        r, s = decode_dss_signature(self.private.sign(text.encode(), ec.ECDSA(SHA256(), deterministic_signing=True)))
        return f"bearer {text}.{_b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
