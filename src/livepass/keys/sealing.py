"""Sealing under the installation's secret key: AES-256-GCM, with the key's name and the purpose bound in.

A sealed blob is ``1 | key id (8) | nonce (12) | ciphertext``. Several secret keys may be known: the first seals, each
opens what it sealed, so that a key can be replaced without touching what is stored.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from livepass.pkpass import PkpassError

KEY_BYTES = 32
_VERSION = b"\x01"


class BadSecretKey(Exception):
    """The secret key is not usable. The message never holds any of it."""

    def __init__(self, message: str) -> None:
        self.hint = 'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
        super().__init__(message)


class CannotUnseal(PkpassError):
    """Something stored was sealed with a key that is not here, or was altered."""

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"sealed with secret key {key_id}, which is not configured, or altered since",
            "LIVEPASS_SECRET_KEY must hold the key that sealed it too: several are separated by commas",
        )


class Secrets:
    """The installation's secret keys. ``texts`` are base64url, 32 bytes each; the first one seals."""

    def __init__(self, texts: Sequence[str], nonce: Callable[[int], bytes]) -> None:
        keys = [_decoded(text, position) for position, text in enumerate(texts, 1)]
        if not keys:
            raise BadSecretKey("there is no secret key")
        self._keys: Mapping[str, bytes] = {key_id(key): key for key in keys}
        self.first = key_id(keys[0])
        self._nonce = nonce

    def subkey(self, purpose: str, of: str | None = None) -> bytes:
        """A key for one purpose, derived from the secret key of that id (default: the first)."""
        of = of or self.first
        key = self._keys.get(of)
        if key is None:
            raise CannotUnseal(of)
        return hmac.digest(key, b"livepass subkey v1\n" + purpose.encode(), "sha256")

    def seal(self, secret: bytes, purpose: str) -> bytes:
        """Seal for one purpose; opening for another fails."""
        nonce = self._nonce(12)
        header = _VERSION + bytes.fromhex(self.first)
        sealed = AESGCM(self.subkey("seal")).encrypt(nonce, secret, header + purpose.encode())
        return header + nonce + sealed

    def unseal(self, blob: bytes, purpose: str) -> bytes:
        """What was sealed. Raises ``CannotUnseal``."""
        header, nonce, sealed = blob[:9], blob[9:21], blob[21:]
        of = header[1:].hex()
        try:
            return AESGCM(self.subkey("seal", of)).decrypt(nonce, sealed, header + purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise CannotUnseal(of) from error


def key_id(key: bytes) -> str:
    """A secret key's name: 16 hexadecimal digits that tell nothing about it."""
    return hashlib.sha256(b"livepass key id\n" + key).hexdigest()[:16]


def _decoded(text: str, position: int) -> bytes:
    try:
        key = base64.urlsafe_b64decode(text.strip() + "=" * (-len(text.strip()) % 4))
    except (binascii.Error, ValueError):
        raise BadSecretKey(f"secret key {position} is not base64url") from None
    if len(key) != KEY_BYTES:
        raise BadSecretKey(f"secret key {position} has {len(key)} bytes; it needs {KEY_BYTES}")
    return key
