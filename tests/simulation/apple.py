"""APNs, as ``service.seams.Sender``: takes pushes, loses some, keeps one per token and topic for who is away."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from livepass.core.trip2_push import PushAnswer, PushCredential, PushMessage
from simulation.faults import Faults
from simulation.loop import Future, Killed, Loop
from simulation.process import Process
from simulation.trace import Trace

REFUSALS = ((429, "TooManyRequests"), (503, "ServiceUnavailable"), (500, "InternalServerError"), (503, "Shutdown"))
NO_ANSWERS = ("Timeout", "ConnectionLost", "Unreachable")
STALLED = 0.02
"""How often a worker is held up for longer than its lease, where anything is late at all."""


class Reachable(Protocol):
    online: bool

    def push(self, topic: str) -> None: ...

    def wants(self, topic: str) -> bool: ...


@dataclass
class Address:
    """A push token: whose it is, and since when (true seconds) it is nobody's."""

    phone: Reachable
    dead_since: float | None = None


class Apple:
    def __init__(self, loop: Loop, rng: random.Random, trace: Trace, faults: Faults) -> None:
        self.loop = loop
        self.rng = rng
        self.trace = trace
        self.faults = faults
        self.addresses: dict[str, Address] = {}
        self.unwanted: dict[tuple[str, str], float] = {}
        """Since when a phone does not listen to a topic any more, by (token, topic)."""
        self.relearning: dict[tuple[str, str], float] = {}
        """Until when APNs has not noticed yet that a phone listens again."""
        self.kept: dict[tuple[str, str], None] = {}
        self.refused_until: dict[str, float] = {}
        """Topics whose credential is refused, until when."""
        self.valid: Callable[[PushCredential], bool] = lambda credential: True
        self.started: Callable[[Process, PushMessage, PushCredential], None] = lambda *_: None
        self.answered: Callable[[Process, PushAnswer, PushCredential], None] = lambda *_: None
        self._refusals: dict[tuple[str, str], Future[None]] = {}

    # ── phones

    def issue(self, token: str, phone: Reachable) -> None:
        self.addresses[token] = Address(phone)

    def retire(self, token: str) -> None:
        address = self.addresses.get(token)
        if address is not None and address.dead_since is None:
            address.dead_since = self.loop.now

    def unwant(self, token: str, topic: str) -> None:
        self.unwanted[token, topic] = self.loop.now

    def want(self, token: str, topic: str) -> None:
        """It takes a while until APNs notices, and says 410 meanwhile, with the time of what it noticed last."""
        if (token, topic) in self.unwanted and (token, topic) not in self.relearning:
            self.relearning[token, topic] = self.loop.now + self.rng.choice((0.0, 30.0, 600.0))

    def _unwanted_since(self, token: str, topic: str, wants: bool) -> float | None:
        key = (token, topic)
        if wants and self.loop.now >= self.relearning.get(key, 0.0):
            self.relearning.pop(key, None)
            self.unwanted.pop(key, None)
            return None
        return self.unwanted.get(key)

    def back_online(self, token: str) -> None:
        for kept in [key for key in self.kept if key[0] == token]:
            del self.kept[kept]
            self.loop.later(0.5 + self.rng.random(), lambda kept=kept: self._arrive(*kept))  # type: ignore[misc]

    async def next_refusal(self, token: str, topic: str, seconds: float) -> None:
        """Return when the next 410 of a token is on its way, or after so many seconds."""
        future: Future[None] = self.loop.future()
        self._refusals[token, topic] = future
        self.loop.later(seconds, lambda: future.set(None))
        await future.get()

    # ── pushes

    def decide(self, credential: PushCredential, message: PushMessage) -> tuple[int, str, int | None]:
        """(status, reason, timestamp of a 410)."""
        faults, draw, topic = self.faults, self.rng.random, message.topic
        if self.loop.now < self.refused_until.get(topic, 0.0) or not self.valid(credential):
            return (403, "Forbidden", None) if draw() < 0.5 else (0, "CertificateRefused", None)
        if draw() < faults.push_refused:
            return (*self.rng.choice(REFUSALS), None)
        address = self.addresses.get(message.push_token)
        if address is None:
            return 400, "BadDeviceToken", None
        since = address.dead_since
        if since is None:
            since = self._unwanted_since(message.push_token, topic, address.phone.wants(topic))
        if since is not None:
            awaited = self._refusals.pop((message.push_token, topic), None)
            if awaited is not None:
                awaited.set(None)
            return 410, "Unregistered", int(since * 1000)
        if draw() < faults.push_unanswered:
            if draw() < 0.5:
                self._take(message)
            return 0, self.rng.choice(NO_ANSWERS), None
        self._take(message)
        return 200, "", None

    def _take(self, message: PushMessage) -> None:
        if self.rng.random() < self.faults.push_lost:
            return
        wait = 0.2 + self.rng.random()
        if self.rng.random() < self.faults.push_late:
            wait += self.rng.expovariate(1 / 600)
        self.loop.later(wait, lambda: self._arrive(message.push_token, message.topic))

    def _arrive(self, token: str, topic: str) -> None:
        address = self.addresses[token]
        if address.dead_since is not None:
            return
        if not address.phone.online:
            self.kept[token, topic] = None
        elif address.phone.wants(topic):
            address.phone.push(topic)


class SimulatedSender:
    """One process's line to APNs."""

    def __init__(self, apple: Apple, process: Process) -> None:
        self._apple = apple
        self._process = process

    async def send(
        self, credential: PushCredential, messages: Sequence[PushMessage], answered: Callable[[PushAnswer], None]
    ) -> None:
        apple = self._apple
        if apple.faults.push_late and apple.rng.random() < STALLED:
            await self._wait(50 + 60 * apple.rng.random())
        for message in messages:
            await self._wait(0.02 * apple.rng.random())
            apple.started(self._process, message, credential)
            status, reason, timestamp = apple.decide(credential, message)
            takes = 14.0 if apple.rng.random() < apple.faults.push_late / 2 else 0.05
            await self._wait(15.0 if status == 0 and reason == "Timeout" else takes * apple.rng.random())
            answer = PushAnswer(message, status, reason, timestamp, message.apns_id)
            apple.answered(self._process, answer, credential)
            answered(answer)

    async def _wait(self, seconds: float) -> None:
        if self._process.dead:
            raise Killed
        await self._apple.loop.sleep(seconds)

    async def retire(self, credential_id: str) -> None:
        return None

    async def close(self) -> None:
        return None
