"""Sends due pushes: claim with a lease, decide, send, record what APNs said.

Level-triggered: what is due stands in the database, so a signal is only a hint and a sweep is the guarantee. A crash
between sending and recording costs one extra push; there is no state in which a push is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from livepass.core import budget, canary, trip2_push
from livepass.core.authorization import fingerprint
from livepass.core.model import Target
from livepass.core.provider_token import PushKey, meaning, to_certificate
from livepass.core.timeline import Event, Kind
from livepass.core.trip2_push import Credential, Outcome, PushAnswer, TokenErrors
from livepass.service.building import Builder, CannotBuild
from livepass.service.metering import Meters
from livepass.service.presence import Slowest
from livepass.service.rounds import stumbled
from livepass.service.seams import Chance, Clock, Scheduler, Sender, Signal, Store, Tracing, Tx

log = logging.getLogger(__name__)

CLAIM = 500
BATCH_SECONDS = 0.25
"""How much of a second's pushes go at once: phones come back as they are woken, in a stream or in a flood."""
LEASE_MS = 60_000
"""Longer than a push may take with all its deadlines; a worker that died is replaced after it."""
LEASE_LEFT = 1 / 3
"""How much of a lease must be left when sending begins: what took longer (a database that was away) is left to whoever
takes the lease over.
"""
SWEEP_SECONDS = 30.0
"""The longest sleep between two looks at the database."""
LEASED_SECONDS = 1.0
STUMBLE_SECONDS = 1.0
BATCHES = 8
"""Batches under way at once in one process."""


Refused = Callable[[str, str, str], Awaitable[object]]
"""Told of a pass type, the certificate that APNs refused, and its reason: perhaps another one can take over."""


class Dispatcher:
    """The push worker of a process. ``due`` wakes it when this process made a push due."""

    def __init__(
        self,
        store: Store,
        sender: Sender,
        builder: Builder,
        clock: Clock,
        chance: Chance,
        scheduler: Scheduler,
        due: Signal,
        slowest: Slowest | None = None,
        pace: budget.Pace | None = None,
        refused: Refused | None = None,
        meters: Meters | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._tracing = tracing
        self._meters = meters or Meters()
        self._store = store
        self._sender = sender
        self._builder = builder
        self._clock = clock
        self._chance = chance
        self._scheduler = scheduler
        self._due = due
        self._slowest = slowest
        self._refused = refused
        self._pace = pace or budget.Pace()
        self._sent = 0
        self._token_errors: dict[tuple[str, str], TokenErrors] = {}
        self._credentials: dict[str, str] = {}
        self._open_at = 0.0
        self._under_way = 0
        self._running = False
        self._stopping = False
        self._stopped = scheduler.signal()
        self.heard_at: int | None = None

    async def run(self) -> None:
        """Work until ``stop``, then see what is under way through. A fault of ours is logged and ends nothing."""
        self._store.on_commit(self._due.set)
        self._running = True
        try:
            while not self._stopping or self._under_way:
                await self._due.wait(await self._one_round())
        finally:
            self._running = False
            self._stopped.set()

    async def _one_round(self) -> float:
        """Start what is due; answers for how many seconds there is nothing to do, unless a signal comes first."""
        if self._stopping or self._under_way >= BATCHES:
            return SWEEP_SECONDS
        wait = self._open_at - self._clock.stopwatch()
        if wait > 0:
            return wait
        try:
            return await self._start_due()
        except Exception as error:
            stumbled(log, "the push worker", error)
            return STUMBLE_SECONDS

    async def stop(self, seconds: float = 20.0) -> None:
        """Claim nothing more, let what is under way finish, and return."""
        self._stopping = True
        self._due.set()
        if self._running:
            await self._stopped.wait(seconds)

    async def work_once(self) -> int:
        """Claim one batch of every pass type that is due and see it through; answers how many targets that were."""
        worked = 0
        for pass_type in (await self._due_types())[0]:
            batch = await self._claim(pass_type)
            if batch is not None:
                worked += len(batch.targets)
                await self._see_through(batch)
        return worked

    async def _start_due(self) -> float:
        """Batches run side by side: one push that stalls holds up neither other phones nor other pass types."""
        due, rest = await self._due_types()
        started = False
        for pass_type in due:
            batch = await self._claim(pass_type)
            if batch is not None:
                started = True
                self._under_way += 1
                self._scheduler.spawn(self._run(batch), "push-batch")
        if started:
            return 0.0
        # Due and yet not to be had: somebody else's lease. It is worth a look now and then.
        return LEASED_SECONDS if due else rest

    async def _run(self, batch: _Batch) -> None:
        try:
            await self._see_through(batch)
        except Exception:
            log.exception("a batch of pushes was not recorded; its leases run out and it is sent again")
        finally:
            self._under_way -= 1
            self._due.set()

    async def _due_types(self) -> tuple[list[str], float]:
        """The pass types that are due now; and when none is, in how many seconds one will be."""
        now = self.heard_at = self._clock.now()
        waiting = await self._store.due()
        due = [pass_type for pass_type, due_at in waiting if due_at <= now]
        if not waiting:
            return due, SWEEP_SECONDS
        return due, min(SWEEP_SECONDS, max(0.02, (min(due_at for _, due_at in waiting) - now) / 1000))

    async def _claim(self, pass_type: str) -> _Batch | None:
        """A batch under a lease of its own; ``None`` when there is nothing to be had."""
        await self._keep_pace()
        now = self._clock.now()
        lease = self._chance.token_bytes(8).hex()
        limit = max(1, min(CLAIM, int(self._pace.rate * BATCH_SECONDS)))
        targets = await self._store.write(
            lambda tx: tx.claim_targets(pass_type, lease=lease, now=now, lease_until=now + LEASE_MS, limit=limit)
        )
        if not targets:
            return None
        self._sent += len(targets)
        self._open_at = max(self._open_at, self._clock.stopwatch()) + len(targets) / self._pace.rate
        return _Batch(self._store, lease, self._clock, targets, now)

    async def _see_through(self, batch: _Batch) -> None:
        now = self._clock.now()
        go = [target for target in batch.targets if self._may_go(target, now, batch)]
        await batch.flush_held()
        if go and self._clock.now() - batch.claimed_at > LEASE_MS * (1 - LEASE_LEFT):
            log.warning("a batch of %d pushes came too late for its lease, and is left to the next", len(go))
        elif go:
            await self._send(go, batch)
        await batch.record()
        if batch.refused and batch.credential is not None and self._refused is not None:
            await self._refused(batch.targets[0].pass_type, batch.credential.id, batch.refused)

    async def _keep_pace(self) -> None:
        """Every push brings an ask and a fetch: do not send faster than those can be answered, here or elsewhere."""
        now = self._clock.stopwatch()
        if not self._pace.may_move(now):
            return
        self._pace = self._pace.after(await self._slowest() if self._slowest else None, now, self._sent)
        self._sent = 0
        if self._pace.eased:
            log.info("phones are served slowly: pushing at %.0f a second now", self._pace.rate)

    # ── one batch

    def _may_go(self, target: Target, now: int, batch: _Batch) -> bool:
        """Within the phone's patience, or wanted now whatever it costs. A canary has no phone to be pushed."""
        if canary.is_canary(target.push_token):
            batch.hold(target, now + canary.TAKEN_MS, None)
            return False
        if target.urgent >= target.sending:
            return True
        go_at = budget.go_at(target.score, target.last_push_at, target.passes, now)
        if go_at > now:
            batch.hold(target, go_at, now)
        return go_at <= now

    async def _send(self, targets: Sequence[Target], batch: _Batch) -> None:
        pass_type = targets[0].pass_type
        credential = await self._credential(pass_type, batch, targets)
        if credential is None:
            return
        now = self._clock.now()
        errors = self._token_errors.setdefault((credential.id, pass_type), TokenErrors())
        by_token = {target.push_token: target for target in targets}
        drawn = self._chance.token_bytes(16 * len(targets))
        messages = [
            trip2_push.message(target, trip2_push.random_uuid(drawn[16 * number : 16 * number + 16]), now)
            for number, target in enumerate(targets)
        ]
        began = self._clock.stopwatch()
        # One for all of them: they are near each other in the index of what is due, and stay there.
        jitter = 0.8 + 0.4 * self._chance.fraction()

        def answered(answer: PushAnswer) -> None:
            errors.seen(answer.status, answer.reason)
            self._meters.pushed(answer.status, answer.reason)
            target = by_token[answer.message.push_token]
            if self._tracing is not None:
                _tell(self._tracing, target, answer, self._clock.stopwatch() - began)
            batch.add(
                trip2_push.read_answer(target, answer, self._clock.now(), jitter, trust_token_errors=errors.believable)
            )

        await self._sender.send(credential, messages, answered)

    async def _credential(self, pass_type: str, batch: _Batch, targets: Sequence[Target]) -> Credential | None:
        """The chosen key's or the live certificate's, asked for anew each time: another process may have changed it.
        Without one the type waits, as after a refusal: no token is to blame.
        """
        row = await self._store.pass_type(pass_type)
        assert row is not None, "targets belong to a pass type"
        batch.push_key_id = row.push_key_id
        try:
            credential = batch.credential = await self._builder.push_credential(row)
        except CannotBuild as error:
            log.error("cannot push %s: %s (%s)", pass_type, error, error.hint)
            now = self._clock.now()
            batch.stop(pass_type, now + trip2_push.CIRCUIT_MS, str(error))
            for target in targets:
                batch.hold(target, now + trip2_push.CIRCUIT_MS, None)
            await batch.flush_held()
            return None
        old, self._credentials[pass_type] = self._credentials.get(pass_type), credential.id
        if old is not None and old not in self._credentials.values():  # a key pushes for several pass types
            self._scheduler.spawn(self._sender.retire(old), "retire-credential")
        return credential


class _Batch:
    """One claimed batch, and what is to be written of it."""

    def __init__(self, store: Store, lease: str, clock: Clock, targets: Sequence[Target], claimed_at: int) -> None:
        self.targets = targets
        self.refused = ""
        self.claimed_at = claimed_at
        self.credential: Credential | None = None
        self.push_key_id: str | None = None
        self._store = store
        self._lease = lease
        self._clock = clock
        self._outcomes: list[Outcome] = []
        self._held: list[tuple[Target, int]] = []
        self._events: list[Event] = []
        self._circuits: dict[str, tuple[int, str]] = {}

    def add(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        if outcome.stop_until is not None:
            reason = str(outcome.event.detail.get("reason", outcome.event.detail["status"]))
            self.refused = reason
            self.stop(outcome.target.pass_type, outcome.stop_until, reason)

    def hold(self, target: Target, until: int, noticed_at: int | None) -> None:
        """Give a target back until an instant; the phone's patience is worth a line in the diary."""
        self._held.append((target, until))
        if noticed_at is not None:
            detail = {"until": until, "score": round(target.score, 3)}
            fingerprinted = fingerprint(target.push_token)
            self._events.append(
                Event(Kind.PUSH_HELD, noticed_at, target.pass_type, None, None, fingerprinted, target.sending, detail)
            )

    def stop(self, pass_type: str, until: int, reason: str) -> None:
        self._circuits[pass_type] = (until, reason)

    async def flush_held(self) -> None:
        held, events = self._held, self._events
        self._held, self._events = [], []
        if held:

            async def work(tx: Tx) -> None:
                await tx.hold_targets(self._lease, held)
                await tx.add_events(events)

            await self._store.write(work)

    async def record(self) -> None:
        """One transaction: outcomes, their events, and the circuits they open."""
        outcomes, circuits, now = self._outcomes, self._circuits, self._clock.now()
        self._outcomes, self._circuits = [], {}
        if not outcomes and not circuits:
            return

        async def work(tx: Tx) -> list[str]:
            chosen = {pass_type: await tx.lock_push_credential(pass_type) for pass_type in circuits}
            await tx.record_outcomes(self._lease, outcomes, now)
            opened = []
            for pass_type, (until, reason) in circuits.items():
                row = chosen[pass_type]
                if row is not None and row.push_key_id != self.push_key_id:
                    # Another one was chosen meanwhile: what was refused is no reason to wait with that.
                    await tx.resume_pushes(pass_type, now)
                    continue
                opened.append(pass_type)
                await tx.open_circuit(pass_type, until, reason, now, self.push_key_id)
                detail = {"until": until, "reason": reason, "key": self.push_key_id}
                await tx.add_events([Event(Kind.CIRCUIT_OPENED, now, pass_type, detail=detail)])
            return opened

        for pass_type in await self._store.write(work):
            if self.credential is not None:
                log.error("%s", _refused(self.credential, pass_type, circuits[pass_type][1]))


def _tell(tracing: Tracing, target: Target, answer: PushAnswer, took: float) -> None:
    """A push stands for all that came after what was acknowledged; it is told under the newest of it."""
    facts: dict[str, str | int] = {
        "status": answer.status,
        "reason": answer.reason,
        "attempt": target.attempts + 1,
        "after": target.acked,
    }
    failed = "" if answer.status == 200 else answer.reason or str(answer.status)
    tracing.tell("push", target.pass_type, (target.sending,), took, facts, failed)


def _refused(credential: Credential, pass_type: str, reason: str) -> str:
    """What APNs refused, and what to do. Nothing is sent with another credential before somebody says so."""
    said = f"APNs refuses {credential.said} for {pass_type}: {reason}"
    if not isinstance(credential, PushKey):
        return f"{said}; pushes wait (livepass apns explain {reason})"
    known = meaning(reason)
    means = f" ({known.means})" if known.means else ""
    return f"{said}{means}; pushes wait. To do: {known.do}. Or push with the certificate: {to_certificate(pass_type)}"
