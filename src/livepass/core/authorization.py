"""Who may touch a pass: the ``ApplePass`` header against the pass's own token.

A wrong token, another pass's token and an unknown serial must look alike and cost alike, so the caller always brings
an expected token: for an unknown serial one derived from a salt that belongs to nobody.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

MINIMUM_TOKEN_LENGTH = 16
"""Apple: an authentication token has 16 characters or more."""

WELL_KNOWN_TOKENS = frozenset({"vxwxd7J8AlNNFPS8k0a0FfUFtq0ewzFdc", "vxwxd7J8AlNNFPS8k0a0FfUFtq0ewzFd"})
"""Tokens printed in Apple's samples and copied into public repositories since."""


NO_TOKEN, WRONG_TOKEN = "no token", "wrong token"
"""What is noted of a refusal."""


APPLE = "applepass"
TO_FETCH = frozenset({APPLE, "walletunionpass"})
"""Schemes that a fetch may come with: Apple's, and that of wallets for Android which have one of their own. Never
``Bearer``: that is how API keys are sent, and phones never do (docs/explanation/other-wallets.md).
"""


def presented_token(header: str | None, schemes: frozenset[str] = frozenset({APPLE})) -> str | None:
    """The token in ``Authorization: ApplePass TOKEN``; ``None`` when there is none.

    Apple writes the scheme as ``ApplePass``; schemes are case-insensitive by RFC 9110, so we are too.
    """
    if header is None:
        return None
    scheme, _, token = header.strip().partition(" ")
    token = token.strip()
    return token if scheme.lower() in schemes and token else None


def scheme_of(header: str | None) -> str:
    """The scheme of a header, in lower case; empty where there is none."""
    return (header or "").strip().partition(" ")[0].lower()


def accepts(header: str | None, expected: str, *, known: bool, schemes: frozenset[str] = frozenset({APPLE})) -> bool:
    """Whether the header carries the expected token of a known pass, in time that tells nothing."""
    token = presented_token(header, schemes) or ""
    same = hmac.compare_digest(token.encode("utf-8", "surrogatepass"), expected.encode())
    return same and known and token != ""


def refusal(header: str | None, schemes: frozenset[str] = frozenset({APPLE})) -> str:
    """What is wrong with a header that was not accepted. Phones send one always: without, it was lost on its way."""
    return NO_TOKEN if presented_token(header, schemes) is None else WRONG_TOKEN


def derive_token(key: bytes, tenant: str, pass_type: str, serial: str, salt: bytes) -> str:
    """A pass's token: 256 bits, 43 characters, never stored.

    The parts are length-prefixed, so that no two passes share an input.
    """
    parts = (b"livepass token v1", tenant.encode(), pass_type.encode(), serial.encode(), salt)
    message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return base64.urlsafe_b64encode(hmac.digest(key, message, "sha256")).rstrip(b"=").decode()


def weakness(token: str) -> str | None:
    """Why an imported token may not be kept; ``None`` when it may."""
    if len(token) < MINIMUM_TOKEN_LENGTH:
        return f"has {len(token)} characters; Wallet needs {MINIMUM_TOKEN_LENGTH} or more"
    if not all("!" <= character <= "~" for character in token):
        return "has characters that cannot stand in a header; Wallet could never send it"
    if token in WELL_KNOWN_TOKENS:
        return "is the one printed in Apple's sample code, which anybody can send"
    if len(set(token)) < 6:
        return "can be guessed: it uses fewer than six different characters"
    return None


def token_print(key: bytes, token: str) -> str:
    """By what two passes with the same imported token are found out. Keyed, so that a dump cannot be searched for a
    token that was guessed.
    """
    return hmac.digest(key, b"livepass imported token v1\0" + token.encode(), "sha256").hex()[:32]


def fingerprint(push_token: str) -> str:
    """How a push token appears in timelines and lists: enough to match by, useless to push with.

    It begins as the token does, 16 bits of 256, and then comes a hash. So a batch of pushes, which is taken in the
    order of tokens, changes neighbours in the index of events and not a page for each.
    """
    return push_token[:4] + hashlib.sha256(push_token.encode()).hexdigest()[:8]
