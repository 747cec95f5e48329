"""Sends due webhooks: claim with a lease, sign, send, record.

Apart from all that serves phones: what is due stands in the database, and an endpoint that is slow or dead holds only
its own few places. A crash between sending and recording sends a message again, with the same id; none is lost.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

from livepass.core import webhook_signature
from livepass.core.sealed import Sealable, Sealed
from livepass.core.webhooks import FAILING_MS, Attempt, Endpoint, Message, Secrets, about, next_at
from livepass.service.rounds import Rounds
from livepass.service.seams import Chance, Clock, KeyRing, Scheduler, Store, Tracing, Tx
from livepass.service.webhook_seams import Poster

log = logging.getLogger(__name__)

LEASE_MS = 60_000
"""Longer than an attempt may take; what a process that died was sending is taken over after it."""
PLACES, FAILING_PLACES = 8, 2
"""Requests under way at once to one endpoint, and to one whose last attempt failed."""
OVERALL = 200
"""And to all: so many that endpoints which let us wait do not fill them."""
SWEEP_SECONDS = 15.0
BREATH_SECONDS = 0.05
"""Between two looks: messages come in crowds, and phones first."""
STUMBLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Sent:
    """What came of one claimed message."""

    lease: str
    attempt: Attempt
    next_at: int | None


class Teller:
    """The webhook worker of a process."""

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        poster: Poster,
        clock: Clock,
        chance: Chance,
        scheduler: Scheduler,
        tracing: Tracing | None = None,
    ) -> None:
        self._tracing = tracing
        self._store = store
        self._keys = keys
        self._poster = poster
        self._clock = clock
        self._chance = chance
        self._scheduler = scheduler
        self._rounds = Rounds(scheduler)
        self._under_way: Counter[str] = Counter()
        self._sent: list[_Sent] = []
        self._recording = False

    async def run(self) -> None:
        """Work until ``stop``, then see what is under way through."""
        self._store.on_commit(self._rounds.wake)
        with self._rounds.going():
            while not self._rounds.stopping or self._under_way.total():
                await self._rounds.wait(await self._one_round())
                await self._scheduler.sleep(BREATH_SECONDS)

    async def stop(self, seconds: float = 20.0) -> None:
        """Claim nothing more, let what is under way finish, and return."""
        await self._rounds.stop(seconds)

    async def _one_round(self) -> float:
        """Start what is due; answers for how many seconds there is nothing to do, unless a signal comes first."""
        if self._rounds.stopping:
            return SWEEP_SECONDS
        try:
            return await self._start_due()
        except Exception:
            log.exception("the webhook worker stumbled; it goes on")
            return STUMBLE_SECONDS

    async def _start_due(self) -> float:
        now = self._clock.now()
        waiting = await self._store.webhooks_due()
        rooms = [(endpoint, self._room(endpoint)) for endpoint, due_at in waiting if due_at <= now]
        rooms = [(endpoint, room) for endpoint, room in rooms if room > 0]
        lease = self._chance.token_bytes(8).hex()

        async def work(tx: Tx) -> list[tuple[Endpoint, Message]]:
            until = now + LEASE_MS
            return [
                (endpoint, message)
                for endpoint, room in sorted(rooms, key=lambda each: each[0].id)
                for message in await tx.claim_webhooks(endpoint.id, lease=lease, now=now, lease_until=until, limit=room)
            ]

        for endpoint, message in await self._store.write(work) if rooms else ():
            self._under_way[endpoint.id] += 1
            self._scheduler.spawn(self._run(endpoint, message, lease), "webhook")
        later = [due_at for _, due_at in waiting if due_at > now]
        return min(SWEEP_SECONDS, max(BREATH_SECONDS, (min(later) - now) / 1000)) if later else SWEEP_SECONDS

    def _room(self, endpoint: Endpoint) -> int:
        places = PLACES if endpoint.failing_since is None else FAILING_PLACES
        return min(places - self._under_way[endpoint.id], OVERALL - self._under_way.total())

    async def _run(self, endpoint: Endpoint, message: Message, lease: str) -> None:
        try:
            attempt = await self._attempt(endpoint, message)
            retry = None if attempt.ok else next_at(attempt.number, self._clock.now(), self._chance.fraction())
            self._sent.append(_Sent(lease, attempt, retry))
            await self._record()
        except Exception:
            log.exception("a webhook was not recorded; its lease runs out and it is sent again")
        finally:
            self._under_way[endpoint.id] -= 1
            self._under_way += Counter()  # forgets those at zero
            self._rounds.wake()

    async def _attempt(self, endpoint: Endpoint, message: Message) -> Attempt:
        now, began = self._clock.now(), self._clock.stopwatch()
        opened = self._keys.open_webhook(Sealed(Sealable.WEBHOOK, endpoint.tenant, endpoint.id, endpoint.sealed))
        signing = Secrets.of_bytes(opened).valid(now)
        signed = webhook_signature.headers(signing, message.id, now // 1000, message.body)
        headers = {**signed, "Content-Type": "application/json", "User-Agent": "livepass"}
        status, said = await self._poster.post(endpoint.url, headers, message.body)
        for secret in signing:  # a receiver that repeats what it got must not make us keep it
            said = said.replace(secret, "…")
        for value in signed["webhook-signature"].split(" "):
            said = said.replace(value, "…")
        took = self._clock.stopwatch() - began
        attempt = Attempt(endpoint.id, message.id, message.attempts + 1, now, round(took * 1000), status, said)
        if self._tracing is not None:
            _tell(self._tracing, message, attempt, took)
        return attempt

    async def _record(self) -> None:
        """In one transaction what has come in since the last one: many webhooks, few commits."""
        if self._recording:
            return
        self._recording = True
        try:
            while self._sent:
                sent, self._sent = self._sent, []
                await self._store.write(lambda tx, sent=sent: self._write(tx, sent))  # type: ignore[misc]
        finally:
            self._recording = False

    async def _write(self, tx: Tx, sent: list[_Sent]) -> None:
        now = self._clock.now()
        answered: dict[str, bool] = {}
        for each in sorted(sent, key=lambda one: (one.attempt.endpoint, one.attempt.message)):
            if await tx.record_webhook(each.lease, each.attempt, each.next_at):
                known = answered.get(each.attempt.endpoint, False)
                answered[each.attempt.endpoint] = known or each.attempt.ok
        for endpoint_id, ok in answered.items():
            if await tx.judge_webhook_endpoint(endpoint_id, ok, now, now - FAILING_MS):
                log.error("webhook endpoint %s answered nothing for five days and was disabled", endpoint_id)


def _tell(tracing: Tracing, message: Message, attempt: Attempt, took: float) -> None:
    pass_type, number = about(message.body)
    facts: dict[str, str | int] = {
        "event": message.name,
        "endpoint": message.endpoint,
        "status": attempt.status,
        "attempt": attempt.number,
    }
    failed = "" if attempt.ok else str(attempt.status or "no answer")
    tracing.tell("webhook", pass_type, (number,) if number else (), took, facts, failed)
