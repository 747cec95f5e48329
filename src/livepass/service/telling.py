"""Sends due webhooks: claim with a lease, sign, send, record.

Apart from all that serves phones: what is due stands in the database, and an endpoint that is slow or dead holds only
its own few places. A crash between sending and recording sends a message again, with the same id; none is lost.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from livepass.core import webhook_signature
from livepass.core.sealed import Sealable, Sealed
from livepass.core.webhooks import FAILING_MS, Attempt, Endpoint, Message, Secrets, about, next_at
from livepass.service.presence import STRAINED, Slowest
from livepass.service.rounds import Rounds, stumbled
from livepass.service.seams import Chance, Clock, KeyRing, Scheduler, Store, Tracing, Tx
from livepass.service.webhook_seams import Poster

log = logging.getLogger(__name__)

LEASE_MS = 60_000
"""Longer than an attempt may take; what a process that died was sending is taken over after it."""
PLACES, FEW_PLACES = 8, 2
"""Requests under way at once to one endpoint; few where its last attempt failed, or phones are served slowly."""
OVERALL = 200
"""And to all: so many that endpoints which let us wait do not fill them."""
SWEEP_SECONDS = 15.0
BREATH_SECONDS = 0.05
"""Between two looks: messages come in crowds, and each look is a commit."""
LONG_BREATH_SECONDS = 1.0
"""While phones are served slowly."""
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
        slowest: Slowest | None = None,
    ) -> None:
        self._tracing = tracing
        self._slowest = slowest
        self._looked_at = -LONG_BREATH_SECONDS
        self._breath = BREATH_SECONDS
        self._store = store
        self._keys = keys
        self._poster = poster
        self._clock = clock
        self._chance = chance
        self._scheduler = scheduler
        self._rounds = Rounds(scheduler)
        self._under_way: Counter[str] = Counter()
        """By endpoint, from the claim until it is written down what came."""
        self._sent: list[_Sent] = []

    async def run(self) -> None:
        """Work until ``stop``, then see what is under way through."""
        self._store.on_commit(self._rounds.wake)
        with self._rounds.going():
            while not self._rounds.stopping or self._under_way.total():
                await self._rounds.wait(await self._one_round())
                await self._scheduler.sleep(self._breath)

    async def stop(self, seconds: float = 20.0) -> None:
        """Claim nothing more, let what is under way finish, and return."""
        await self._rounds.stop(seconds)

    async def _one_round(self) -> float:
        """Answers for how many seconds there is nothing to do, unless a signal comes first."""
        sent, self._sent = self._sent, []
        for each in sent:
            self._under_way[each.attempt.endpoint] -= 1
        self._under_way += Counter()  # forgets those at zero
        try:
            return await self._write_down_and_claim(sent)
        except Exception as error:
            stumbled(log, "the webhook worker", error)
            self._keep(sent)
            return STUMBLE_SECONDS

    def _keep(self, sent: Sequence[_Sent]) -> None:
        """For the next round, as long as it is ours: without it, all would be sent again after a database was away."""
        ours_since = self._clock.now() - LEASE_MS
        for each in sent:
            if each.attempt.at > ours_since:
                self._sent.append(each)
                self._under_way[each.attempt.endpoint] += 1

    async def _write_down_and_claim(self, sent: Sequence[_Sent]) -> float:
        """In one transaction: phones wait for each commit of ours, and webhooks come in crowds."""
        await self._mind_phones()
        now = self._clock.now()
        waiting = () if self._rounds.stopping else await self._store.webhooks_due()
        rooms = self._rooms([endpoint for endpoint, due_at in waiting if due_at <= now])
        lease = self._chance.token_bytes(8).hex()

        async def work(tx: Tx) -> list[tuple[Endpoint, Message]]:
            await self._write_down(tx, sent)
            until = now + LEASE_MS
            return [
                (endpoint, message)
                for endpoint, room in sorted(rooms, key=lambda each: each[0].id)
                for message in await tx.claim_webhooks(endpoint.id, lease=lease, now=now, lease_until=until, limit=room)
            ]

        for endpoint, message in await self._store.write(work) if sent or rooms else ():
            self._under_way[endpoint.id] += 1
            self._scheduler.spawn(self._run(endpoint, message, lease), "webhook")
        if self._rounds.stopping:
            return BREATH_SECONDS
        later = [due_at for _, due_at in waiting if due_at > now]
        return min(SWEEP_SECONDS, max(BREATH_SECONDS, (min(later) - now) / 1000)) if later else SWEEP_SECONDS

    def _rooms(self, endpoints: Sequence[Endpoint]) -> Sequence[tuple[Endpoint, int]]:
        """How many more requests may go to each; first to where the fewest are under way, so that all come to it."""
        left, found = OVERALL - self._under_way.total(), []
        for endpoint in sorted(endpoints, key=lambda each: self._under_way[each.id]):
            few = endpoint.failing_since is not None or self._breath == LONG_BREATH_SECONDS
            room = min((FEW_PLACES if few else PLACES) - self._under_way[endpoint.id], left)
            if room > 0:
                found.append((endpoint, room))
                left -= room
        return found

    async def _mind_phones(self) -> None:
        """Phones first: they wait for the processor and the commits that webhooks take."""
        now = self._clock.stopwatch()
        if self._slowest is None or now - self._looked_at < LONG_BREATH_SECONDS:
            return
        self._looked_at = now
        slowest = await self._slowest()
        self._breath = LONG_BREATH_SECONDS if slowest is not None and slowest >= STRAINED else BREATH_SECONDS

    async def _run(self, endpoint: Endpoint, message: Message, lease: str) -> None:
        try:
            attempt = await self._attempt(endpoint, message)
            retry = None if attempt.ok else next_at(attempt.number, self._clock.now(), self._chance.fraction())
            self._sent.append(_Sent(lease, attempt, retry))
        except Exception:
            log.exception("a webhook was not sent; its lease runs out and it is tried again")
            self._under_way[endpoint.id] -= 1
        finally:
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

    async def _write_down(self, tx: Tx, sent: Sequence[_Sent]) -> None:
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
