"""APNs by key: which token to send now, and what a refusal of it means. No clock and no key here: both are passed in.

Apple, "Establishing a token-based connection to APNs": a JWT signed with ES256, whose header names the key and whose
claims are the team and the second it was issued; not older than an hour, and not renewed more often than every twenty
minutes. One token may serve any number of connections.

**The same token everywhere.** It is issued at the start of a forty-minute window of the clock that all hosts share, and
signed deterministically (RFC 6979). So every process of every host sends the same bytes without talking to the others,
also one that started a second ago: APNs was reported to count renewals by source address, so each process with a token
of its own would be one renewal more. Forty minutes are between Apple's limits, with room for a clock that is wrong.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from livepass.core.frozen import frozen

WINDOW_MS = 40 * 60_000
LEAST_SECONDS = 20 * 60.0
"""Apple: not renewed more often than that."""
MOST_SECONDS = 55 * 60.0
"""Apple: refused when it is older than an hour."""

KEY_ID_LENGTH = 10
"""Of a key id and of a team id: letters and digits."""


IMPORT = "livepass apns-key import FILE.p8 --id KEYID --team TEAM"


class KeyRefused(Exception):
    """A file that is no APNs key, or not one that can be used. ``hint`` says what to do."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.hint = hint


@frozen
class ApnsKey:
    """An APNs key as stored. ``topics``: those it is limited to (empty: all of its team). ``environment``:
    ``production``, ``sandbox`` or ``both``. Instants in ms.
    """

    tenant: str
    id: str
    team: str
    topics: tuple[str, ...]
    environment: str
    key_sealed: bytes = field(repr=False)
    created_at: int
    retired_at: int | None


@frozen
class PushKey:
    """An opened APNs key. ``id`` names its connections: another file, or another team, under the same ``key_id`` gets
    new ones. ``sign`` answers the 64 bytes (r and s) of an ES256 signature, the same for the same bytes.
    """

    id: str
    key_id: str
    team: str
    sign: Callable[[bytes], bytes] = field(repr=False)

    @property
    def said(self) -> str:
        """What people call it."""
        return f"the APNs key {self.key_id} of team {self.team}"


def signed(key: PushKey, issued_at: int) -> str:
    """The token that was issued at a second: RFC 7515's compact form."""
    head = {"alg": "ES256", "kid": key.key_id}
    claims = {"iss": key.team, "iat": issued_at}
    text = f"{_encoded(head)}.{_encoded(claims)}"
    return f"{text}.{_base64(key.sign(text.encode()))}"


def _encoded(part: Mapping[str, object]) -> str:
    return _base64(json.dumps(part, separators=(",", ":")).encode())


def _base64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its age: ``old`` seconds when it was first used here, at ``since`` of the stopwatch."""

    text: str = field(repr=False)
    issued_at: int
    old: float
    since: float

    def age(self, stopwatch: float) -> float:
        return self.old + stopwatch - self.since


class Tokens:
    """The tokens of one key in one process. ``now`` is wall time (ms), ``stopwatch`` never goes back (seconds).

    The wall clock says *which* token; only the stopwatch says *when* to change it. So a clock that jumps to and fro
    cannot make more than one change in twenty minutes.
    """

    def __init__(self, key: PushKey) -> None:
        self._key = key
        self._token: Token | None = None
        self._before: Token | None = None
        self._window = 0
        self._changed = float("-inf")
        self._own = float("-inf")

    def current(self, now: int, stopwatch: float) -> Token:
        """The token to send."""
        window = now - now % WINDOW_MS
        token = self._token
        if token is None:
            self._window = window
            token = self._token = self._made(window // 1000, now, stopwatch)
        elif window != self._window and (
            stopwatch - self._changed >= LEAST_SECONDS or token.age(stopwatch) >= MOST_SECONDS
        ):
            self._window = window
            token = self._change(self._made(window // 1000, now, stopwatch), stopwatch)
        return token

    def expired(self, token: Token, now: int, stopwatch: float) -> bool:
        """APNs calls ``token`` too old: whether there is another one to send now.

        Then our clock is behind, and a token issued this second is the youngest there can be. One of those in twenty
        minutes: if it is refused too, only a clock that is set right will help.
        """
        if token != self._token:
            return True
        if token.issued_at == now // 1000 or stopwatch - self._own < LEAST_SECONDS:
            return False
        self._own = stopwatch
        self._window = now - now % WINDOW_MS
        self._change(self._made(now // 1000, now, stopwatch), stopwatch)
        self._before = None
        return True

    def too_many(self, token: Token, stopwatch: float) -> bool:
        """APNs does not take ``token`` so soon after another one: whether there is an older one to go on with."""
        if token != self._token:
            return True
        before = self._before
        if before is None or before.age(stopwatch) >= MOST_SECONDS:
            return False
        self._token, self._before, self._window = before, None, -1
        self._changed = stopwatch
        return True

    def _made(self, issued_at: int, now: int, stopwatch: float) -> Token:
        return Token(signed(self._key, issued_at), issued_at, now / 1000 - issued_at, stopwatch)

    def _change(self, token: Token, stopwatch: float) -> Token:
        self._before, self._token, self._changed = self._token, token, stopwatch
        return token


@frozen
class Meaning:
    """What a refusal of a key says, and what to do about it."""

    means: str
    do: str


_NEW_KEY = f"see Keys at developer.apple.com, and import what stands there: {IMPORT}"
_ENVIRONMENT = Meaning(
    "the key is for Apple's other environment", "passes need a key for production: make one at developer.apple.com"
)

MEANINGS: Mapping[str, Meaning] = {
    # Apple, "Handling notification responses from APNs", in our words; our guess at the cause where Apple names none.
    "ExpiredProviderToken": Meaning(
        "tokens that we made just now are an hour old for APNs", "set the clock of the hosts right: NTP"
    ),
    "InvalidProviderToken": Meaning(
        "APNs does not know this key under this key id and team: a wrong id, another file, or the key was revoked",
        _NEW_KEY,
    ),
    "MissingProviderToken": Meaning(
        "APNs saw no token", "let nothing between this host and APNs take headers away: a proxy may not open TLS"
    ),
    # Apple: a connection is bound to the team of its first push. We keep one pool for each key, so that cannot happen
    # by our doing.
    "UnrelatedKeyIdInToken": Meaning(
        "the connection belongs to another key; a new one is opened for the next try", "if it stays: " + _NEW_KEY
    ),
    "BadEnvironmentKeyIdInToken": _ENVIRONMENT,
    # As met by APNSwift #229, where Apple's table has the name above.
    "BadEnvironmentKeyInToken": _ENVIRONMENT,
    "TopicDisallowed": Meaning(
        "the key may not push to this pass type: it is limited to other topics, or belongs to another team",
        "use a key of the team that owns the pass type, limited to no topics or to this one too",
    ),
    "CertificateRefused": Meaning(
        "whoever answers there asks for a certificate", "see that LIVEPASS_APNS_URL leads to APNs itself"
    ),
    "Forbidden": Meaning("APNs does not allow it", _NEW_KEY),
}

UNKNOWN = Meaning("", _NEW_KEY)


def meaning(reason: str) -> Meaning:
    """What a reason says of a key."""
    return MEANINGS.get(reason, UNKNOWN)


def to_certificate(pass_type: str) -> str:
    """The command that pushes with the certificate again. Nothing does that by itself."""
    return f"livepass apns-key use {pass_type} --certificate"
