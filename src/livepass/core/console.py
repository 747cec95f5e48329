"""Who may use the web console: rows, and how long a session and a link are good. Nothing here knows a password."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from livepass.core.frozen import frozen

Role = Literal["viewer", "operator", "admin"]

MINUTE_MS = 60_000
IDLE_MS = 30 * MINUTE_MS
LONGEST_MS = 12 * 60 * MINUTE_MS
"""A session ends after half an hour without a request, and after half a day whatever happens (OWASP, NIST 800-63B)."""
SEEN_EVERY_MS = MINUTE_MS
"""A request is written down once a minute: exact enough for half an hour, and no write per request."""
AHEAD_MS = MINUTE_MS
"""How far a row may lie in the future: two hosts' clocks. Further means that a clock was set back, so nothing is known
of how old it is.
"""
LONGEST_LINK_MS = 24 * 60 * MINUTE_MS
LINKED = "link "
"""How the names of those begin who came by a link; no user's name holds a space."""


@frozen
class ConsoleUser:
    """``password`` is an Argon2id PHC string, ``None``: cannot sign in with one. ``totp_step`` is the last step (30 s)
    whose code was taken; ``None`` with a ``totp_sealed``: enrolled, and not confirmed with a first code.
    """

    tenant: str
    name: str
    role: Role
    password: str | None = field(repr=False)
    totp_sealed: bytes | None = field(repr=False)
    totp_step: int | None
    created_at: int
    disabled_at: int | None

    @property
    def asks_code(self) -> bool:
        """Whether signing in takes a code as well."""
        return self.totp_sealed is not None and self.totp_step is not None


@frozen
class ConsoleSession:
    """``id`` is the SHA-256 of what the browser holds. ``name`` is a user's, or begins with ``LINKED``."""

    id: str
    tenant: str
    name: str
    role: Role
    created_at: int
    seen_at: int


@frozen
class ConsoleLink:
    """``id`` is the SHA-256 of what stands in the address."""

    id: str
    tenant: str
    role: Role
    expires_at: int
    used_at: int | None


@frozen
class Audited:
    """One thing that somebody did. ``detail`` holds nothing secret; ``id`` is the database's."""

    at: int
    tenant: str
    who: str
    role: str
    action: str
    subject: str
    detail: Mapping[str, object]
    id: int = 0


def alive(session: ConsoleSession, user: ConsoleUser | None, now: int) -> bool:
    """Whether a session is good: its user may still do what it began with, and it is neither old nor of the future."""
    if not session.name.startswith(LINKED) and (
        user is None or user.disabled_at is not None or user.role != session.role
    ):
        return False
    idle, age = now - session.seen_at, now - session.created_at
    return -AHEAD_MS <= idle <= IDLE_MS and -AHEAD_MS <= age <= LONGEST_MS


def open_link(link: ConsoleLink, now: int) -> bool:
    """Whether a link may be used: once, in its time, and not by a clock from before it was made."""
    return link.used_at is None and now < link.expires_at <= now + LONGEST_LINK_MS + AHEAD_MS
