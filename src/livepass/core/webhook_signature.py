"""Signs a webhook as Standard Webhooks 1.0 has it: ``v1,`` and base64 of HMAC-SHA256 over ``id.timestamp.body``."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of key the specification allows."""


class BadSecret(ValueError):
    """A secret that cannot sign. The message never holds the secret."""


def secret_of(key: bytes) -> str:
    """``whsec_`` and base64 of 24 to 64 bytes, as receivers' libraries take it. Raises `BadSecret`."""
    if not SHORTEST <= len(key) <= LONGEST:
        raise BadSecret(f"a webhook secret has {SHORTEST} to {LONGEST} bytes, this one {len(key)}: make another")
    return PREFIX + base64.b64encode(key).decode()


def headers(secrets: Sequence[str], message: str, at: int, body: bytes) -> dict[str, str]:
    """The three headers of one attempt at ``at`` (seconds since 1970), one signature per secret still valid.

    Raises `BadSecret`, and `ValueError` for an id with a dot: the signed text would have two readings.
    """
    if not secrets:
        raise BadSecret("no secret to sign with: rotate the endpoint's secret")
    if not message or "." in message:
        raise ValueError("a webhook's id is not empty and holds no dot")
    signed = f"{message}.{at}.".encode() + body
    return {
        "webhook-id": message,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(_signature(_key(secret), signed) for secret in secrets),
    }


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise BadSecret("a webhook secret is whsec_ and base64: this one is not") from None
    if not secret.startswith(PREFIX) or not SHORTEST <= len(key) <= LONGEST:
        raise BadSecret(f"a webhook secret is whsec_ and base64 of {SHORTEST} to {LONGEST} bytes: this one is not")
    return key


def _signature(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
