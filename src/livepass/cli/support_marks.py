"""What stands for an id in a support bundle: the same each time, and no way back without the key."""

from __future__ import annotations

import hashlib
import hmac

LETTERS = 12


class Marks:
    """Keyed with the secret key, because serial numbers can be guessed: a bare hash would give them away."""

    def __init__(self, secret_key: str) -> None:
        self._key = hmac.digest(secret_key.encode(), b"livepass support bundle", hashlib.sha256)

    def of(self, value: str) -> str:
        """Twelve hexadecimal letters."""
        return hmac.digest(self._key, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()[:LETTERS]

    def maybe(self, value: str | None) -> str | None:
        """Nothing of nothing."""
        return self.of(value) if value else None
