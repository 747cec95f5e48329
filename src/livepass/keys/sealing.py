"""Sealing under the installation's secret key: AES-256-GCM, with the key's name and the purpose bound in.

A sealed blob is ``1 | key id (8) | nonce (12) | ciphertext``. Several secret keys may be known: the first seals, each
opens what it sealed. So a key is replaced in steps that refuse nothing: docs/how-to/rotate-the-secret-key.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence

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
    """Something stored was sealed with a secret key that is not here, was altered, or is missing. Says which."""


def _not_configured(what: str, of: str, here: Iterable[str]) -> CannotUnseal:
    return CannotUnseal(
        f"{what}: sealed with secret key {of}, which is not configured",
        f"LIVEPASS_SECRET_KEY must hold that one too (several are separated by commas); it holds {', '.join(here)}",
    )


def _altered(what: str) -> CannotUnseal:
    return CannotUnseal(
        f"{what}: does not open with the secret key that it names, so it was altered",
        "restore it from a backup: nothing else can bring it back",
    )


class Secrets:
    """The installation's secret keys. ``texts`` are base64url, 32 bytes each; the first one seals."""

    def __init__(self, texts: Sequence[str], chance: Callable[[int], bytes]) -> None:
        keys = [_decoded(text, position) for position, text in enumerate(texts, 1)]
        if not keys:
            raise BadSecretKey("there is no secret key")
        self._keys: Mapping[str, bytes] = {key_id(key): key for key in keys}
        self.first = key_id(keys[0])
        self._chance = chance

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of the secret keys, in the order of the configuration."""
        return tuple(self._keys)

    def new_key(self) -> bytes:
        """A fresh key, of nothing but chance."""
        return self._chance(KEY_BYTES)

    def seal(self, secret: bytes, purpose: str) -> bytes:
        """Seal for one purpose; opening for another fails."""
        nonce = self._chance(12)
        header = _VERSION + bytes.fromhex(self.first)
        sealed = _cipher(self._keys[self.first]).encrypt(nonce, secret, header + purpose.encode())
        return header + nonce + sealed

    def unseal(self, blob: bytes, purpose: str) -> bytes:
        """What was sealed. Raises ``CannotUnseal``, which names the purpose and the secret key."""
        header, nonce, sealed = blob[:9], blob[9:21], blob[21:]
        if not sealed:
            raise _altered(purpose)
        self.require_key(blob, purpose)
        try:
            return _cipher(self._keys[sealed_with(blob)]).decrypt(nonce, sealed, header + purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise _altered(purpose) from error

    def require_key(self, blob: bytes, purpose: str) -> None:
        """Raise ``CannotUnseal`` unless the secret key that sealed it is here."""
        if sealed_with(blob) not in self._keys:
            raise _not_configured(purpose, sealed_with(blob), self._keys)


def sealed_with(blob: bytes) -> str:
    """The name of the secret key that sealed it."""
    return blob[1:9].hex()


def _cipher(key: bytes) -> AESGCM:
    return AESGCM(hmac.digest(key, b"livepass subkey v1\nseal", "sha256"))


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
