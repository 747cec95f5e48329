"""One request, carried out once: what is kept of an ``Idempotency-Key``, and what a repeat of it gets.

After the IETF draft "The Idempotency-Key HTTP Header Field": the same key and request get the answer of the first one;
the same key with another request is a mistake; one that is still under way is waited for. The draft leaves open how
long keys are kept, and what becomes of a request whose process died: those are ours.
"""

from __future__ import annotations

from dataclasses import field

from livepass.core.frozen import frozen

KEPT_MS = 24 * 3_600_000
"""From when a key was used first. After that it is a new one."""
LEASE_MS = 60_000
"""How long a request is taken for under way that was never answered: then its process died, and a repeat takes over."""
LONGEST_KEY = 255


@frozen
class Claim:
    """The right to carry a request out. ``key`` and ``request`` are SHA-256 (hex): neither is kept as it was sent."""

    tenant: str
    caller: str
    key: str
    request: str
    lease: str


@frozen
class KeptAnswer:
    """An answer as it was given. ``headers``: those that this answer has of its own.

    ``pass_type``, ``serial``: of the pass it is about (empty: of none), with which it is forgotten.
    """

    status: int
    media: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    pass_type: str = ""
    serial: str = ""


@frozen
class Used:
    """A key that was used before. ``answer`` ``None``: nobody has answered yet."""

    request: str
    answer: KeptAnswer | None = None
