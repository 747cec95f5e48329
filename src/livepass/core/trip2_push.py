"""Trip 2, push: what a push says, and what each answer of APNs makes us do next.

Rules of this file: the tables are the whole policy, row by row; code only looks rows up. A reason without a row falls
back to its status class, so that a reason Apple adds tomorrow is handled today. A push is acknowledged by an *ask*,
never by APNs: 200 means that Apple took it, not that a phone did.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from livepass.core.authorization import fingerprint
from livepass.core.budget import score_after
from livepass.core.frozen import frozen
from livepass.core.model import Target
from livepass.core.provider_token import PushKey
from livepass.core.timeline import Event, Kind

EXPIRATION_DAYS = 14
"""How long APNs keeps a push for a phone that is offline. Never 0: that phone would miss the update."""


@frozen
class PushMessage:
    """One wake-up for one phone: it names the pass type and nothing else (Apple: the payload is an empty object)."""

    push_token: str = field(repr=False)
    topic: str
    apns_id: str
    expiration: int
    priority: int = 10
    push_type: str | None = None
    payload: bytes = b"{}"


@frozen
class PushAnswer:
    """What became of one message.

    ``status`` is APNs' HTTP status, or 0 when no answer came; then ``reason`` is ours: ``Unreachable``,
    ``ConnectionLost``, ``Timeout``, ``CertificateRefused`` or ``ProtocolError``. ``timestamp`` (ms) is 410's alone.
    """

    message: PushMessage
    status: int
    reason: str
    timestamp: int | None
    apns_id: str


@dataclass(frozen=True, slots=True)
class PushCredential:
    """A client certificate for APNs. The key is PKCS#8, encrypted with ``password``."""

    id: str
    topic: str
    chain_pem: bytes
    key_pem: bytes = field(repr=False)
    password: bytes = field(repr=False)

    @property
    def said(self) -> str:
        """What people call it."""
        return f"the certificate {self.id}"


Credential = PushCredential | PushKey
"""What a sender shows to APNs: a certificate of one pass type, or a key of a team."""


def random_uuid(drawn: bytes) -> str:
    """A random (version 4) UUID of 16 random bytes in its canonical form, as ``apns-id`` wants it."""
    raw = bytearray(drawn)
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def message(target: Target, apns_id: str, now: int) -> PushMessage:
    """The push for a due target. No push type and priority 10: see ``docs/adr/0005``."""
    expiration = now // 1000 + EXPIRATION_DAYS * 86_400
    return PushMessage(target.push_token, target.pass_type, apns_id, expiration)


class Next(StrEnum):
    """What an answer makes us do."""

    ACCEPTED = "accepted"
    TOKEN_DEAD = "token_dead"
    QUARANTINE = "quarantine"
    LATER = "later"
    MUCH_LATER = "much_later"
    STOP_CREDENTIAL = "stop_credential"
    OUR_BUG = "our_bug"


_ACCEPTED, _QUARANTINE, _TAKEN = Next.ACCEPTED, Next.QUARANTINE, Kind.PUSH_ACCEPTED
"""What each answer is compared with. Before Python 3.12 each look at a member of an enumeration is a call."""

ANSWERS: Mapping[tuple[int, str], Next] = {
    # Apple, "Handling notification responses from APNs". First the token's own fate: never retried (Apple's list).
    (410, "Unregistered"): Next.TOKEN_DEAD,
    (410, "ExpiredToken"): Next.TOKEN_DEAD,
    (400, "BadDeviceToken"): Next.QUARANTINE,
    (400, "DeviceTokenNotForTopic"): Next.QUARANTINE,
    # The credential or its topic: no token is to blame, so nothing of this pass type is sent until somebody looked.
    (400, "BadTopic"): Next.STOP_CREDENTIAL,
    (400, "MissingTopic"): Next.STOP_CREDENTIAL,
    (400, "TopicDisallowed"): Next.STOP_CREDENTIAL,
    (403, "BadCertificate"): Next.STOP_CREDENTIAL,
    (403, "BadCertificateEnvironment"): Next.STOP_CREDENTIAL,
    (403, "ExpiredProviderToken"): Next.STOP_CREDENTIAL,
    (403, "InvalidProviderToken"): Next.STOP_CREDENTIAL,
    (403, "MissingProviderToken"): Next.STOP_CREDENTIAL,
    (403, "UnrelatedKeyIdInToken"): Next.STOP_CREDENTIAL,
    (403, "BadEnvironmentKeyIdInToken"): Next.STOP_CREDENTIAL,
    (403, "BadEnvironmentKeyInToken"): Next.STOP_CREDENTIAL,
    (403, "Forbidden"): Next.STOP_CREDENTIAL,
    (0, "CertificateRefused"): Next.STOP_CREDENTIAL,
    # Load and accidents. Apple asks for 15 minutes after a 5xx.
    (429, "TooManyRequests"): Next.LATER,
    (429, "TooManyProviderTokenUpdates"): Next.LATER,
    (500, "InternalServerError"): Next.MUCH_LATER,
    (503, "ServiceUnavailable"): Next.MUCH_LATER,
    (503, "Shutdown"): Next.LATER,
    (400, "IdleTimeout"): Next.LATER,
    (0, "Unreachable"): Next.LATER,
    (0, "ConnectionLost"): Next.LATER,
    (0, "Timeout"): Next.LATER,
    (0, "ProtocolError"): Next.LATER,
}

STATUS_CLASSES: Mapping[int, Next] = {
    # Any other 400, 404, 405, 413: we wrote a wrong request, which a repetition does not mend.
    400: Next.OUR_BUG,
    403: Next.STOP_CREDENTIAL,
    404: Next.OUR_BUG,
    405: Next.OUR_BUG,
    410: Next.TOKEN_DEAD,
    413: Next.OUR_BUG,
    429: Next.LATER,
}

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
DEAD_KEPT_MS = 90 * DAY
"""How long a registration is kept whose push token is dead: a phone that comes back within it is welcome."""

UNASKED_LADDER = (MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR, *([DAY] * 30), 7 * DAY)
"""After an accepted push that no ask followed: the n-th wait. The last one repeats."""

FAILED_LADDER = (15_000, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR)
"""After a push that APNs did not take. The last one repeats."""

CIRCUIT_MS = 5 * MINUTE
"""How long nothing is sent with a credential that APNs refused, before one more try."""

RACE_MARGIN_MS = 5 * MINUTE
"""A 410 this much newer than the registration is beyond any skew of clocks."""

RACE_OVER_MS = 2 * DAY
"""By then APNs has learnt of a registration, and a 410 is believed whatever its time: a clock of ours that ran fast at
the registration would make it look older for good, and the token be pushed for good. A phone that asks is alive.
"""

RACE_RETRY_MS = 6 * HOUR


def action_for(status: int, reason: str) -> Next:
    """The row of the table, or its status class; what nobody foresaw is treated as load."""
    if status == 200:
        return _ACCEPTED
    known = ANSWERS.get((status, reason))
    if known is not None:
        return known
    return STATUS_CLASSES.get(status, Next.MUCH_LATER)


@frozen
class Outcome:
    """What becomes of a target after an answer. The shell stores it under the target's lease.

    ``pushed`` is the number APNs accepted a push for (0: none); ``dead_reason`` ends the target until it is heard of
    again; ``stop_until`` closes the pass type's credential.
    """

    target: Target
    pushed: int
    attempts: int
    next_at: int
    dead_reason: str | None
    stop_until: int | None
    score: float
    last_push_at: int | None
    event: Event


def read_answer(target: Target, answer: PushAnswer, now: int, jitter: float, *, trust_token_errors: bool) -> Outcome:
    """Decide what an answer means. ``jitter`` is drawn by the caller from 0.8 … 1.2.

    ``trust_token_errors`` is false while so many tokens are called bad that our configuration is the likelier culprit.
    """
    action = action_for(answer.status, answer.reason)
    attempts = target.attempts + 1
    if action is _ACCEPTED:
        wait = _step(UNASKED_LADDER, target.attempts, jitter)
        return _outcome(target, answer, now, _TAKEN, attempts, now + wait, pushed=target.sending)
    if action is Next.TOKEN_DEAD:
        return _dead_or_raced(target, answer, now, attempts, jitter)
    if action is Next.QUARANTINE:
        if trust_token_errors:
            return _outcome(target, answer, now, Kind.TOKEN_DEAD, attempts, now, dead_reason=answer.reason)
        return _outcome(target, answer, now, Kind.PUSH_REJECTED, attempts, now + int(RACE_RETRY_MS * jitter))
    if action is Next.STOP_CREDENTIAL:
        stop_until = now + int(CIRCUIT_MS * jitter)
        # The target did nothing wrong: it keeps its place and its attempts.
        return _outcome(target, answer, now, Kind.PUSH_REJECTED, target.attempts, stop_until, stop_until=stop_until)
    if action is Next.OUR_BUG:
        return _outcome(target, answer, now, Kind.PUSH_REJECTED, attempts, now + int(DAY * jitter))
    floor = int(15 * MINUTE * max(jitter, 1.0)) if action is Next.MUCH_LATER else 0
    wait = max(floor, _step(FAILED_LADDER, target.attempts, jitter))
    kind = Kind.PUSH_FAILED if answer.status == 0 else Kind.PUSH_REJECTED
    return _outcome(target, answer, now, kind, attempts, now + wait)


def _dead_or_raced(target: Target, answer: PushAnswer, now: int, attempts: int, jitter: float) -> Outcome:
    """A 410 says since when the token is dead; a registration after that instant is newer news.

    Apple: stop *unless* the token was registered again. Without a timestamp the answer is taken as of now.
    """
    dead_since = now if answer.timestamp is None else answer.timestamp
    after_registration = dead_since - target.token_registered_at
    settled = now - target.token_registered_at > RACE_OVER_MS
    if after_registration > RACE_MARGIN_MS or settled:
        return _outcome(target, answer, now, Kind.TOKEN_DEAD, attempts, now, dead_reason=answer.reason or "410")
    return _outcome(target, answer, now, Kind.PUSH_REJECTED, attempts, now + int(RACE_RETRY_MS * jitter))


def _step(ladder: tuple[int, ...], attempts: int, jitter: float) -> int:
    return int(ladder[min(attempts, len(ladder) - 1)] * jitter)


def _outcome(
    target: Target,
    answer: PushAnswer,
    now: int,
    kind: Kind,
    attempts: int,
    next_at: int,
    *,
    pushed: int = 0,
    dead_reason: str | None = None,
    stop_until: int | None = None,
) -> Outcome:
    detail: dict[str, object] = {"status": answer.status, "apns_id": answer.apns_id}
    if answer.reason:
        detail["reason"] = answer.reason
    if answer.timestamp is not None:
        detail["timestamp"] = answer.timestamp
    event = Event(
        kind,
        now,
        target.pass_type,
        target=fingerprint(target.push_token),
        seq=target.sending,
        detail=detail,
    )
    score, last_push_at = target.score, target.last_push_at
    if kind is _TAKEN:
        score, last_push_at = score_after(score, last_push_at, target.passes, now), now
    return Outcome(target, pushed, attempts, next_at, dead_reason, stop_until, score, last_push_at, event)


@dataclass(slots=True)
class TokenErrors:
    """Whether answers that blame tokens may still be believed: the last answers of one credential
    for one pass type.

    One dead token among many is ordinary; when a noticeable share is called bad, a sandbox host or a wrong
    certificate is likelier, and burying every phone would be the worst answer to it.
    """

    window: int = 500
    few: int = 5
    share: float = 0.02
    _recent: deque[bool] = field(default_factory=deque)
    _bad: int = 0

    def seen(self, status: int, reason: str) -> None:
        """Take one answer into account."""
        bad = action_for(status, reason) is _QUARANTINE
        self._recent.append(bad)
        self._bad += bad
        if len(self._recent) > self.window:
            self._bad -= self._recent.popleft()

    @property
    def believable(self) -> bool:
        return self._bad <= self.few or self._bad <= self.share * len(self._recent)
