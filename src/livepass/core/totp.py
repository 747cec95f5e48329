"""Time-based one-time passwords (RFC 6238, RFC 4226), as every authenticator app makes them: SHA-1, 30 s, 6 digits."""

from __future__ import annotations

import hmac

STEP_MS = 30_000
DIGITS = 6
AROUND = 1
"""Steps before and after the present one whose codes are taken (RFC 6238 §5.2): clocks differ, typing takes time."""
SECRET_BYTES = 20
"""As long as SHA-1's output (RFC 4226 §4, R6)."""


def step_at(now: int) -> int:
    """The number of the step at an instant (ms)."""
    return now // STEP_MS


def code_of(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of a step: RFC 4226 §5.3, with the step as the counter."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**digits:0{digits}}"


def step_of(secret: bytes, code: str, now: int, after: int | None) -> int | None:
    """The step that a code is of; ``None``: of none around now, or of none later than ``after``, the last one taken.

    All steps are compared, whichever matches.
    """
    given = code.replace(" ", "").encode("utf-8", "replace")
    found = None
    for step in range(max(0, step_at(now) - AROUND), step_at(now) + AROUND + 1):
        same = hmac.compare_digest(code_of(secret, step).encode(), given)
        if same and (after is None or step > after):
            found = step
    return found
