"""The emulated phones as APNs sees them: which tokens exist, which are dead, who is listening, what is stored.

Rules of this file, from Apple's pages and its engineers' answers:

* APNs keeps **one** push per token and topic for a phone that is away; a later one overwrites it.
* ``apns-expiration`` 0 means one try and no storage; absent means Apple's own policy (30 days at most).
* A token is dead for good or for one topic, since an instant that the 410 names.

A phone is *listening* while it polls (``wait``), and for ``grace`` seconds after: a phone that has just taken a push
is about to ask for the next one, and a connection to APNs would not have ended. Explicitly offline phones never listen.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal

from livepass.emulators.apns.verdicts import DeviceState, is_token, is_topic

STORAGE_SECONDS = 30 * 86_400
ANY_TOPIC = "*"

Fate = Literal["stored", "delivered", "overwritten", "expired", "missed", "discarded", "dropped"]
"""What became of an accepted push: stored (waits for the phone), delivered (the phone has it), overwritten (a later
one took its place), expired (its time ran out), missed (expiration 0 and nobody listened), discarded (the token
died), dropped (chaos)."""


class UnknownToken(LookupError):
    """No phone is registered under this token."""


@dataclass(slots=True)
class Push:
    """One accepted push. Times in UNIX milliseconds; ``fate`` moves as the push does."""

    token: str = field(repr=False)
    topic: str
    apns_id: str
    at_ms: int
    keep_until_ms: int
    fate: Fate = "stored"


@dataclass(slots=True)
class _Phone:
    topics: frozenset[str] | None
    dead_at_ms: int | None = None
    dead_reason: str = "Unregistered"
    dead_topics: dict[str, int] = field(default_factory=dict)
    offline: bool = False
    listeners: int = 0
    listened_at: float = float("-inf")
    stored: dict[str, Push] = field(default_factory=dict)
    recent: dict[str, deque[float]] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Phones:
    """All tokens of this APNs. One event loop; nothing here is safe to call from another thread.

    ``strict``: only registered tokens are known (others: BadDeviceToken); otherwise any well-formed token is.
    ``burst_limit`` pushes for one token and topic within ``burst_seconds`` are let through, then 429; ``None``: no
    limit.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        strict: bool = True,
        grace: float = 2.0,
        burst_limit: int | None = None,
        burst_seconds: float = 1.0,
    ) -> None:
        self._clock = clock
        self._strict = strict
        self._grace = grace
        self._burst_limit = burst_limit
        self._burst_seconds = burst_seconds
        self._phones: dict[str, _Phone] = {}
        self._closed = False
        self.fates: Counter[Fate] = Counter()

    # -- what the phones (and tests in their name) do ---------------------------------------------------------------

    def register(self, token: str, topics: Collection[str]) -> bool:
        """Make ``token`` live for exactly ``topics`` (``"*"``: all). True when it was unknown or dead before.

        Registering again revives a dead token, as a restored phone's token becomes valid again. ``ValueError`` for a
        malformed token or topic.
        """
        if not is_token(token):
            raise ValueError(f"not a device token (hex of even length, 64 digits or more): {token[:80]!r}")
        wrong = sorted(topic for topic in topics if topic != ANY_TOPIC and not is_topic(topic))
        if wrong or isinstance(topics, str):
            raise ValueError(f"not a collection of topics: {wrong or topics}")
        allowed = None if ANY_TOPIC in topics else frozenset(topics)
        phone = self._phones.get(token.lower())
        fresh = phone is None or phone.dead_at_ms is not None
        if phone is None:
            phone = self._phones[token.lower()] = _Phone(allowed)
        phone.topics, phone.dead_at_ms, phone.dead_topics = allowed, None, {}
        return fresh

    def kill(
        self,
        token: str,
        *,
        timestamp_ms: int | None = None,
        topics: Collection[str] = (),
        reason: str = "Unregistered",
    ) -> int:
        """Declare ``token`` dead since ``timestamp_ms`` (default now), wholly or for ``topics`` only; returns when.

        An unknown token becomes known and dead: APNs remembers tokens that it no longer serves.
        """
        if not is_token(token):
            raise ValueError(f"not a device token (hex of even length, 64 digits or more): {token[:80]!r}")
        at_ms = self._now_ms() if timestamp_ms is None else timestamp_ms
        phone = self._phones.setdefault(token.lower(), _Phone(None))
        phone.dead_reason = reason
        if topics:
            phone.dead_topics |= dict.fromkeys(topics, at_ms)
        else:
            phone.dead_at_ms = at_ms
        for topic in list(phone.stored):
            if not topics or topic in topics:
                self._move(phone.stored.pop(topic), "discarded")
        return at_ms

    def set_online(self, token: str, online: bool) -> None:
        """Switch a phone off (it hears nothing, even while polling) or on again (what is stored reaches it)."""
        phone = self._known(token)
        phone.offline = not online
        if online:
            phone.wake.set()

    async def wait(self, token: str, seconds: float | None) -> None:
        """Listen until a push for ``token`` is there, ``seconds`` are over or ``close`` is called. ``UnknownToken``."""
        phone = self._known(token)
        phone.listeners += 1
        with contextlib.suppress(TimeoutError):
            try:
                async with asyncio.timeout(seconds):
                    while not self._ready(phone) and not self._closed:
                        phone.wake.clear()
                        await phone.wake.wait()
            finally:
                phone.listeners -= 1
                phone.listened_at = self._clock()

    def take(self, token: str) -> list[Push]:
        """Hand over what is stored for ``token``, at most one push per topic. Empty while the phone is offline."""
        phone = self._known(token)
        if not self._ready(phone):
            return []
        found = list(phone.stored.values())
        phone.stored.clear()
        for push in found:
            self._move(push, "delivered")
        return found

    async def poll(self, token: str, seconds: float | None) -> list[Push]:
        """``wait``, then ``take``."""
        await self.wait(token, seconds)
        return self.take(token)

    def close(self) -> None:
        """End every ``wait``."""
        self._closed = True
        for phone in self._phones.values():
            phone.wake.set()

    @property
    def closed(self) -> bool:
        return self._closed

    # -- what APNs does ---------------------------------------------------------------------------------------------

    def state(self, token: str, topic: str) -> DeviceState:
        """What ``judge`` needs to know about a token. Changes nothing."""
        phone = self._phones.get(token)
        if phone is None:
            return DeviceState(known=not self._strict)
        dead_at_ms = phone.dead_at_ms if phone.dead_at_ms is not None else phone.dead_topics.get(topic)
        return DeviceState(True, phone.topics, dead_at_ms, phone.dead_reason, self._too_many(phone, topic))

    def deliver(
        self,
        token: str,
        topic: str,
        apns_id: str,
        expiration: int | None,
        *,
        now: float | None = None,
        drop: bool = False,
    ) -> Push:
        """Take an accepted push: into the phone's one slot, or nowhere. ``expiration``: UNIX seconds or ``None``.

        ``now`` is the instant at which it was accepted. ``drop`` loses it on the way although APNs said 200. An
        expiration in the past counts as 0.
        """
        phone = self._phones.get(token)
        if phone is None:
            phone = self._phones[token] = _Phone(None)
        now = self._clock() if now is None else now
        if self._burst_limit is not None:
            phone.recent.setdefault(topic, deque(maxlen=self._burst_limit)).append(now)
        one_try = expiration is not None and expiration <= now
        until = now + (STORAGE_SECONDS if expiration is None else self._grace if one_try else expiration - now)
        push = Push(token, topic, apns_id, int(now * 1000), int(until * 1000))
        if drop:
            return self._move(push, "dropped")
        if one_try and not self._listening(phone, now):
            return self._move(push, "missed")
        earlier = phone.stored.get(topic)
        if earlier is not None:
            self._move(earlier, "overwritten")
        phone.stored[topic] = push
        self.fates["stored"] += 1
        phone.wake.set()
        return push

    def describe(self, token: str) -> dict[str, object]:
        """One phone as JSON-able values. ``UnknownToken`` when there is none."""
        phone = self._known(token)
        return {
            "token": token.lower(),
            "topics": [ANY_TOPIC] if phone.topics is None else sorted(phone.topics),
            "dead_at_ms": phone.dead_at_ms,
            "dead_topics": dict(phone.dead_topics),
            "dead_reason": phone.dead_reason if phone.dead_at_ms is not None or phone.dead_topics else None,
            "offline": phone.offline,
            "listening": self._listening(phone, self._clock()),
            "stored": [{"topic": push.topic, "apns_id": push.apns_id} for push in self._unexpired(phone)],
        }

    def tokens(self) -> list[str]:
        return list(self._phones)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _known(self, token: str) -> _Phone:
        phone = self._phones.get(token.lower())
        if phone is None:
            raise UnknownToken(f"no phone is registered with the token {token[:80]!r}")
        return phone

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _listening(self, phone: _Phone, now: float) -> bool:
        return not phone.offline and (phone.listeners > 0 or now - phone.listened_at <= self._grace)

    def _ready(self, phone: _Phone) -> bool:
        return not phone.offline and bool(self._unexpired(phone))

    def _unexpired(self, phone: _Phone) -> list[Push]:
        now_ms = self._now_ms()
        for topic in [topic for topic, push in phone.stored.items() if push.keep_until_ms < now_ms]:
            self._move(phone.stored.pop(topic), "expired")
        return list(phone.stored.values())

    def _too_many(self, phone: _Phone, topic: str) -> bool:
        recent = phone.recent.get(topic)
        if recent is None or self._burst_limit is None or len(recent) < self._burst_limit:
            return False
        return self._clock() - recent[0] <= self._burst_seconds

    def _move(self, push: Push, fate: Fate) -> Push:
        push.fate = fate
        self.fates[fate] += 1
        return push
