"""Which client certificates count right now: by a clock that can be moved, and by what was revoked.

How APNs learns of a revocation, and how fast, is not published; here it knows at once. What happens to a connection
whose certificate runs out or is revoked while it stands is an assumption that can be switched, ``LAPSED``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Literal

from livepass.emulators.apns.verdicts import Credential

Lapsed = Literal["cut", "goaway", "403"]

# What a standing connection learns when its certificate lapses. Nobody has confirmed one of them on a real APNs.
LAPSED: Mapping[Lapsed, str] = {
    "cut": "it is cut without a word, and the next handshake fails (C: one report of a sender, as of 2026-11)",
    "goaway": "GOAWAY says BadCertificate (D, as of 2026-11: such GOAWAYs are reported, but right after the handshake)",
    "403": "it stands, and each request gets 403 BadCertificate (D, as of 2026-11)",
}

Revoked = Callable[[float], Collection[int]]


class Standing:
    """``clock`` gives UNIX seconds, to which ``offset`` is added. ``asked`` gives serial numbers revoked by then."""

    def __init__(self, clock: Callable[[], float], asked: Revoked | None = None, lapsed: Lapsed = "cut") -> None:
        self._clock = clock
        self._asked = asked
        self._own: set[int] = set()
        self.offset = 0.0
        self.lapsed: Lapsed = lapsed

    def now(self) -> float:
        """UNIX seconds by this APNs."""
        return self._clock() + self.offset

    def revoke(self, serial: int) -> None:
        """Take this serial number for revoked from now on, whoever issued it."""
        self._own.add(serial)

    def forgive(self) -> None:
        """Forget what ``revoke`` said."""
        self._own.clear()

    def revoked(self) -> frozenset[int]:
        """Every serial number that is revoked now."""
        return frozenset(self._own).union(self._asked(self.now()) if self._asked is not None else ())

    def is_lapsed(self, credential: Credential | None) -> bool:
        """Whether all that is wrong with it is the time: expired, not valid yet, revoked."""
        return credential is not None and credential.problem is None and self.problem(credential) is not None

    def problem(self, credential: Credential | None) -> str | None:
        """The 403 reason that every request with this credential gets now, or ``None``."""
        if credential is None:
            return None
        revoked = credential.serial is not None and credential.serial in self.revoked()
        return "BadCertificate" if revoked else credential.problem_at(self.now())
